"""What each undo does to a registration of the program: the one line, field or object that is the fix goes.

An edit gets the inputs of one resource as the program declared them and changes them in place; LEFT_OUT means that the
engine never hears of the resource.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from manifests.kserve import LWS_VARIABLE
from settings.derive import Deployment

Inputs = dict[str, Any]
Edit = Callable[[Inputs], Any]
LEFT_OUT = object()

_SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
_CLUSTER = "gcp:container/cluster:Cluster"
_GATEWAY = "kubernetes:gateway.networking.k8s.io/v1:Gateway"
_ROUTE = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
_HEALTH_CHECK = "kubernetes:networking.gke.io/v1:HealthCheckPolicy"
_BACKEND_POLICY = "kubernetes:networking.gke.io/v1:GCPBackendPolicy"
_CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
_RELEASE = "kubernetes:helm.sh/v3:Release"
MODEL = "kubernetes:serving.kserve.io/v1alpha2:LLMInferenceService"


@dataclass(frozen=True)
class Need:
    """What an environment must have for an undo to show; `text` says it in words."""

    holds: Callable[[Deployment], bool]
    text: str


def _global_class(gateway: Inputs) -> None:
    gateway["spec"]["gatewayClassName"] = "gke-l7-global-external-managed"


def _without_proxies(subnet: Inputs) -> Any:
    return LEFT_OUT if subnet.get("purpose") == "REGIONAL_MANAGED_PROXY" else None


def _without_gateway_channel(cluster: Inputs) -> None:
    cluster["gatewayApiConfig"]["channel"] = "CHANNEL_DISABLED"


def _with_timeouts(route: Inputs) -> None:
    for rule in route["spec"]["rules"]:
        if rule.get("backendRefs"):  # as KServe's own preset writes them
            rule["timeouts"] = {"request": "0s", "backendRequest": "0s"}


def _of_pool(policy: Inputs) -> bool:
    return bool(policy["spec"]["targetRef"]["kind"] == "InferencePool")


def _without_path(policy: Inputs) -> None:
    if _of_pool(policy):
        del policy["spec"]["default"]["config"]["httpHealthCheck"]["requestPath"]


def _without_health_check(policy: Inputs) -> Any:
    return LEFT_OUT if _of_pool(policy) else None


def _without_limit(policy: Inputs) -> None:
    if _of_pool(policy):
        del policy["spec"]["default"]["timeoutSec"]


def _with_tls(config: Inputs) -> None:
    if config["metadata"]["name"] == "inferenceservice-config":
        ingress = {**json.loads(config["data"]["ingress"]), "enableLLMInferenceServiceTLS": True}
        config["data"]["ingress"] = json.dumps(ingress, indent=2, sort_keys=True)


def _without_leader_worker_set(chart: Inputs) -> Any:
    """As `leaderWorkerSet: off` renders it: no release, and KServe's controller is not started for one."""
    if chart["name"] == "lws":
        return LEFT_OUT
    if chart["name"] == "kserve-llmisvc-resources":
        env = chart["values"]["kserve"]["llmisvc"]["controller"]["env"]
        next(item for item in env if item["name"] == LWS_VARIABLE)["value"] = "off"
    return None


def _main(service: Inputs) -> Inputs:
    container: Inputs = next(c for c in service["spec"]["template"]["containers"] if c["name"] == "main")
    return container


def _without_served_names(service: Inputs) -> None:
    args = _main(service)["args"]
    start = args.index("--served-model-name")
    end = next(i for i in range(start + 1, len(args) + 1) if i == len(args) or args[i].startswith("--"))
    del args[start:end]


def _with_unknown_plugin(service: Inputs) -> None:
    # No picker of the lock knows it; its configuration is read strictly (field issue 14: names move).
    service["spec"]["router"]["scheduler"]["config"]["inline"]["plugins"].append({"type": "kv-cache-scorer"})


def _with_fixed_delay(service: Inputs) -> None:
    container = _main(service)
    del container["startupProbe"]
    for probe in ("readinessProbe", "livenessProbe"):
        container[probe]["initialDelaySeconds"] = 240


def _with_gpu_flag(service: Inputs) -> None:
    _main(service)["args"].append("--prefix-cache-block-size=16")


# Rule -> type token -> what is done to every registration of that type.
EDITS: Mapping[str, Mapping[str, Edit]] = {
    "GW01": {_GATEWAY: _global_class},
    "GW02": {_SUBNETWORK: _without_proxies},
    "CL01": {_CLUSTER: _without_gateway_channel},
    "RT01": {_ROUTE: _with_timeouts},
    "HC05": {_HEALTH_CHECK: _without_path},
    "HC01": {_HEALTH_CHECK: _without_health_check},
    "BP01": {_BACKEND_POLICY: _without_limit},
    "KS02": {_CONFIG_MAP: _with_tls},
    "KS03": {_RELEASE: _without_leader_worker_set},
    "KS07": {MODEL: _without_served_names},
    "KS10": {MODEL: _with_unknown_plugin},
    "KS11": {MODEL: _with_fixed_delay},
    "VL01": {MODEL: _with_gpu_flag},
}

# Rule -> name or type token of what is never ready without its fix (KS11: not before the engine's patience ends). Without
# the others a model becomes ready, and only its traffic shows that something is wrong.
NEVER_READY: Mapping[str, str] = {
    "CL01": "gate-job",
    **dict.fromkeys(("GW01", "GW02", "RT01", "KS03", "KS10", "KS11", "VL01"), MODEL),
}


def _single_host(deployment: Deployment) -> bool:
    return not any(model.shape.multi_host for model in deployment.models)


def _installs_leader_worker_set(deployment: Deployment) -> bool:
    platform = deployment.settings.platform
    return bool(deployment.multi_host) and platform.leader_worker_set == platform.kserve == "install"


_ARGUMENTS = Need(_single_host, "models of one host (those of several have a script instead of arguments)")
NEEDS: Mapping[str, Need] = {
    "GW02": Need(
        lambda d: d.settings.network.proxy_only_subnet.mode == "create", "a proxy-only subnet that is ours to leave out"
    ),
    "KS02": Need(lambda d: d.settings.platform.kserve == "install", "a KServe that is installed by the environment"),
    "KS03": Need(
        _installs_leader_worker_set,
        "a model of several hosts, with KServe and LeaderWorkerSet installed by the environment "
        "(examples/multi-host.yaml)",
    ),
    "KS07": _ARGUMENTS,
    "VL01": _ARGUMENTS,
}
