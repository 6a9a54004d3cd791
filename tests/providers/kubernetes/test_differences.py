"""What counts as a difference, and what a difference replaces."""

from __future__ import annotations

from typing import Any

import pytest

from providers.kubernetes import managed_fields
from providers.kubernetes.differences import Mutability, as_asked, compare, force_new, ignored
from providers.kubernetes.values import quantity, same
from rehearsal.plugins.frame import UNKNOWN

Json = dict[str, Any]


def obj(api_version: str, kind: str, **content: Any) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **content}


def test_what_the_server_added_is_no_difference() -> None:
    inputs = {"a": {"b": 1, "list": [{"x": 1}]}}
    live = {"a": {"b": 1, "c": 2, "list": [{"x": 1, "y": 2}, {"x": 3}]}, "status": {}}
    assert as_asked(live, inputs) == inputs


def test_drift_is_a_difference() -> None:
    assert as_asked({"a": {"b": 2}}, {"a": {"b": 1}}) == {"a": {"b": 2}}
    assert as_asked({"a": {}}, {"a": {"b": 1}}) == {"a": {}}
    assert as_asked({"l": [1]}, {"l": [1, 2]}) == {"l": [1]}


@pytest.mark.parametrize(("live", "asked"), [("1", "1000m"), ("1", 1), ("1Gi", "1024Mi"), ("500m", 0.5), ("2k", 2000)])
def test_another_spelling_of_a_quantity_is_no_drift(live: Any, asked: Any) -> None:
    assert as_asked({"cpu": live}, {"cpu": asked}) == {"cpu": asked}


def test_new_inputs_are_compared_as_they_are_written() -> None:
    # A label "1.0" that becomes "1" is another label.
    assert compare({"v": "1.0"}, {"v": "1"}) == {"v": "update"}
    assert quantity("v1.0") is None
    assert not same(True, 1)
    assert not same(UNKNOWN, UNKNOWN)


def test_what_is_empty_is_as_good_as_missing() -> None:
    assert as_asked({"metadata": {}}, {"metadata": {"annotations": {}}}) == {"metadata": {"annotations": {}}}
    assert compare({"a": 1}, {"a": 1, "b": {}, "c": None, "d": []}) == {}


def test_paths_and_kinds() -> None:
    old = {"a": {"b": 1, "gone": 2}, "l": [1, {"x": 1}], "n": 1}
    new = {"a": {"b": 2, "new": 3, "p.q/r": 4}, "l": [1, {"x": 2}, 3], "n": UNKNOWN}
    assert compare(old, new) == {
        "a.b": "update",
        "a.gone": "delete",
        "a.new": "add",
        'a["p.q/r"]': "add",
        "l[1].x": "update",
        "l[2]": "add",
        "n": "update",
    }


@pytest.mark.parametrize(
    ("old", "new", "path", "change"),
    [
        (
            obj("batch/v1", "Job", spec={"template": {"spec": {"a": 1}}}),
            obj("batch/v1", "Job", spec={"template": {"spec": {"a": 2}}}),
            "spec.template.spec.a",
            "update-replace",
        ),
        (
            obj("batch/v1", "Job", spec={"backoffLimit": 1}),
            obj("batch/v1", "Job", spec={"backoffLimit": 2}),
            "spec.backoffLimit",
            "update",
        ),
        (
            obj("apps/v1", "Deployment"),
            obj("apps/v1", "Deployment", spec={"selector": {}, "x": 1}),
            "spec",
            "add-replace",
        ),
        (obj("apps/v1", "Deployment"), obj("apps/v1", "Deployment", spec={"x": 1}), "spec", "add"),
        (
            obj("v1", "Pod", spec={"containers": [{"image": "a"}]}),
            obj("v1", "Pod", spec={"containers": [{"image": "b"}]}),
            "spec.containers[0].image",
            "update-replace",
        ),
        (
            obj("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "a"}),
            obj("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "b"}),
            "roleRef.name",
            "update-replace",
        ),
        (obj("v1", "ConfigMap", data={"a": "1"}), obj("v1", "ConfigMap", data={"a": "2"}), "data.a", "update-replace"),
        (obj("v1", "Secret", data={"a": "1"}), obj("v1", "Secret"), "data", "delete-replace"),
        (
            obj("example.com/v1", "Widget", spec={"a": 1}),
            obj("example.com/v1", "Widget", spec={"a": 2}),
            "spec.a",
            "update",
        ),
    ],
)
def test_what_replaces_an_object(old: Json, new: Json, path: str, change: str) -> None:
    assert compare(old, new, force_new(new, Mutability())) == {path: change}


def test_data_may_be_made_mutable() -> None:
    mutable = Mutability(secret=True, config_map=True)
    assert "data" not in force_new(obj("v1", "ConfigMap"), mutable)
    assert force_new(obj("v1", "Secret"), mutable)[2:] == ["type"]
    assert "data" in force_new(obj("v1", "ConfigMap", immutable=True), mutable)
    assert "stringData" in force_new(obj("v1", "Secret", immutable=True), mutable)


def test_string_data_of_a_secret_is_seen_in_its_data() -> None:
    inputs = obj("v1", "Secret", stringData={"a": "x", "b": "y"})
    live = obj("v1", "Secret", data={"a": "eA==", "b": "ei0="})
    assert compare(as_asked(live, inputs), inputs) == {"stringData.b": "add"}


def test_ignored_paths_cover_what_is_below_them() -> None:
    assert ignored("spec.replicas", ["spec.replicas"])
    assert ignored('metadata.annotations["a.b/c"]', ["metadata.annotations"])
    assert ignored("spec.rules[1].weight", ["spec.rules[*].weight"])
    assert not ignored("spec.replicasMax", ["spec.replicas"])
    assert not ignored("spec", ["spec.replicas"])


def test_managed_fields_give_back_what_was_written() -> None:
    live = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "x",
            "labels": {"a": "1", "b": "2"},
            "finalizers": ["f", "g"],
            "resourceVersion": "7",
            "managedFields": [
                {
                    "manager": "pulumi-kubernetes",
                    "operation": "Update",
                    "fieldsV1": {
                        "f:metadata": {"f:labels": {".": {}, "f:a": {}}, "f:finalizers": {'v:"g"': {}}},
                        "f:spec": {"f:containers": {'k:{"name":"n"}': {".": {}, "f:name": {}, "f:env": {}}}},
                    },
                },
                {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
            ],
        },
        "spec": {"containers": [{"name": "m", "env": []}, {"name": "n", "env": [{"x": 1}], "image": "i"}], "a": 1},
        "status": {"phase": "Running"},
    }
    assert managed_fields.owned_by_provider(live) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "labels": {"a": "1"}, "finalizers": ["g"]},
        "spec": {"containers": [{"name": "n", "env": [{"x": 1}]}]},
    }
    handed = managed_fields.take_over(live, "pulumi-kubernetes-1")[0]["value"]
    assert [(e["manager"], e["operation"]) for e in handed] == [("kubelet", "Update"), ("pulumi-kubernetes-1", "Apply")]
