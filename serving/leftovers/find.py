"""What is left of an environment's network, asked of Google; and whether it may be deleted here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from catalog.leftovers import is_disk_of_cluster, is_of_cluster, is_of_gke
from cluster.errors import CannotAskError
from serving.google.client import GoogleClient, last_part
from serving.leftovers.kinds import DISK, GROUP, INSTANCE, KINDS, MANAGER, NETWORK, Kind, Leftover
from settings.derive import Deployment

Item = Mapping[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """What is left, in the order of its deletion. `refused`: why nothing of it is deleted here; empty where it may be."""

    leftovers: tuple[Leftover, ...]
    refused: str = ""

    @property
    def deletable(self) -> tuple[Leftover, ...]:
        """What `--delete` deletes."""
        mine = tuple(item for item in self.leftovers if not item.foreign and not item.kind.kept)
        blocked = any(item.foreign for item in self.leftovers)
        return tuple(item for item in mine if item.kind is not NETWORK or not blocked)


class ClusterLivesError(Exception):
    """A cluster lives in the network: what is there is in use, and nothing is left over."""


def find(google: GoogleClient, deployment: Deployment) -> SearchResult:
    """What is left.

    Raises:
        ClusterLivesError: the environment's cluster, or another one in a network of the program, still exists.
        CannotAskError: Google gave no whole answer.
    """
    network = google.find(
        "compute", "networks.get", project=deployment.network_project, network=deployment.network_name
    )
    made, refused = _made_here(deployment, network)
    _refuse_living(google, deployment, made)
    leftovers = list(_Search(google, deployment, network, made).all())
    return SearchResult(tuple(leftovers), refused)


def _made_here(deployment: Deployment, network: Item | None) -> tuple[bool, str]:
    """Whether the program made the network, and else why nothing is deleted here."""
    name = deployment.network_name
    if deployment.settings.network.mode == "existing":
        return False, f"network {name} is an existing one (network.mode: existing)."
    if network is None:
        return False, f"network {name} is gone, so nothing shows any more that these were in it."
    if network.get("description") != deployment.network_mark:
        return (
            False,
            f"network {name} does not have the description that the program gives ({deployment.network_mark!r}).",
        )
    return True, ""


def _refuse_living(google: GoogleClient, deployment: Deployment, made: bool) -> None:
    project = deployment.settings.project.id
    answer = (
        google.find("container", "projects.locations.clusters.list", parent=f"projects/{project}/locations/-") or {}
    )
    if zones := answer.get("missingZones"):
        raise CannotAskError("google-error", f"GKE did not say which clusters there are in {', '.join(zones)}")
    for cluster in answer.get("clusters", ()):
        name, place = cluster.get("name"), cluster.get("location")
        own = (name, place) == (deployment.cluster_name, deployment.region)
        if own or (made and last_part(cluster.get("network")) == deployment.network_name):
            raise ClusterLivesError(
                f"cluster {name} in {place} is {cluster.get('status', 'there')}: what is in its network is in use."
            )


class _Search:
    """One search through all kinds."""

    def __init__(self, google: GoogleClient, deployment: Deployment, network: Item | None, made: bool) -> None:
        self._google, self._deployment, self._network, self._made = google, deployment, network, made
        self._subnets = {_path(url) for url in (network or {}).get("subnetworks") or ()}

    def all(self) -> Iterator[Leftover]:
        """Every leftover; a VM or an instance group of a managed group goes with that one."""
        managers: set[tuple[str, str]] = set()
        for kind in KINDS:
            for scope, item in self._listed(kind):
                name = str(item.get("name"))
                if kind in (INSTANCE, GROUP) and any(
                    place == scope and (name == other or name.startswith(f"{other.removesuffix('-grp')}-"))
                    for place, other in managers
                ):
                    continue
                foreign = self._foreign(kind, item)
                if foreign is None:
                    continue
                if kind is MANAGER:
                    managers.add((scope, name))
                yield Leftover(kind, self._project(kind), scope, name, foreign)

    def _project(self, kind: Kind) -> str:
        return self._deployment.network_project if kind.of_network else self._deployment.settings.project.id

    def _listed(self, kind: Kind) -> Iterator[tuple[str, Item]]:
        if kind is NETWORK:
            yield from [("global", self._network)] if self._network and self._made else []
            return
        project = self._project(kind)
        if kind.everywhere:
            yield from self._google.aggregated(kind.collection, project=project)
        else:
            found = self._google.listed("compute", f"{kind.collection}.list", project=project)
            yield from (("global", item) for item in found)

    def _foreign(self, kind: Kind, item: Item) -> bool | None:
        """Whether somebody else's is in the way; None for what is not of this environment."""
        region, cluster = self._deployment.region, self._deployment.cluster_name
        if kind is NETWORK:
            return False
        if kind is DISK:
            return False if is_disk_of_cluster(item, region, cluster) else None
        if is_of_cluster(item, region, cluster):
            return False
        inside = _path(item.get("instanceGroup")) in self._groups if kind is MANAGER else self._inside(item)
        if not self._made or not inside or _goes_with_the_network(kind, item):
            return None
        return not (is_of_gke(item) or self._is_ours(kind, item))

    @cached_property
    def _groups(self) -> set[str]:
        """The instance groups in the network: a managed one says its group, and only that one says its network."""
        return {_path(item.get("selfLink")) for _, item in self._listed(GROUP) if self._inside(item)}

    def _inside(self, item: Item) -> bool:
        interfaces = item.get("networkInterfaces") or ()
        networks = [item.get("network"), *(each.get("network") for each in interfaces)]
        own = f"projects/{self._deployment.network_project}/global/networks/{self._deployment.network_name}"
        return own in map(_path, networks) or _path(item.get("subnetwork")) in self._subnets

    def _is_ours(self, kind: Kind, item: Item) -> bool:
        own, address = self._deployment, self._deployment.settings.gateway.address
        names = {
            "firewall rule": [own.webhook_firewall_name],
            "router": [own.router_name],
            "subnet": [own.nodes_subnet_name, own.proxy_only_subnet_name],
            "address": [address.name] if address and address.create else [],
        }
        return item.get("name") in names.get(kind.title, ())


def _goes_with_the_network(kind: Kind, item: Item) -> bool:
    """Google deletes default routes, those of subnets and peerings, and the addresses of a NAT with what they belong to."""
    if kind.title == "route":
        return not is_of_gke(item) and not _made_by_hand(item)
    return kind.title == "address" and item.get("purpose") == "NAT_AUTO"


def _made_by_hand(route: Item) -> bool:
    gateway = str(route.get("nextHopGateway") or "").endswith("/default-internet-gateway")
    return not (gateway or route.get("nextHopNetwork") or route.get("nextHopPeering"))


def _path(url: Any) -> str:
    """`projects/...` of a resource's URL."""
    text = str(url or "")
    return text[text.find("projects/") :] if "projects/" in text else ""
