"""TLS and authentication as declared, in the objects and in what a stranger gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catalog.gke import GatewayClass
from serving.checking.findings import Finding, failed, passed, warned
from serving.live.context import Context, title
from serving.verify.checks.gateway import declared_gateway
from serving.verify.checks.policies import policy_of
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings.outputs import ModelOutput


@check(
    "exposure",
    "TLS and authentication as declared",
    "listeners of the Gateway against the outputs' scheme and port; IAP or Cloud Armor in each GCPBackendPolicy, or consumers",
    (*KUBERNETES_FAILURES, "tls-missing", "open-to-everyone", "gateway-missing"),
)
def exposure(context: Context) -> Iterator[Finding]:
    """An external Gateway has TLS and authentication; the listener is the declared one."""
    declared = context.target.outputs.gateway
    gateway = declared_gateway(context)
    if gateway is None:
        yield failed("gateway-missing", f"Gateway {declared.namespace}/{declared.name}", "not there")
        return
    yield _listener(gateway, declared.scheme, declared.port)
    for model in context.models:
        yield _guard(context, model, external=declared.class_name == GatewayClass.EXTERNAL)


def _listener(gateway: dict[str, Any], scheme: str, port: int) -> Finding:
    listeners = gateway["spec"].get("listeners") or ()
    shown = ", ".join(f"{item['protocol']}:{item['port']}" for item in listeners)
    if any((item["protocol"], item["port"]) == (scheme.upper(), port) for item in listeners):
        return passed(title(gateway), f"{scheme} on port {port}")
    return failed("tls-missing", title(gateway), f"{scheme} on port {port} is declared, the listeners are {shown}")


def _guard(context: Context, model: ModelOutput, *, external: bool) -> Finding:
    name = f"InferencePool {context.namespace}/{model.inference_pool}"
    policy = policy_of(context, "GCPBackendPolicy", model)
    default = (policy or {}).get("spec", {}).get("default") or {}
    guards = [
        text
        for text, there in (
            ("Identity-Aware Proxy", (default.get("iap") or {}).get("enabled")),
            (f"Cloud Armor policy {default.get('securityPolicy')}", default.get("securityPolicy")),
            ("its consumers", context.target.outputs.consumers),
        )
        if there
    ]
    plain = context.target.outputs.gateway.scheme == "http"
    if external and (plain or not guards):
        lacks = " and ".join(text for text, lacking in (("TLS", plain), ("authentication", not guards)) if lacking)
        return warned("open-to-everyone", name, f"open to the internet without {lacks}")
    return passed(name, ", ".join(guards) or "reachable from inside only")
