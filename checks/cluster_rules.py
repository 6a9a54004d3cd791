"""Rules about the cluster (CL02, CL05, CL06, CL08, CL10, CL14, CL15)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checks.registry import Found, at, rule
from checks.shared.versions import gke_version_problem
from settings.derive import Deployment

# Google "Prepare an Arm workload": kubernetes.io/arch=arm64:NoSchedule; of accelerators, "About GPUs" and "About TPUs in GKE".
_TOO_MANY = 1000  # settings.cpu_pool: nodes of which none holds a picker, or more than a pool has
_TAINTED = re.compile(r"(t2a|[cn]\da|a\d\w*|g\d|ct\d\w*|tpu\d\w*)-")


@rule("CL02")
def gke_version(deployment: Deployment) -> Iterator[Found]:
    """New enough that GKE owns the InferencePool CRD and has the TPU generations; the channel's default where it is left out."""
    version, (floor, needed_by) = deployment.settings.cluster.min_version, deployment.version_floor
    problem = gke_version_problem(version, "minVersion", floor) if version is not None else None
    if problem is not None:
        problem = problem._replace(message=f"{problem.message} {floor} is what {needed_by} needs.")
    yield from at(("cluster", "minVersion"), version, problem)


@rule("CL10")
def cpu_nodes(deployment: Deployment) -> Iterator[Found]:
    """The autoscaler's least is not above its most; the nodes are such as controllers run on."""
    pool = deployment.settings.cluster.cpu_pool
    if _TAINTED.match(pool.machine_type):
        said = f"GKE taints nodes of {pool.machine_type} (Arm, GPU or TPU), and controllers tolerate no such taint."
        fix = "Write machineType: e2-standard-4, or another x86 machine without accelerators."
        yield Found(("cluster", "cpuPool", "machineType"), pool.machine_type, said, fix)
    if pool.max_nodes is not None and pool.min_nodes > pool.max_nodes:
        said = f"At least {pool.min_nodes} nodes and at most {pool.max_nodes} is not a range."
        yield Found(("cluster", "cpuPool", "maxNodes"), pool.max_nodes, said, f"Write maxNodes: {pool.min_nodes}.")


@rule("CL05")
def protection(deployment: Deployment) -> Iterator[Found]:
    """Production can't be deleted by one command."""
    if deployment.settings.tier == "production" and not deployment.deletion_protection:
        said, fix = "A production cluster may be deleted.", "Write deletionProtection: true, or remove the line."
        yield Found(("cluster", "deletionProtection"), False, said, fix)


@rule("CL06")
def region_and_zone(deployment: Deployment) -> Iterator[Found]:
    """The zone lies in the region."""
    location = deployment.settings.location
    derived = location.zone.rsplit("-", 1)[0]
    if location.region is not None and location.region != derived:
        said = f"The zone {location.zone} is not in {location.region}."
        yield Found(("location", "region"), location.region, said, f"Write region: {derived}, or leave it out.")


@rule("CL08")
def control_plane(deployment: Deployment) -> Iterator[Found]:
    """By DNS name, or from at least one authorized network."""
    plane = deployment.settings.cluster.control_plane
    if not plane.dns_endpoint and not plane.authorized_networks:
        said = "Neither the DNS endpoint nor any network is allowed."
        fix = "Write dnsEndpoint: true, or name authorizedNetworks."
        yield Found(("cluster", "controlPlane", "dnsEndpoint"), False, said, fix)


@rule("CL15")
def room_for_pickers(deployment: Deployment) -> Iterator[Found]:
    """The CPU pool holds controllers, one endpoint picker a model, and the Jobs that fill the bucket."""
    pool = deployment.settings.cluster.cpu_pool
    needed, most = deployment.cpu_pool_room, deployment.cpu_pool_most_nodes
    if needed is not None and needed.nodes >= _TOO_MANY:
        said = f"A node {pool.machine_type} has room for no endpoint picker beside GKE's own pods."
        fix = "Write machineType: e2-standard-4, or a larger one."
        yield Found(("cluster", "cpuPool", "machineType"), pool.machine_type, said, fix)
    elif needed is not None and needed.nodes > most:
        said = (
            f"{needed.text} and the controllers ask for {needed.cpu:.1f} CPUs and {needed.memory_gib:.1f} GiB; "
            f"{most} nodes {pool.machine_type} have {most * needed.node_cpu:.1f} and {most * needed.node_memory_gib:.1f}."
        )
        fix = f"Write maxNodes: {needed.nodes + 1}, leave it out, or choose a larger machineType."
        yield Found(("cluster", "cpuPool", "maxNodes"), pool.max_nodes, said, fix)


@rule("CL14")
def open_to_everybody(deployment: Deployment) -> Iterator[Found]:
    """A network of the whole internet is not a restriction."""
    for index, network in enumerate(deployment.settings.cluster.control_plane.authorized_networks):
        if network.cidr.endswith("/0"):
            said = "The API server's IP endpoint is open to the whole internet."
            fix = "Name the ranges that need it, or remove the line: the DNS endpoint needs none."
            yield Found(("cluster", "controlPlane", "authorizedNetworks", index, "cidr"), network.cidr, said, fix)
