"""Rules on GKE clusters and their network (CL01 to CL05, CL12, GW02)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from catalog.gke import facts, parse_gke_version
from catalog.tpu import generations
from checks.objects.backends import inference_gateways
from checks.objects.check import Context, Found, Scope, on_each, on_whole
from checks.objects.releases import chart_of
from checks.objects.resource import CLUSTER, FIREWALL, NETWORK, NODE_POOL, RELEASE, SUBNETWORK, Resource
from checks.objects.values import get, is_unknown, items, mapping, text
from checks.shared.gateway import proxy_range_problem
from checks.shared.ranges import SAME_NAME, range_problem
from checks.shared.slices import is_tpu_machine, machines
from checks.shared.versions import gke_version_problem
from settings.refusal import Path

_CHANNEL = "CHANNEL_STANDARD"
_PURPOSES = ("REGIONAL_MANAGED_PROXY", "INTERNAL_HTTPS_LOAD_BALANCER")
_WITH_WEBHOOKS = ("cert-manager", "lws", "kserve-llmisvc-resources")


def _own_clusters(scope: Scope) -> list[Resource]:
    """The clusters of a stack that serves models or makes TPU node pools; any other stack's are not ours to judge."""
    ours = scope.of("LLMInferenceService", "InferencePool") or any(
        is_tpu_machine(text(pool.inputs, "nodeConfig", "machineType")) for pool in scope.of(NODE_POOL)
    )
    return scope.of(CLUSTER) if ours else []


@on_whole("CL01", graph=True)
def gateway_is_on(scope: Scope) -> Iterator[Found]:
    """Gateway channel standard, HTTP load balancing on, VPC-native. Autopilot has all of it by itself."""
    for cluster in _own_clusters(scope):
        if get(cluster.inputs, "enableAutopilot") is True:
            continue
        channel = get(cluster.inputs, "gatewayApiConfig", "channel")
        if channel != _CHANNEL:
            fix = f"Write gatewayApiConfig: {{channel: {_CHANNEL}}}."
            yield Found(cluster, ("gatewayApiConfig", "channel"), channel, "The Gateway controller is off.", fix)
        if get(cluster.inputs, "addonsConfig", "httpLoadBalancing", "disabled") is True:
            at = ("addonsConfig", "httpLoadBalancing", "disabled")
            yield Found(cluster, at, True, "HTTP load balancing is off.", "Write disabled: false.")
        mode = get(cluster.inputs, "networkingMode")
        if mode == "ROUTES" or (mode is None and get(cluster.inputs, "ipAllocationPolicy") is None):
            fix = "Write networkingMode: VPC_NATIVE with an ipAllocationPolicy."
            yield Found(cluster, ("networkingMode",), mode, "The cluster is not VPC-native.", fix)


@on_whole("CL02", graph=True)
def version_is_new_enough(scope: Scope) -> Iterator[Found]:
    """New enough that GKE brings the InferencePool CRD; what is not written is the channel's choice."""
    for cluster in _own_clusters(scope):
        version = text(cluster.inputs, "minMasterVersion")
        if version and (problem := gke_version_problem(version, "minMasterVersion")) is not None:
            yield Found(cluster, ("minMasterVersion",), version, *problem)


@on_each("CL02", NODE_POOL)
def pool_version_knows_its_generation(pool: Resource, _: Context) -> Iterator[Found]:
    """A pool that is pinned to a version is pinned to one that has its TPU generation."""
    shapes = machines().get(text(pool.inputs, "nodeConfig", "machineType"), ())
    version = parse_gke_version(text(pool.inputs, "version"))
    floor = generations()[shapes[0].generation].min_gke_version if shapes else None
    if version is not None and floor is not None and version < (parse_gke_version(floor) or version):
        said = f"{shapes[0].generation} needs GKE {floor} or newer."
        fix = f"Write version: {floor}, or remove it: the pool follows the cluster."
        yield Found(pool, ("version",), text(pool.inputs, "version"), said, fix)


@on_whole("CL05", graph=True)
def production_is_protected(scope: Scope) -> Iterator[Found]:
    """A cluster with the label `tier: production` cannot be deleted by accident."""
    for cluster in _own_clusters(scope):
        production = text(cluster.inputs, "resourceLabels", "tier") == "production"
        if production and get(cluster.inputs, "deletionProtection") is False:
            said, fix = "A production cluster may be deleted.", "Remove deletionProtection: false."
            yield Found(cluster, ("deletionProtection",), False, said, fix)


@on_whole("CL03", graph=True)
def webhooks_can_be_reached(scope: Scope) -> Iterator[Found]:
    """The control plane of private nodes reaches the webhooks, where the stack makes the network itself."""
    if not scope.of(NETWORK) or not any(chart_of(r) in _WITH_WEBHOOKS for r in scope.of(RELEASE)):
        return
    for cluster in scope.of(CLUSTER):
        private = mapping(cluster.inputs, "privateClusterConfig")
        plane = text(private, "masterIpv4CidrBlock")
        if get(private, "enablePrivateNodes") is not True or not plane:
            continue
        closed = [p for p in facts()["webhookPorts"] if not any(_opens(f, plane, p) for f in scope.of(FIREWALL))]
        if closed:
            ports = ", ".join(map(str, closed))
            fix = (
                f'Add a gcp.compute.Firewall: sourceRanges: [{plane}], allows: [{{protocol: tcp, ports: ["{ports}"]}}].'
            )
            said = f"The control plane {plane} does not reach port {ports} of the nodes."
            yield Found(cluster, ("privateClusterConfig",), plane, said, fix)


