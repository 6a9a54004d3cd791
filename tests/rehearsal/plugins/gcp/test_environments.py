"""Every environment and example, its program run against the plugin in the order of its own dependencies."""

from __future__ import annotations

import asyncio
import re
import runpy
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.stack import wait_for_rpcs

from checks.environment import require
from providers.base import UNKNOWN
from providers.google.trees import under
from rehearsal.existing_cloud import seed_cloud
from serving.plan.graph import Graph
from serving.program.record import engine_config
from settings.document import ROOT, Document, read_document
from tests.graph.planning import ENVIRONMENTS, planned
from tests.rehearsal.plugins.gcp.scene import SERVICE, Scene

# Type, logical name, id, inputs and state.
Made = tuple[str, str, str, dict[str, Any], dict[str, Any]]

# Ids as the provider forms them (d.SetId in the files named in types.yaml), by the last part of the type.
IDS = {
    "Service": r"{p}/[\w.]+",
    "Account": r"projects/{p}/serviceAccounts/[\w-]+@{p}\.iam\.gserviceaccount\.com",
    "IAMMember": r"{p}/roles/[\w.]+/(serviceAccount:|principal://).+",
    "Network": r"projects/{p}/global/networks/[\w-]+",
    "Subnetwork": r"projects/{p}/regions/[\w-]+/subnetworks/[\w-]+",
    "Firewall": r"projects/{p}/global/firewalls/[\w-]+",
    "Router": r"projects/{p}/regions/[\w-]+/routers/[\w-]+",
    "RouterNat": r"{p}/[\w-]+/[\w-]+/[\w-]+",
    "Address": r"projects/{p}/regions/[\w-]+/addresses/[\w-]+",
    "ResourcePolicy": r"projects/{p}/regions/[\w-]+/resourcePolicies/[\w-]+",
    "Bucket": r"[a-z0-9_-]+",
    "BucketIAMMember": r"b/[a-z0-9_-]+/roles/storage\.\w+/principal:.+",
    "AlertPolicy": r"projects/{p}/alertPolicies/\d+",
    "Dashboard": r"projects/{p}/dashboards/\d+",
    "DnsAuthorization": r"projects/{p}/locations/[\w-]+/dnsAuthorizations/[\w-]+",
    "Certificate": r"projects/{p}/locations/[\w-]+/certificates/[\w-]+",
    "RecordSet": r"projects/[\w-]+/managedZones/[\w-]+/rrsets/[\w.-]+/[A-Z]+",
    "SecretIamMember": r"projects/{p}/secrets/[\w-]+/roles/[\w.]+/.+",
    "Cluster": r"projects/{p}/locations/[\w-]+/clusters/[\w-]+",
    "NodePool": r"projects/{p}/locations/[\w-]+/clusters/[\w-]+/nodePools/[\w-]+",
}


class PluginMocks(pulumi.runtime.Mocks):
    """Google's resources made by the plugin; the others answer with their inputs."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._lock = threading.Lock()
        self.made: list[Made] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.typ.startswith("gcp:"):
            status = {"status": {"url": "http://10.0.0.9/x"}} if args.typ.endswith(":LLMInferenceService") else {}
            return f"{args.name}-id", {**args.inputs, **status}
        inputs = self._scene.provider.check(args.typ, dict(args.inputs))
        made, state = self._scene.provider.create(args.typ, inputs, False)
        with self._lock:
            self.made.append((args.typ, args.name, made, inputs, state))
        return made, state

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program calls {args.token}: the plugin has no function")


def up(document: Document, scene: Scene) -> list[Made]:
    """Run the program of an environment: what was made of Google's."""
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
    return mocks.made


def changed(made: Iterable[Made], scene: Scene) -> Iterator[tuple[str, str, str]]:
    """What a second `up`, after a refresh, would change: logical name, path, change. `ignore_changes` are not applied."""
    for token, name, resource_id, inputs, state in made:
        read = scene.provider.read(token, resource_id, inputs)
        assert read is not None and read[0] == state
        detailed = scene.provider.diff(token, read[0], inputs, []).detailed
        yield from ((name, path, change) for path, change in detailed.items())


def ignored(graph: Graph, name: str, path: str) -> bool:
    """Whether the program's `ignore_changes` cover a difference."""
    return under(path, next(r for r in graph.resources.values() if r.name == name).ignore_changes)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_all_of_the_plan_is_made_a_second_up_changes_nothing_and_it_goes_down(name: str, tmp_path: Path) -> None:
    scene, graph = Scene(tmp_path), planned(name).graph
    made = up(read_document(ROOT / name), scene)
    assert sorted(n for _, n, *_ in made) == sorted(
        r.name for r in graph.resources.values() if r.type.startswith("gcp:")
    )
    assert [change for change in changed(made, scene) if not ignored(graph, *change[:2])] == []
    for token, _, resource_id, inputs, state in reversed(made):
        assert re.fullmatch(IDS[token.rsplit(":", 1)[-1]].format(p=re.escape(inputs.get("project", ""))), resource_id)
        none, foreseen = scene.provider.create(token, inputs, True)
        assert (none, _contradictions(foreseen, state, "")) == ("", [])
        scene.provider.delete(token, resource_id, {**state, "deletionProtection": False})
        assert (scene.found(token, resource_id) is None) == (token != SERVICE)


def _contradictions(foreseen: Any, state: Any, path: str) -> list[str]:
    """Where a preview of a creation knows something that the creation contradicts."""
    if foreseen is UNKNOWN:
        return []
    if isinstance(foreseen, dict) and isinstance(state, dict):
        return [p for key in foreseen for p in _contradictions(foreseen[key], state.get(key), f"{path}.{key}")]
    if path in (".network", ".subnetwork"):  # references come back as self links
        return []
    return [] if foreseen == state else [path]
