"""KServe: the ConfigMap and the Issuer that its chart would otherwise write, and the values of its charts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from catalog.lock import load_lock
from manifests.base import Manifest, manifest
from manifests.namespace import KSERVE, namespace
from settings.derive import Deployment

LWS_VARIABLE = "LEADER_WORKER_SET"


@dataclass(frozen=True)
class KServeController:
    """KServe as we install it. The presets come last, when its webhooks answer."""

    namespace: Manifest
    config: Manifest
    issuer: Manifest
    values: dict[str, Any]
    presets: dict[str, Any]


def controller(deployment: Deployment) -> KServeController:
    """Everything of it."""
    return KServeController(
        namespace(KSERVE),
        inference_service_config(deployment),
        issuer(),
        resources_values(deployment),
        presets_values(),
    )


def inference_service_config(deployment: Deployment) -> Manifest:
    """ConfigMap `inferenceservice-config`: ours, because the chart has no value for the TLS switch (KS02).

    `enableLLMInferenceServiceTLS` is written out, off: with it on, Services say https over plain servers behind GKE
    (field issues 6 and 15). The storage initializer's memory is ours too: the chart hard-codes 1Gi.
    """
    gateway = deployment.settings.gateway
    ingress = {
        "enableGatewayApi": True,
        "kserveIngressGateway": f"{deployment.namespace}/{gateway.name}",
        "ingressGateway": f"{deployment.namespace}/{gateway.name}",
        "ingressDomain": "example.com",
        "urlScheme": gateway.scheme,
        "enableLLMInferenceServiceTLS": False,
        "disableIstioVirtualHost": True,
        "disableHTTPRouteTimeout": True,
    }
    initializer = {
        "image": load_lock().images["storage-initializer"].reference(),
        "memoryRequest": "1Gi",
        "memoryLimit": f"{deployment.settings.platform.storage_initializer_memory_gib}Gi",
        "cpuRequest": "1",
        "cpuLimit": "4",
        "enableModelcar": True,
        "uidModelcar": 1010,
        "cpuModelcar": "10m",
        "memoryModelcar": "15Mi",
    }
    credentials = {
        "storageSpecSecretName": "storage-config",
        "storageSecretNameAnnotation": "serving.kserve.io/secretName",
        "gcs": {"gcsCredentialFileName": "gcloud-application-credentials.json"},
        "s3": {"s3AccessKeyIDName": "AWS_ACCESS_KEY_ID", "s3SecretAccessKeyName": "AWS_SECRET_ACCESS_KEY"},
    }
    blocks: dict[str, Any] = {
        "ingress": ingress,
        "storageInitializer": initializer,
        "credentials": credentials,
        "deploy": {"defaultDeploymentMode": "Standard"},
    }
    data = {key: json.dumps(block, indent=2, sort_keys=True) for key, block in blocks.items()}
    return manifest("v1", "ConfigMap", "inferenceservice-config", KSERVE, data=data)


def issuer() -> Manifest:
    """The self-signed Issuer that the chart's webhook certificate names."""
    return manifest("cert-manager.io/v1", "Issuer", "selfsigned-issuer", KSERVE, spec={"selfSigned": {}})


def resources_values(deployment: Deployment) -> dict[str, Any]:
    """Values of chart kserve-llmisvc-resources."""
    image = load_lock().images["llmisvc-controller"]
    provision = deployment.settings.platform.leader_worker_set
    env = {
        # Destroy deletes the presets while the webhook lives; its guard would refuse (decision 18).
        "PREVENT_WELL_KNOWN_CONFIG_DELETION": "false",
        # Nobody reads it: it starts the controller anew when LeaderWorkerSet comes later, which it looks for once (KS03).
        LWS_VARIABLE: load_lock().charts["lws"].version if provision == "install" else provision,
    }
    return {
        "kserve": {
            "createSharedResources": False,  # ConfigMap and Issuer are ours
            "llmisvc": {
                "createGIECRDs": False,  # GKE owns the InferencePool CRD (KS09)
                "controller": {
                    "image": image.repository,
                    "tag": image.tag,
                    "imagePullPolicy": "IfNotPresent",
                    "env": [{"name": name, "value": value} for name, value in env.items()],
                    "resources": {
                        "requests": {"cpu": "200m", "memory": "512Mi"},
                        "limits": {"cpu": "1", "memory": "1Gi"},
                    },
                },
            },
        }
    }


def presets_values() -> dict[str, Any]:
    """Values of chart kserve-runtime-configs: the LLM presets, off by default, and nothing else."""
    return {"kserve": {"llmisvcConfigs": {"enabled": True}, "servingruntime": {"enabled": False}}}
