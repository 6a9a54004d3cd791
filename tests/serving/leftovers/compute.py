"""An emulator of the Compute API's lists and deletions, for every collection that the discovery document has.

What something else refers to can't be deleted: the API says so at once, and for networks and subnets in the operation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.serving.google import discovery
from tests.serving.google.emulator import Answer, GoogleEmulator, Handler, RefusedRequestError, error

BASE = "https://www.googleapis.com/compute/v1"
# Fields in which a resource names what it does not keep from being deleted.
_NO_USE = ("selfLink", "subnetworks", "instanceGroup")
_LATE = ("networks", "subnetworks")
Place = tuple[str, str, str]


@dataclass
class Compute:
    """Resources by (collection, scope, name). `held`: operations until a resource is free of a user that nobody sees."""

    project: str
    items: dict[Place, dict[str, Any]] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    clusters: list[dict[str, Any]] = field(default_factory=list)
    page: int = 2
    silent: str = ""
    deleted: list[str] = field(default_factory=list)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)

    def path(self, collection: str, scope: str, name: str) -> str:
        """`projects/...` of a resource."""
        return f"projects/{self.project}/{scope}/{collection}/{name}"

    def add(self, collection: str, scope: str, name: str, **fields: Any) -> str:
        """A resource; its URL."""
        url = f"{BASE}/{self.path(collection, scope, name)}"
        self.items[collection, scope, name] = {"name": name, "selfLink": url, **fields}
        return url

    def names(self, collection: str = "") -> set[str]:
        """Names of what is there."""
        return {name for kind, _, name in self.items if collection in ("", kind)}

    def serve(self, emulator: GoogleEmulator) -> None:
        """Let the emulator of Google answer with it."""
        emulator.handlers = _Handlers(self)

    def users(self, place: Place) -> Iterator[str]:
        """Paths of what refers to a resource."""
        wanted = json.dumps(f"{BASE}/{self.path(*place)}")
        for other, item in self.items.items():
            rest = {key: value for key, value in item.items() if key not in _NO_USE}
            if other != place and wanted in json.dumps(rest):
                yield self.path(*other)

    def delete(self, place: Place) -> None:
        """Delete it; VMs and group of a managed instance group go with it."""
        del self.items[place]
        self.deleted.append(place[2])
        if place[0] == "instanceGroupManagers":
            for other in [p for p in self.items if p[0] in ("instances", "instanceGroups")]:
                if other[2].startswith(place[2].removesuffix("-grp")):
                    del self.items[other]


class _Handlers(dict[tuple[str, str], Handler]):
    """The handler of any method of the document."""

    def __init__(self, compute: Compute) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, key: tuple[str, str]) -> Handler:
        api, method = key
        if key == ("container", "projects.locations.clusters.list"):
            return lambda _values, _query, _body: {"clusters": self._compute.clusters}
        assert api == "compute"
        collection, _, verb = method.partition(".")
        if collection.endswith("Operations"):
            return lambda values, _query, _body: _operation(self._compute, values["operation"])
        base = re.sub(r"^(?:region|global)([A-Z])", lambda found: found[1].lower(), collection)
        return lambda values, query, _body: _METHODS[verb](self._compute, base, values, query)


def _get(compute: Compute, collection: str, values: Mapping[str, str], _query: Any) -> Answer:
    return compute.items.get(_place(collection, values))


def _list(compute: Compute, collection: str, _values: Any, query: Mapping[str, list[str]]) -> Answer:
    rows, token = _page(compute, collection, query)
    return {"items": [item for _, item in rows], **token}


def _aggregated(compute: Compute, collection: str, _values: Any, query: Mapping[str, list[str]]) -> Answer:
    rows, token = _page(compute, collection, query)
    scopes: dict[str, Any] = {"zones/empty-1-a": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}}
    for scope, item in rows:
        scopes.setdefault(scope, {}).setdefault(collection, []).append(item)
    return {"items": scopes, **token, **({"unreachables": [compute.silent]} if compute.silent else {})}


def _page(compute: Compute, collection: str, query: Mapping[str, list[str]]) -> tuple[list[Any], dict[str, str]]:
    if f"{collection}.list" in compute.denied:
        permission = f"compute.{collection}.list"
        raise RefusedRequestError(
            error(403, f"Required '{permission}' permission for 'projects/{compute.project}'", "forbidden")
        )
    rows = [(place[1], item) for place, item in sorted(compute.items.items()) if place[0] == collection]
    start = int(query.get("pageToken", ["0"])[0])
    end = start + compute.page
    return rows[start:end], {"nextPageToken": str(end)} if end < len(rows) else {}


def _delete(compute: Compute, collection: str, values: Mapping[str, str], _query: Any) -> Answer:
    place = _place(collection, values)
    if place not in compute.items:
        return None
    if place[2] in compute.denied:
        permission, path = f"compute.{collection}.delete", compute.path(*place)
        raise RefusedRequestError(error(403, f"Required '{permission}' permission for '{path}'", "forbidden"))
    users = list(compute.users(place))
    if compute.held.get(place[2], 0) > 0:
        compute.held[place[2]] -= 1
        users.append(f"projects/{compute.project}/zones/europe-west4-a/networkEndpointGroups/k8s1-of-somebody")
    said = f"The {collection.removesuffix('s')} resource '{compute.path(*place)}' is already being used by "
    if users and collection not in _LATE:
        raise RefusedRequestError(error(400, said + f"'{users[0]}'", "resourceInUseByAnotherResource"))
    name = f"operation-{len(compute.operations)}"
    made: dict[str, Any] = {"name": name, "status": "RUNNING", "operationType": "delete"}
    compute.operations[name] = {"answer": made, "place": place, "late": said + f"'{users[0]}'" if users else ""}
    return made


def _operation(compute: Compute, name: str) -> Answer:
    """Done at the second look."""
    operation = compute.operations[name]
    looks = operation["looks"] = operation.get("looks", 0) + 1
    if looks == 2:
        operation["answer"]["status"] = "DONE"
        if operation["late"]:
            failure = {"code": "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "message": operation["late"]}
            operation["answer"]["error"] = {"errors": [failure]}
        elif operation["place"] in compute.items:
            compute.delete(operation["place"])
    found: dict[str, Any] = operation["answer"]
    return found


def _place(collection: str, values: Mapping[str, str]) -> Place:
    scope = next((f"{key}s/{values[key]}" for key in ("zone", "region") if key in values), "global")
    [name] = [value for key, value in values.items() if key not in ("project", "zone", "region")]
    return collection, scope, name


_METHODS = {"get": _get, "list": _list, "aggregatedList": _aggregated, "delete": _delete}


def has_method(name: str) -> bool:
    """Whether the document has such a method of Compute Engine."""
    return any(method.name == name for method in discovery.api("compute").methods)
