"""cert-manager: KServe's webhook certificates come from it (kserve#5947)."""

from __future__ import annotations

from components.base import Component, Dependencies
from components.chart import release
from components.cluster import Cluster
from manifests.charts import cert_manager_values
from manifests.namespace import CERT_MANAGER, namespace


class CertManager(Component):
    """The release, with its CRDs."""

    def __init__(self, cluster: Cluster, runnable: Dependencies) -> None:
        super().__init__("tpu-serving:platform:CertManager", "cert-manager", cluster.kubernetes)
        home = self.object("cert-manager-namespace", namespace(CERT_MANAGER))
        self.release = release(
            self, "cert-manager-release", "cert-manager", CERT_MANAGER, cert_manager_values(), [home, *runnable]
        )
        self.register_outputs({})
