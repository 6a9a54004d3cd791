"""A Helm chart from the lock file, as one awaited release with its hooks honoured (decision 21)."""

from __future__ import annotations

from typing import Any

import pulumi

from catalog.lock import load_lock
from components.base import Component, Dependencies
from components.sdk import helm
from manifests.charts import Controller


class ChartController(Component):
    """A controller that one chart brings: its namespace and `release`.

    cert-manager signs the certificates of KServe's webhooks (kserve#5947). LeaderWorkerSet is there before KServe's
    controller, which decides what it watches when it starts (field issue 7).
    """

    def __init__(
        self, token: str, name: str, controller: Controller, runnable: Dependencies, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__(token, name, opts)
        home = self.object(f"{name}-namespace", controller.namespace)
        namespace = controller.namespace["metadata"]["name"]
        self.release = release(
            self, f"{name}-release", controller.chart, namespace, controller.values, [home, *runnable]
        )
        self.register_outputs({})


def release(
    parent: Component, name: str, chart: str, namespace: str, values: dict[str, Any], depends_on: Dependencies
) -> helm.Release:
    """Install `chart` (a key of the lock's charts) at its pinned version into an existing namespace and wait for it."""
    locked = load_lock().charts[chart]
    return helm.Release(
        name,
        name=chart,
        chart=locked.address,
        version=locked.version,
        namespace=namespace,
        create_namespace=False,
        values=values,
        atomic=True,
        timeout=900,
        opts=parent.child(depends_on, custom_timeouts=pulumi.CustomTimeouts(create="20m", update="20m", delete="15m")),
    )
