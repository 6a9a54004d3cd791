"""Rules on what scales KServe's workloads: ScaledObjects of KEDA, HorizontalPodAutoscalers (AS06 to AS11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from checks.objects.check import Context, Found, Scope, on_each, on_whole
from checks.objects.releases import chart_of
from checks.objects.resource import RELEASE, Resource
from checks.objects.values import get, items, mapping, text
from settings import names

SCALED, HPA, APISERVICE = "ScaledObject", "HorizontalPodAutoscaler", "APIService"
_SUFFIXES = (names.workload("", True), names.workload("", False))
_EXTERNAL_METRICS = "v1beta1.external.metrics.k8s.io"


def _model_of(scaler: Resource) -> str | None:
    """The LLMInferenceService whose workload it scales; None where it is another workload."""
    target = text(scaler.inputs, "spec", "scaleTargetRef", "name")
    return next((target.removesuffix(end) for end in _SUFFIXES if target.endswith(end)), None)


def _metrics(scaler: Resource) -> list[tuple[int, Any]]:
    """Triggers that follow a load; the clock is none."""
    found = items(scaler.inputs, "spec", "triggers")
    return [(at, trigger) for at, trigger in enumerate(found) if text(trigger, "type") != "cron"]


@on_each("AS06", SCALED, HPA)
def name_is_not_kserves(scaler: Resource, _: Context) -> Iterator[Found]:
    """KServe deletes objects of the names that its own scaling would have."""
    model, name = _model_of(scaler), scaler.name
    ending = "-kserve-keda" if scaler.kind == SCALED else "-kserve-hpa"
    if model is not None and name == f"{model}{ending}":
        said = f"KServe deletes a {scaler.kind} of this name where its own scaling is off."
        yield Found(scaler, ("metadata", "name"), name, said, f"Write name: {names.scaled_object(model)}.")


@on_each("AS07", SCALED)
def one_replica_is_left(scaler: Resource, _: Context) -> Iterator[Found]:
    """KEDA goes to none where no minimum is written."""
    if _model_of(scaler) is None or not _metrics(scaler):
        return
    least = get(scaler.inputs, "spec", "minReplicaCount") or 0
    if least == 0 or get(scaler.inputs, "spec", "idleReplicaCount") == 0:
        said = "Without load no replica is left, and nothing holds the first request for the minutes of a start."
        fix = "Write minReplicaCount: 1 and no idleReplicaCount."
        yield Found(scaler, ("spec", "minReplicaCount"), get(scaler.inputs, "spec", "minReplicaCount"), said, fix)


@on_whole("AS08")
def one_scaler(scope: Scope) -> Iterator[Found]:
    """A workload has one scaler."""
    seen: dict[tuple[str, str, str], Resource] = {}
    for scaler in scope.of(SCALED, HPA):
        target = mapping(scaler.inputs, "spec", "scaleTargetRef")
        key = scaler.namespace, text(target, "kind") or "Deployment", text(target, "name")
        if key in seen:
            said = f"{seen[key].label} scales {key[1]} {key[2]} already."
            yield Found(scaler, ("spec", "scaleTargetRef", "name"), key[2], said, "Remove one of the two.")
        seen.setdefault(key, scaler)


@on_whole("AS09")
def kserve_leaves_the_number(scope: Scope) -> Iterator[Found]:
    """KServe writes `replicas` back at each reconcile, and scales by itself with `scaling`."""
    scaled = {(s.namespace, model) for s in scope.of(SCALED, HPA) if (model := _model_of(s)) is not None}
    for service in scope.of("LLMInferenceService"):
        if (service.namespace, service.name) in scaled:
            for key in ("replicas", "scaling"):
                if (value := get(service.inputs, "spec", key)) is not None:
                    said = f"Another object scales its workload; KServe would undo that with spec.{key}."
                    yield Found(service, ("spec", key), value, said, f"Remove spec.{key}.")


@on_each("AS10", SCALED)
def no_data_is_no_zero(scaler: Resource, _: Context) -> Iterator[Found]:
    """An empty answer is an error, for which there is a fallback."""
    if _model_of(scaler) is None:
        return
    prometheus = [(at, trigger) for at, trigger in _metrics(scaler) if text(trigger, "type") == "prometheus"]
    for at, trigger in prometheus:
        given = text(trigger, "metadata", "ignoreNullValues")
        if given != "false":
            said = "No data counts as zero, so that lost metrics take replicas away."
            path = ("spec", "triggers", at, "metadata", "ignoreNullValues")
            yield Found(scaler, path, given or None, said, 'Write ignoreNullValues: "false".')
    if prometheus and not mapping(scaler.inputs, "spec", "fallback"):
        said = "Nothing says how many replicas run while metrics are missing."
        fix = "Write fallback: {failureThreshold: 3, replicas: 1, behavior: currentReplicasIfHigher}."
        yield Found(scaler, ("spec", "fallback"), None, said, fix)


@on_whole("AS11", graph=True)
def one_owner_of_external_metrics(scope: Scope) -> Iterator[Found]:
    """KEDA's chart registers the external metrics API; a cluster has one."""
    if not any(chart_of(release) == "keda" for release in scope.of(RELEASE)):
        return
    fix = "Remove it, or write platform: {keda: existing} and use the KEDA that is there."
    for service in scope.of(APISERVICE):
        if service.name == _EXTERNAL_METRICS:
            said = "KEDA's chart makes this APIService, and Helm takes over none that is there."
            yield Found(service, ("metadata", "name"), service.name, said, fix)
    for release in scope.of(RELEASE):
        rules = get(release.inputs, "values", "rules", "external")
        if chart_of(release) == "prometheus-adapter" and rules:
            said = "prometheus-adapter serves the external metrics API beside KEDA."
            yield Found(release, ("values", "rules", "external"), rules, said, "Remove rules.external.")
