"""Each difference is found once, at its place, with its writer; what is no difference is not; what `up` does is known."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.field_managers import designed_fields
from serving.checking.findings import Verdict
from serving.drift.compare import hidden
from serving.drift.findings import Action, Drift, Kind
from serving.drift.object_drift import Policy, object_drift
from serving.program.record import SECRET, UNKNOWN
from tests.serving.drift.objects import (
    APPLIER,
    ENGINE,
    PERSON,
    Obj,
    drifts,
    edit,
    entry,
    healthy,
    leaves,
    policy,
    remove,
)

PASS, FAIL = Verdict.PASS, Verdict.FAIL
KEYS = st.sampled_from(["path", "port", "timeoutSec", "type", "config", "enabled", "weight", "name"])
SCALARS = st.one_of(st.integers(1, 9999), st.booleans(), st.sampled_from(["/health", "HTTP", "USE_FIXED_PORT"]))
LISTS = st.lists(SCALARS, min_size=1, max_size=3)
BODIES = st.dictionaries(
    KEYS,
    st.recursive(
        st.one_of(SCALARS, LISTS), lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3), max_leaves=8
    ),
    min_size=1,
    max_size=4,
)


def planned(body: Any, kind: str = "HealthCheckPolicy", key: str = "spec", **more: Any) -> Obj:
    labels = {"app.kubernetes.io/managed-by": "tpu-serving"}
    metadata = {"name": "it", "namespace": "llm-serving", "labels": labels}
    version = {"HealthCheckPolicy": "networking.gke.io/v1", "Job": "batch/v1"}.get(kind, "v1")
    return {"apiVersion": version, "kind": kind, "metadata": metadata, key: body, **more}


def findings(wanted: Obj, live: Obj, own: Policy | None = None) -> list[Drift]:
    found = list(object_drift("it", wanted, live, own or policy(wanted)))
    assert drifts(found) == found
    return found


POLICY = planned({"default": {"timeoutSec": 300, "config": {"httpHealthCheck": {"requestPath": "/health"}}}})
PATH = ("spec", "default", "config", "httpHealthCheck", "requestPath")


@given(BODIES, st.dictionaries(st.sampled_from(["defaulted", "alsoDefaulted"]), SCALARS))
def test_what_is_as_planned_is_no_drift_whatever_the_server_added(body: Obj, defaults: Obj) -> None:
    wanted = planned(body)
    live = healthy(wanted)
    live["spec"] |= defaults
    live["status"] = {"conditions": [{"type": "Attached", "status": "False"}]}
    live["metadata"]["managedFields"].append(entry("controller", {"status": live["status"]}, subresource="status"))
    assert findings(wanted, live) == []


@given(BODIES, st.data())
def test_one_edited_field_is_one_finding_at_its_place_with_its_writer(body: Obj, data: st.DataObject) -> None:
    wanted = planned(body)
    path = data.draw(st.sampled_from(list(leaves({"spec": body}))))
    live = healthy(wanted)
    edit(live, path, "by hand")
    [finding] = findings(wanted, live)
    assert (finding.failure, finding.path, finding.found) == (Kind.CHANGED, path, "by hand")
    assert finding.writer is not None
    assert (finding.writer.manager, finding.writer.time) == (PERSON, "2026-11-27T11:00:00Z")
    assert (finding.next_up, finding.refreshed) == (Action.NOTHING, Action.REVERT)
    [forced] = findings(wanted, live, policy(wanted, force=True))
    assert forced.refreshed is Action.REVERT


@given(BODIES, st.data())
def test_one_removed_field_is_one_finding_that_nobody_owns(body: Obj, data: st.DataObject) -> None:
    wanted = planned(body)
    path = data.draw(st.sampled_from(list(leaves({"spec": body}))))
    live = healthy(wanted)
    remove(live, path)
    [finding] = findings(wanted, live)
    assert finding.path[: len(path)] == path[: len(finding.path)]
    assert (finding.found, finding.writer) == (None, None)
    assert (finding.next_up, finding.refreshed) == (Action.DEPENDS, Action.REVERT)


@given(
    BODIES, st.sampled_from([("spec", "added"), ("metadata", "labels", "team"), ("metadata", "annotations", "x.io/y")])
)
def test_one_added_field_is_one_finding_that_no_up_touches(body: Obj, path: tuple[str, ...]) -> None:
    wanted = planned(body)
    live = healthy(wanted)
    edit(live, path, "extra", manager="Lens")
    [finding] = findings(wanted, live)
    assert (finding.failure, finding.path, finding.wanted, finding.found) == (Kind.ADDED, path, None, "extra")
    assert (finding.next_up, finding.refreshed) == (Action.NOTHING, Action.NOTHING)


@pytest.mark.parametrize("zero", ["", {}, [], None])
def test_a_zero_value_that_a_controller_writes_along_says_nothing(zero: Any) -> None:
    live = healthy(POLICY)
    edit(live, ("spec", "default", "logConfig"), zero, manager="manager")
    assert findings(POLICY, live) == []


@given(BODIES, BODIES)
def test_nothing_is_found_twice_and_values_are_those_of_the_objects(body: Obj, other: Obj) -> None:
    wanted, live = planned(body), healthy(planned(other))
    paths = [finding.path for finding in findings(wanted, live)]
    assert len(paths) == len(set(paths))
    assert (paths == []) == (not any(True for _ in _parting(body, other)))


def _parting(wanted: Any, live: Any) -> Any:
    """Places where the plan's values are not the live ones; written anew, without the code under test."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            yield from _parting(value, live.get(key))
    elif type(wanted) is not type(live) or wanted != live:
        yield wanted


