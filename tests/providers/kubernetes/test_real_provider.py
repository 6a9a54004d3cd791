"""What is predicted of a change of an object is what the real provider says of it, for every object of the program."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.kubernetes.differences import replacing
from serving.plan.against.field_changes import field_changes as told
from serving.plan.against.resources import RELEASE_IDENTITY
from serving.program.record import Recording
from tests.providers.kubernetes.conftest import leaves
from tests.providers.kubernetes.real import RELEASE, Json, Provider, running, secret, urn_of

_TYPE = ("apiVersion", "kind")


@pytest.fixture(scope="module")
def provider(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider that reaches no cluster: it needs none to compare."""
    with running(program, tmp_path_factory.mktemp("provider")) as channel:
        yield Provider(channel)


def state_of(inputs: Json) -> Json:
    """The state after a create: the object as the server keeps it."""
    live = {key: value for key, value in inputs.items() if key != "stringData"}
    if "stringData" in inputs:
        live["data"] = {key: base64.b64encode(text.encode()).decode() for key, text in inputs["stringData"].items()}
    return {**live, "__inputs": inputs}


def said(provider: Provider, old: Json, new: Json) -> dict[str, str]:
    name = f"{old['metadata'].get('namespace', '')}/{old['metadata']['name']}"
    return provider.diff(urn_of(old), name, state_of(old), new)


def other(value: Any) -> Any:
    """Another value of the same type, valid wherever the first one is."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return {"True": "False", "true": "false", "false": "true"}.get(value, f"{value}x")


def changed(obj: Json, path: tuple[str | int, ...], *value: Any) -> Json:
    """The object with another value at a path, or without one."""
    made: Any = copy.deepcopy(obj)
    inner = made
    for part in path[:-1]:
        inner = inner[part]
    if value:
        inner[path[-1]] = value[0]
    else:
        del inner[path[-1]]
    return dict(made)


def variants(obj: Json) -> Iterator[Json]:
    """The object with each of its values changed, without each but its name, and with each list the other way round."""
    for path in dict.fromkeys(whole[:end] for whole, _ in leaves(obj) for end in range(1, len(whole))):
        value: Any = obj
        for part in path:
            value = value[part]
        if isinstance(value, list) and value != value[::-1]:
            yield changed(obj, path, value[::-1])
    for path, value in leaves(obj):
        if path[0] not in _TYPE:
            yield changed(obj, path, other(value))
            if path != ("metadata", "name"):
                yield changed(obj, path)


def test_every_change_of_every_object_of_the_program(provider: Provider, objects: list[Json]) -> None:
    """Whether there is a change, whether it replaces the object, and because of which property."""
    count, wrong = 0, []
    for old, new in (
        (o, v) for obj in objects for variant in variants(obj) for o, v in ((obj, variant), (variant, obj))
    ):
        count += 1
        real = said(provider, old, new)
        # The provider says `data` of a Secret's stringData, which it turns into that.
        replaced = {path.replace("[", ".[").replace("stringData", "data") for path in real if "replace" in real[path]}
        predicted = {path.replace("stringData", "data") for path in replacing(old, new)}
        agreed = all(any(f"{path}.".startswith(f"{own}.") for own in predicted) for path in replaced)
        if not (agreed and bool(replaced) == bool(predicted) and bool(real) == bool(told(old, new))):
            wrong.append((old["kind"], told(old, new), predicted, real))
    assert count > 1000
    assert wrong == []


def test_the_table_names_no_kind_that_the_program_does_not_make(objects: list[Json]) -> None:
    from providers.kubernetes.differences import _table

    assert set(_table()) <= {f"{obj['apiVersion']}/{obj['kind']}" for obj in objects}


def test_the_program_asks_the_provider_for_nothing_that_changes_the_prediction(recordings: list[Recording]) -> None:
    for recording in recordings:
        for resource in recording.resources:
            if resource.type == "pulumi:providers:kubernetes":
                assert not {"enableSecretMutable", "enableConfigMapMutable", "enableServerSideApply"} & set(
                    resource.inputs
                )
            elif resource.type.startswith("kubernetes:") and "kind" in resource.inputs:
                assert not resource.ignore_changes


def test_what_replaces_a_helm_release(provider: Provider, recordings: list[Recording]) -> None:
    releases = {
        r.name: r.inputs for recording in recordings for r in recording.resources if r.type.endswith(":Release")
    }
    assert releases
    for inputs in releases.values():
        own = {key: value for key, value in inputs.items() if key != "__defaults"}
        for path, value in leaves(own):
            wanted = changed(own, path, other(value))
            real = provider.diff(RELEASE, f"{own['namespace']}/{own['name']}", {**own, "__inputs": secret(own)}, wanted)
            assert real
            assert any("replace" in change for change in real.values()) == (path[0] in RELEASE_IDENTITY), path
