"""What GKE adds to Kubernetes: definitions and classes, nodes and their autoscaler, Gateway controller, load balancer."""
