"""The VPC: the existing one as it must be, the name of a new one, and the proxy-only subnet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from checks.shared.gateway import proxy_range_problem
from serving.checking.findings import Finding, failed, passed, warned
from serving.checking.gcloud import gcloud
from serving.google.client import last_part
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.checks.cluster import own_cluster
from serving.preflight.context import Context
from serving.preflight.registry import check

_PROXIES, _ACTIVE = "REGIONAL_MANAGED_PROXY", "ACTIVE"


@check(
    "network",
    "An existing network and its node subnet are as named; a new network's name is free",
    "Compute Engine, networks.get and subnetworks.get",
    (
        *GOOGLE_FAILURES,
        "network-not-found",
        "network-name-taken",
        "subnet-not-found",
        "subnet-of-another-network",
        "secondary-range-missing",
        "no-private-google-access",
    ),
    requests=3,
)
def network(context: Context) -> Iterator[Finding]:
    """Whether GKE's service agent may use a Shared VPC is not asked: only its owner could."""
    settings = context.deployment.settings.network
    found = find_network(context)
    name = f"network {context.deployment.network_name}"
    if settings.mode == "existing":
        if found is None:
            fix = gcloud(
                "compute networks list", f"--project={context.network_project}", say="To see what there is, run:"
            )
            yield failed("network-not-found", name, needed="it exists", message="404", fix=fix)
            return
        yield passed(name, "exists")
        yield from _node_subnet(context)
    elif found is None:
        yield passed(name, f"{context.deployment.network_name} is free")
    elif own_cluster(context):
        yield passed(name, "exists, and so does this environment's cluster")
    else:
        fix = "Write network.mode: existing, or another network.name; or leave it, where an earlier up made it."
        yield warned("network-name-taken", name, needed="a free name", message="exists", fix=fix)


def _node_subnet(context: Context) -> Iterator[Finding]:
    settings = context.deployment.settings.network
    name = f"subnet {settings.subnetwork} in {context.region}"
    found = context.google.find(
        "compute",
        "subnetworks.get",
        project=context.network_project,
        region=context.region,
        subnetwork=settings.subnetwork,
    )
    if found is None:
        fix = gcloud(
            "compute networks subnets list",
            f"--project={context.network_project}",
            f"--regions={context.region}",
            say="To see what there is, run:",
        )
        yield failed("subnet-not-found", name, needed="it exists", message="404", fix=fix)
        return
    inside = last_part(found.get("network"))
    if inside != settings.name:
        fix = "Name a subnet of the network."
        yield failed("subnet-of-another-network", name, needed=f"of {settings.name}", message=f"of {inside}", fix=fix)
        return
    ranges = [str(item.get("rangeName")) for item in found.get("secondaryIpRanges", ())]
    missing = [item for item in (settings.pods_range_name, settings.services_range_name) if item not in ranges]
    if missing:
        fix = "Write podsRangeName and servicesRangeName, or add secondary ranges of these names to the subnet."
        has = ", ".join(ranges) or "none"
        yield failed("secondary-range-missing", name, needed=", ".join(missing), message=has, fix=fix)
    elif context.deployment.settings.cluster.private_nodes and not found.get("privateIpGoogleAccess", False):
        fix = gcloud(
            f"compute networks subnets update {settings.subnetwork}",
            f"--project={context.network_project}",
            f"--region={context.region}",
            "--enable-private-ip-google-access",
        )
        yield warned("no-private-google-access", name, needed="on, for private nodes", message="off", fix=fix)
    else:
        yield passed(name, f"{settings.subnetwork} exists, ranges {', '.join(ranges)}")


@check(
    "proxy-only-subnet",
    "The VPC has exactly one active proxy-only subnet in the region, existing or to be created",
    "Compute Engine, subnetworks.aggregatedList",
    (
        *GOOGLE_FAILURES,
        "proxy-only-subnet-not-found",
        "proxy-only-subnet-not-active",
        "proxy-only-subnet-too-small",
        "proxy-only-subnet-exists",
    ),
)
def proxy_only_subnet(context: Context) -> Iterator[Finding]:
    """All regional load balancers of the VPC and region share one."""
    settings = context.deployment.settings.network
    if settings.mode == "create":
        yield passed("proxy-only subnet", "a new network has none")
        return
    regional = [item for item in subnets(context) if last_part(item.get("region")) == context.region]
    if settings.proxy_only_subnet.mode == "existing":
        yield _existing_proxies(context, settings.proxy_only_subnet.name or "", regional)
        return
    own = context.deployment.proxy_only_subnet_name
    others = [item for item in regional if _is_active_proxy(item) and item.get("name") != own]
    if others:
        name = str(others[0].get("name"))
        yield failed(
            "proxy-only-subnet-exists",
            f"proxy-only subnet of {settings.name} in {context.region}",
            needed="none yet, to create one",
            message=f"{name} is active",
            fix=f"Write network.proxyOnlySubnet: {{mode: existing, name: {name}}}.",
        )
    else:
        yield passed("proxy-only subnet", "none yet")


def _existing_proxies(context: Context, wanted: str, regional: list[dict[str, Any]]) -> Finding:
    name = f"proxy-only subnet {wanted} in {context.region}"
    found = next((item for item in regional if item.get("name") == wanted), None)
    if found is None or found.get("purpose") != _PROXIES:
        others = [str(item.get("name")) for item in regional if _is_active_proxy(item)]
        fix = f"Write network.proxyOnlySubnet.name: {others[0]}." if others else "Write mode: create."
        has = f"purpose {found.get('purpose')}" if found else "no such subnet in this network and region"
        return failed("proxy-only-subnet-not-found", name, needed=f"purpose {_PROXIES}", message=has, fix=fix)
    if found.get("role") != _ACTIVE:
        fix = gcloud(
            f"compute networks subnets update {wanted}",
            f"--project={context.network_project}",
            f"--region={context.region}",
            "--role=ACTIVE",
            "--drain-timeout=60s",
        )
        return failed("proxy-only-subnet-not-active", name, needed=_ACTIVE, message=str(found.get("role")), fix=fix)
    cidr = str(found.get("ipCidrRange"))
    if proxy_range_problem(cidr) is not None:
        fix = "Make a larger one (/23 is recommended), and make it the active one."
        return failed("proxy-only-subnet-too-small", name, needed="/26 or larger", message=cidr, fix=fix)
    return passed(name, f"{wanted} {cidr}, active")


def _is_active_proxy(subnet: dict[str, Any]) -> bool:
    return subnet.get("purpose") == _PROXIES and subnet.get("role") == _ACTIVE


def find_network(context: Context) -> dict[str, Any] | None:
    """The environment's VPC, new or existing; None where there is none of its name.

    Raises:
        CannotAskError: there is no answer.
    """
    return context.google.find(
        "compute", "networks.get", project=context.network_project, network=context.deployment.network_name
    )


def subnets(context: Context) -> list[dict[str, Any]]:
    """Subnets of the environment's existing VPC, of all regions.

    Raises:
        CannotAskError: there is no answer.
    """
    found = context.google.aggregated("subnetworks", project=context.network_project)
    return [item for _, item in found if last_part(item.get("network")) == context.deployment.network_name]
