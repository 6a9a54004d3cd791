"""What the emulators say of the program's own objects once a fix is undone, and do not say while it is there.

The whole way, with real controllers between, is in tests/rehearsal/end_to_end/test_undo.py.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from rehearsal.cloud import CloudResource
from rehearsal.gke.addons import features
from rehearsal.gke.gateway.objects import Objects, by_kind
from rehearsal.gke.gateway.status import changes
from rehearsal.kubelet.probes import Timing
from rehearsal.load_balancer.backends import Backends
from rehearsal.model_server.options import parse
from rehearsal.undo import load_undos
from serving.program.record import Resource
from tests.rehearsal.gke.objects import CLOUD, GLOBAL, INTERNAL, NOW, POOL_API, gateway_class, obj
from tests.rehearsal.gke.objects import service as service_of
from tests.rehearsal.undo.recording import recorded

Registered = dict[str, Resource]
Obj = dict[str, Any]
NAMESPACE, NAME = "llm-serving", "qwen2-5-3b"


@cache
def registered(rule: str = "") -> Registered:
    return recorded("dev", [rule] if rule else [])


def of_type(found: Registered, end: str) -> list[Obj]:
    return [resource.inputs for resource in found.values() if resource.type.endswith(end)]


def objects(found: Registered) -> Objects:
    """The program's objects, and the classes, Services and pool that GKE and KServe make."""
    kinds = ("Gateway", "HTTPRoute", "HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy")
    ours = [r.inputs for r in found.values() if r.type.startswith("kubernetes:") and r.inputs.get("kind") in kinds]
    [service] = of_type(found, ":LLMInferenceService")
    pool = obj(
        POOL_API, "InferencePool", f"{NAME}-inference-pool", service["spec"]["router"]["scheduler"]["pool"]["spec"]
    )
    made = [pool, service_of(f"{NAME}-epp-service", 9002, "picker"), service_of(f"{NAME}-kserve-workload-svc", 8000)]
    for item in made:
        item["metadata"]["namespace"] = NAMESPACE
    known = {"generation": 1, "creationTimestamp": NOW}
    ours = [{**item, "metadata": {**item["metadata"], **known}} for item in ours]
    return by_kind([*ours, *made, *map(gateway_class, (INTERNAL, GLOBAL))])


def said(found: Registered, kind: str, condition: str) -> str:
    """Reason and message of a condition that the Gateway controller writes as False."""
    for change in changes(objects(found), CLOUD, NOW):
        if change.object["kind"] == kind:
            parents = change.status.get("parents") or [change.status]
            for item in (item for parent in parents for item in parent["conditions"]):
                if (item["type"], item["status"]) == (condition, "False"):
                    return f"{item['reason']}: {item['message']}"
    return ""


def main_container(found: Registered) -> Obj:
    [service] = of_type(found, ":LLMInferenceService")
    [container] = service["spec"]["template"]["containers"]
    return dict(container)


def channel(found: Registered) -> str:
    [cluster] = of_type(found, "container/cluster:Cluster")
    resource = CloudResource("t", "serving", "id", "p", "europe-west4", cluster)
    return "" if "gateway" in features(resource) else "no Gateway"


def asked_path(found: Registered) -> str:
    """The path by which the load balancer asks the pool for its health."""
    pool = Backends(objects(found), 1.0).of("InferencePool", (NAMESPACE, f"{NAME}-inference-pool"), None)
    return f"HTTP {pool.check.path}" if pool.check.path != "/health" else ""


def refused_arguments(found: Registered) -> str:
    container = main_container(found)
    words = io.StringIO()
    with contextlib.redirect_stderr(words), contextlib.suppress(SystemExit):
        parse([*container["command"][1:], *container["args"]])
    return words.getvalue()


def delay(found: Registered) -> str:
    seconds = Timing.of(main_container(found)["readinessProbe"]).initial_delay
    return f"{seconds:g} s" if seconds else ""


SAID: dict[str, tuple[Callable[[Registered], str], str]] = {
    "GW01": (lambda f: said(f, "InferencePool", "Accepted"), "NotSupportedByParent: GatewayClass gke-l7-global-"),
    "CL01": (channel, "no Gateway"),
    "RT01": (lambda f: said(f, "HTTPRoute", "Accepted"), "misconfigured, err: Timeouts are not supported."),
    "HC01": (asked_path, "HTTP /"),
    "KS11": (delay, "240 s"),
    "VL01": (refused_arguments, "error: unrecognized arguments: --prefix-cache-block-size=16"),
}


# KServe's controller, the picker and LeaderWorkerSet decide these: seen in tests/rehearsal/end_to_end/test_undo*.py.
REAL = {"KS02", "KS03", "KS10"}


def test_every_undo_is_seen_somewhere() -> None:
    assert {*SAID, *REAL} == set(load_undos())


@pytest.mark.parametrize("rule", SAID)
def test_the_failure_is_there_when_the_fix_is_undone_and_only_then(rule: str) -> None:
    look, words = SAID[rule]
    assert words in look(registered(rule))
    assert look(registered()) == ""
