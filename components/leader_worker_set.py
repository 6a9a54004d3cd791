"""LeaderWorkerSet, before KServe's controller: that one decides what it watches when it starts (field issue 7)."""

from __future__ import annotations

from components.base import Component, Dependencies
from components.chart import release
from components.cluster import Cluster
from manifests.charts import lws_values
from manifests.namespace import LWS, namespace


class LeaderWorkerSet(Component):
    """The release, with its CRD."""

    def __init__(self, cluster: Cluster, runnable: Dependencies) -> None:
        super().__init__("tpu-serving:platform:LeaderWorkerSet", "lws", cluster.kubernetes)
        home = self.object("lws-namespace", namespace(LWS))
        self.release = release(self, "lws-release", "lws", LWS, lws_values(), [home, *runnable])
        self.register_outputs({})
