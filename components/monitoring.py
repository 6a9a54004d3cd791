"""What all models' monitoring shares: the reader of the pickers' metrics."""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies
from manifests import rendered


class Monitoring(Component):
    """Account, token and rights with which managed Prometheus reads the pickers' metrics."""

    def __init__(self, objects: rendered.Monitoring, depends_on: Dependencies, opts: pulumi.ResourceOptions) -> None:
        super().__init__("tpu-serving:monitoring:Monitoring", "monitoring", opts)
        account = self.object("monitoring-serviceaccount", objects.account, depends_on)
        # Kubernetes deletes an account's token Secret that comes before the account.
        self.object("monitoring-secret", objects.token, [account])
        for obj in objects.rights:
            self.object(f"monitoring-{obj['kind'].lower()}", obj, depends_on)
        self.register_outputs({})
