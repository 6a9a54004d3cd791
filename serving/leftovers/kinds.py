"""Kinds of resources that can be left, with the methods of the Compute API for each, in the order of their deletion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from serving.checking.gcloud import gcloud


@dataclass(frozen=True)
class Kind:
    """A kind of resource.

    `collection` is listed, by `aggregatedList` or, where `everywhere` is False, by `list`; `deleted_by`: scope ("global",
    "regions", "zones") -> the collection whose `delete` takes it; `parameter` is the name's parameter there; `tool` is
    gcloud's group. `of_network`: it belongs to the project of the network. `kept`: it is listed, and never deleted here.
    """

    title: str
    collection: str
    parameter: str
    tool: str
    deleted_by: tuple[tuple[str, str], ...]
    everywhere: bool = True
    of_network: bool = False
    kept: bool = False


NETWORK = Kind(
    "network", "networks", "network", "networks", (("global", "networks"),), everywhere=False, of_network=True
)
SUBNET = Kind("subnet", "subnetworks", "subnetwork", "networks subnets", (("regions", "subnetworks"),), of_network=True)
INSTANCE = Kind("VM", "instances", "instance", "instances", (("zones", "instances"),))
MANAGER = Kind(
    "managed instance group",
    "instanceGroupManagers",
    "instanceGroupManager",
    "instance-groups managed",
    (("zones", "instanceGroupManagers"), ("regions", "regionInstanceGroupManagers")),
)
GROUP = Kind(
    "instance group", "instanceGroups", "instanceGroup", "instance-groups unmanaged", (("zones", "instanceGroups"),)
)
DISK = Kind("disk", "disks", "disk", "disks", (("zones", "disks"), ("regions", "regionDisks")), kept=True)


def _balanced(title: str, name: str, tool: str) -> Kind:
    """A part of a load balancer, global or of a region."""
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}es" if name.endswith("s") else f"{name}s"
    regional = f"region{plural[0].upper()}{plural[1:]}"
    return Kind(title, plural, name, tool, (("regions", regional), ("global", plural)))


KINDS = (
    Kind(
        "forwarding rule",
        "forwardingRules",
        "forwardingRule",
        "forwarding-rules",
        (("regions", "forwardingRules"), ("global", "globalForwardingRules")),
    ),
    _balanced("target HTTP proxy", "targetHttpProxy", "target-http-proxies"),
    _balanced("target HTTPS proxy", "targetHttpsProxy", "target-https-proxies"),
    _balanced("URL map", "urlMap", "url-maps"),
    _balanced("backend service", "backendService", "backend-services"),
    _balanced("health check", "healthCheck", "health-checks"),
    Kind(
        "network endpoint group",
        "networkEndpointGroups",
        "networkEndpointGroup",
        "network-endpoint-groups",
        (
            ("zones", "networkEndpointGroups"),
            ("regions", "regionNetworkEndpointGroups"),
            ("global", "globalNetworkEndpointGroups"),
        ),
    ),
    MANAGER,
    INSTANCE,
    GROUP,
    Kind(
        "address",
        "addresses",
        "address",
        "addresses",
        (("regions", "addresses"), ("global", "globalAddresses")),
    ),
    Kind("route", "routes", "route", "routes", (("global", "routes"),), everywhere=False, of_network=True),
    Kind(
        "firewall rule",
        "firewalls",
        "firewall",
        "firewall-rules",
        (("global", "firewalls"),),
        everywhere=False,
        of_network=True,
    ),
    Kind("router", "routers", "router", "routers", (("regions", "routers"),), of_network=True),
    SUBNET,
    NETWORK,
    DISK,
)


@dataclass(frozen=True)
class Leftover:
    """A resource that is left. `scope`: "global", "regions/REGION" or "zones/ZONE". `foreign`: neither GKE nor the program made it."""

    kind: Kind
    project: str
    scope: str
    name: str
    foreign: bool = False

    @property
    def place(self) -> str:
        """Its zone or region, or "global"."""
        return self.scope.rpartition("/")[2]

    @cached_property
    def parameters(self) -> dict[str, str]:
        """What its method of deletion takes."""
        where = {} if self.scope == "global" else {self.scope.partition("/")[0].removesuffix("s"): self.place}
        return {"project": self.project, **where, self.kind.parameter: self.name}

    @property
    def method(self) -> str:
        """Its method of deletion."""
        return f"{dict(self.kind.deleted_by)[self.scope.partition('/')[0]]}.delete"

    @property
    def command(self) -> str:
        """The gcloud command that deletes it."""
        scope = {"zones": [f"--zone={self.place}"], "regions": [f"--region={self.place}"]}
        where = scope.get(self.scope.partition("/")[0], ["--global"] if len(self.kind.deleted_by) > 1 else [])
        words = gcloud(f"compute {self.kind.tool} delete {self.name}", *where, f"--project={self.project}", say="")
        return words.removeprefix("\n")
