"""Each undo takes away what it says and nothing else, on every environment that has it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from typer.testing import CliRunner

from checks.environment import require
from rehearsal.undo import UndoError, find_undos, load_undos
from rehearsal.undo.edits import EDITS, MODEL
from rehearsal.undo.monitor import PATIENCE_SECONDS, Undoing
from serving.checking.failures import load_failures
from serving.cli import application
from serving.program import monitor
from serving.program.record import Resource, record
from serving.verify.registry import checks
from settings.document import find_environment, read_document

Leaf = tuple[str, ...]
ENVIRONMENTS = ("dev", "examples/multi-host.yaml", "examples/consumers.yaml")
# Resource and field (or "" for all of it) that are different then; `*` stands for the model's name.
DIFFERENT = {
    "GW01": {("gateway-object", "spec.gatewayClassName")},
    "CL01": {("cluster-control-plane", "gatewayApiConfig.channel")},
    "RT01": {
        ("model-*-route", "spec.rules.N.timeouts.request"),
        ("model-*-route", "spec.rules.N.timeouts.backendRequest"),
    },
    "HC01": {("*-pool-policy-health-check", "")},
    "ED04": {
        ("gateway-object", f"spec.tls.frontend.default.validation.{leaf}")
        for leaf in ("mode", "caCertificateRefs.0.group", "caCertificateRefs.0.kind", "caCertificateRefs.0.name")
    },
    "ED10": {("gateway-allow", ""), ("gateway-deny-by-default", "")},
    "KS02": {("kserve-config", "data.ingress")},
    "KS03": {("lws-release", ""), ("kserve-controller", "values.kserve.llmisvc.controller.env.1.value")},
}


def recorded(environment: str, undos: Sequence[str], *, stockout: bool = False) -> dict[str, Resource]:
    """Registrations by name."""
    real = monitor.RecordingMonitor
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(monitor, "RecordingMonitor", lambda: Undoing(real(), undos, stockout=stockout))
        return {resource.name: resource for resource in record(read_document(find_environment(environment))).resources}


def test_the_catalogue_is_complete_and_names_what_exists() -> None:
    assert list(load_undos()) == list(EDITS)
    by_name = {check.name: check for check in checks()}
    for undo in load_undos().values():
        assert undo.rule.id == undo.id
        assert undo.failure in load_failures()
        assert undo.failure in by_name[undo.check].failures, undo.id
    covered = {issue for undo in load_undos().values() for issue in undo.rule.field_issues}
    assert {1, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15} <= covered


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def untouched(request: pytest.FixtureRequest) -> tuple[str, dict[str, Resource]]:
    """An environment, and what is registered while nothing is undone."""
    return request.param, recorded(request.param, ())


def leaves(value: Any, path: Leaf = ()) -> dict[Leaf, Any]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {leaf: found for key, inner in items for leaf, found in leaves(inner, (*path, str(key))).items()}
    return {path: value}


@pytest.mark.parametrize("undo", EDITS)
def test_only_what_it_says_is_different(undo: str, untouched: tuple[str, dict[str, Resource]]) -> None:
    environment, before = untouched
    deployment = require(read_document(find_environment(environment)))[0]
    if not EDITS[undo].needs[1](deployment):
        with pytest.raises(UndoError, match=f"{undo} shows nothing in {deployment.name}: it needs "):
            find_undos([undo], deployment)
        return
    after = recorded(environment, [undo])
    different: set[tuple[str, str]] = set()
    for name, resource in before.items():
        if name not in after:
            different.add((name, ""))
            continue
        if EDITS[undo].never_ready not in (name, resource.type):
            assert after[name].timeouts == resource.timeouts
        was, now = leaves(resource.inputs), leaves(after[name].inputs)
        changed = [".".join(leaf) for leaf in was.keys() | now.keys() if was.get(leaf) != now.get(leaf)]
        different |= {(name, re.sub(r"\brules\.\d+", "rules.N", field)) for field in changed}
    assert different
    assert set(after) <= set(before)
    if undo in DIFFERENT:
        named = {m.name for m in deployment.models}
        wanted = {(name.replace("*", model), field) for name, field in DIFFERENT[undo] for model in named}
        assert different == wanted
    else:
        # The server's arguments, probes and the picker's plugins move up behind what goes.
        assert {after[name].type for name, _ in different} == {MODEL}
        inside = {"KS10": "spec.router.scheduler.config.inline.plugins.", "KS11": "spec.template.containers.0."}
        assert all(field.startswith(inside.get(undo, "spec.template.containers.0.args.")) for _, field in different)
    gone = {before[name].urn for name, field in different if not field}
    assert not [r.name for r in after.values() if gone & set(r.depends_on)]
    assert not [r.name for r in after.values() for urns in r.property_dependencies.values() if gone & set(urns)]


def short_waits(resources: dict[str, Resource]) -> set[str]:
    return {
        name
        for name, resource in resources.items()
        if {resource.timeouts.get(key) for key in ("create", "update")} == {f"{PATIENCE_SECONDS}s"}
    }


def test_only_what_is_never_ready_is_waited_for_shortly(untouched: tuple[str, dict[str, Resource]]) -> None:
    environment, before = untouched
    models = {name for name, resource in before.items() if resource.type == MODEL}
    assert short_waits(before) == set()
    assert short_waits(recorded(environment, (), stockout=True)) == models
    assert short_waits(recorded(environment, ["CL01"])) == {"gate-job"} <= set(before)
    assert short_waits(recorded(environment, ["CL01", "GW01"])) == {"gate-job"} | models
    assert short_waits(recorded(environment, ["HC01"])) == set()


@pytest.mark.parametrize(("arguments", "code"), [(["--undo", "list"], 0), (["--undo", "XX99"], 2)])
def test_the_list_is_printed_when_asked_for_and_for_an_unknown_name(arguments: list[str], code: int) -> None:
    done = CliRunner().invoke(application(), ["rehearse", "dev", *arguments])
    assert done.exit_code == code
    assert all(key in done.output for key in load_undos())
    assert ("There is no undo XX99" in done.output) is (code == 2)
    done = CliRunner().invoke(application(), ["rehearse", "dev", *arguments, "--format", "json"])
    assert done.exit_code == code
    assert {row["id"] for row in json.loads(done.stdout)["undos"]} == set(load_undos())


def test_an_undo_that_shows_nothing_is_refused_before_anything_starts() -> None:
    done = CliRunner().invoke(application(), ["rehearse", "dev", "--undo", "KS03"])
    assert done.exit_code == 2
    assert "KS03 shows nothing in dev: it needs a model of several hosts" in done.output
