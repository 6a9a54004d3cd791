"""Rules about the network: proxy-only subnet, address ranges and names (GW02, CL04, CL07, CL09, CL11 to CL13, CL16)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Network

from catalog.gke import facts
from catalog.records import camel
from checks.registry import Found, at, rule
from checks.shared.gateway import proxy_range_problem
from checks.shared.ranges import SAME_NAME, free_range, prohibited, range_problem
from settings.derive import PODS_PER_TPU_NODE, SERVER_PORT, Deployment
from settings.refusal import Path

_PLANE: Path = ("cluster", "controlPlane", "cidr")
_PLANE_PREFIX = 28
_SERVICES: Path = ("network", "servicesCidr")
_SERVICES_PREFIX = 28  # Google "Create a VPC-native cluster": the secondary range for Services is a /28 at least
_PROXIES: Path = ("network", "proxyOnlySubnet", "cidr")
_PROXIES_PREFIX = 23
# Google "Configure maximum Pods per node": a node has twice as many pod addresses as pods, rounded up; 110 pods by default.
_PODS_PER_NODE = 110
# Google "Subnets": first two and last two addresses of a primary range are taken.
_TAKEN_ADDRESSES = 4
# A regional cluster starts with a node in each of three zones.
_FIRST_NODES = 3
_LONGEST_CLUSTER_NAME = 40
_LONGEST_NAME = 63


@rule("GW02")
def proxy_only_subnet(deployment: Deployment) -> Iterator[Found]:
    """An existing one is in an existing network, and named; the range of a new one is /26 or larger."""
    subnet, path = deployment.settings.network.proxy_only_subnet, ("network", "proxyOnlySubnet")
    if subnet.mode == "create":
        yield from at((*path, "cidr"), subnet.cidr, proxy_range_problem(subnet.cidr))
    elif deployment.settings.network.mode == "create":
        said = "The network is still to be made, so that no proxy-only subnet can be in it."
        fix = "Write mode: create and a cidr of its own, or name an existing network as well (network.mode: existing)."
        yield Found((*path, "mode"), subnet.mode, said, fix)
    elif subnet.name is None:
        fix = "Write name: my-proxy-only-subnet, or mode: create where the VPC and region have none."
        yield Found((*path, "name"), None, "The existing proxy-only subnet has no name.", fix)


@rule("CL04")
def address_ranges(deployment: Deployment) -> Iterator[Found]:
    """Every range we use is one that a subnet can have, no two overlap, and the control plane's is a /28."""
    ranges = _ranges(deployment)
    wrong: dict[Path, str] = {}
    parsed: dict[Path, IPv4Network] = {}
    for path, (cidr, _) in ranges.items():
        if (problem := range_problem(cidr)) is not None:
            wrong[path] = problem
        with suppress(ValueError):
            parsed[path] = IPv4Network(cidr)
    for first, second in itertools.combinations(parsed, 2):
        if parsed[first].overlaps(parsed[second]):
            # Said of what stands in the file; the other may be a default.
            own, other = (first, second) if ranges[first][1] and not ranges[second][1] else (second, first)
            wrong.setdefault(own, f"{parsed[own]} overlaps {parsed[other]} ({'.'.join(map(str, other))}).")
    services = parsed.get(_SERVICES)
    if services is not None and services.prefixlen > _SERVICES_PREFIX:
        wrong.setdefault(_SERVICES, f"A range of Services is a /{_SERVICES_PREFIX} or larger.")
    if _PLANE in parsed and parsed[_PLANE].prefixlen != _PLANE_PREFIX:
        wrong.setdefault(_PLANE, "The range of a private control plane is a /28.")
    proposals: list[IPv4Network] = []
    for path, said in wrong.items():
        others = [range_ for place, range_ in parsed.items() if place != path]
        proposed = _proposed(path, ranges[path][0], [*others, *proposals])
        proposals += [proposed] if proposed else []  # what is proposed for another fits beside it
        fix = f"Write {path[-1]}: {proposed}." if proposed else "Choose smaller ranges."
        yield Found(path, ranges[path][0], said, fix)


def _proposed(path: Path, cidr: str, others: list[IPv4Network]) -> IPv4Network | None:
    """A range in place of a wrong one."""
    address, _, digits = cidr.partition("/")
    prefix = min(int(digits), 32)
    if path == _PLANE:
        prefix = _PLANE_PREFIX
    elif path == _SERVICES:
        prefix = min(prefix, _SERVICES_PREFIX)
    elif path == _PROXIES and proxy_range_problem(cidr) is not None:
        prefix = _PROXIES_PREFIX
    return _free_near(address, prefix, others)


