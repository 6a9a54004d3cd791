"""A real control plane with this kubelet, and a node; shared by the tests of this folder, one namespace a test."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cluster as kube
from rehearsal import control_plane
from rehearsal.directory import Record, RehearsalDirectory
from rehearsal.kubelet.context import Context, Machine
from rehearsal.kubelet.kubelet import NODE_LABEL
from tests.rehearsal.plane import running, until

Json = dict[str, Any]

NODE = "node-1"
PYTHON = "docker.io/library/python:3.13"


@dataclass
class Namespace:
    """A namespace of the shared control plane; pods of it that are waited for, with their logs and Events."""

    client: kube.DynamicClient
    directory: RehearsalDirectory
    name: str

    def apply(self, kind: str, name: str, api_version: str = "v1", **fields: Any) -> Json:
        metadata = {"name": name, "namespace": self.name, **fields.pop("metadata", {})}
        manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
        return kube.apply(self.client, manifest, manager="test")

    def pod(self, name: str, *containers: Json, **spec: Any) -> None:
        filled = [{"image": PYTHON, "name": f"c{number}", **one} for number, one in enumerate(containers)]
        self.apply("Pod", name, spec={"nodeName": NODE, "containers": filled, **spec})

    def get(self, name: str, kind: str = "Pod") -> Json | None:
        return kube.get(self.client, "v1", kind, name, self.name)

    def wait_pod(self, name: str, condition: Callable[[Json], Any]) -> Json:
        def look() -> Json | None:
            found = self.get(name)
            return found if found and condition(found) else None

        return until(look, lambda: (self.get(name) or {}).get("status")) or {}

    def wait_ready(self, name: str) -> Json:
        return self.wait_pod(name, is_ready)

    def end(self, name: str) -> None:
        kube.delete(self.client, "v1", "Pod", name, self.name)
        until(lambda: self.get(name) is None, lambda: self.get(name))

    def wait_event(self, name: str, reason: str, text: str = "") -> str:
        def look() -> str | None:
            found = kube.list_objects(self.client, "v1", "Event", self.name)
            ours = [e["message"] for e in found if (e["involvedObject"]["name"], e["reason"]) == (name, reason)]
            return next((message for message in ours if text in message), None)

        return until(look, lambda: f"{reason} of {name}") or ""

    def log(self, name: str, container: str = "c0", restart: int = 0) -> str:
        files = self.directory.pods.glob(f"{self.name}/{name}/*/{container}/{restart}.log")
        return "".join(path.read_text() for path in files)

    def wait_log(self, name: str, text: str, container: str = "c0", restart: int = 0) -> str:
        until(lambda: text in self.log(name, container, restart), lambda: self.log(name, container, restart))
        return self.log(name, container, restart)


def is_ready(pod: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or [])


def container(pod: Json, name: str = "c0") -> Json:
    entries = [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]
    found: Json = next((entry for entry in entries if entry["name"] == name), {})
    return found


@pytest.fixture(scope="package")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsalDirectory]:
    with running(tmp_path_factory.mktemp("with a space"), ("rehearsal.kubelet",)) as made:
        yield made.directory
    log = "".join(path.read_text() for path in made.directory.logs.glob("kubelet.log*"))
    assert " ERROR " not in log and "Traceback" not in log, log[-4000:]
    made.directory.remove()
    assert control_plane.leftovers(made.directory) == []


@pytest.fixture(scope="package")
def client(rehearsal: RehearsalDirectory) -> kube.DynamicClient:
    made = kube.connect(rehearsal.kubeconfig)
    resources = {"cpu": "64", "memory": "256Gi", "pods": "110"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {NODE_LABEL: "true"}}}
    kube.apply(made, node, manager="test")
    kube.patch_status(made, node, {"capacity": resources, "allocatable": resources}, manager="test")
    return made


@pytest.fixture
def namespace(client: kube.DynamicClient, rehearsal: RehearsalDirectory) -> Iterator[Namespace]:
    made = Namespace(client, rehearsal, f"t-{uuid.uuid4().hex[:8]}")
    kube.apply(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.name}}, manager="test")
    until(lambda: made.get("default", "ServiceAccount"))
    yield made
    kube.delete(client, "v1", "Namespace", made.name)


class Given(dict[str, Json]):
    def get(self, name: str, namespace: Any = "") -> Any:
        return super().get(name) if namespace == "models" else None


def config_maps(**data: Mapping[str, str]) -> Any:
    return Given({name: {"data": one} for name, one in data.items()})


def secrets(**data: Mapping[str, str]) -> Any:
    return Given(
        {
            name: {"data": {k: base64.b64encode(v.encode()).decode() for k, v in one.items()}}
            for name, one in data.items()
        }
    )


def context(folder: Path, maps: Any = None, hidden: Any = None, **spec: Any) -> Context:
    pod = {"metadata": {"name": "qwen-0", "namespace": "models", "uid": "u-1"}, "spec": {"nodeName": "node-1", **spec}}
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Q0E="}
    directory = RehearsalDirectory(folder)
    machine = Machine(directory, Record(), cluster, maps or config_maps(), hidden or secrets())
    return Context(pod, "127.65.0.10", machine, lambda: None, lambda *_: None)
