"""How many replicas run, how many are wanted and between which limits; whether KEDA has its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from manifests.scaling import API
from serving.checking.findings import Finding, failed, passed, warned
from serving.live.context import Context
from serving.verify.conditions import says
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings import names
from settings.outputs import ModelOutput

_SERVICE = "apiregistration.k8s.io/v1", "APIService", "v1beta1.external.metrics.k8s.io"


@check(
    "scaling",
    "Replicas follow load or clock",
    "ScaledObject and HorizontalPodAutoscaler of every model that scales, and who serves external metrics",
    (
        *KUBERNETES_FAILURES,
        "scaler-missing",
        "scaler-not-ready",
        "scaler-paused",
        "scaler-unexpected",
        "metrics-missing",
        "metrics-of-another",
    ),
)
def scaling(context: Context) -> Iterator[Finding]:
    """A model with a fixed number of replicas is scaled by nobody."""
    hpas = context.by_name("autoscaling/v2", "HorizontalPodAutoscaler")
    scaled = [m for m in context.models if m.min_replicas is not None and m.min_replicas != m.replicas]
    unexpected = list(_unexpected([m for m in context.models if m not in scaled], hpas))
    yield from unexpected
    if not scaled:
        if not unexpected:
            yield passed("replicas", "a fixed number for every model")
        return
    yield from _owner(context)
    scalers = context.by_name(API, "ScaledObject")
    for model in scaled:
        name = names.scaled_object(model.name)
        item = scalers.get(name)
        if item is None:
            yield failed("scaler-missing", f"ScaledObject {name}", "not there; replicas stay as they are")
        else:
            yield _scaler(model, item, hpas.get((item.get("status") or {}).get("hpaName", ""), {}))


def _unexpected(models: Iterable[ModelOutput], hpas: dict[str, Any]) -> Iterator[Finding]:
    targets = {name: ((item.get("spec") or {}).get("scaleTargetRef") or {}).get("name") for name, item in hpas.items()}
    for model in models:
        own = {names.workload(model.name, group) for group in (False, True)}
        for name in (name for name, target in targets.items() if target in own):
            said = f"scales {targets[name]}, whose {model.replicas} replicas KServe writes back"
            yield warned("scaler-unexpected", f"HorizontalPodAutoscaler {name}", said)


def _owner(context: Context) -> Iterator[Finding]:
    api_version, kind, name = _SERVICE
    services = context.cluster.objects(api_version, kind)
    service = next((item for item in services if item["metadata"]["name"] == name), None)
    owner = ((service or {}).get("spec") or {}).get("service") or {}
    if service is not None and "keda" not in str(owner.get("name", "")):
        said = f"served by Service {owner.get('namespace')}/{owner.get('name')}, which is not KEDA's"
        yield failed("metrics-of-another", f"APIService {name}", said)


def _scaler(model: ModelOutput, item: dict[str, Any], hpa: dict[str, Any]) -> Finding:
    title = f"{model.name}: ScaledObject {item['metadata']['name']}"
    conditions = {c["type"]: c for c in (item.get("status") or {}).get("conditions") or ()}
    ready = conditions.get("Ready", {"type": "Ready", "status": "Unknown"})
    if ready["status"] != "True":
        return failed("scaler-not-ready", title, says(ready))
    if conditions.get("Paused", {}).get("status") == "True":
        return warned("scaler-paused", title, "paused by an annotation; replicas stay as they are")
    lost = conditions.get("Fallback", {})
    active = next((c for c in (hpa.get("status") or {}).get("conditions") or () if c["type"] == "ScalingActive"), None)
    if lost.get("status") == "True":
        return warned("metrics-missing", title, f"{_numbers(model, hpa)}; {says(lost)}")
    # A workload without replicas is nothing that a HorizontalPodAutoscaler scales.
    if active is not None and active["status"] == "False" and active.get("reason") != "ScalingDisabled":
        return warned("metrics-missing", title, f"{_numbers(model, hpa)}; {says(active)}")
    return passed(title, _numbers(model, hpa))


def _numbers(model: ModelOutput, hpa: dict[str, Any]) -> str:
    status = hpa.get("status") or {}
    limits = f"between {model.min_replicas} and {model.replicas}"
    if not status:
        return limits
    return f"{status.get('currentReplicas', 0)} running, {status.get('desiredReplicas', 0)} wanted, {limits}"