def test_a_value_that_the_engine_itself_wrote_is_a_change_not_applied_yet() -> None:
    live = healthy(POLICY)
    live["spec"]["default"]["timeoutSec"] = 30
    [finding] = findings(POLICY, live)
    assert finding.failure is Kind.NOT_APPLIED
    assert (finding.next_up, finding.refreshed) == (Action.REVERT, Action.REVERT)


def test_an_update_that_happens_anyway_meets_the_conflict_of_another_field() -> None:
    live = healthy(POLICY)
    edit(live, PATH, "/", manager="some-operator")
    live["spec"]["default"]["timeoutSec"] = 30
    by_path = {finding.path: finding.next_up for finding in findings(POLICY, live)}
    assert by_path == {PATH: Action.CONFLICT, ("spec", "default", "timeoutSec"): Action.REVERT}


def test_what_an_apply_of_the_engine_left_over_is_taken_back_and_what_a_create_defaulted_is_not() -> None:
    more = copy.deepcopy(POLICY)
    more["spec"]["default"]["logConfig"] = {"enabled": True}
    applied, created = healthy(more, APPLIER, "Apply"), healthy(more, ENGINE)
    [finding] = findings(POLICY, applied)
    assert (finding.failure, finding.next_up) == (Kind.NOT_APPLIED, Action.REVERT)
    assert findings(POLICY, created) == []


@pytest.mark.parametrize(
    ("kind", "key", "path"), [("ConfigMap", "data", ("data", "deploy")), ("Job", "spec", ("spec", "template", "x"))]
)
def test_a_field_that_can_not_be_changed_in_place_is_replaced_whoever_owns_it(
    kind: str, key: str, path: tuple[str, ...]
) -> None:
    body: Any = "planned"
    for part in reversed(path[1:]):
        body = {part: body}
    wanted = planned(body, kind, key)
    live = healthy(wanted)
    edit(live, path, "by hand")
    assert [finding.refreshed for finding in findings(wanted, live)] == [Action.REPLACE]


@pytest.mark.parametrize("value", [UNKNOWN, SECRET])
def test_what_a_plan_can_not_know_is_not_compared(value: str) -> None:
    wanted = planned({"address": value, "port": 80})
    assert findings(wanted, healthy(planned({"address": "10.0.0.9", "port": 80}))) == []
    assert hidden(wanted) == 1


SPELLINGS = [("1000m", "1"), ("1024Mi", "1Gi"), (1, "1"), ({}, None), ([], None), (None, "defaulted")]


@pytest.mark.parametrize(("asked", "kept"), SPELLINGS)
def test_another_spelling_of_the_same_value_is_no_drift(asked: Any, kept: Any) -> None:
    wanted = planned({"cpu": asked})
    live = healthy(planned({"cpu": kept} if kept is not None else {"other": 1}))
    assert findings(wanted, live) == []


def test_values_of_a_secret_are_never_shown() -> None:
    wanted = planned({"token": "hf_planned"}, "Secret", "stringData")
    live = healthy(planned({"token": "aGZfcGxhbm5lZA=="}, "Secret", "data"))
    assert findings(wanted, live) == []
    edit(live, ("data", "token"), "b3RoZXI=")
    [finding] = findings(wanted, live)
    assert (finding.wanted, finding.found) == (SECRET, SECRET)
    assert "hf_planned" not in str(finding.as_json())


def _listed(containers: list[Obj], person: Obj) -> Obj:
    """A live object whose list has merge keys, with a person's fields."""
    live = healthy(planned({"containers": containers}))
    live["metadata"]["managedFields"] = [
        {
            "manager": ENGINE,
            "operation": "Update",
            "fieldsV1": {"f:spec": {"f:containers": {'k:{"name":"main"}': {"f:name": {}, "f:image": {}}}}},
        },
        {"manager": PERSON, "operation": "Update", "time": "t", "fieldsV1": {"f:spec": {"f:containers": person}}},
    ]
    return live


