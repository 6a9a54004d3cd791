"""The real KEDA beside the cluster of a rehearsal, and Google's monitoring API in front of the local Prometheus."""
