"""What GKE adds to Kubernetes: definitions and classes, nodes and their autoscaler, the Gateway controller's status."""
