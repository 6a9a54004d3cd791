"""Which resources are added, deleted, replaced or changed in place, by the providers' own rules for replacement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from providers.kubernetes.differences import replacing
from serving.plan.against.field_changes import field_changes
from serving.plan.graph import Graph
from serving.program.record import UNKNOWN, Resource

CLUSTER = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"
_SUBNET = "gcp:compute/subnetwork:Subnetwork"
RELEASE_IDENTITY = ("name", "namespace")


@dataclass(frozen=True)
class Change:
    """One resource that differs; `because` says why it is replaced, `stays` names what the provider leaves as it is."""

    resource: Resource
    action: Literal["added", "deleted", "replaced", "updated"]
    properties: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    earlier: Resource | None = None
    stays: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The last part of its type."""
        return self.resource.type.rsplit(":", 1)[-1]

    @property
    def name(self) -> str:
        """Its name in the cloud or the cluster, as it is before; the program's own where it has none."""
        inputs = (self.earlier or self.resource).inputs
        metadata = inputs.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else inputs.get("name")
        return name if isinstance(name, str) else self.resource.name


@cache
def holdings() -> dict[str, Any]:
    """The data file beside this module."""
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("holds.yaml").read_text(encoding="utf-8"))
    return data


def compare(before: Graph, after: Graph) -> list[Change]:
    """What differs, in the order of creation; what is deleted comes last."""
    old = {(r.type, r.name): r for r in before.order}
    replaced: dict[str, Resource] = {}
    changes: list[Change] = []
    for resource in after.order:
        earlier = old.pop((resource.type, resource.name), None)
        if earlier is None:
            changes.append(Change(resource, "added"))
            continue
        because = [*_replacing(earlier, resource), *_through(resource, replaced)]
        if resource.type == CLUSTER:
            because += _ranges(resource, before, after)
        stays = tuple(_staying(earlier, resource))
        lines = field_changes(_seen(earlier), _seen(resource))
        properties = tuple(
            line for line in lines if not line.startswith(tuple(f"{path}{end}" for path in stays for end in ".:"))
        )
        if because:
            replaced[resource.urn] = resource
            changes.append(Change(resource, "replaced", properties, tuple(because), earlier))
        elif properties or stays:
            changes.append(Change(resource, "updated", properties, stays=stays))
    return changes + [Change(resource, "deleted") for resource in reversed(old.values())]


def _seen(resource: Resource) -> dict[str, Any]:
    """Inputs without what the engine is told not to look at."""
    return {k: v for k, v in resource.inputs.items() if k not in resource.ignore_changes and k != "__defaults"}


def _replacing(old: Resource, new: Resource) -> list[str]:
    """The property changes that can't be made in place."""
    one, other = _seen(old), _seen(new)
    if new.type.startswith("gcp:"):
        paths = _gcp(new.type, one, other)
    elif "kind" in other:
        paths = replacing(one, other, new.replace_on_changes)
    else:
        paths = [key for key in RELEASE_IDENTITY if one.get(key) != other.get(key)]
    return [line for path in paths for line in _said(path, one, other)]


def _said(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    name = path.split("[")[0]
    return [line.replace("value:", f"{name}:", 1) for line in field_changes(_at(old, name), _at(new, name))] or [name]


def _gcp(token: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    from providers.google.differences import difference
    from providers.google.facts import facts, tokens

    if token not in tokens():
        return []
    detailed = difference(facts(token), old, new).detailed
    return [path for path, change in detailed.items() if change.endswith("-replace")]


def _staying(old: Resource, new: Resource) -> Iterable[str]:
    """What the program declares no more, and the provider leaves in the cloud."""
    from providers.google.differences import stays
    from providers.google.facts import facts, tokens

    return stays(facts(new.type), _seen(old), _seen(new)) if new.type in tokens() else ()


def _at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _through(resource: Resource, replaced: Mapping[str, Resource]) -> list[str]:
    """What is replaced with something it names, or goes with the cluster it is in."""
    from providers.google.facts import facts, tokens

    if resource.type not in tokens():
        return []
    found: list[str] = []
    for path in facts(resource.type).force_new:
        top = path.split(".")[0]
        if top in resource.ignore_changes:
            continue
        value = _at(resource.inputs, path)
        for urn in resource.property_dependencies.get(top, []):
            if urn in replaced and (value == UNKNOWN or path == top):
                found.append(f"{path} is {replaced[urn].name}, which is replaced")
    return found


def _ranges(cluster: Resource, before: Graph, after: Graph) -> list[str]:
    """Secondary ranges that the cluster uses: under a cluster they can't be changed.

    Source: Google, "Create a VPC-native cluster", limitations: a range can't be replaced without an unstable cluster.
    """
    policy = cluster.inputs.get("ipAllocationPolicy") or {}
    used = {str(policy.get(f"{which}SecondaryRangeName")) for which in ("cluster", "services")}
    old, new = _secondary(before), _secondary(after)
    return [
        f"range {name} is in use by it: {old[name]} -> {new[name]}"
        for name in sorted(used & old.keys() & new.keys())
        if old[name] != new[name]
    ]


def _secondary(graph: Graph) -> dict[str, str]:
    return {
        entry["rangeName"]: entry["ipCidrRange"]
        for resource in graph.order
        if resource.type == _SUBNET
        for entry in resource.inputs.get("secondaryIpRanges") or []
    }
