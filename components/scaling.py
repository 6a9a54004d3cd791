"""KEDA's way to Google Managed Prometheus: its right to read metrics, and the authentication that triggers name."""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies
from components.sdk import projects
from manifests import scaling


class MetricsAccess(Component):
    """`authentication` comes after the right. Its finalizer is KEDA's, so it goes before KEDA does.

    Args:
        identity: what must be there before a grant to a Kubernetes account: the APIs, and the cluster with the identity pool.
        keda: what brings KEDA.
    """

    def __init__(
        self,
        access: scaling.MetricsAccess,
        project: str,
        identity: Dependencies,
        keda: Dependencies,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("tpu-serving:scaling:MetricsAccess", "scaling", opts)
        viewer = projects.IAMMember(
            "scaling-metrics-viewer", project=project, role=access.role, member=access.member, opts=self.child(identity)
        )
        self.authentication = self.object("scaling-authentication", access.authentication, [viewer, *keda])
        self.register_outputs({})
