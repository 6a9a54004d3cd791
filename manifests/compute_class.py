"""The ComputeClass (cloud.google.com/v1) that puts the pools of a slice shape in order.

One priority item a pool: the list inside an item has no order. No nodePoolConfig: pools that were made by hand would have
to equal it (GoogleCloudPlatform/cluster-autoscaler pkg/computeclass, 2026-08-21).
"""

from __future__ import annotations

from typing import Any

from catalog.tpu import SliceShape
from manifests.base import Manifest, manifest
from settings.derive import Deployment, pool_name

API = "cloud.google.com/v1"
LABEL = "cloud.google.com/compute-class"


def compute_classes(deployment: Deployment) -> tuple[tuple[SliceShape, Manifest], ...]:
    """The cluster-wide class of each slice shape; none without an order."""
    shapes = dict.fromkeys(pool.shape for pool in deployment.pools if pool.compute_class is not None)
    return tuple((shape, _compute_class(deployment, shape)) for shape in shapes)


def _compute_class(deployment: Deployment, shape: SliceShape) -> Manifest:
    pools = [pool for pool in deployment.pools if pool.shape == shape]
    spec: dict[str, Any] = {
        "priorities": [{"nodepools": [pool.name]} for pool in pools],
        "nodePoolAutoCreation": {"enabled": False},
        # Anything else would look for nodes without chips.
        "whenUnsatisfiable": "DoNotScaleUp",
    }
    if deployment.settings.capacity.migrate_back and not shape.multi_host:
        spec["activeMigration"] = {"optimizeRulePriority": True}
    return manifest(API, "ComputeClass", pool_name(shape), None, spec=spec)
