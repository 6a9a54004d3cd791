"""A TPU node pool: one slice shape in one zone, bought one way, empty until a model asks for it.

Field issue 2 and stock-outs: a pool that starts at zero can't hang on capacity for 35 minutes while it is created. GKE
sets the gke-tpu labels and the google.com/tpu taint itself (TP06). The whole slice is one place, so surge is 0 (TP07).
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from catalog.tpu import SliceShape, generations
from components.base import Component, Dependencies
from components.nodes import NodesOf, node_config
from components.sdk import compute, container
from settings.derive import PODS_PER_TPU_NODE
from settings.purchases import Purchase

# What GKE decides on TPU hosts and the provider would replace the pool for (providers/google/answers.yaml): it turns SMT
# off and reports it as threadsPerCore; shieldedInstanceConfig is ignored by others who run such pools.
_ANSWERED = ["initialNodeCount", "nodeConfig.advancedMachineFeatures", "nodeConfig.shieldedInstanceConfig"]


@dataclass(frozen=True)
class TpuPoolArgs:
    """What a pool is.

    Attributes:
        shape: the slice; `catalog.tpu.find_shape("v6e", "2x2")` has it by generation and topology.
        purchase: how and in which zone the chips are bought.
        max_nodes: upper bound of the autoscaler, in hosts; of a multi-host shape, those of one slice.
        disk_gib: boot disk of a host; weights lie on it twice.
        min_nodes: lower bound of the autoscaler: what is always on, and paid for.
        compute_class: the ComputeClass that orders it beside other pools.
        policy_name: name of the workload policy that a TPU7x slice of several hosts has; the pool's when left out.
    """

    shape: SliceShape
    purchase: Purchase
    max_nodes: int
    disk_gib: int
    min_nodes: int = 0
    compute_class: str | None = None
    policy_name: str | None = None


class TpuNodePool(Component):
    """The pool. `pool` is the GKE node pool, on which every model of its shape depends.

    Creates no cluster, service account, network, reservation or quota. A pod finds the pool by the labels that GKE sets
    (`manifests.llm_inference_service.node_selector`).

    Args:
        name: the pool's, at most 40 characters.
        nodes: the cluster that it joins.
        runnable: what must be there before a node can start and pull an image: the identity's roles, the way out.
        apis: Google APIs that the workload policy needs.
    """

    def __init__(
        self,
        name: str,
        args: TpuPoolArgs,
        nodes: NodesOf,
        *,
        runnable: Dependencies = (),
        apis: Dependencies = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tpu-serving:tpu:TpuNodePool", name, opts)
        self._name, self._args, self._nodes, self._apis = name, args, nodes, apis
        flex_start = args.purchase.kind == "flexStart"
        self.pool = container.NodePool(
            f"{name}-pool",
            name=name,
            project=nodes.project,
            location=nodes.region,
            node_locations=[args.purchase.zone],
            cluster=nodes.cluster,
            initial_node_count=args.min_nodes,
            autoscaling=container.NodePoolAutoscalingArgs(
                min_node_count=args.min_nodes, max_node_count=args.max_nodes, location_policy="ANY"
            ),
            # Flex-start nodes end by themselves; repairing them is refused (TP09).
            management=container.NodePoolManagementArgs(auto_repair=not flex_start, auto_upgrade=True),
            # GKE forces its own strategy on flex-start, which the provider can't declare (providers/google).
            upgrade_settings=None
            if flex_start
            else container.NodePoolUpgradeSettingsArgs(strategy="SURGE", max_surge=0, max_unavailable=1),
            max_pods_per_node=PODS_PER_TPU_NODE,
            node_config=self._node_config(),
            placement_policy=self._placement(),
            opts=self.child(
                runnable,
                ignore_changes=_ANSWERED,
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="90m", delete="60m"),
            ),
        )
        self.register_outputs({"name": self.pool.name})

    def _node_config(self) -> container.NodePoolNodeConfigArgs:
        bought, affinity = self._args.purchase, None
        if bought.kind == "flexStart":
            affinity = container.NodePoolNodeConfigReservationAffinityArgs(consume_reservation_type="NO_RESERVATION")
        elif bought.kind == "reservation":
            affinity = container.NodePoolNodeConfigReservationAffinityArgs(
                consume_reservation_type="SPECIFIC_RESERVATION",
                key="compute.googleapis.com/reservation-name",
                values=[bought.reservation or ""],
            )
        return node_config(
            self._nodes,
            self._args.shape.machine_type,
            self._args.disk_gib,
            generations()[self._args.shape.generation].disk_type,
            compute_class=self._args.compute_class,
            spot=True if bought.kind == "spot" else None,
            spot_grace_seconds=bought.grace_seconds,
            flex_start=True if bought.kind == "flexStart" else None,
            max_run_duration=f"{bought.hours * 3600}s" if bought.hours else None,
            reservation_affinity=affinity,
        )

    def _placement(self) -> container.NodePoolPlacementPolicyArgs | None:
        """Only for a slice of several hosts (TP02); TPU7x names a workload policy as well as the topology."""
        shape = self._args.shape
        if not shape.multi_host:
            return None
        if not generations()[shape.generation].workload_policy:
            return container.NodePoolPlacementPolicyArgs(type="COMPACT", tpu_topology=shape.topology)
        policy = compute.ResourcePolicy(
            f"{self._name}-workload-policy",
            name=self._args.policy_name or self._name,
            project=self._nodes.project,
            region=self._nodes.region,
            workload_policy=compute.ResourcePolicyWorkloadPolicyArgs(
                type="HIGH_THROUGHPUT", accelerator_topology=shape.topology
            ),
            opts=self.child(self._apis),
        )
        # As the API answers, the topology and no type: anything else is a difference at every `up` (gke.md 4.3).
        return container.NodePoolPlacementPolicyArgs(type="", policy_name=policy.name, tpu_topology=shape.topology)
