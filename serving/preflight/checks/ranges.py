"""Address ranges of ours against what an existing VPC and its peers use already."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from checks.shared.ranges import free_range
from serving.checking.findings import Finding, failed, passed
from serving.google.client import last_part
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.checks.cluster import own_cluster
from serving.preflight.checks.network import find_network, subnets
from serving.preflight.context import Context
from serving.preflight.registry import check

IPv4 = ipaddress.IPv4Network


@dataclass(frozen=True)
class UsedRange:
    """A range in use, and by what."""

    range: IPv4
    by: str


def overlapping(wanted: IPv4, taken: Iterable[UsedRange]) -> list[UsedRange]:
    """What a range can't lie beside."""
    return [item for item in taken if item.range.overlaps(wanted)]


@check(
    "address-ranges",
    "Ranges that the environment adds to an existing VPC overlap none of its subnets, peers or allocations",
    "Compute Engine, subnetworks.aggregatedList, networks.listPeeringRoutes, globalAddresses.list",
    (*GOOGLE_FAILURES, "range-overlaps"),
    requests=6,
)
def address_ranges(context: Context) -> Iterator[Finding]:
    """A new VPC has no ranges yet, and the file's own are compared by the rules (CL04)."""
    wanted = _wanted(context)
    if not wanted:
        new = context.deployment.settings.network.mode == "create"
        yield passed("address ranges", "a new network" if new else "none are added")
        return
    if own_cluster(context):
        yield passed("address ranges", "in use by this environment's own cluster")
        return
    taken = [*_subnet_ranges(context), *_peer_ranges(context), *_allocations(context)]
    for path, cidr in wanted.items():
        range_, name = IPv4(cidr), f"{path} {cidr}"
        hits = overlapping(range_, taken)
        if not hits:
            yield passed(name, f"{cidr} is free")
            continue
        free = free_range(range_.prefixlen, [*(item.range for item in taken), *map(IPv4, wanted.values())])
        fix = f"Write {path}: {free}." if free else "Choose a smaller range, or another network."
        found = ", ".join(f"{item.range} of {item.by}" for item in hits)
        yield failed("range-overlaps", name, needed="overlaps nothing", message=found, fix=fix)


def _wanted(context: Context) -> dict[str, str]:
    """Path of the setting -> range that is added to an existing network."""
    network, cluster = context.deployment.settings.network, context.deployment.settings.cluster
    if network.mode == "create":
        return {}
    ranges = {}
    if network.proxy_only_subnet.mode == "create":
        ranges["network.proxyOnlySubnet.cidr"] = network.proxy_only_subnet.cidr
    if cluster.private_nodes:
        ranges["cluster.controlPlane.cidr"] = cluster.control_plane.cidr
    return ranges


def _subnet_ranges(context: Context) -> Iterator[UsedRange]:
    own = context.deployment.proxy_only_subnet_name
    for subnet in subnets(context):
        name = f"subnet {subnet.get('name')}"
        if subnet.get("name") != own:
            yield from _taken(subnet.get("ipCidrRange"), name)
        for secondary in subnet.get("secondaryIpRanges", ()):
            yield from _taken(secondary.get("ipCidrRange"), f"{name}, {secondary.get('rangeName')}")


def _peer_ranges(context: Context) -> Iterator[UsedRange]:
    """What the network's active peers export to it."""
    for peering in (find_network(context) or {}).get("peerings", ()):
        if peering.get("state") != "ACTIVE":
            continue
        routes = context.google.listed(
            "compute",
            "networks.listPeeringRoutes",
            project=context.network_project,
            network=context.deployment.network_name,
            peeringName=peering.get("name"),
            region=context.region,
            direction="INCOMING",
        )
        for route in routes:
            # A default route from a peer is no range in use.
            if route.get("destRange") != "0.0.0.0/0":
                yield from _taken(route.get("destRange"), f"peering {peering.get('name')}")


def _allocations(context: Context) -> Iterator[UsedRange]:
    """Ranges set aside for services of Google or others (private services access)."""
    for item in context.google.listed("compute", "globalAddresses.list", project=context.network_project):
        if item.get("purpose") == "VPC_PEERING" and last_part(item.get("network")) == context.deployment.network_name:
            yield from _taken(f"{item.get('address')}/{item.get('prefixLength')}", f"allocation {item.get('name')}")


def _taken(cidr: object, by: str) -> Iterator[UsedRange]:
    """IPv6 ranges and subnets without an IPv4 range are nothing to compare with."""
    try:
        yield UsedRange(IPv4(str(cidr), strict=False), by)
    except ValueError:
        return
