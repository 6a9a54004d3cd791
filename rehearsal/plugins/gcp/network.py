"""VPC networks, subnetworks, firewall rules, routers and their NAT."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from providers.google.trees import relative
from rehearsal.cloud import CloudResource
from rehearsal.plugins.frame import ProviderError, Values
from rehearsal.plugins.gcp import google
from rehearsal.plugins.gcp.kind import Kind, full, self_link
from rehearsal.plugins.gcp.world import (
    NETWORK,
    NUMBER_DIGITS,
    ROUTER,
    SUBNETWORK,
    World,
    fingerprint,
    known_region,
    now,
    number_for,
)

Range = ipaddress.IPv4Network | ipaddress.IPv6Network
PROXY_PURPOSES = ("REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "INTERNAL_HTTPS_LOAD_BALANCER")
SMALLEST_PROXY_PREFIX = 26


def require_network(inputs: Values, world: World) -> CloudResource:
    """The network that inputs name.

    Raises:
        CloudError: there is none.
    """
    found = world.linked(NETWORK, str(inputs["network"]))
    if found is None:
        raise google.unresolved("network", full(str(inputs["network"])), "network")
    return found


def require_region(region: str) -> None:
    """Raise where the catalogue has no such region."""
    if not known_region(region):
        raise google.invalid("region", region, "Unknown region.")


class Network(Kind):
    """A VPC network."""

    token = NETWORK

    def outputs(self, inputs: Values, world: World) -> Values:
        resource_id = self.id(inputs)
        number = number_for(resource_id)
        return {
            **self_link(resource_id),
            "networkId": number,
            "numericId": number,
            "gatewayIpv4": "",
            "internalIpv6Range": "",
            "mtu": 1460,
            "routingMode": "REGIONAL",
            "deletionPolicy": "DELETE",
        }

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        if inputs["autoCreateSubnetworks"]:
            raise ProviderError(
                "autoCreateSubnetworks is not played by the rehearsal's gcp plugin: set auto_create_subnetworks=False."
            )

    def refuse_delete(self, resource: CloudResource, world: World) -> None:
        user = next(world.users(resource.id), None)
        if user is not None:
            raise google.in_use("network", resource.id, user.id)


class Subnetwork(Kind):
    """A subnetwork, with its secondary ranges."""

    token = SUBNETWORK

    def outputs(self, inputs: Values, world: World) -> Values:
        resource_id = self.id(inputs)
        proxy = inputs.get("purpose") in PROXY_PURPOSES
        return {
            **self_link(resource_id),
            "creationTimestamp": now(),
            "fingerprint": fingerprint(inputs),
            "gatewayAddress": str(next(ipaddress.ip_network(inputs["ipCidrRange"]).hosts())),
            "subnetworkId": int(number_for(resource_id, NUMBER_DIGITS)),
            "state": "READY" if proxy else "",
            "purpose": "PRIVATE",
            "privateIpGoogleAccess": False,
            "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
            "secondaryIpRanges": [],
            "stackType": "IPV4_ONLY",
            "externalIpv6Prefix": "",
            "internalIpv6Prefix": "",
            "ipv6CidrRange": "",
            "deletionPolicy": "DELETE",
        }

    def normal(self, state: Values) -> Values:
        return {**state, "network": full(state["network"])}

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        require_region(inputs["region"])
        network = require_network(inputs, world)
        others = [r for r in world.all(SUBNETWORK) if relative(str(r.state.get("network"))) == network.id]
        others = [r for r in others if r.id != self.id(inputs)]
        _refuse_overlap(inputs, others)
        if inputs.get("purpose") in PROXY_PURPOSES:
            _refuse_proxy_only(inputs, others)

    def refuse_delete(self, resource: CloudResource, world: World) -> None:
        user = next(world.users(resource.id), None)
        if user is not None:
            raise google.in_use("subnetwork", resource.id, user.id)


def ranges(values: Values) -> Iterator[tuple[str, Range]]:
    """A subnetwork's ranges with the API's name of the field.

    Raises:
        CloudError: a range has host bits.
    """
    if values.get("ipCidrRange"):
        yield "ipCidrRange", _range("ipCidrRange", values["ipCidrRange"])
    for index, secondary in enumerate(values.get("secondaryIpRanges") or []):
        if secondary.get("ipCidrRange"):
            field = f"secondaryIpRanges[{index}].ipCidrRange"
            yield field, _range(field, secondary["ipCidrRange"])


def _range(field: str, text: str) -> Range:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise google.invalid(field, text, "The address is not the first one of its range.") from None


def _refuse_overlap(inputs: Values, others: list[CloudResource]) -> None:
    """All ranges of a VPC are apart, in every region, also those of one subnetwork."""
    taken = [(name, r.name, str(r.location)) for r in others for _, name in ranges(r.state)]
    for field, wanted in ranges(inputs):
        for range_, subnetwork, region in taken:
            if wanted.overlaps(range_):
                why = f"Invalid IPCidrRange: {wanted} conflicts with existing subnetwork '{subnetwork}' in region '{region}'."
                raise google.invalid(field, str(wanted), why)
        taken.append((wanted, inputs["name"], inputs["region"]))


def _refuse_proxy_only(inputs: Values, others: list[CloudResource]) -> None:
    purpose, region = inputs["purpose"], inputs["region"]
    if not inputs.get("role"):
        why = f"Subnetwork role must be specified when purpose set to {purpose}."
        raise google.invalid("role", "UNSPECIFIED_ROLE", why)
    for field in ("secondaryIpRanges", "privateIpGoogleAccess"):
        if inputs.get(field):
            why = f"Invalid field set in subnetwork with purpose {purpose}."
            raise google.invalid(field, str(inputs[field]), why)
    range_ = inputs["ipCidrRange"]
    if ipaddress.ip_network(range_).prefixlen > SMALLEST_PROXY_PREFIX:
        why = f"The range of a subnetwork with purpose {purpose} must be /{SMALLEST_PROXY_PREFIX} or larger."
        raise google.invalid("ipCidrRange", range_, why)
    if inputs["role"] == "ACTIVE":
        active = next((r for r in others if _is_active(r, purpose, region)), None)
        if active is not None:
            why = f"An ACTIVE subnetwork with purpose {purpose} exists already in region '{region}': '{active.id}'."
            raise google.invalid("role", "ACTIVE", why)


def _is_active(other: CloudResource, purpose: str, region: str) -> bool:
    return (other.location, other.state.get("purpose"), other.state.get("role")) == (region, purpose, "ACTIVE")


class Firewall(Kind):
    """A VPC firewall rule."""

    token = "gcp:compute/firewall:Firewall"

    def outputs(self, inputs: Values, world: World) -> Values:
        return {
            **self_link(self.id(inputs)),
            "creationTimestamp": now(),
            "direction": "INGRESS",
            "destinationRanges": [],
            "deletionPolicy": "DELETE",
        }

    def normal(self, state: Values) -> Values:
        return {**state, "network": full(state["network"])}

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        require_network(inputs, world)


class Router(Kind):
    """A Cloud Router."""

    token = ROUTER

    def outputs(self, inputs: Values, world: World) -> Values:
        return {**self_link(self.id(inputs)), "creationTimestamp": now(), "deletionPolicy": "DELETE"}

    def normal(self, state: Values) -> Values:
        return {**state, "network": full(state["network"])}

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        require_region(inputs["region"])
        require_network(inputs, world)


class RouterNat(Kind):
    """The NAT of a Cloud Router."""

    token = "gcp:compute/routerNat:RouterNat"

    def outputs(self, inputs: Values, world: World) -> Values:
        return {
            "autoNetworkTier": "PREMIUM",
            "drainNatIps": [],
            "natIps": [],
            "enableDynamicPortAllocation": False,
            "enableEndpointIndependentMapping": False,
            "endpointTypes": ["ENDPOINT_TYPE_VM"],
            "deletionPolicy": "DELETE",
        }

    def normal(self, state: Values) -> Values:
        named = [{**s, "name": full(s["name"])} for s in state.get("subnetworks") or []]
        return {**state, "subnetworks": named}

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        path = f"projects/{inputs['project']}/regions/{inputs['region']}/routers/{relative(inputs['router']).split('/')[-1]}"
        if world.find(ROUTER, path) is None:
            raise google.not_found(path)
        for index, subnetwork in enumerate(inputs.get("subnetworks") or []):
            if world.linked(SUBNETWORK, subnetwork["name"]) is None:
                raise google.unresolved(f"nats[0].subnetworks[{index}].name", full(subnetwork["name"]), "subnetwork")
