"""Every environment and example, its program run against the plugin in the order of its own dependencies."""

from __future__ import annotations

import asyncio
import runpy
import threading
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.stack import wait_for_rpcs

from checks.environment import require
from providers.google.facts import facts, tokens
from rehearsal.existing import seed_cloud
from rehearsal.plugins.frame import UNKNOWN
from serving.program.record import engine_config
from settings.document import ROOT, read_document
from tests.graph.planning import ENVIRONMENTS, planned
from tests.rehearsal.plugins.gcp.scene import Scene, resource


class PluginMocks(pulumi.runtime.Mocks):
    """Google's resources made by the plugin; the others answer with their inputs."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._lock = threading.Lock()
        self.made: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.typ.startswith("gcp:"):
            status = {"status": {"url": "http://10.0.0.9/x"}} if args.typ.endswith(":LLMInferenceService") else {}
            return f"{args.name}-id", {**args.inputs, **status}
        what = resource(args.typ, args.name)
        inputs, failures = self._scene.provider.check(what, {}, dict(args.inputs), b"")
        assert not failures, failures
        made, state = self._scene.provider.create(what, inputs, 0, False)
        with self._lock:
            self.made.append((args.typ, args.name, made, inputs, state))
        return made, state

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program calls {args.token}: the plugin plays no function")


def up(name: str, scene: Scene) -> PluginMocks:
    """Run the program of an environment file."""
    document = read_document(ROOT / name)
    deployment, _ = require(document)
    seed_cloud(deployment, scene.directory.cloud)
    mocks = PluginMocks(scene)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        pulumi.runtime.settings.reset_options()
        pulumi.runtime.set_mocks(mocks, project="tpu-serving", stack=document.name, preview=False)
        pulumi.runtime.set_all_config(engine_config(document))
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
        loop.run_until_complete(wait_for_rpcs())
    finally:
        loop.close()
        asyncio.set_event_loop(None)
    return mocks


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_comes_up_in_order_is_unchanged_then_and_goes_down(name: str, tmp_path: Path) -> None:
    # No API is on but those the program enables: a resource made too early would be refused.
    scene = Scene(tmp_path, apis=())
    made = up(name, scene).made
    google = [r for r in planned(name).graph.resources.values() if r.type in tokens()]
    assert sorted(n for _, n, *_ in made) == sorted(r.name for r in google)
    for token, logical, resource_id, inputs, state in made:
        what = resource(token, logical)
        again, failures = scene.provider.check(what, inputs, dict(inputs), b"")
        assert not failures
        assert not scene.provider.diff(what, resource_id, inputs, state, again, []).detailed
        read = scene.provider.read(what, resource_id, inputs, state)
        assert read is not None and (read.inputs, read.state) == (inputs, state)
    for token, logical, resource_id, inputs, state in reversed(made):
        if state.get("deletionProtection"):
            open_ = {**inputs, "deletionProtection": False}
            scene.provider.update(resource(token, logical), resource_id, inputs, state, open_, 0, False)
        unprotected = {**state, "deletionProtection": False}
        scene.provider.delete(resource(token, logical), resource_id, inputs, unprotected, 0)
        gone = scene.found(token, resource_id) is None
        assert gone == (not token.endswith(":Service"))  # disable_on_destroy=False


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_type_of_the_plan_is_played(name: str) -> None:
    used = {r.type for r in planned(name).graph.resources.values() if r.type.startswith("gcp:")}
    assert used and used <= set(tokens())


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_nothing_is_made_before_its_api_is_on(name: str) -> None:
    """Run side by side, a resource without that dependency is refused on some days only."""
    graph = planned(name).graph
    early = []
    for planned_resource in graph.resources.values():
        if planned_resource.type not in tokens() or (service := facts(planned_resource.type).service) is None:
            continue
        if service not in {graph.resources[urn].inputs.get("service") for urn in graph.needs(planned_resource.urn)}:
            early.append(f"{planned_resource.name} does not wait for {service}")
    assert early == []


def test_a_preview_of_a_whole_environment_makes_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, apis=())
    for planned_resource in planned("Pulumi.dev.yaml").graph.resources.values():
        if planned_resource.type not in tokens():
            continue
        inputs = {k: UNKNOWN if v == "known after up" else v for k, v in planned_resource.inputs.items()}
        what = resource(planned_resource.type, planned_resource.name)
        checked, failures = scene.provider.check(what, {}, inputs, b"")
        assert not failures
        scene.provider.create(what, checked, 0, True)
    assert not list(scene.directory.cloud.glob("*/*"))
