"""The kubernetes provider's stand-in; what it does, and where it differs from pulumi-kubernetes, is in behaviour.yaml."""
