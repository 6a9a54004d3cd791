"""An API server that answers discovery and lists from a list of objects, and pod pages from a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import yaml

from tests.serving.verify.web import Reply, Server, serving

CLUSTER_SCOPED = ("GatewayClass", "ComputeClass", "Node", "Namespace", "ClusterRole", "CustomResourceDefinition")


@dataclass
class ApiServer:
    """What it holds. `refused`: kinds that answer 403; `absent`: kinds that it does not serve."""

    objects: list[dict[str, Any]]
    refused: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    pod_page: Callable[[str], str] = lambda _pod: ""

    @contextmanager
    def running(self, folder: Path) -> Iterator[Path]:
        """The path of its kubeconfig."""
        with serving(self._answer) as server:
            kubeconfig = folder / "kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(config(server)))
            yield kubeconfig

    def _answer(self, method: str, path: str, _body: Any) -> Reply:
        path, _, query = path.partition("?")
        if path == "/version":
            return Reply.json({"gitVersion": "v1.36.3"})
        if path in ("/api", "/apis"):
            return self._groups(path)
        parts = path.strip("/").split("/")
        version = "/".join(parts[1:2] if parts[0] == "api" else parts[1:3])
        rest = parts[2 if parts[0] == "api" else 3 :]
        if not rest:
            return Reply.json(
                {"kind": "APIResourceList", "groupVersion": version, "resources": self._resources(version)}
            )
        if rest[0] == "namespaces" and len(rest) > 4:
            return Reply(200, "text/plain", self.pod_page(rest[3].split(":")[0]).encode())
        plural, namespace = (rest[2], rest[1]) if rest[0] == "namespaces" and len(rest) > 2 else (rest[0], None)
        name = next(iter(rest[3:] if namespace else rest[1:]), None)
        items = [i for i in self.objects if i["apiVersion"] == version and _plural(i["kind"]) == plural]
        if any(_plural(kind) == plural for kind in self.refused):
            return Reply.json({"kind": "Status", "message": f"{plural} is forbidden"}, 403)
        own = [item for item in items if namespace in (None, item["metadata"].get("namespace"))]
        if name is not None:
            found = next((item for item in own if item["metadata"]["name"] == name), None)
            gone = Reply.json({"kind": "Status", "message": f"{plural} {name} not found"}, 404)
            return Reply.json(found) if found else gone
        own = [item for item in own if _selected(item, query)]
        return Reply.json({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": own})

    def _groups(self, path: str) -> Reply:
        if path == "/api":
            return Reply.json({"kind": "APIVersions", "versions": ["v1"]})
        found = sorted({"autoscaling/v2", *(i["apiVersion"] for i in self.objects if "/" in i["apiVersion"])})
        groups = []
        for version in found:
            entry = {"groupVersion": version, "version": version.split("/")[1]}
            groups.append({"name": version.split("/")[0], "versions": [entry], "preferredVersion": entry})
        return Reply.json({"kind": "APIGroupList", "groups": groups})

    def _resources(self, version: str) -> list[dict[str, Any]]:
        kinds = {item["kind"] for item in self.objects if item["apiVersion"] == version} - self.absent
        if version == "networking.gke.io/v1":
            kinds.add("GCPGatewayPolicy")
        if version == "autoscaling/v2":
            kinds.add("HorizontalPodAutoscaler")
        return [
            {
                "name": _plural(kind),
                "singularName": kind.lower(),
                "kind": kind,
                "namespaced": kind not in CLUSTER_SCOPED,
                "verbs": ["get", "list"],
            }
            for kind in sorted(kinds)
        ]


def _selected(item: dict[str, Any], query: str) -> bool:
    selector = parse_qs(query).get("labelSelector", [""])[0]
    wanted = dict(part.split("=", 1) for part in selector.split(",") if part)
    return wanted.items() <= (item["metadata"].get("labels") or {}).items()


def _plural(kind: str) -> str:
    lowered = kind.lower()
    if lowered.endswith("y"):
        return f"{lowered[:-1]}ies"
    return f"{lowered}es" if lowered.endswith("s") else f"{lowered}s"


def config(server: Server) -> dict[str, Any]:
    """A kubeconfig for a server."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
