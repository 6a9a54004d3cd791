"""The readiness gate: a Job that waits until GKE's Gateway is there, with its own minimal rights.

GatewayClasses can take up to 45 minutes to appear (field issue 3); a missing CRD is retried by the engine for about
63 s only. So nothing that needs them is created before this Job has completed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from catalog.gke import facts
from catalog.lock import load_lock
from manifests.base import Manifest, manifest
from manifests.namespace import SYSTEM
from settings.derive import Deployment

NAME = "gateway-readiness"
BUDGET_SECONDS = 50 * 60
# Where the kubelet mounts a pod's token (Kubernetes, "Accessing the API from a Pod").
SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
_SCRIPT = Path(__file__).parent / "scripts" / "wait_for_gateway.py"


@cache
def script() -> str:
    """The program the Job runs: Python's standard library only."""
    return _SCRIPT.read_text(encoding="utf-8")


def required_crds(deployment: Deployment) -> list[str]:
    """CRDs that GKE brings with the Gateway channel, and with the features of the cluster that are used."""
    features = facts()["featureCrds"]
    return [
        *facts()["crds"],
        *(features["managedPrometheus"] if deployment.settings.platform.monitoring else []),
        *(features["secretSync"] if deployment.needs_secret_sync else []),
    ]


def rbac() -> list[Manifest]:
    """Account and rights: read GatewayClasses and CRDs, nothing else."""
    role = manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        NAME,
        rules=[
            {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["gatewayclasses"], "verbs": ["get"]},
            {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["get"]},
        ],
    )
    binding = manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        NAME,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": SYSTEM}],
    )
    return [manifest("v1", "ServiceAccount", NAME, SYSTEM), role, binding]


def config_map() -> Manifest:
    """The Job's program."""
    return manifest("v1", "ConfigMap", NAME, SYSTEM, data={_SCRIPT.name: script()})


def job(deployment: Deployment) -> Manifest:
    """The Job: completes when the class is Accepted and every CRD Established, fails when the budget is used up."""
    container = {
        "name": "wait",
        "image": load_lock().images["readiness"].reference(),
        "command": ["python", "-u", f"/scripts/{_SCRIPT.name}"],
        "args": [
            "--gateway-class",
            deployment.settings.gateway.gateway_class_name,
            "--budget-seconds",
            str(BUDGET_SECONDS),
            "--service-account",
            SERVICE_ACCOUNT_FOLDER,
            *(argument for crd in required_crds(deployment) for argument in ("--crd", crd)),
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "scripts", "mountPath": "/scripts", "readOnly": True}],
    }
    return manifest(
        "batch/v1",
        "Job",
        NAME,
        SYSTEM,
        spec={
            "backoffLimit": 3,
            "activeDeadlineSeconds": BUDGET_SECONDS + 300,
            "template": {
                "spec": {
                    "serviceAccountName": NAME,
                    "restartPolicy": "Never",
                    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [container],
                    "volumes": [{"name": "scripts", "configMap": {"name": NAME}}],
                }
            },
        },
    )
