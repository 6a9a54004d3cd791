"""The whole environment as one dependency graph: who needs whom, and nothing that is not needed."""

from __future__ import annotations

import pulumi

from catalog.tpu import SliceShape
from components.alerts import Alerts
from components.certificate import Certificate
from components.chart import ChartController
from components.cluster import Cluster
from components.gateway import Gateway, NewAddress
from components.kserve import KServe
from components.model_service import ModelService
from components.monitoring import Monitoring
from components.network import Foundation, foundation
from components.project_services import ProjectServices
from components.readiness_gate import ReadinessGate
from components.scaling import MetricsAccess
from components.sdk import google_provider
from components.tpu_node_pool import TpuNodePool, TpuPoolArgs
from components.weights import WeightsBucket
from manifests.base import Manifest
from manifests.rendered import Platform, Rendered
from settings.derive import Deployment, TpuPool


class ServingEnvironment:
    """Builds every component. Attributes are what the exports read."""

    def __init__(self, deployment: Deployment, objects: Rendered) -> None:
        self._deployment = deployment
        google = google_provider(
            "google", project=deployment.settings.project.id, region=deployment.region, zone=deployment.zone
        )
        # Providers are passed down by parents: no child can fall back to a default provider.
        self._google = pulumi.ResourceOptions(providers=[google])
        services = ProjectServices(deployment, self._google)
        network = foundation(deployment, services, self._google)
        self.cluster = Cluster(deployment, services, network, self._google)
        self._both = pulumi.ResourceOptions(providers=[google, self.cluster.kubernetes])
        # What leaves nothing outside of the cluster goes with it, unless the cluster is protected (ADR 43).
        goes_with = None if deployment.deletion_protection else self.cluster.cluster
        self._inside = pulumi.ResourceOptions(providers=[google, self.cluster.kubernetes], deleted_with=goes_with)
        gate = ReadinessGate(objects.platform, self.cluster.nodes, self._inside)
        pools: list[tuple[SliceShape, pulumi.Resource]] = [
            (pool.shape, self._pool(pool, services, network).pool) for pool in deployment.pools
        ]
        runnable = [*self.cluster.nodes, *network.webhooks]
        controllers = self._controllers(objects.platform, gate, runnable)
        scaler = self._scaler(objects, services, [*runnable, gate.job])
        certificate = self._certificate(services)
        self.gateway = Gateway(
            objects.gateway,
            [gate.job, *network.gateway_ready, *([certificate.certificate] if certificate else [])],
            address=self._address(services, network),
            opts=self._both,
        )
        if certificate is not None and self.gateway.address is not None:
            certificate.points_to(self.gateway.address)
        self._close(objects.network_policies)
        if objects.monitoring is not None:
            Monitoring(objects.monitoring, [self.gateway.namespace], self._both)
        bucket = self._bucket(objects, services)
        if objects.pipeline_preset is not None:
            before = [self.gateway.namespace, *controllers]
            controllers.append(self.gateway.object("gateway-pipeline-preset", objects.pipeline_preset, before))
        # A class is made after its pools: GKE calls it misconfigured while one is missing.
        for shape, manifest in objects.compute_classes:
            own = [made for of, made in pools if of == shape]
            name = f"class-{manifest['metadata']['name']}"
            pools.append((shape, self.gateway.object(name, manifest, [*own, gate.job])))
        self.models = [
            ModelService(
                model,
                self.gateway,
                classes=[gate.job],
                controllers=controllers,
                pools=[made for shape, made in pools if shape == served.shape],
                # The identity pool of the project exists from its first workload-identity cluster on.
                identity=[*services.service("secretmanager"), self.cluster.cluster],
                bucket=bucket,
                scaler=scaler,
                opts=self._both,
            )
            for served, model in zip(deployment.models, objects.models, strict=True)
        ]
        if deployment.alerted:
            ready = [*services.service("monitoring"), *(model.service for model in self.models)]
            Alerts(deployment, ready, self._google)

    def _close(self, policies: tuple[Manifest, ...]) -> None:
        """One after the other: the last one closes what the others leave open."""
        before: pulumi.Resource = self.gateway.namespace
        for policy in policies:
            before = self.gateway.object(f"policy-{policy['metadata']['name']}", policy, [before])

    def _bucket(self, objects: Rendered, services: ProjectServices) -> list[pulumi.Resource]:
        """What models wait for that read from the bucket; nothing without one."""
        if objects.weights is None:
            return []
        return WeightsBucket(
            objects.weights,
            self._deployment.labels,
            apis=services.service("storage"),
            identity=[self.cluster.cluster],
            home=self.gateway.namespace,
            opts=self._both,
        ).ready

    def _certificate(self, services: ProjectServices) -> Certificate | None:
        settings, gateway = self._deployment.settings, self._deployment.settings.gateway
        if gateway.managed_certificate is None or gateway.hostname is None:
            return None
        return Certificate(
            gateway.managed_certificate,
            gateway.hostname,
            services.service("certificatemanager", "dns"),
            project=settings.project.id,
            region=self._deployment.region,
            opts=self._google,
        )

    def _pool(self, pool: TpuPool, services: ProjectServices, network: Foundation) -> TpuNodePool:
        deployment = self._deployment
        policy_name = f"{deployment.cluster_name}-{pool.name}"
        args = TpuPoolArgs(
            pool.shape,
            pool.purchase,
            pool.max_nodes,
            pool.disk_gib,
            min_nodes=pool.min_nodes,
            compute_class=pool.compute_class,
            policy_name=policy_name,
        )
        return TpuNodePool(
            pool.name,
            args,
            self.cluster.joined,
            runnable=[*self.cluster.identity, *network.egress],
            apis=services.service("compute"),
            opts=self._google,
        )

    def _address(self, services: ProjectServices, network: Foundation) -> NewAddress | None:
        deployment, gateway = self._deployment, self._deployment.settings.gateway
        if gateway.address is None or not gateway.address.create:
            return None
        return NewAddress(
            gateway.address.name,
            deployment.settings.project.id,
            deployment.region,
            None if gateway.external else network.subnetwork,
            services.service("compute"),
        )

    def _scaler(
        self, objects: Rendered, services: ProjectServices, runnable: list[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        """What a ScaledObject needs: KEDA, and its way to the metrics. KEDA's finalizers go before it does."""
        keda = list[pulumi.Resource](runnable)
        if objects.platform.keda is not None:
            made = ChartController("tpu-serving:platform:Keda", "keda", objects.platform.keda, runnable, self._inside)
            keda = [made.release]
        if objects.metrics_access is not None:
            apis = [*services.service("monitoring"), *services.service("cloudresourcemanager")]
            project = self._deployment.settings.project.id
            identity = [*apis, self.cluster.cluster]
            return [*keda, MetricsAccess(objects.metrics_access, project, identity, keda, self._both).authentication]
        return keda

    def _controllers(
        self, platform: Platform, gate: ReadinessGate, runnable: list[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        """cert-manager and LeaderWorkerSet side by side, then KServe; what exists already is not touched."""
        certificates: list[pulumi.Resource] = []
        watched: list[pulumi.Resource] = [gate.job]
        if platform.cert_manager is not None:
            token = "tpu-serving:platform:CertManager"
            made = ChartController(token, "cert-manager", platform.cert_manager, runnable, self._inside)
            certificates.append(made.release)
        if platform.leader_worker_set is not None:
            token = "tpu-serving:platform:LeaderWorkerSet"
            made = ChartController(token, "lws", platform.leader_worker_set, runnable, self._inside)
            watched.append(made.release)
        kserve = KServe(
            platform.kserve,
            platform.kserve_ready,
            gate=gate,
            watched=watched,
            certificates=certificates,
            runnable=runnable,
            opts=self._inside,
        )
        return [kserve.ready]
