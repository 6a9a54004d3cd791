"""Fault injection: with the fix of a field failure undone, `up` and `verify` say what the field report says; with it, it serves.

All on one running dev, which is brought back after each. Where a real part decides, a client of the Gateway sees it as
well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import cluster as kube
from cluster.load_balancer import read_record
from rehearsal.undo import load_undos
from serving.checking.failures import find_failure
from tests.everything import of_everything, some_of
from tests.rehearsal.end_to_end.command import Rehearsal, serving, wait_until
from tests.rehearsal.plane import HANGS

NAMESPACE, MODEL, NAME = "llm-serving", "qwen2-5-3b", "Qwen/Qwen2.5-3B-Instruct"
GATEWAY_API = "gateway.networking.k8s.io/v1"
# A route of the test's own to the model's Service, as KServe's preset has them.
TO_SERVICE = "to-the-service"
# Shown by test_undo_from_nothing.py and test_consumers.py.
ELSEWHERE = {"CL01", "KS03", "ED04", "ED10"}


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

    wait_until(named, lambda: True, lambda: last[0], pause=1)


def url(rehearsal: Rehearsal, path: str = f"/{NAMESPACE}/{MODEL}") -> str:
    listener = read_record(rehearsal.directory.root / "load-balancer.json").gateway
    assert listener is not None
    return listener.url + path


def chat(rehearsal: Rehearsal) -> int:
    """The status of one short chat request through the Gateway."""
    body = {"model": NAME, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    return httpx.post(f"{url(rehearsal)}/v1/chat/completions", json=body, timeout=HANGS).status_code


def wrong_version_number(rehearsal: Rehearsal) -> bool:
    answer = httpx.get(url(rehearsal, f"/{TO_SERVICE}/v1/models"), timeout=HANGS)
    # The pool is not touched by it.
    return answer.status_code == 503 and "WRONG_VERSION_NUMBER" in answer.text and chat(rehearsal) == 200


def without_picker(rehearsal: Rehearsal) -> int:
    """What a chat is answered while the picker crashes; 0 while it does not."""
    selector = f"app.kubernetes.io/name={MODEL},app.kubernetes.io/component=llminferenceservice-router-scheduler"
    pods = kube.list_objects(rehearsal.client, "v1", "Pod", NAMESPACE, label_selector=selector)
    found = [status for pod in pods for status in (pod.get("status") or {}).get("containerStatuses") or ()]
    crashed = [status for status in found if status["name"] == "main" and status["restartCount"] > 0]
    return chat(rehearsal) if crashed and not any(status["ready"] for status in crashed) else 0


# Undo -> whether a client sees it, on a rehearsal of dev that was serving.
SEEN: dict[str, Callable[[Rehearsal], bool]] = {
    "KS02": wrong_version_number,
    "KS10": lambda rehearsal: without_picker(rehearsal) == 200,  # FailOpen: any server answers
}


def await_seen(rehearsal: Rehearsal, seen: Callable[[Rehearsal], bool], *, wanted: bool = True) -> None:
    wait_until(lambda: seen(rehearsal) is wanted, lambda: True, lambda: str(seen), pause=0.5)


@pytest.fixture(scope="module")
def felt(shared: Rehearsal) -> Iterator[Rehearsal]:
    """dev with a second route, to the model's Service."""
    rehearsal = shared.running()
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/{TO_SERVICE}"}}],
        "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
        "backendRefs": [{"name": f"{MODEL}-kserve-workload-svc", "port": 8000}],
    }
    metadata = {"name": TO_SERVICE, "namespace": NAMESPACE}
    spec = {"parentRefs": [{"name": "inference-gateway"}], "rules": [rule]}
    route = {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
    kube.apply(rehearsal.client, route, manager="test")
    try:
        yield rehearsal
    finally:
        kube.delete(rehearsal.client, GATEWAY_API, "HTTPRoute", TO_SERVICE, NAMESPACE)


@pytest.mark.parametrize("rule", some_of([rule for rule in load_undos() if rule not in ELSEWHERE], SEEN))
def test_it_fails_as_the_field_report_says_and_serves_with_the_fix(rule: str, felt: Rehearsal) -> None:
    run_undone(felt, rule)
    if rule in SEEN:
        await_seen(felt, SEEN[rule])
    await_verdict(felt, rule)
    assert felt.rehearse().succeeded()["verify"]["verdict"] == "serves"
    for seen in SEEN.values():
        await_seen(felt, seen, wanted=False)


@of_everything
def test_without_picker_a_pool_that_fails_closed_is_not_served(felt: Rehearsal) -> None:
    felt.change(lambda config: config["tpu-serving:models"][0].update(pickerFailureMode="FailClose"))
    try:
        run_undone(felt, "KS10")
        await_seen(felt, lambda rehearsal: without_picker(rehearsal) == 500)
        await_verdict(felt, "KS10")
    finally:
        felt.change(lambda config: config["tpu-serving:models"][0].pop("pickerFailureMode"))
        felt.rehearse().succeeded()
