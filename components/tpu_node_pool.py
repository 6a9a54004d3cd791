"""A TPU node pool: one slice shape in one zone, empty until a model asks for it.

Field issue 2 and stock-outs: a pool that starts at zero can't hang on capacity for 35 minutes while it is created. GKE
sets the gke-tpu labels and the google.com/tpu taint itself (TP06). The whole slice is one place, so surge is 0 (TP07).
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_gcp import container

from catalog.tpu import generations
from components.base import Component
from components.cluster import Cluster, node_security
from components.foundation import NetworkFoundation
from components.project_services import ProjectServices
from settings.derive import PODS_PER_TPU_NODE, Deployment, TpuPool

# What GKE decides on TPU hosts and the provider would replace the pool for (providers/google/answers.yaml): it turns SMT
# off and reports it as threadsPerCore; shieldedInstanceConfig is ignored by others who run such pools.
_ANSWERED = ["initialNodeCount", "nodeConfig.advancedMachineFeatures", "nodeConfig.shieldedInstanceConfig"]


class TpuNodePool(Component):
    """The pool. `pool` is the GKE node pool, on which every model of its shape depends."""

    def __init__(
        self,
        deployment: Deployment,
        provider: pulumi.ProviderResource,
        services: ProjectServices,
        cluster: Cluster,
        network: NetworkFoundation,
        spec: TpuPool,
    ) -> None:
        super().__init__("tpu-serving:tpu:TpuNodePool", spec.name, provider)
        self._deployment = deployment
        self._spec, self._services = spec, services
        self.pool = container.NodePool(
            f"{spec.name}-pool",
            name=spec.name,
            project=deployment.settings.project.id,
            location=deployment.region,
            node_locations=[deployment.zone],
            cluster=cluster.cluster.name,
            initial_node_count=0,
            autoscaling=container.NodePoolAutoscalingArgs(
                min_node_count=0, max_node_count=spec.max_nodes, location_policy="ANY"
            ),
            management=container.NodePoolManagementArgs(
                # Flex-start nodes end by themselves; repairing them is refused (TP09).
                auto_repair=deployment.settings.capacity.purchase != "flexStart",
                auto_upgrade=True,
            ),
            upgrade_settings=self._upgrades(),
            max_pods_per_node=PODS_PER_TPU_NODE,
            node_config=container.NodePoolNodeConfigArgs(**self._node_config(cluster)),
            placement_policy=self._placement(),
            opts=self.child(
                [*cluster.identity, *network.egress],
                ignore_changes=_ANSWERED,
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="90m", delete="60m"),
            ),
        )
        self.register_outputs({"name": self.pool.name})

    def _upgrades(self) -> container.NodePoolUpgradeSettingsArgs | None:
        """None for flex-start: GKE forces its own strategy there, which the provider can't declare (providers/google)."""
        if self._deployment.settings.capacity.purchase == "flexStart":
            return None
        return container.NodePoolUpgradeSettingsArgs(strategy="SURGE", max_surge=0, max_unavailable=1)

    def _node_config(self, cluster: Cluster) -> dict[str, Any]:
        config: dict[str, Any] = {
            "machine_type": self._spec.shape.machine_type,
            "disk_size_gb": self._spec.disk_gib,
            "disk_type": generations()[self._spec.shape.generation].disk_type,
            "tags": [self._deployment.node_tag],
            "resource_labels": self._deployment.labels,
            **node_security(cluster.service_account.email),
        }
        capacity = self._deployment.settings.capacity
        if capacity.purchase == "spot":
            config["spot"] = True
        elif capacity.purchase == "flexStart":
            config |= {
                "flex_start": True,
                "max_run_duration": f"{(capacity.max_run_hours or 168) * 3600}s",
                "reservation_affinity": {"consume_reservation_type": "NO_RESERVATION"},
            }
        elif capacity.purchase == "reservation":
            config["reservation_affinity"] = {
                "consume_reservation_type": "SPECIFIC_RESERVATION",
                "key": "compute.googleapis.com/reservation-name",
                "values": [capacity.reservation],
            }
        return config

    def _placement(self) -> container.NodePoolPlacementPolicyArgs | None:
        """Only for a slice of several hosts (TP02); TPU7x names a workload policy as well as the topology."""
        shape = self._spec.shape
        if not shape.multi_host:
            return None
        if not generations()[shape.generation].workload_policy:
            return container.NodePoolPlacementPolicyArgs(type="COMPACT", tpu_topology=shape.topology)
        from pulumi_gcp import compute

        policy = compute.ResourcePolicy(
            f"{self._spec.name}-workload-policy",
            name=f"{self._deployment.cluster_name}-{self._spec.name}",
            project=self._deployment.settings.project.id,
            region=self._deployment.region,
            workload_policy={"type": "HIGH_THROUGHPUT", "accelerator_topology": shape.topology},
            opts=self.child(self._services.service("compute")),
        )
        # As the API answers, the topology and no type: anything else is a difference at every `up` (gke.md 4.3).
        return container.NodePoolPlacementPolicyArgs(type="", policy_name=policy.name, tpu_topology=shape.topology)
