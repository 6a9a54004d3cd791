"""Namespaces."""

from __future__ import annotations

from manifests.base import Manifest, manifest

KSERVE = "kserve"  # KServe's chart writes this namespace into its CRDs' conversion webhooks
CERT_MANAGER = "cert-manager"
LWS = "lws-system"


def namespace(name: str) -> Manifest:
    """A Namespace."""
    return manifest("v1", "Namespace", name)
