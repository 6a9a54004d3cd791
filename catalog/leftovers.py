"""How what GKE makes outside of the program's state is known, by name and description. Sources: `data/leftovers.yaml`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from catalog.files import read_yaml


def is_of_gke(item: Mapping[str, Any]) -> bool:
    """Whether a resource of the Compute API is one that GKE, or a controller in a cluster, makes by itself."""
    known = read_yaml("leftovers.yaml")
    named = re.search(known["names"], str(item.get("name"))) is not None
    return named or not described(item).keys().isdisjoint(known["descriptionKeys"])


def is_of_cluster(item: Mapping[str, Any], region: str, cluster: str) -> bool:
    """Whether its description, or its name (`gke-CLUSTER-HASH-...`), says that it is of this cluster."""
    path = str(described(item).get("k8sCluster", ""))
    hashed = re.match(rf"gke-{re.escape(cluster)}-[0-9a-f]{{8}}-", str(item.get("name")))
    return path.endswith(f"/locations/{region}/clusters/{cluster}") or hashed is not None


def is_disk_of_cluster(disk: Mapping[str, Any], region: str, cluster: str) -> bool:
    """Whether a disk was made for a claim in this cluster."""
    known, labels = read_yaml("leftovers.yaml")["disks"], disk.get("labels") or {}
    of_claim = known["descriptionKey"] in described(disk)
    return of_claim and labels.get(known["name"]) == cluster and labels.get(known["location"]) == region


def described(item: Mapping[str, Any]) -> dict[str, Any]:
    """A description in JSON; nothing where it is none."""
    try:
        found = json.loads(item.get("description") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
