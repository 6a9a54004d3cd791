"""What all models' monitoring shares: the reader of the pickers' metrics."""

from __future__ import annotations

from components.base import Component, Dependencies
from components.cluster import Cluster
from manifests import monitoring
from settings.derive import Deployment


class Monitoring(Component):
    """Account, token and rights with which managed Prometheus reads the pickers' metrics."""

    def __init__(self, deployment: Deployment, cluster: Cluster, depends_on: Dependencies) -> None:
        super().__init__("tpu-serving:monitoring:Monitoring", "monitoring", cluster.kubernetes)
        account, *rest = monitoring.reader(deployment)
        made = self.object("monitoring-serviceaccount", account, depends_on)
        for obj in rest:
            # Kubernetes deletes an account's token Secret that comes before the account.
            self.object(f"monitoring-{obj['kind'].lower()}", obj, [made] if obj["kind"] == "Secret" else depends_on)
        self.register_outputs({})
