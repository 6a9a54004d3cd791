"""Nodes of the declared node pools: made, added when a pod needs one, removed when none does."""