def _free_near(address: str, prefix: int, others: list[IPv4Network]) -> IPv4Network | None:
    """The range of that size around an address where it is free, else any free one."""
    try:
        near = IPv4Network((address, prefix), strict=False)
    except ValueError:
        return free_range(prefix, others)
    taken = prohibited(near) is not None or any(map(near.overlaps, others))
    return free_range(prefix, [near, *others]) if taken else near


def _ranges(deployment: Deployment) -> dict[Path, tuple[str, bool]]:
    """The ranges we use by where they are written, and whether they are (a default is not)."""
    network, cluster = deployment.settings.network, deployment.settings.cluster
    ranges: dict[Path, tuple[str, bool]] = {}
    if network.mode == "create":
        for key, name in (("nodesCidr", "nodes_cidr"), ("podsCidr", "pods_cidr"), ("servicesCidr", "services_cidr")):
            ranges[("network", key)] = getattr(network, name), name in network.model_fields_set
    proxies, plane = network.proxy_only_subnet, cluster.control_plane
    if deployment.proxy_range is not None:
        ranges[_PROXIES] = proxies.cidr, "cidr" in proxies.model_fields_set
    if cluster.private_nodes:
        ranges[_PLANE] = plane.cidr, "cidr" in plane.model_fields_set
    return ranges


@rule("CL04")
def authorized_networks(deployment: Deployment) -> Iterator[Found]:
    """What may reach the control plane is a network; it may overlap anything."""
    for index, network in enumerate(deployment.settings.cluster.control_plane.authorized_networks):
        path = ("cluster", "controlPlane", "authorizedNetworks", index, "cidr")
        try:
            IPv4Network(network.cidr)
        except ValueError as error:
            yield Found(path, network.cidr, f"Not an address range: {error}.", _nearest_network("cidr", network.cidr))


def _nearest_network(key: str, cidr: str) -> str:
    try:
        return f"Write {key}: {IPv4Network(cidr, strict=False)}."
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


@rule("CL13")
def without_effect(deployment: Deployment) -> Iterator[Found]:
    """What only a new network has is not said of an existing one, and the other way round."""
    network = deployment.settings.network
    proxies = network.proxy_only_subnet
    keys = {"existing": ("nodes_cidr", "pods_cidr", "services_cidr"), "create": ("subnetwork", "host_project")}
    idle: list[tuple[Path, object, str]] = [
        (("network", camel(key)), getattr(network, key), network.mode)
        for key in keys[network.mode]
        if key in network.model_fields_set
    ]
    if proxies.mode == "create" and proxies.name is not None:
        idle.append((("network", "proxyOnlySubnet", "name"), proxies.name, proxies.mode))
    for path, value, mode in idle:
        other = "create" if mode == "existing" else "existing"
        yield Found(
            path, value, f"With mode: {mode} nothing reads it.", f"Remove it, or write mode: {other} beside it."
        )


@rule("NP01")
def known_proxies(deployment: Deployment) -> Iterator[Found]:
    """Network policies name the addresses of the load balancer's proxies."""
    subnet = deployment.settings.network.proxy_only_subnet
    if deployment.proxy_range is None and deployment.settings.platform.network_policies:
        said = "The range of the existing proxy-only subnet is not written, so the models get no network policies."
        project = f" --project={deployment.network_project}" if deployment.settings.network.host_project else ""
        command = (
            f"gcloud compute networks subnets describe {subnet.name or 'NAME'} --region={deployment.region}{project} "
            "--format='value(ipCidrRange)'"
        )
        fix = f"Write cidr: RANGE, which this prints:\n{command}\nor platform: {{networkPolicies: false}}."
        yield Found((*_PROXIES[:-1], "cidr"), None, said, fix)


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
            *([("KEDA", platform.keda)] if deployment.scales else []),
        )
        if choice == "install"
    ]
    if network.mode != "existing" or network.name is None or not cluster.private_nodes or not ours:
        return  # CL07 asks for the name
    ports = deployment.called_ports
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


