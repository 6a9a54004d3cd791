"""A cluster that was deleted elsewhere: what the real engine and the real provider do with the stack of dev (ADR 43)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pytest

from serving.program.record import Resource, record
from settings.document import ROOT, read_document
from tests.rehearsal.engine.conftest import Cli
from tests.rehearsal.engine.test_words import URN
from tests.words import not_printed

OBJECTS = "test_objects_are_dropped_and_releases_refuse"
# Nobody listens there.
_GONE = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "gone", "user": {"token": "x"}}],
    "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
    "current-context": "gone",
}
_DROP = {"PULUMI_K8S_DELETE_UNREACHABLE": "true"}


class Stack:
    """The stack of dev as an `up` left it, whose cluster is not there any more."""

    def __init__(self, cli: Cli, resources: list[Resource]) -> None:
        self.cli = cli
        code, printed = cli.call("stack", "init")
        assert code == 0, printed
        state = json.loads(cli.call("stack", "export")[1])
        root: dict[str, Any] = {
            "urn": URN.format("pulumi:pulumi:Stack", "tpu-serving-dev"),
            "type": "pulumi:pulumi:Stack",
            "custom": False,
        }
        state["deployment"]["resources"] = [root, *(_state(r, root["urn"]) for r in resources)]
        code, printed = cli.call("stack", "import", given=json.dumps(state))
        assert code == 0, printed

    def run(self, command: str, *, drop: bool) -> tuple[int, str]:
        """`destroy` or `refresh`, with the variable that drops what is unreachable, or without."""
        return self.cli.call(command, "--yes", "--skip-preview", **(_DROP if drop else {}))

    def types(self) -> list[str]:
        """Types of what the state still has."""
        exported = json.loads(self.cli.call("stack", "export")[1])
        return [str(r["type"]) for r in exported["deployment"].get("resources") or ()]


def _state(r: Resource, root: str) -> dict[str, Any]:
    """A resource as the engine keeps it."""
    inputs = dict(_plain(r.inputs))
    if r.type == "pulumi:providers:kubernetes":
        inputs["kubeconfig"] = json.dumps(_GONE)
    if r.type.startswith("pulumi:providers:"):
        package = r.type.rpartition(":")[2]
        inputs["version"] = version(f"pulumi-{package}")
    kept = {"urn": r.urn, "type": r.type, "custom": r.custom, "parent": r.parent or root, "dependencies": r.depends_on}
    if not r.custom:
        return kept
    made = {"id": f"id-of-{r.name}", "inputs": inputs, "outputs": inputs, "protect": r.protect}
    provider = {"provider": f"{r.provider}::id-of-{r.provider.rpartition('::')[2]}"} if r.provider else {}
    return kept | made | provider | ({"deletedWith": r.deleted_with} if r.deleted_with else {})


def _plain(value: Any) -> Any:
    """Without what is not known before `up`."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if inner != "known after up"}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def resources() -> list[Resource]:
    return record(read_document(ROOT / "Pulumi.dev.yaml")).resources


def test_the_whole_stack_is_destroyed(cli_with_providers: Cli, resources: list[Resource]) -> None:
    """Objects are dropped as the variable says; the platform, with its Helm releases, goes with the cluster."""
    stack = Stack(cli_with_providers, resources)
    code, printed = stack.run("destroy", drop=True)
    assert code == 0, printed
    assert stack.types() == []


def test_objects_are_dropped_and_releases_refuse(
    cli_with_providers: Cli, resources: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `deletedWith`, as stacks of before: nothing goes without the variable, and no release with it; the way out."""
    for r in resources:
        monkeypatch.setattr(r, "deleted_with", None)
    stack = Stack(cli_with_providers, resources)
    code, printed = stack.run("destroy", drop=False)
    assert code != 0
    code, dropping = stack.run("destroy", drop=True)
    assert code != 0
    assert not_printed("cluster-unreachable", OBJECTS, printed + dropping) == []
    assert "kubernetes:serving.kserve.io/v1alpha2:LLMInferenceService" not in stack.types()
    assert [kind for kind in stack.types() if kind == "kubernetes:helm.sh/v3:Release"]
    for r in resources:
        if r.type == "kubernetes:helm.sh/v3:Release":
            stack.cli.call("state", "delete", "--target-dependents", "--yes", r.urn)
    code, printed = stack.run("destroy", drop=True)
    assert code == 0, printed
    assert stack.types() == []


def test_a_refresh_drops_what_is_gone(cli_with_providers: Cli, resources: list[Resource]) -> None:
    stack = Stack(cli_with_providers, resources)
    code, printed = stack.run("refresh", drop=False)
    assert code != 0
    assert not_printed("cluster-unreachable", "test_a_refresh_drops_what_is_gone", printed) == []
