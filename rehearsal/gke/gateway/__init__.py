"""The status half of GKE's Gateway controller, as functions from objects to statuses. A model, not GKE's own code."""

from rehearsal.gke.gateway.reconcile import Change, changes
from rehearsal.gke.gateway.world import Cloud, NamedAddress, World

__all__ = ["Change", "Cloud", "NamedAddress", "World", "changes"]
