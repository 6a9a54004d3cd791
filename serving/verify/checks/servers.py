"""What the model servers' objects say of them: the protocol of their Service, and the time that their start gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serving.checking.findings import Finding, failed, passed
from serving.live.context import Context, title
from serving.verify.checks.models import SERVICE_API
from serving.verify.conditions import NOT_WRITTEN
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings.derive import SERVER_SCHEME

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@check(
    "services",
    "Services say what the servers speak",
    "appProtocol of the workload Service of every model",
    (*KUBERNETES_FAILURES, "service-says-https", NOT_WRITTEN),
)
def services(context: Context) -> Iterator[Finding]:
    """GKE speaks TLS to a port that says https, whoever listens there."""
    found = context.by_name("v1", "Service")
    for model in context.models:
        service = found.get(model.service)
        if service is None:
            name = f"Service {context.namespace}/{model.service}"
            yield failed(NOT_WRITTEN, name, "KServe has not made it yet")
            continue
        said = {str(port.get("appProtocol") or "http") for port in service["spec"].get("ports") or ()}
        if said <= {SERVER_SCHEME.lower()}:
            yield passed(title(service), ", ".join(sorted(said)))
        else:
            text = f"appProtocol is {', '.join(sorted(said))}, the servers speak {SERVER_SCHEME}"
            yield failed("service-says-https", title(service), text)


@check(
    "startup",
    "A start gets its time, and no more",
    "probes of the servers in every LLMInferenceService: a startup probe, no initial delay",
    (*KUBERNETES_FAILURES, "start-delayed"),
)
def startup(context: Context) -> Iterator[Finding]:
    """A fixed delay is too long for a small model and too short for a large one."""
    declared = {model.name for model in context.models}
    for service in context.objects(SERVICE_API, "LLMInferenceService"):
        if service["metadata"]["name"] not in declared:
            continue
        containers = ((service["spec"].get("template") or {}).get("containers")) or []
        wrong = [text for container in containers if container["name"] == "main" for text in _delays(container)]
        if wrong:
            yield failed("start-delayed", title(service), "; ".join(wrong))
        else:
            yield passed(title(service), "startup probe, no initial delay")


def _delays(container: dict[str, Any]) -> Iterator[str]:
    probes = {name: container.get(name) or {} for name in _PROBES}
    if not probes["startupProbe"]:
        yield "no startup probe"
    for name, probe in probes.items():
        if probe.get("initialDelaySeconds"):
            yield f"{name} waits {probe['initialDelaySeconds']} s before its first request"
