"""What GKE refuses of a node pool whose nodes form TPU slices."""

from __future__ import annotations

from catalog.tpu import SliceShape, find_shape, generations
from providers.google.trees import get
from rehearsal.plugins.frame import ProviderError, Values
from rehearsal.plugins.gcp import google


def refuse_shape(inputs: Values, machine_type: str, zones: list[str]) -> None:
    """Raise where the placement policy does not fit the machine type.

    Raises:
        ProviderError: as GKE words it.
    """
    policy = inputs.get("placementPolicy")
    name = next((key for key, g in generations().items() if machine_type in g.machines), None)
    if not isinstance(policy, dict) or name is None:
        return
    if generations()[name].workload_policy and policy.get("type"):
        raise ProviderError(
            f"Error waiting for creating GKE NodePool: Creation of a managed instance group with {machine_type} machine "
            "type with placement policy is not supported. Use workload policy instead."
        )
    topology = policy.get("tpuTopology")
    if topology is None:
        return
    shape = find_shape(name, topology, machine_type)
    if shape is None or not shape.multi_host:
        raise google.CloudError(
            400, f'TPU topology "{topology}" is not supported for machine type "{machine_type}".', "badRequest"
        )
    if len(zones) != 1:
        message = f"A node pool with compact placement must be in exactly one zone, not in {', '.join(zones)}."
        raise google.CloudError(400, message, "badRequest")
    _refuse_size(inputs, shape)


def _refuse_size(inputs: Values, shape: SliceShape) -> None:
    """A pool of one slice has all of its hosts or none; GKE looks at the maximum of a zone."""
    if inputs.get("autoscaling") is None:
        return
    maximum = get(inputs, "autoscaling.maxNodeCount") or 0
    if maximum != shape.hosts:
        message = f"Maximum node count {maximum} is not a valid size of TPU pod slice with topology {shape.topology}"
        raise google.CloudError(400, message, "badRequest")