def _opens(rule: Resource, plane: str, port: int) -> bool:
    if text(rule.inputs, "direction") == "EGRESS" or get(rule.inputs, "disabled") is True:
        return False
    if not any(_covers(source, plane) for source in items(rule.inputs, "sourceRanges")):
        return False
    for allowed in items(rule.inputs, "allows"):
        protocol, ports = text(allowed, "protocol").lower(), items(allowed, "ports")
        if protocol == "all" or (protocol == "tcp" and (not ports or any(_includes(p, port) for p in ports))):
            return True
    return False


def _covers(source: object, plane: str) -> bool:
    try:
        return ipaddress.ip_network(plane).subnet_of(ipaddress.ip_network(str(source)))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False


def _includes(ports: object, port: int) -> bool:
    first, _, last = str(ports).partition("-")
    return first.isdecimal() and int(first) <= port <= int(last if last.isdecimal() else first)


@on_each("GW02", SUBNETWORK)
def proxy_subnet_is_usable(subnet: Resource, _: Context) -> Iterator[Found]:
    """A proxy-only subnet is active, large enough, and has nothing else in it."""
    if text(subnet.inputs, "purpose") not in _PURPOSES:
        return
    role = get(subnet.inputs, "role")
    if role != "ACTIVE":
        yield Found(subnet, ("role",), role, "The proxy-only subnet is not active.", "Write role: ACTIVE.")
    cidr = text(subnet.inputs, "ipCidrRange")
    if (problem := proxy_range_problem(cidr)) is not None:
        yield Found(subnet, ("ipCidrRange",), cidr, *problem)
    if items(subnet.inputs, "secondaryIpRanges"):
        said = "A proxy-only subnet has no secondary ranges."
        yield Found(subnet, ("secondaryIpRanges",), None, said, "Remove secondaryIpRanges.")


@on_whole("GW02", graph=True)
def one_active_proxy_subnet(scope: Scope) -> Iterator[Found]:
    """One active proxy-only subnet for a VPC and region, and one there where the stack makes the network."""
    active = [
        s for s in scope.of(SUBNETWORK) if text(s.inputs, "purpose") in _PURPOSES and text(s.inputs, "role") == "ACTIVE"
    ]
    seen: dict[tuple[str, str], Resource] = {}
    for subnet in active:
        first = seen.setdefault((_network_of(subnet, scope), text(subnet.inputs, "region")), subnet)
        if first is not subnet:
            said = f"{first.label} is the active one of this VPC and region."
            yield Found(subnet, ("role",), "ACTIVE", said, "Use the one that is there, and remove this one.")
    if inference_gateways(scope) and scope.of(NETWORK) and not active:
        network_made = scope.of(NETWORK)[0]
        fix = 'Add a gcp.compute.Subnetwork with purpose="REGIONAL_MANAGED_PROXY", role="ACTIVE" and a /23.'
        yield Found(network_made, (), None, "The VPC of the Gateway has no proxy-only subnet.", fix)


@on_whole("CL04", graph=True)
def ranges_are_usable(scope: Scope) -> Iterator[Found]:
    """Ranges of subnets are ones that Google gives out, and within a network no two overlap."""
    seen: dict[str, list[tuple[ipaddress.IPv4Network, str]]] = {}
    for subnet in scope.of(SUBNETWORK):
        network = seen.setdefault(_network_of(subnet, scope), [])
        for path, cidr in _ranges(subnet):
            problem, place = range_problem(cidr), f"{subnet.label}: {'.'.join(map(str, path))}"
            if problem is None:
                range_ = ipaddress.IPv4Network(cidr)
                problem = next((f"{cidr} overlaps {o} ({at})." for o, at in network if range_.overlaps(o)), None)
                network.append((range_, place))
            if problem is not None:
                yield Found(subnet, path, cidr, problem, "Write a private range that nothing else uses.")


def _network_of(subnet: Resource, scope: Scope) -> str:
    """A network that is not known yet is the stack's own; of several each subnet is judged alone."""
    if not is_unknown(subnet.inputs, "network"):
        return text(subnet.inputs, "network")
    return "" if len(scope.of(NETWORK)) == 1 else subnet.label


def _ranges(subnet: Resource) -> Iterator[tuple[Path, str]]:
    if cidr := text(subnet.inputs, "ipCidrRange"):
        yield ("ipCidrRange",), cidr
    for index, item in enumerate(items(subnet.inputs, "secondaryIpRanges")):
        if cidr := text(item, "ipCidrRange"):
            yield ("secondaryIpRanges", index, "ipCidrRange"), cidr


@on_each("CL12", SUBNETWORK)
def range_names_differ(subnet: Resource, _: Context) -> Iterator[Found]:
    """Pods and Services are found by the names of their ranges."""
    names = [text(item, "rangeName") for item in items(subnet.inputs, "secondaryIpRanges")]
    for index, name in enumerate(names):
        if name and name in names[:index]:
            at = ("secondaryIpRanges", index, "rangeName")
            yield Found(subnet, at, name, SAME_NAME, f"Write rangeName: {name}-{index + 1}.")
