"""Every field failure can be felt: its fix undone, `up` and `verify` say what the field report says; with it, it serves.

All on one running dev, which is brought back after each: what two of them leave behind together is no field failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import cluster as kube
from rehearsal.undo import load_undos
from serving.checking.failures import find_failure
from tests.everything import of_everything, some_of
from tests.rehearsal.end_to_end import symptoms
from tests.rehearsal.end_to_end.command import Rehearsal, serving, wait_until
from tests.rehearsal.end_to_end.symptoms import MODEL, NAMESPACE, SYMPTOMS, Symptom

# Shown by test_undo_from_nothing.py.
FROM_NOTHING = {"CL01", "KS03"}
# Those that a real controller decides: KServe's and the picker. What stand-ins make of the others, they say themselves
# (tests/rehearsal/undo/test_stand_ins.py).
REAL = {"KS02", "KS10"}


def run_undone(rehearsal: Rehearsal, *rules: str) -> dict[str, Any]:
    """`rehearse --undo`, which must end with 1 and say that it does not serve."""
    done = rehearsal.rehearse(*(argument for undo in rules for argument in ("--undo", undo)))
    assert done.code == 1, f"{done.out}\n{done.err}"
    document = done.document
    assert document["undone"] == list(rules)
    assert document["verify"]["verdict"].startswith("does not serve: "), document["verify"]["verdict"]
    return document


def await_verdict(rehearsal: Rehearsal, rule: str) -> None:
    """`verify` ends with 1 and names check and failure of the catalogue, at the latest when all has come to rest.

    KServe's status says nothing of the generation that it is about, so that an answer can still be one on what was before.
    """
    undo, last = load_undos()[rule], [""]
    assert rule in find_failure(undo.failure).rules

    def named() -> bool:
        done = serving("verify", str(rehearsal.file), "--format", "json")
        last[0] = str(done.document["verdict"])
        return done.code == 1 and last[0].startswith(f"does not serve: {undo.check}: {undo.failure}: ")

    wait_until(named, lambda: True, lambda: last[0], pause=1, seconds=180)


def await_symptom(rehearsal: Rehearsal, seen: Symptom, *, wanted: bool) -> None:
    """Wait until a symptom is to be seen, or not any more."""
    last = [""]

    def look() -> bool:
        last[0] = seen(rehearsal)
        return bool(last[0]) is wanted

    wait_until(look, lambda: True, lambda: f"{seen.__name__}: {last[0] or 'nothing seen'}", pause=0.5, seconds=180)


def to_service(kind: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": symptoms.GATEWAY_API,
        "kind": kind,
        "metadata": {"name": symptoms.TO_SERVICE, "namespace": NAMESPACE},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def felt(shared: Rehearsal) -> Iterator[Rehearsal]:
    """dev with a second route, to the model's Service; afterwards as it was."""
    rehearsal = shared.running()
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/{symptoms.TO_SERVICE}"}}],
        "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
        "backendRefs": [{"name": f"{MODEL}-kserve-workload-svc", "port": 8000}],
    }
    route = to_service("HTTPRoute", parentRefs=[{"name": "inference-gateway"}], rules=[rule])
    kube.apply(rehearsal.client, route, manager="test")
    try:
        yield rehearsal
    finally:
        kube.delete(rehearsal.client, symptoms.GATEWAY_API, "HTTPRoute", symptoms.TO_SERVICE, NAMESPACE)
        rehearsal.rehearse().succeeded()


def test_every_undo_is_felt_somewhere() -> None:
    assert set(SYMPTOMS) | FROM_NOTHING == set(load_undos())


@pytest.mark.parametrize("rule", some_of(SYMPTOMS, REAL))
def test_it_fails_as_the_field_report_says_and_serves_with_the_fix(rule: str, felt: Rehearsal) -> None:
    run_undone(felt, rule)
    await_symptom(felt, SYMPTOMS[rule], wanted=True)
    await_verdict(felt, rule)
    assert felt.rehearse().succeeded()["verify"]["verdict"] == "serves"
    await_symptom(felt, SYMPTOMS[rule], wanted=False)


@of_everything
def test_without_picker_a_pool_that_fails_closed_is_not_served(felt: Rehearsal) -> None:
    felt.change(lambda config: config["tpu-serving:models"][0].update(pickerFailureMode="FailClose"))
    try:
        run_undone(felt, "KS10")
        await_symptom(felt, symptoms.not_served_without_picker, wanted=True)
        await_verdict(felt, "KS10")
    finally:
        felt.change(lambda config: config["tpu-serving:models"][0].pop("pickerFailureMode"))


def test_with_every_fix_back_it_serves_and_no_symptom_is_left(felt: Rehearsal) -> None:
    assert felt.rehearse().succeeded()["verify"]["verdict"] == "serves"
    for seen in dict.fromkeys([*SYMPTOMS.values(), symptoms.not_served_without_picker]):
        await_symptom(felt, seen, wanted=False)
    assert serving("verify", str(felt.file), "--format", "json").succeeded()["verdict"] == "serves"
