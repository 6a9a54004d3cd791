"""The local control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, the egress proxy with the
Service forwarder, and the stand-ins, all under one supervisor."""

from __future__ import annotations

from rehearsal.control_plane.lifecycle import ControlPlane, ControlPlaneError, start, stop, why_ended
from rehearsal.control_plane.names import STAND_INS
from rehearsal.control_plane.processes import leftovers
from rehearsal.control_plane.reservations import release

__all__ = ["STAND_INS", "ControlPlane", "ControlPlaneError", "leftovers", "release", "start", "stop", "why_ended"]