def test_items_of_a_list_with_keys_are_found_by_their_keys_wherever_they_stand() -> None:
    wanted = planned({"containers": [{"name": "main", "image": "a"}]})
    sidecar = {"name": "sidecar", "image": "s"}
    live = _listed(
        [sidecar, {"name": "main", "image": "a"}], {'k:{"name":"sidecar"}': {".": {}, "f:name": {}, "f:image": {}}}
    )
    [added] = findings(wanted, live)
    assert (added.failure, added.place, added.found) == (Kind.ADDED, "spec.containers[0]", sidecar)
    live = _listed([sidecar, {"name": "main", "image": "b"}], {'k:{"name":"main"}': {"f:image": {}}})
    [changed] = findings(wanted, live)
    assert (changed.failure, changed.place, changed.found) == (Kind.CHANGED, "spec.containers[0].image", "b")
    assert changed.writer is not None
    assert changed.writer.manager == PERSON


def test_a_list_without_keys_of_another_length_is_one_finding() -> None:
    wanted = planned({"rules": [{"a": 1}, {"b": 2}]})
    live = healthy(wanted)
    edit(live, ("spec", "rules"), [{"a": 1}])
    [finding] = findings(wanted, live)
    assert (finding.place, finding.found, finding.refreshed) == ("spec.rules", [{"a": 1}], Action.REVERT)


def test_what_a_controller_writes_by_design_is_no_drift_and_what_it_does_not_is() -> None:
    wanted = planned({"gatewayClassName": "gke-l7-rilb"}, "Gateway")
    live = healthy(wanted)
    edit(live, ("metadata", "annotations", "networking.gke.io/addresses"), "a", manager="GoogleGKEGatewayController")
    live["metadata"]["finalizers"] = ["gateway.finalizer.networking.gke.io"]
    own: Obj = {"f:metadata": {"f:finalizers": {".": {}, 'v:"gateway.finalizer.networking.gke.io"': {}}}}
    live["metadata"]["managedFields"].append(
        {"manager": "GoogleGKEGatewayController", "operation": "Update", "fieldsV1": own}
    )
    found = list(object_drift("it", wanted, live, policy(wanted)))
    assert [item.verdict for item in found] == [PASS, PASS]
    edit(live, ("spec", "gatewayClassName"), "gke-l7-gxlb", manager="GoogleGKEGatewayController")
    assert [item.failure for item in drifts(object_drift("it", wanted, live, policy(wanted)))] == [Kind.CHANGED]


def test_a_label_of_a_controller_that_is_not_known_to_write_it_is_drift() -> None:
    live = healthy(POLICY)
    edit(live, ("metadata", "labels", "team"), "x", manager="GoogleGKEGatewayController")
    assert [finding.failure for finding in findings(POLICY, live)] == [Kind.ADDED]


def test_replicas_of_an_autoscaler_are_by_design_and_those_of_a_person_are_not() -> None:
    wanted = planned({"replicas": 1, "paused": False}, "Deployment")
    for manager, expected in (("kube-controller-manager", PASS), ("kubectl", FAIL)):
        live = healthy(wanted, "helm")
        edit(live, ("spec", "replicas"), 3, manager=manager)
        live["metadata"]["managedFields"][-1]["subresource"] = "scale"
        assert [item.verdict for item in object_drift("it", wanted, live, Policy(chart=True))] == [expected]


def test_an_object_of_a_chart_is_touched_by_no_up() -> None:
    live = healthy(POLICY, "helm")
    edit(live, PATH, "/")
    [finding] = findings(POLICY, live, Policy(chart=True))
    assert (finding.failure, finding.next_up, finding.refreshed) == (Kind.CHART, Action.NOTHING, Action.NOTHING)


@pytest.mark.parametrize("row", designed_fields(), ids=lambda row: row.why)
def test_every_designed_field_says_who_where_why_and_by_what_source(row: Any) -> None:
    assert row.managers
    assert row.fields
    assert all(field[0] in ("metadata", "data", "spec", "rules", "webhooks") for field in row.fields)
    assert "status" not in {field[0] for field in row.fields}
    assert row.why
    assert row.source
    for field in row.fields:
        example = tuple(0 if part == "[]" else part.replace("*", "x") for part in field)
        manager, kind, name = (next(iter(of), "x").replace("*", "x") for of in (row.managers, row.kinds, row.names))
        assert row.covers(manager, kind, name, example)
        assert not row.covers(manager, kind, name, example[:-1])
        assert not row.covers(manager, f"Other{kind}", name, example)
        assert not (row.names and row.covers(manager, kind, "other", example))


def test_what_the_api_server_notes_on_a_used_token_is_by_design() -> None:
    wanted = planned({"type": "kubernetes.io/service-account-token"}, "Secret")
    live = healthy(wanted)
    edit(live, ("metadata", "labels", "kubernetes.io/legacy-token-last-used"), "2026-11-27", manager="kube-apiserver")
    assert [item.verdict for item in object_drift("it", wanted, live, policy(wanted))] == [PASS]
