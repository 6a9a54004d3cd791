"""The whole environment as one dependency graph: who needs whom, and nothing that is not needed."""

from __future__ import annotations

import pulumi
import pulumi_gcp

from components.cert_manager import CertManager
from components.cluster import Cluster
from components.foundation import network_foundation
from components.gateway import Gateway
from components.kserve import KServe
from components.leader_worker_set import LeaderWorkerSet
from components.model_service import ModelService
from components.monitoring import Monitoring
from components.project_services import ProjectServices
from components.readiness_gate import ReadinessGate
from components.tpu_node_pool import TpuNodePool
from manifests.llm_inference_service import pipeline_preset
from settings.derive import Deployment


class ServingEnvironment:
    """Builds every component. Attributes are what the exports read."""

    def __init__(self, deployment: Deployment) -> None:
        google = pulumi_gcp.Provider(
            "google", project=deployment.settings.project.id, region=deployment.region, zone=deployment.zone
        )
        services = ProjectServices(deployment, google)
        network = network_foundation(deployment, google, services)
        self.cluster = Cluster(deployment, google, services, network)
        gate = ReadinessGate(deployment, self.cluster)
        pools = [
            (pool.shape, TpuNodePool(deployment, google, services, self.cluster, network, pool).pool)
            for pool in deployment.pools
        ]
        controllers = self._controllers(deployment, gate, [*self.cluster.nodes, *network.webhooks])
        self.gateway = Gateway(
            deployment,
            google,
            self.cluster,
            services=services,
            classes=[gate.job],
            subnet=network.gateway_ready,
            nodes_subnetwork=network.subnetwork,
        )
        if deployment.settings.platform.monitoring:
            Monitoring(deployment, self.cluster, [self.gateway.namespace])
        if (preset := pipeline_preset(deployment)) is not None:
            controllers = [
                *controllers,
                self.gateway.object("gateway-pipeline-preset", preset, [self.gateway.namespace, *controllers]),
            ]
        self.models = [
            ModelService(
                deployment,
                google,
                self.cluster,
                self.gateway,
                model,
                services=services,
                controllers=controllers,
                pools=[made for shape, made in pools if shape == model.shape],
                classes=[gate.job],
            )
            for model in deployment.models
        ]

    def _controllers(
        self, deployment: Deployment, gate: ReadinessGate, runnable: list[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        """cert-manager and LeaderWorkerSet side by side, then KServe; what exists already is not touched."""
        platform = deployment.settings.platform
        certificates: list[pulumi.Resource] = []
        watched: list[pulumi.Resource] = [gate.job]
        if platform.cert_manager == "install":
            certificates.append(CertManager(self.cluster, runnable).release)
        if platform.leader_worker_set == "install":
            watched.append(LeaderWorkerSet(self.cluster, runnable).release)
        kserve = KServe(
            deployment, self.cluster, gate=gate, watched=watched, certificates=certificates, runnable=runnable
        )
        return [kserve.ready]
