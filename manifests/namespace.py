"""Namespaces, each with the strictest Pod Security level that its pods meet."""

from __future__ import annotations

from typing import Literal

from manifests.base import Manifest, manifest

KSERVE = "kserve"  # KServe's chart writes this namespace into its CRDs' conversion webhooks
CERT_MANAGER = "cert-manager"
LWS = "lws-system"
KEDA = "keda"


def namespace(name: str, level: Literal["baseline", "restricted"] = "restricted") -> Manifest:
    """A Namespace. What its level does not allow is rejected; what `restricted` does not stands in the audit log."""
    prefix = "pod-security.kubernetes.io"
    labels: dict[str, str] = {f"{prefix}/enforce": level, f"{prefix}/audit": "restricted"}
    return manifest("v1", "Namespace", name, labels=labels)
