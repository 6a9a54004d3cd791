"""Nodes of the declared node pools, and the cluster autoscaler."""
