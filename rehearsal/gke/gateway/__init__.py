"""GKE's Gateway controller, as functions from objects to statuses. A model: Google's code is closed."""
