"""What the GKE control plane must be, and what it brings by itself. Source and date: `data/gke.yaml`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from catalog.files import read_yaml


class GatewayClass(StrEnum):
    """The two GatewayClasses that take an InferencePool on a single cluster (field issues 1 and 9)."""

    INTERNAL = "gke-l7-rilb"
    EXTERNAL = "gke-l7-regional-external-managed"


# Names that users bring from other generations, shells or documentation: what the thing is called here.
POOL_GROUP = "inference.networking.k8s.io"
ALPHA_POOL_GROUP = "inference.networking.x-k8s.io"
# Google "Secure a Gateway": what GKE reads of a listener's TLS options; any other key stops the Gateway (GWCER105).
CERTIFICATE_MANAGER_OPTION = "networking.gke.io/cert-manager-certs"
PRE_SHARED_OPTION = "networking.gke.io/pre-shared-certs"
LONGEST_RUN_HOURS = 168  # of a flex-start node: seven days


def facts() -> dict[str, Any]:
    """The whole data file."""
    return read_yaml("gke.yaml")


_VERSION = re.compile(r"^(\d+)\.(\d+)(?:\.(\d+)(?:-gke\.(\d+))?)?$")


def parse_gke_version(text: str) -> tuple[int, int, int, int] | None:
    """`1.34.0-gke.1626000` -> (1, 34, 0, 1626000); a missing patch or build counts as the newest of its line.

    GKE resolves `1.34` to the newest patch it offers, so a shorter version is never below a full one of its line.
    None where the text is no GKE version.
    """
    match = _VERSION.match(text)
    if match is None:
        return None
    newest = 1 << 40
    major, minor, patch, build = match.groups()
    return int(major), int(minor), int(patch) if patch else newest, int(build) if build else newest


def inference_pool_floor() -> str:
    """The GKE version from which GKE owns the InferencePool v1 CRD."""
    return str(facts()["inferencePoolFloor"])
