"""Rules about the network: proxy-only subnet and address ranges (GW02, CL04, CL07, CL09)."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator

from catalog.gke import facts
from checks.registry import Found, at, rule
from checks.shared.gateway import proxy_range_problem
from checks.shared.ranges import free_range
from settings.derive import Deployment
from settings.refusal import Path
from settings.values import is_written

_CONTROL_PLANE_PREFIX = 28


@rule("GW02")
def proxy_only_subnet(deployment: Deployment) -> Iterator[Found]:
    """An existing one is named; the range of a new one is /26 or larger."""
    subnet, path = deployment.settings.network.proxy_only_subnet, ("network", "proxyOnlySubnet")
    if subnet.mode == "create":
        yield from at((*path, "cidr"), subnet.cidr, proxy_range_problem(subnet.cidr))
    elif subnet.name is None:
        fix = "Write name: my-proxy-only-subnet, or mode: create where the VPC and region have none."
        yield Found((*path, "name"), None, "The existing proxy-only subnet has no name.", fix)


@rule("CL04")
def address_ranges(deployment: Deployment) -> Iterator[Found]:
    """Every range we use is a network, no two overlap, and the control plane's is a /28."""
    parsed: dict[Path, ipaddress.IPv4Network] = {}
    ranges = _ranges(deployment)
    for path, (cidr, _) in ranges.items():
        try:
            parsed[path] = ipaddress.IPv4Network(cidr)
        except ValueError as error:
            yield Found(path, cidr, f"Not an address range: {error}.", _nearest_network(str(path[-1]), cidr))
    for first, second in itertools.combinations(parsed, 2):
        if parsed[first].overlaps(parsed[second]):
            # Said of what stands in the file; the other may be a default.
            own, other = (first, second) if ranges[first][1] and not ranges[second][1] else (second, first)
            free = free_range(parsed[own].prefixlen, list(parsed.values()))
            fix = f"Write {own[-1]}: {free}." if free else "Choose smaller ranges."
            said = f"{parsed[own]} overlaps {parsed[other]} ({'.'.join(map(str, other))})."
            yield Found(own, str(parsed[own]), said, fix)
    plane = ("cluster", "controlPlane", "cidr")
    if plane in parsed and parsed[plane].prefixlen != _CONTROL_PLANE_PREFIX:
        fix = f"Write cidr: {parsed[plane].network_address}/{_CONTROL_PLANE_PREFIX}."
        yield Found(plane, str(parsed[plane]), "The range of a private control plane is a /28.", fix)


def _ranges(deployment: Deployment) -> dict[Path, tuple[str, bool]]:
    """The ranges we use by where they are written, and whether they are (a default is not)."""
    network, cluster = deployment.settings.network, deployment.settings.cluster
    ranges: dict[Path, tuple[str, bool]] = {}
    if network.mode == "create":
        for key, name in (("nodesCidr", "nodes_cidr"), ("podsCidr", "pods_cidr"), ("servicesCidr", "services_cidr")):
            ranges[("network", key)] = getattr(network, name), is_written(network, name)
    proxies, plane = network.proxy_only_subnet, cluster.control_plane
    if proxies.mode == "create":
        ranges[("network", "proxyOnlySubnet", "cidr")] = proxies.cidr, is_written(proxies, "cidr")
    if cluster.private_nodes:
        ranges[("cluster", "controlPlane", "cidr")] = plane.cidr, is_written(plane, "cidr")
    return ranges


@rule("CL04")
def authorized_networks(deployment: Deployment) -> Iterator[Found]:
    """What may reach the control plane is a network; it may overlap anything."""
    for index, network in enumerate(deployment.settings.cluster.control_plane.authorized_networks):
        path = ("cluster", "controlPlane", "authorizedNetworks", index, "cidr")
        try:
            ipaddress.IPv4Network(network.cidr)
        except ValueError as error:
            yield Found(path, network.cidr, f"Not an address range: {error}.", _nearest_network("cidr", network.cidr))


def _nearest_network(key: str, cidr: str) -> str:
    try:
        return f"Write {key}: {ipaddress.IPv4Network(cidr, strict=False)}."
    except ValueError:
        return f"Write an IPv4 range such as {key}: 10.0.0.0/20."


@rule("CL07")
def existing_network(deployment: Deployment) -> Iterator[Found]:
    """VPC and node subnet of an existing network are named."""
    network = deployment.settings.network
    if network.mode != "existing":
        return
    for key, value in (("name", network.name), ("subnetwork", network.subnetwork)):
        if value is None:
            yield Found(("network", key), None, f"The existing network lacks `{key}`.", f"Write {key}: my-{key}.")


@rule("CL09")
def webhook_ports(deployment: Deployment) -> Iterator[Found]:
    """In a network of ours the firewall rule is made; in an existing one somebody else has to have made it."""
    network, cluster, platform = (
        deployment.settings.network,
        deployment.settings.cluster,
        deployment.settings.platform,
    )
    ours = [
        name
        for name, choice in (
            ("cert-manager", platform.cert_manager),
            ("LeaderWorkerSet", platform.leader_worker_set),
            ("KServe", platform.kserve),
        )
        if choice == "install"
    ]
    if network.mode != "existing" or not cluster.private_nodes or not ours:
        return
    ports = facts()["webhookPorts"]
    project = network.host_project or deployment.settings.project.id
    command = (
        f"gcloud compute firewall-rules create {deployment.cluster_name}-webhooks --project={project} \\\n"
        f"  --network={network.name} --direction=INGRESS --source-ranges={cluster.control_plane.cidr} \\\n"
        f"  --allow={','.join(f'tcp:{port}' for port in ports)}"
    )
    said = (
        f"Webhooks of {', '.join(ours)} listen on {' and '.join(map(str, ports))}; GKE opens 443 and 10250 only, "
        "and no rule is added to a network that is not ours."
    )
    yield Found(("network", "mode"), "existing", said, f"Make sure of a firewall rule such as:\n{command}")


CHECKS = (proxy_only_subnet, address_ranges, authorized_networks, existing_network, webhook_ports)
