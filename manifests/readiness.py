"""Readiness gates: Jobs that wait in the cluster until it is ready for what comes next, with minimal rights.

The first waits for GKE's Gateway: classes can take up to 45 minutes to appear (field issue 3), and a missing CRD is
retried by the engine for about 63 s only. The second waits until KServe's webhooks answer: Helm's `--wait` ends when the
controller's Deployment is available, which can be before cert-manager has put its authority into the webhooks; the
first object is then refused ("x509: certificate signed by unknown authority"), and that is not retried at all.
"""

from __future__ import annotations

import json
from pathlib import Path

from catalog.gke import facts
from manifests.base import Manifest, bound_role, manifest, script_container, script_job
from manifests.namespace import KSERVE
from settings.derive import Deployment
from settings.names import SYSTEM_NAMESPACE

NAME = "readiness"
GATEWAY_BUDGET_SECONDS = 50 * 60
KSERVE_BUDGET_SECONDS = 15 * 60
# Where the kubelet mounts a pod's token (Kubernetes, "Accessing the API from a Pod").
SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
_SCRIPT = Path(__file__).parent / "scripts" / "wait_until_ready.py"
_KSERVE = "serving.kserve.io"
_CONFIGS = "llminferenceserviceconfigs"
# A preset that every LLMInferenceService of ours is made from (KServe config/llmisvcconfig/config-llm-template.yaml).
_LAST_PRESET = "kserve-config-llm-template"
_GATEWAY_ADVICE = "GKE's Gateway did not come up. Is the Gateway channel standard and HTTP load balancing on?"
_KSERVE_ADVICE = (
    "KServe's webhooks do not answer. Is its controller running, does cert-manager put its authority into them, and may "
    "the control plane reach the nodes on port 9443 (CL03)?"
)


def required_crds(deployment: Deployment) -> list[str]:
    """CRDs that GKE brings with the Gateway channel, and with the features of the cluster that are used."""
    features = facts()["featureCrds"]
    return [
        *facts()["crds"],
        *(features["managedPrometheus"] if deployment.settings.platform.monitoring else []),
        *(features["consumers"] if deployment.settings.gateway.consumers else []),
        *(features["secretSync"] if deployment.needs_secret_sync else []),
    ]


def rbac() -> list[Manifest]:
    """Account and rights: read GatewayClasses and CRDs, try out KServe's kinds in the Jobs' own namespace."""
    account = (NAME, SYSTEM_NAMESPACE)
    read = [
        {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["gatewayclasses"], "verbs": ["get"]},
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["get"]},
        {"apiGroups": [_KSERVE], "resources": [_CONFIGS], "verbs": ["get"]},
    ]
    tried = [{"apiGroups": [_KSERVE], "resources": ["llminferenceservices", _CONFIGS], "verbs": ["create"]}]
    return [
        manifest("v1", "ServiceAccount", NAME, SYSTEM_NAMESPACE),
        *bound_role("ClusterRole", f"{SYSTEM_NAMESPACE}-{NAME}", None, read, account),
        *bound_role("Role", NAME, SYSTEM_NAMESPACE, tried, account),
    ]


def config_map() -> Manifest:
    """The Jobs' program, of Python's standard library only."""
    program = {_SCRIPT.name: _SCRIPT.read_text(encoding="utf-8")}
    return manifest("v1", "ConfigMap", NAME, SYSTEM_NAMESPACE, data=program)


def gateway_job(deployment: Deployment) -> Manifest:
    """Completes when the GatewayClass is Accepted and every CRD Established."""
    crds = (argument for crd in required_crds(deployment) for argument in ("--crd", crd))
    arguments = ["--gateway-class", deployment.settings.gateway.gateway_class_name, *crds]
    return _job("gateway-readiness", GATEWAY_BUDGET_SECONDS, _GATEWAY_ADVICE, arguments)


def kserve_budget_seconds(deployment: Deployment) -> int:
    """An existing KServe may be installed by others after the cluster was made, so it gets the longer time."""
    return KSERVE_BUDGET_SECONDS if deployment.settings.platform.kserve == "install" else GATEWAY_BUDGET_SECONDS


def kserve_job(deployment: Deployment) -> Manifest:
    """Completes when KServe's webhooks take its objects in a dry run, which leaves nothing behind."""
    arguments = []
    for kind in ("LLMInferenceService", "LLMInferenceServiceConfig"):
        tried = manifest(
            f"{_KSERVE}/v1alpha2", kind, NAME, SYSTEM_NAMESPACE, spec={"model": {"uri": "hf://readiness/readiness"}}
        )
        path = f"/apis/{_KSERVE}/v1alpha2/namespaces/{SYSTEM_NAMESPACE}/{kind.lower()}s"
        arguments += ["--accepts", path, json.dumps(tried)]
    if deployment.settings.platform.kserve == "existing":
        # Others may be installing it right now; before its webhooks exist, every trial is accepted. Presets come last.
        arguments += ["--exists", f"/apis/{_KSERVE}/v1alpha2/namespaces/{KSERVE}/{_CONFIGS}/{_LAST_PRESET}"]
    return _job("kserve-readiness", kserve_budget_seconds(deployment), _KSERVE_ADVICE, arguments)


def _job(name: str, budget_seconds: int, advice: str, arguments: list[str]) -> Manifest:
    limits = ["--budget-seconds", str(budget_seconds), "--advice", advice, "--service-account", SERVICE_ACCOUNT_FOLDER]
    container = script_container("wait", [f"/scripts/{_SCRIPT.name}"], [*arguments, *limits], "scripts", "/scripts")
    container["resources"] = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    volume = {"name": "scripts", "configMap": {"name": NAME}}
    return script_job(name, SYSTEM_NAMESPACE, NAME, container, volume, tries=3, seconds=budget_seconds + 300)
