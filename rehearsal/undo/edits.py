"""What each undo does to a registration of the program: the one line, field or object that is the fix goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from manifests.kserve import LWS_VARIABLE
from settings.derive import Deployment

Inputs = dict[str, Any]
LEFT_OUT = object()

_CLUSTER = "gcp:container/cluster:Cluster"
_GATEWAY = "kubernetes:gateway.networking.k8s.io/v1:Gateway"
_ROUTE = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
_HEALTH_CHECK = "kubernetes:networking.gke.io/v1:HealthCheckPolicy"
_CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
_RELEASE = "kubernetes:helm.sh/v3:Release"
_AUTHORIZATION = "kubernetes:networking.gke.io/v1:GCPAuthzPolicy"
MODEL = "kubernetes:serving.kserve.io/v1alpha2:LLMInferenceService"


@dataclass(frozen=True)
class Edit:
    """How a fix is taken away.

    Attributes:
        type: token of the resources that `change` gets.
        change: changes a resource's inputs, as the program declared them, in place; LEFT_OUT means that the engine never
            hears of the resource.
        never_ready: name or type token of what is not ready without the fix, or not before the engine's patience ends.
            Without the others a model becomes ready, and only its traffic shows that something is wrong.
        needs: what an environment must have for the undo to show, in words, and whether it has it.
    """

    type: str
    change: Callable[[Inputs], Any]
    never_ready: str = ""
    needs: tuple[str, Callable[[Deployment], bool]] = ("", lambda _: True)


def _global_class(gateway: Inputs) -> None:
    gateway["spec"]["gatewayClassName"] = "gke-l7-global-external-managed"


def _without_gateway_channel(cluster: Inputs) -> None:
    cluster["gatewayApiConfig"]["channel"] = "CHANNEL_DISABLED"


def _with_timeouts(route: Inputs) -> None:
    for rule in route["spec"]["rules"]:
        if rule.get("backendRefs"):  # as KServe's own preset writes them
            rule["timeouts"] = {"request": "0s", "backendRequest": "0s"}


def _without_health_check(policy: Inputs) -> Any:
    return LEFT_OUT if policy["spec"]["targetRef"]["kind"] == "InferencePool" else None


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


def _with_unknown_plugin(service: Inputs) -> None:
    # No picker of the lock knows it; its configuration is read strictly (field issue 14: names move).
    service["spec"]["router"]["scheduler"]["config"]["inline"]["plugins"].append({"type": "kv-cache-scorer"})


def _main(service: Inputs) -> Inputs:
    container: Inputs = next(c for c in service["spec"]["template"]["containers"] if c["name"] == "main")
    return container


def _with_fixed_delay(service: Inputs) -> None:
    container = _main(service)
    del container["startupProbe"]
    for probe in ("readinessProbe", "livenessProbe"):
        container[probe]["initialDelaySeconds"] = 240


def _with_gpu_flag(service: Inputs) -> None:
    _main(service)["args"].append("--prefix-cache-block-size=16")


def _without_client_authority(gateway: Inputs) -> None:
    del gateway["spec"]["tls"]


def _installs_leader_worker_set(deployment: Deployment) -> bool:
    platform = deployment.settings.platform
    return bool(deployment.multi_host) and platform.leader_worker_set == platform.kserve == "install"


EDITS: Mapping[str, Edit] = {
    "GW01": Edit(_GATEWAY, _global_class, MODEL),
    "CL01": Edit(_CLUSTER, _without_gateway_channel, "gate-job"),
    "RT01": Edit(_ROUTE, _with_timeouts, MODEL),
    "HC01": Edit(_HEALTH_CHECK, _without_health_check),
    "KS02": Edit(
        _CONFIG_MAP,
        _with_tls,
        needs=("a KServe that is installed by the environment", lambda d: d.settings.platform.kserve == "install"),
    ),
    "KS03": Edit(
        _RELEASE,
        _without_leader_worker_set,
        MODEL,
        (
            "a model of several hosts, with KServe and LeaderWorkerSet installed by the environment "
            "(examples/multi-host.yaml)",
            _installs_leader_worker_set,
        ),
    ),
    "KS10": Edit(MODEL, _with_unknown_plugin, MODEL),
    "KS11": Edit(MODEL, _with_fixed_delay, MODEL),
    "ED04": Edit(
        _GATEWAY,
        _without_client_authority,
        needs=(
            "consumers by certificate (examples/consumers.yaml)",
            lambda d: any(consumer.certificate for consumer in d.settings.gateway.consumers),
        ),
    ),
    "ED10": Edit(
        _AUTHORIZATION,
        lambda _: LEFT_OUT,
        needs=("consumers (examples/consumers.yaml)", lambda d: bool(d.settings.gateway.consumers)),
    ),
    "VL01": Edit(
        MODEL,
        _with_gpu_flag,
        MODEL,
        (
            "models of one host (those of several have a script instead of arguments)",
            lambda d: not any(model.shape.multi_host for model in d.models),
        ),
    ),
}
