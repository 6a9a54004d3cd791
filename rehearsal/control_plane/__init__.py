"""The local control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, the egress proxy and the
emulators, all under one supervisor."""

from __future__ import annotations

from rehearsal.control_plane.lifecycle import ControlPlaneError, is_whole, start, stop, why_ended
from rehearsal.control_plane.processes import leftovers

__all__ = ["ControlPlaneError", "is_whole", "leftovers", "start", "stop", "why_ended"]
