"""A real control plane, and stacks of the real engine whose kubernetes plugin is ours."""

from __future__ import annotations

import gc
import os
import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes
import pytest
from pulumi import automation

import cluster as kube
from rehearsal import control_plane
from rehearsal.assets.find import find
from rehearsal.control_plane.names import BINARIES
from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.frame import Engine
from rehearsal.plugins.install import install
from rehearsal.plugins.kubernetes import kubeconfig
from rehearsal.plugins.kubernetes.api import Api
from rehearsal.plugins.kubernetes.objects import Objects, Options
from rehearsal.plugins.kubernetes.provider import KubernetesProvider
from tests.rehearsal.control_plane.waiting import until
from tests.rehearsal.plugins.kubernetes import widgets

Json = dict[str, Any]
_WRITE = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>\S+)$", re.MULTILINE)
_VERBS = {"POST", "PUT", "PATCH", "APPLY", "DELETE"}


@pytest.fixture(scope="session")
def assets() -> dict[str, Path]:
    names = (*BINARIES, "pulumi", "helm")
    found = {name: asset.path for name, asset in find(names).items()}
    missing = sorted(set(names) - set(found))
    if missing:
        pytest.skip(f"{', '.join(missing)} not found; `python -m serving rehearse --prepare` gets them")
    return found


@dataclass(frozen=True)
class Plane:
    """A control plane that runs, and a client of it."""

    directory: RehearsalDirectory
    client: kube.DynamicClient

    def writes(self) -> dict[tuple[str, str], float]:
        """Writes so far that were no dry run, by verb and resource."""
        text = str(self.client.request("get", "/metrics", header_params={"Accept": "text/plain"}))
        counts: dict[tuple[str, str], float] = {}
        for found in _WRITE.finditer(text):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', found["labels"]))
            if labels["verb"] in _VERBS and not labels["dry_run"]:
                key = (labels["verb"], labels["resource"])
                counts[key] = counts.get(key, 0) + float(found["count"])
        return counts


@pytest.fixture(scope="package")
def plane(assets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    directory = RehearsalDirectory(tmp_path_factory.mktemp("kubernetes") / "plane")
    try:
        binaries = {name: assets[name] for name in BINARIES}
        control_plane.start(directory, binaries, progress=lambda _: None, stand_ins=(), die_with=os.getpid())
        client = kube.connect(directory.kubeconfig)
        kube.apply(client, widgets.DEFINITION, manager="test")
        widgets.await_served(client)
        yield Plane(directory, client)
    finally:
        control_plane.stop(directory)


@pytest.fixture
def namespace(plane: Plane) -> str:
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kube.apply(plane.client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="test")
    # Without it a pod is refused; a controller makes it a moment later.
    until(lambda: kube.get(plane.client, "v1", "ServiceAccount", "default", name))
    return name


class Stack:
    """A stack whose program declares the objects that it is given."""

    def __init__(self, plane: Plane, assets: Mapping[str, Path], folder: Path) -> None:
        home = folder / "home"
        install(home, "kubernetes", KubernetesProvider.version, plane.directory.root)
        self.kubeconfig = plane.directory.kubeconfig.read_text(encoding="utf-8")
        self.objects: dict[str, Json] = {}
        self.options: dict[str, Json] = {}
        self.more: Callable[[pulumi.ResourceOptions], None] = lambda _: None
        self.provider: Json = {}
        (folder / "bin").mkdir()
        (folder / "bin" / "pulumi").symlink_to(assets["pulumi"])
        command = automation.PulumiCommand(root=str(folder), skip_version_check=True)
        work = folder / "work"
        work.mkdir()
        self._backend = folder / "backend"
        self._backend.mkdir()
        project = automation.ProjectSettings(
            "test", runtime="python", backend=automation.ProjectBackend(self._backend.as_uri())
        )
        options = automation.LocalWorkspaceOptions(
            work_dir=str(work),
            pulumi_home=str(home),
            project_settings=project,
            pulumi_command=command,
            env_vars={
                "PULUMI_CONFIG_PASSPHRASE": "test",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                "TPU_SERVING_HELM": str(assets["helm"]),
            },
        )
        self.stack = automation.create_stack("test", project_name="test", program=self._program, opts=options)

    def _program(self) -> None:
        provider = pulumi_kubernetes.Provider(
            "cluster", kubeconfig=self.kubeconfig, cluster_identifier="test/cluster", **self.provider
        )
        made: dict[str, Declared] = {}
        for name, obj in self.objects.items():
            settings = dict(self.options.get(name, {}))
            needs = [made[n] for n in settings.pop("depends_on", [])]
            options = pulumi.ResourceOptions(provider=provider, depends_on=needs, **settings)
            api_version = obj["apiVersion"] if "/" in obj["apiVersion"] else f"core/{obj['apiVersion']}"
            made[name] = Declared(f"kubernetes:{api_version}:{obj['kind']}", name, {**obj, "status": None}, options)
            pulumi.export(name, made[name].status)
        self.more(pulumi.ResourceOptions(provider=provider))

    def preview(self) -> Json:
        return self._steps(self.stack.preview)

    def up(self) -> Json:
        return self._steps(self.stack.up)

    def refresh(self) -> Json:
        return self._steps(self.stack.refresh)

    def destroy(self) -> None:
        self.stack.destroy()

    def state(self) -> dict[str, Json]:
        """The resources of the state by name."""
        resources = (self.stack.export_stack().deployment or {}).get("resources", [])
        return {r["urn"].rpartition("::")[2]: r for r in resources}

    def checkpoint(self) -> str:
        """The state as it lies on the disk."""
        return (self._backend / ".pulumi/stacks/test/test.json").read_text(encoding="utf-8")

    def _steps(self, run: Callable[..., Any]) -> Json:
        """Operation by resource name, without the stack and its provider."""
        events: list[automation.EngineEvent] = []
        try:
            run(on_event=events.append, color="never")
        finally:
            self.diagnostics = [
                f"{d.severity}: {d.message}" for e in events if (d := e.diagnostic_event) and d.severity != "debug"
            ]
        found = [e.resource_pre_event.metadata for e in events if e.resource_pre_event]
        return {
            m.urn.rpartition("::")[2]: str(getattr(m.op, "value", m.op))
            for m in found
            if m.type.startswith("kubernetes:")
        }


class Declared(pulumi.CustomResource):
    """An object with its status."""

    status: pulumi.Output[Any]


@pytest.fixture
def stack(plane: Plane, assets: dict[str, Path], tmp_path: Path) -> Iterator[Stack]:
    yield Stack(plane, assets, tmp_path)
    # The SDK leaves the coroutine of a program whose update failed; its end complains, wherever it is collected.
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.collect()
    sys.unraisablehook = hook


@pytest.fixture
def make(plane: Plane) -> Callable[..., Objects]:
    def objects(cancelled: threading.Event | None = None, **options: Any) -> Objects:
        context = kubeconfig.active(kubeconfig.parse(str(plane.directory.kubeconfig)))
        assert context is not None
        event = cancelled or threading.Event()
        return Objects(Api(context, "default", event), Options(**options), Engine(), event)

    return objects


@pytest.fixture
def objects(make: Callable[..., Objects]) -> Objects:
    return make()
