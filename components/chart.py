"""A Helm chart from the lock file, as one awaited release with its hooks honoured (decision 21)."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from catalog.lock import load_lock
from components.base import Component, Dependencies


def release(
    parent: Component, name: str, chart: str, namespace: str, values: dict[str, Any], depends_on: Dependencies
) -> Release:
    """Install `chart` (a key of the lock's charts) at its locked version into an existing namespace and wait for it."""
    locked = load_lock().charts[chart]
    return Release(
        name,
        name=chart,
        chart=locked.chart,
        version=locked.version,
        namespace=namespace,
        create_namespace=False,
        values=values,
        atomic=True,
        timeout=900,
        opts=parent.child(depends_on, custom_timeouts=pulumi.CustomTimeouts(create="20m", update="20m", delete="15m")),
    )
