"""What the stand-ins say of the program's own objects once a fix is undone, and do not say while it is there.

The whole way, with real controllers between, is in tests/rehearsal/end_to_end/test_undo.py.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from catalog.gke import POOL_GROUP
from rehearsal.cloud import CloudResource
from rehearsal.gke import cluster as clusters
from rehearsal.gke.gateway import Cloud, World, changes
from rehearsal.gke.gateway.world import key_of
from rehearsal.kubelet.probes import Timing
from rehearsal.load_balancer.backends import Backends
from rehearsal.load_balancer.model import Backend, Objects, gke_defaults
from rehearsal.model_server.options import parse
from rehearsal.undo import load_undos
from serving.program.record import Resource
from tests.rehearsal.undo.recording import recorded

Registered = dict[str, Resource]
Obj = dict[str, Any]
NOW = "2026-11-27T12:00:00Z"
NAMESPACE, NAME = "llm-serving", "qwen2-5-3b"


@cache
def registered(rule: str = "") -> Registered:
    return recorded("dev", [rule] if rule else [])


def of_type(found: Registered, end: str) -> list[Obj]:
    return [resource.inputs for resource in found.values() if resource.type.endswith(end)]


def complete(obj: Obj) -> Obj:
    """As the API server would have it."""
    return {**obj, "metadata": {**obj["metadata"], "generation": 1, "creationTimestamp": NOW}}


def objects(found: Registered) -> dict[str, list[Obj]]:
    """The program's objects by kind, and the Services and the pool that KServe makes of the model."""
    made = [complete(r.inputs) for r in found.values() if r.type.startswith("kubernetes:") and "kind" in r.inputs]
    [service] = of_type(found, ":LLMInferenceService")
    pool = service["spec"]["router"]["scheduler"]["pool"]["spec"]
    for api, kind, name, spec in (
        (f"{POOL_GROUP}/v1", "InferencePool", f"{NAME}-inference-pool", pool),
        ("v1", "Service", f"{NAME}-epp-service", {"ports": [{"port": 9002}]}),
        ("v1", "Service", f"{NAME}-kserve-workload-svc", {"ports": [{"port": 8000, "appProtocol": "http"}]}),
    ):
        metadata = {"name": name, "namespace": NAMESPACE}
        made.append(complete({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}))
    by_kind: dict[str, list[Obj]] = {}
    for item in made:
        by_kind.setdefault(item["kind"], []).append(item)
    return by_kind


def world(found: Registered) -> World:
    by_kind = objects(found)
    proxies = [s for s in of_type(found, ":Subnetwork") if s.get("purpose") == "REGIONAL_MANAGED_PROXY"]
    of = {kind: {key_of(item): item for item in items} for kind, items in by_kind.items()}
    return World(
        cloud=Cloud("europe-west4", bool(proxies)),
        classes=frozenset({"gke-l7-rilb", "gke-l7-global-external-managed"}),
        gateways=of["Gateway"],
        routes=of["HTTPRoute"],
        pools=of["InferencePool"],
        services=of["Service"],
        policies=[*by_kind["HealthCheckPolicy"], *by_kind["GCPBackendPolicy"]],
    )


def said(found: Registered, kind: str, condition: str) -> str:
    """Reason and message of a condition that the Gateway controller writes as False."""
    for change in changes(world(found), NOW):
        if change.object["kind"] == kind:
            parents = change.status.get("parents") or [change.status]
            for item in (item for parent in parents for item in parent["conditions"]):
                if (item["type"], item["status"]) == (condition, "False"):
                    return f"{item['reason']}: {item['message']}"
    return ""


def backend(found: Registered) -> Backend:
    """The pool as the load balancer takes it."""
    [route] = objects(found)["HTTPRoute"]
    backends = Backends(Objects(world(found)), gke_defaults())
    made = backends.of_reference(route, route["spec"]["rules"][0]["backendRefs"][0])
    assert made is not None
    return made


def main_container(found: Registered) -> Obj:
    [service] = of_type(found, ":LLMInferenceService")
    [container] = service["spec"]["template"]["containers"]
    return dict(container)


def channel(found: Registered) -> str:
    [cluster] = of_type(found, clusters.CLUSTER)
    state = CloudResource(clusters.CLUSTER, "c", "c", "p", "europe-west4", cluster)
    return "" if clusters.features(state).gateway else "no Gateway"


def asked_path(found: Registered) -> str:
    check = backend(found).check
    return f"{check.type} {check.path}" if check.path != "/health" else ""


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
