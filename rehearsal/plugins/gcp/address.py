"""Regional addresses and the resource policies of TPU slices."""

from __future__ import annotations

import ipaddress

from rehearsal.cloud import CloudResource
from rehearsal.plugins.frame import Values
from rehearsal.plugins.gcp import google
from rehearsal.plugins.gcp.kind import Kind, full, self_link
from rehearsal.plugins.gcp.network import require_region
from rehearsal.plugins.gcp.world import (
    ADDRESS,
    NODE_POOL,
    NUMBER_DIGITS,
    RESOURCE_POLICY,
    SUBNETWORK,
    World,
    fingerprint,
    now,
    number_for,
)

# RFC 5737: for documentation, routed nowhere.
EXTERNAL_RANGE = "203.0.113.0/24"


class Address(Kind):
    """A reserved regional address; the cloud chooses it unless it is given."""

    token = ADDRESS
    follows = ("labelFingerprint", "effectiveLabels", "pulumiLabels")

    def outputs(self, inputs: Values, world: World) -> Values:
        resource_id = self.id(inputs)
        external = inputs["addressType"] == "EXTERNAL"
        return {
            **self_link(resource_id),
            "address": inputs.get("address") or _free(inputs, world),
            "addressId": int(number_for(resource_id, NUMBER_DIGITS)),
            "creationTimestamp": now(),
            "labelFingerprint": fingerprint(inputs.get("labels")),
            "effectiveLabels": inputs.get("labels") or {},
            "pulumiLabels": inputs.get("labels") or {},
            "networkTier": "PREMIUM" if external else "",
            "prefixLength": 0,
            "purpose": "" if external else "GCE_ENDPOINT",
            "subnetwork": "",
            "users": [],
            "deletionPolicy": "DELETE",
        }

    def normal(self, state: Values) -> Values:
        return {**state, "subnetwork": full(state["subnetwork"])}

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        require_region(inputs["region"])
        if inputs["addressType"] == "INTERNAL" and _subnetwork(inputs, world) is None:
            raise google.unresolved("subnetwork", full(str(inputs.get("subnetwork", ""))), "subnetwork")


def _subnetwork(inputs: Values, world: World) -> CloudResource | None:
    return world.linked(SUBNETWORK, inputs["subnetwork"]) if inputs.get("subnetwork") else None


def _free(inputs: Values, world: World) -> str:
    """The first address nobody has reserved; of a subnetwork the first two and the last two are Google's own."""
    taken = {str(r.state.get("address")) for r in world.all(ADDRESS)}
    subnetwork = _subnetwork(inputs, world)
    range_ = ipaddress.ip_network(EXTERNAL_RANGE if subnetwork is None else subnetwork.state["ipCidrRange"])
    candidates = (str(range_[index]) for index in range(2, range_.num_addresses - 2))
    free = next((address for address in candidates if address not in taken), None)
    if free is None:
        raise google.CloudError(400, f"IP space of '{range_}' is exhausted.", "ipSpaceExhausted")
    return free


class ResourcePolicy(Kind):
    """A workload policy: where the hosts of a slice are placed."""

    token = RESOURCE_POLICY

    def outputs(self, inputs: Values, world: World) -> Values:
        return {**self_link(self.id(inputs)), "deletionPolicy": "DELETE"}

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        require_region(inputs["region"])

    def refuse_delete(self, resource: CloudResource, world: World) -> None:
        for pool in world.all(NODE_POOL):
            policy = (pool.state.get("placementPolicy") or {}).get("policyName")
            if policy == resource.name and (pool.project, pool.location) == (resource.project, resource.location):
                raise google.in_use("resource policy", resource.id, pool.id)