@rule("CL16")
def shared_vpc(deployment: Deployment) -> Iterator[Found]:
    """In a Shared VPC GKE opens nothing by itself, and works there only with grants of the host project."""
    network, project = deployment.settings.network, deployment.settings.project
    if network.host_project is None or network.mode != "existing" or network.name is None:
        return
    host, number = network.host_project, project.number or "PROJECT_NUMBER"
    ranges = [*facts()["healthCheckRanges"]]
    ranges += [network.proxy_only_subnet.cidr] if network.proxy_only_subnet.mode == "create" else ["PROXY_ONLY_RANGE"]
    agent = f"serviceAccount:service-{number}@container-engine-robot.iam.gserviceaccount.com"
    commands = [
        f"gcloud compute firewall-rules create {deployment.cluster_name}-load-balancer --project={host} \\\n"
        f"  --network={network.name} --direction=INGRESS --source-ranges={','.join(ranges)} \\\n"
        f"  --allow={','.join(f'tcp:{port}' for port in (SERVER_PORT, *facts()['pickerPorts']))}",
        f"gcloud projects add-iam-policy-binding {host} --role=roles/container.hostServiceAgentUser \\\n"
        f"  --member={agent}",
        f"gcloud compute networks subnets add-iam-policy-binding {network.subnetwork} --project={host} \\\n"
        f"  --region={deployment.region} --role=roles/compute.networkUser --member={agent}",
    ]
    said = f"GKE adds no firewall rule and no grant in the host project {host}."
    fix = "Make sure of these (networkUser also for PROJECT_NUMBER@cloudservices.gserviceaccount.com):\n"
    yield Found(("network", "hostProject"), host, said, fix + "\n".join(commands))


@rule("CL11")
def room_in_the_ranges(deployment: Deployment) -> Iterator[Found]:
    """The first nodes, and all TPU nodes beside them, have addresses for themselves and their pods."""
    network = deployment.settings.network
    if network.mode != "create":
        return
    tpu_nodes = sum(pool.max_nodes for pool in deployment.pools)
    cpu_nodes = max(_FIRST_NODES, deployment.settings.cluster.cpu_pool.min_nodes)
    needed = {
        "nodesCidr": _TAKEN_ADDRESSES + cpu_nodes + tpu_nodes,
        "podsCidr": cpu_nodes * _pod_addresses(_PODS_PER_NODE) + tpu_nodes * _pod_addresses(PODS_PER_TPU_NODE),
    }
    try:
        ranges = {path: IPv4Network(cidr) for path, (cidr, _) in _ranges(deployment).items()}
    except ValueError:
        return  # CL04 says so
    for key, addresses in needed.items():
        path: Path = ("network", key)
        range_ = ranges.pop(path)
        if range_.num_addresses >= addresses:
            continue
        prefix = 32 - (addresses - 1).bit_length()
        said = (
            f"{cpu_nodes} CPU and {tpu_nodes} TPU nodes need {addresses} addresses; there are {range_.num_addresses}."
        )
        free = _free_near(str(range_.network_address), prefix, list(ranges.values()))
        yield Found(path, str(range_), said, f"Write {key}: {free}." if free else "Choose smaller ranges elsewhere.")
        ranges[path] = free or range_


def _pod_addresses(pods: int) -> int:
    return 1 << (2 * pods - 1).bit_length()


@rule("CL12")
def names(deployment: Deployment) -> Iterator[Found]:
    """The cluster's name, and the VPC's with what is put behind it, are as long as Google takes them."""
    network = deployment.settings.network
    if network.pods_range_name == network.services_range_name:
        other = "services" if network.pods_range_name != "services" else "service-ips"
        yield Found(
            ("network", "servicesRangeName"),
            network.services_range_name,
            SAME_NAME,
            f"Write servicesRangeName: {other}.",
        )
    if len(deployment.cluster_name) > _LONGEST_CLUSTER_NAME:
        said = f"The cluster's name has {len(deployment.cluster_name)} characters."
        fix = f"Write name: {deployment.cluster_name[:_LONGEST_CLUSTER_NAME].rstrip('-')} under cluster."
        yield Found(("cluster", "name"), deployment.cluster_name, said, fix)
    if network.proxy_only_subnet.mode == "create" and len(deployment.proxy_only_subnet_name) > _LONGEST_NAME:
        longest = _LONGEST_NAME - len(deployment.proxy_only_subnet_name) + len(deployment.network_name)
        said = f"{deployment.proxy_only_subnet_name} has {len(deployment.proxy_only_subnet_name)} characters."
        fix = f"Write name: {deployment.network_name[:longest].rstrip('-')}."
        if network.mode == "existing":
            fix = "Make the proxy-only subnet by hand, and write mode: existing and its name under proxyOnlySubnet."
        yield Found(("network", "name"), deployment.network_name, said, fix)
