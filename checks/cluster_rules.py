"""Rules about cluster, network and platform."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator

from catalog.gke import inference_pool_floor, parse_gke_version
from catalog.lock import load_lock
from settings.derive import Deployment
from settings.refusal import Finding, Path


def gke_version(deployment: Deployment) -> Iterator[Finding]:
    """CL02."""
    version = deployment.settings.cluster.min_version
    parsed, floor = parse_gke_version(version), parse_gke_version(inference_pool_floor())
    if parsed is None or floor is None or parsed < floor:
        message = f"GKE {version} is below {inference_pool_floor()}." if parsed else f"{version} is no GKE version."
        yield Finding(
            "CL02",
            ("cluster", "minVersion"),
            version,
            message,
            f"Write minVersion: {inference_pool_floor()}, or leave it out.",
        )


def address_ranges(deployment: Deployment) -> Iterator[Finding]:
    """CL04: every range we use is a network, and no two overlap."""
    network, cluster = deployment.settings.network, deployment.settings.cluster
    ranges: dict[Path, str] = {}
    if network.mode == "create":
        ranges[("network", "nodesCidr")] = network.nodes_cidr
        ranges[("network", "podsCidr")] = network.pods_cidr
        ranges[("network", "servicesCidr")] = network.services_cidr
    if network.proxy_only_subnet.mode == "create":
        ranges[("network", "proxyOnlySubnet", "cidr")] = network.proxy_only_subnet.cidr
    if cluster.private_nodes:
        ranges[("cluster", "controlPlane", "cidr")] = cluster.control_plane.cidr
    parsed: dict[Path, ipaddress.IPv4Network] = {}
    for path, cidr in ranges.items():
        try:
            parsed[path] = ipaddress.IPv4Network(cidr)
        except ValueError as error:
            yield Finding("CL04", path, cidr, f"Not an address range: {error}.", _nearest_network(cidr))
    for (one, a), (other, b) in itertools.combinations(parsed.items(), 2):
        if a.overlaps(b):
            yield Finding(
                "CL04", other, str(b), f"{b} overlaps {a} ({'.'.join(map(str, one))}).", "Choose disjoint ranges."
            )


def _nearest_network(cidr: str) -> str:
    try:
        return f"Write {ipaddress.IPv4Network(cidr, strict=False)}."
    except ValueError:
        return "Write an IPv4 range such as 10.0.0.0/20."


def protection(deployment: Deployment) -> Iterator[Finding]:
    """CL05."""
    if deployment.settings.tier == "production" and not deployment.deletion_protection:
        yield Finding(
            "CL05",
            ("cluster", "deletionProtection"),
            False,
            "A production cluster may be deleted.",
            "Remove deletionProtection: false.",
        )


def region_and_zone(deployment: Deployment) -> Iterator[Finding]:
    """CL06."""
    location = deployment.settings.location
    derived = location.zone.rsplit("-", 1)[0]
    if location.region is not None and location.region != derived:
        yield Finding(
            "CL06",
            ("location", "region"),
            location.region,
            f"The zone {location.zone} is not in {location.region}.",
            f"Write region: {derived}, or leave it out.",
        )


def existing_network(deployment: Deployment) -> Iterator[Finding]:
    """CL07."""
    network = deployment.settings.network
    if network.mode != "existing":
        return
    for key, value in (("name", network.name), ("subnetwork", network.subnetwork)):
        if value is None:
            yield Finding("CL07", ("network", key), None, f"The existing network lacks `{key}`.", f"Add {key}: <name>.")


def control_plane(deployment: Deployment) -> Iterator[Finding]:
    """CL08: by DNS name, or from at least one authorized network."""
    plane = deployment.settings.cluster.control_plane
    if not plane.dns_endpoint and not plane.authorized_networks:
        yield Finding(
            "CL08",
            ("cluster", "controlPlane"),
            None,
            "Neither the DNS endpoint nor any network is allowed.",
            "Write dnsEndpoint: true, or name authorizedNetworks.",
        )


def kserve_version(deployment: Deployment) -> Iterator[Finding]:
    """KS01: an existing KServe is a version we have tested."""
    platform = deployment.settings.platform
    if platform.kserve != "existing":
        return
    tested = [v.removeprefix("v") for c in load_lock().combinations for v in c.components["kserve"].versions]
    version = (platform.kserve_version or "").removeprefix("v")
    if version not in tested:
        said = f"KServe {version} is not tested." if version else "The version of the existing KServe is not said."
        yield Finding(
            "KS01",
            ("platform", "kserveVersion"),
            platform.kserve_version,
            said,
            f"Write kserveVersion: {tested[0]} where that is what runs; upgrade it otherwise.",
        )


def leader_worker_set(deployment: Deployment) -> Iterator[Finding]:
    """KS03."""
    if deployment.settings.platform.leader_worker_set == "off" and deployment.multi_host:
        names = ", ".join(m.name for m in deployment.models if m.shape.multi_host)
        yield Finding(
            "KS03",
            ("platform", "leaderWorkerSet"),
            "off",
            f"Multi-host models need it: {names}.",
            "Write leaderWorkerSet: install.",
        )


CHECKS = (
    gke_version,
    address_ranges,
    protection,
    region_and_zone,
    existing_network,
    control_plane,
    kserve_version,
    leader_worker_set,
)
