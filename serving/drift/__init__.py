"""What differs between an environment's plan and the cluster: which field, who wrote it, what the next `up` does."""
