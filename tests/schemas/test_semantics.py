"""The validator reads a schema as the API server does; shown on a small CRD of our own, without the schema folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from . import SchemaError, UnsupportedRuleError, schemas_for, store, unsupported_rules, validate

API, KIND = "example.com/v1", "Thing"
Properties = dict[str, Any]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPU_SERVING_SCHEMAS", str(tmp_path / "crds"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def publish(
    folder: Path, properties: Properties, *rules: dict[str, Any], served: bool = True, variant: str = "one"
) -> Path:
    """Writes the CRD of Thing with these fields and rules below spec."""
    spec: dict[str, Any] = {"type": "object", "properties": properties}
    if rules:
        spec["x-kubernetes-validations"] = list(rules)
    root = {"type": "object", "properties": {"metadata": {"type": "object"}, "spec": spec}}
    version = {"name": "v1", "served": served, "schema": {"openAPIV3Schema": root}}
    definition = {"group": "example.com", "names": {"kind": KIND}, "scope": "Namespaced", "versions": [version]}
    path = folder / "crds" / variant / "things.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"kind": "CustomResourceDefinition", "spec": definition}), encoding="utf-8")
    store._entries.cache_clear()
    return path


def messages(**spec: Any) -> list[str]:
    obj = {"apiVersion": API, "kind": KIND, "metadata": {"name": "thing"}, "spec": spec}
    return [f"{problem.path}: {problem.message}" for problem in validate(obj)]


STRING, INTEGER = {"type": "string"}, {"type": "integer"}
KEYED = {"type": "object", "required": ["name"], "properties": {"name": STRING, "port": {**INTEGER, "default": 80}}}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"known": INTEGER}}
MAP_LIST = {
    "type": "array",
    "items": KEYED,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name", "port"],
}


@pytest.mark.parametrize(
    ("schema", "value", "accepted"),
    [
        ({"x-kubernetes-int-or-string": True}, 1, True),
        ({"x-kubernetes-int-or-string": True}, "1", True),
        ({"x-kubernetes-int-or-string": True}, 1.5, False),
        ({"x-kubernetes-int-or-string": True}, True, False),
        (INTEGER, 1.0, True),
        (INTEGER, 1.5, False),
        (INTEGER, True, False),
        ({"type": "number"}, 1, True),
        (STRING, 1, False),
        # A null is dropped where null is not allowed; nothing is required here.
        (STRING, None, True),
        ({**STRING, "nullable": True}, None, True),
        ({"type": "array", "items": STRING}, [None], False),
        ({"type": "array", "items": {**STRING, "nullable": True}}, [None], True),
        (OPEN, {"other": 1}, True),
        (OPEN, {"known": "x"}, False),
        ({"type": "object"}, {"other": 1}, False),
        ({"type": "object", "additionalProperties": INTEGER}, {"other": 1}, True),
        ({"type": "object", "additionalProperties": INTEGER}, {"other": "x"}, False),
        ({"type": "object", "additionalProperties": False}, {"other": 1}, False),
        ({"type": "object", "additionalProperties": True}, {"other": 1}, True),
        ({"x-kubernetes-preserve-unknown-fields": True}, [{"any": "thing"}], True),
        ({"type": "array", "items": STRING, "x-kubernetes-list-type": "set"}, ["a", "a"], False),
        ({"type": "array", "items": STRING}, ["a", "a"], True),
        # The second key of the pair has a default, which makes these two the same.
        (MAP_LIST, [{"name": "a"}, {"name": "a", "port": 80}], False),
        (MAP_LIST, [{"name": "a"}, {"name": "a", "port": 81}], True),
        # RE2 differs from Python: no newline before $, \d and \w are ASCII.
        ({**STRING, "pattern": "^a$"}, "a\n", False),
        ({**STRING, "pattern": r"^\d$"}, "٣", False),
        ({**STRING, "pattern": "b"}, "abc", True),
        ({**STRING, "maxLength": 2}, "éé", True),
        ({**STRING, "minLength": 1}, "", False),
        ({**INTEGER, "format": "int32"}, 1 << 31, False),
        ({**INTEGER, "format": "int64"}, 1 << 31, True),
        ({**STRING, "format": "byte"}, "a", False),
        ({**STRING, "format": "date-time"}, "2026-01-01T00:00:00Z", True),
        ({**STRING, "format": "date-time"}, "2026-01-01", False),
        ({**STRING, "enum": ["a", "b"]}, "c", False),
        ({**STRING, "not": {"enum": ["a"]}}, "a", False),
        ({**STRING, "oneOf": [{"pattern": "a"}, {"pattern": "b"}]}, "ab", False),
        ({**STRING, "anyOf": [{"pattern": "a"}, {"pattern": "b"}]}, "ab", True),
        ({**STRING, "allOf": [{"pattern": "a"}, {"pattern": "b"}]}, "a", False),
    ],
)
def test_values_are_judged_as_the_server_judges_them(
    tmp_path: Path, schema: Properties, value: Any, accepted: bool
) -> None:
    publish(tmp_path, {"field": schema})
    assert (messages(field=value) == []) is accepted


def test_a_null_gives_way_to_the_default(tmp_path: Path) -> None:
    publish(tmp_path, {"field": {**STRING, "default": "x"}}, {"rule": "self.field == 'x'"})
    assert messages(field=None) == []
    assert messages() == []
    assert messages(field="y") != []


def test_defaults_reach_into_defaulted_objects(tmp_path: Path) -> None:
    inner = {"type": "object", "default": {}, "properties": {"port": {**INTEGER, "default": 80}}}
    publish(tmp_path, {"inner": inner}, {"rule": "self.inner.port == 80"})
    assert messages() == []


def test_embedded_objects_need_type_and_name(tmp_path: Path) -> None:
    publish(
        tmp_path, {"field": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": OPEN}}}
    )
    meta = {"name": "x"}
    assert messages(field={"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"a": 1}}) == []
    assert messages(field={"apiVersion": "v1", "metadata": meta}) == ["spec.field.kind: must not be empty"]
    assert messages(field={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "X"}}) != []


RULE_CASES: list[tuple[Properties, dict[str, Any], dict[str, Any], bool]] = [
    ({"namespace": STRING}, {"rule": "self.__namespace__ == 'a'"}, {"namespace": "a"}, True),
    (
        {"a-b.c/d__e": STRING},
        {"rule": "self.a__dash__b__dot__c__slash__d__underscores__e == 'a'"},
        {"a-b.c/d__e": "a"},
        True,
    ),
    ({"number": {"type": "number"}}, {"rule": "self.number / 2.0 == 0.5"}, {"number": 1}, True),
    ({"field": STRING}, {"rule": "!has(self.field) || self.field != oldSelf.field"}, {"field": "a"}, True),
    ({"field": STRING}, {"rule": "self.field != 'oldSelf'"}, {"field": "oldSelf"}, False),
    ({"field": STRING}, {"rule": "!isIP(self.field)"}, {"field": "10.0.0.1"}, False),
    ({"field": STRING}, {"rule": "!isIP(self.field)"}, {"field": "10.0.0.256"}, True),
    ({"field": STRING}, {"rule": "!isIP(self.field)"}, {"field": "2001:db8::1"}, False),
    ({"field": STRING}, {"rule": "!isIP(self.field)"}, {"field": "::ffff:10.0.0.1"}, True),
    ({"field": STRING}, {"rule": "duration(self.field) <= duration('1m')"}, {"field": "59s999ms"}, True),
]


@pytest.mark.parametrize(("properties", "rule", "spec", "accepted"), RULE_CASES)
def test_rules_see_values_as_on_the_server(
    tmp_path: Path, properties: Properties, rule: dict[str, Any], spec: dict[str, Any], accepted: bool
) -> None:
    publish(tmp_path, properties, rule)
    assert (messages(**spec) == []) is accepted


def test_rules_of_list_items_and_map_values_are_evaluated(tmp_path: Path) -> None:
    short = {**STRING, "x-kubernetes-validations": [{"rule": "size(self) < 3", "message": "too long"}]}
    fields = {"list": {"type": "array", "items": short}, "map": {"type": "object", "additionalProperties": short}}
    publish(tmp_path, fields)
    assert messages(list=["a", "abc"], map={"x/y": "abc"}) == ["spec.list[1]: too long", "spec.map[x/y]: too long"]


def test_a_message_may_be_computed(tmp_path: Path) -> None:
    rule = {"rule": "self.a < 3", "message": "fixed", "messageExpression": "string(self.a) + ' is too much'"}
    publish(tmp_path, {"a": INTEGER}, rule)
    assert messages(a=3) == ["spec: 3 is too much"]
    publish(tmp_path, {"a": INTEGER}, {"rule": "self.a < 3"})
    assert messages(a=3) == ["spec: failed rule: self.a < 3"]


@pytest.mark.parametrize("rule", ["quantity(self.a).isGreaterThan(quantity('1'))", "self.a.unheardOf()", "self.a =="])
def test_a_rule_beyond_the_engine_is_reported_and_never_passed_over(tmp_path: Path, rule: str) -> None:
    publish(tmp_path, {"a": STRING}, {"rule": "true"}, {"rule": rule})
    assert [(found.kind, found.path, found.rule) for found in unsupported_rules()] == [(KIND, "spec", rule)]
    with pytest.raises(UnsupportedRuleError):
        messages(a="1")


def test_a_mismatch_of_types_inside_the_engine_is_not_taken_for_a_verdict(tmp_path: Path) -> None:
    """A compiled rule cannot meet one on the server, so the values were handed over wrongly."""
    publish(tmp_path, {"a": STRING}, {"rule": "self.a < 1"})
    with pytest.raises(UnsupportedRuleError):
        messages(a="1")


@pytest.mark.parametrize(
    ("properties", "rule"),
    [
        ({"a": {"type": "number", "multipleOf": 2}}, {"rule": "true"}),
        ({"a": {**STRING, "format": "uri"}}, {"rule": "true"}),
        ({"a": STRING}, {"rule": "true", "optionalOldSelf": True}),
        ({"a": {"anyOf": [{"x-kubernetes-validations": [{"rule": "true"}]}]}}, {"rule": "true"}),
    ],
)
def test_a_schema_that_asks_for_more_than_is_checked_is_refused(
    tmp_path: Path, properties: Properties, rule: dict[str, Any]
) -> None:
    publish(tmp_path, properties, rule)
    with pytest.raises(SchemaError):
        messages(a=1)


def test_every_variant_is_asked(tmp_path: Path) -> None:
    publish(tmp_path, {"a": INTEGER})
    publish(tmp_path, {"a": STRING}, variant="two")
    assert schemas_for(API, KIND) == ["one", "two"]
    obj = {"apiVersion": API, "kind": KIND, "metadata": {"name": "x"}, "spec": {"a": 1}}
    assert [problem.variant for problem in validate(obj)] == ["two"]


def test_versions_that_are_not_served_do_not_count(tmp_path: Path) -> None:
    publish(tmp_path, {}, served=False)
    assert schemas_for(API, KIND) == []


def test_a_changed_file_is_read_anew_and_an_unchanged_one_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, {"a": INTEGER})
    assert messages(a=1) == []
    publish(tmp_path, {"a": STRING})
    assert messages(a=1) != []
    monkeypatch.setattr(yaml, "load_all", lambda *_, **__: pytest.fail("parsed again"))
    store._entries.cache_clear()
    assert messages(a=1) != []
    monkeypatch.undo()
    cached = sorted(file.name for file in (tmp_path / "cache" / "tpu-serving" / "schemas").iterdir())
    assert len(cached) == 4


def test_template_lines_of_charts_are_dropped(tmp_path: Path) -> None:
    path = publish(tmp_path, {"a": INTEGER})
    path.write_text("{{- if .Values.crds }}\n" + path.read_text(encoding="utf-8") + "{{- end }}\n", encoding="utf-8")
    store._entries.cache_clear()
    assert messages(a=1) == []


def test_a_dump_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "crds" / "gke-live" / "thing_v1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"type": "object"}), encoding="utf-8")
    store._entries.cache_clear()
    with pytest.raises(SchemaError, match="not known"):
        schemas_for(API, KIND)
