"""Objects that GKE's or KServe's schema refuses are refused by the real server, with its words; nothing is written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.client import ApiException
from kubernetes.dynamic.exceptions import DynamicApiError

import cluster as kube
from tests.rehearsal.end_to_end.command import Rehearsal

NAMESPACE, MODEL = "llm-serving", "qwen2-5-3b"
GKE, KSERVE = "networking.gke.io/v1", "serving.kserve.io/v1alpha2"


def without_group(spec: dict[str, Any]) -> None:
    del spec["targetRef"]["group"]


def unknown_field(spec: dict[str, Any]) -> None:
    spec["replica"] = 2


def timeout_above_interval(spec: dict[str, Any]) -> None:
    spec["default"].update(checkIntervalSec=10, timeoutSec=11)


def session_affinity(spec: dict[str, Any]) -> None:
    spec["default"]["sessionAffinity"] = {"type": "CLIENT_IP"}


REFUSED = [
    pytest.param(GKE, "HealthCheckPolicy", f"{MODEL}-pool", without_group, "spec.targetRef.group: Required value"),
    pytest.param(GKE, "GCPBackendPolicy", f"{MODEL}-pool", without_group, "spec.targetRef.group: Required value"),
    pytest.param(KSERVE, "LLMInferenceService", MODEL, unknown_field, "replica"),
    pytest.param(
        GKE,
        "HealthCheckPolicy",
        f"{MODEL}-pool",
        timeout_above_interval,
        "timeoutSec cannot exceed checkIntervalSec",
    ),
    pytest.param(
        GKE,
        "GCPBackendPolicy",
        f"{MODEL}-pool",
        session_affinity,
        "sessionAffinity cannot be configured for InferencePool",
    ),
]


@pytest.mark.parametrize(("version", "kind", "name", "spoil", "message"), REFUSED)
def test_refused(
    version: str, kind: str, name: str, spoil: Callable[[dict[str, Any]], None], message: str, dev: Rehearsal
) -> None:
    live = kube.get(dev.client, version, kind, name, NAMESPACE)
    assert live is not None
    # A new object, so that no value of the live one stands in for what is left out.
    good = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "spoilt", "namespace": NAMESPACE},
        "spec": live["spec"],
    }
    kube.apply(dev.client, good, manager="test", dry_run=True)
    bad = copy.deepcopy(good)
    spoil(bad["spec"])
    with pytest.raises((ApiException, DynamicApiError)) as refused:
        kube.apply(dev.client, bad, manager="test", dry_run=True)
    assert message in str(refused.value)
    assert kube.get(dev.client, version, kind, "spoilt", NAMESPACE) is None
