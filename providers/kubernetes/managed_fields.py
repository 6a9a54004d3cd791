"""Whose fields an update takes over, and whose it conflicts with (server-side apply).

A create leaves the fields with the manager `pulumi-kubernetes`; before an update they, and those of kubectl (`kubectl edit`
and `kubectl patch` too: managers are matched by the beginning of their names), are handed to the resource's own manager
(fixCSAFieldManagers in pulumi-kubernetes provider/pkg/await/await.go, with github.com/fluxcd/pkg/ssa).
Held against the real provider by tests/providers/kubernetes/test_real_updates.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.kubernetes.values import at

PATCH_FORCE = "pulumi.com/patchForce"
_TAKEN_OVER = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
)


def is_taken_over(manager: str, operation: str) -> bool:
    """Whether what a manager owns is handed to the provider before its first server-side apply."""
    return any(operation == own and manager.startswith(name) for name, own in _TAKEN_OVER)


def forces(obj: Mapping[str, Any]) -> bool:
    """Whether an object's annotation makes an update take every field over."""
    return bool(at(obj, "metadata", "annotations", PATCH_FORCE) == "true")
