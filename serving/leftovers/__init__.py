"""What is left of an environment's network after `pulumi destroy`, and its deletion."""
