"""The LLMInferenceService (serving.kserve.io/v1alpha2), TPU-shaped; single-host and multi-host."""

from __future__ import annotations

import math
from typing import Any

from catalog.lock import load_lock
from catalog.tpu import ACCELERATOR_LABEL, TOPOLOGY_LABEL, TPU_RESOURCE, SliceShape, generations
from manifests import weights
from manifests.base import Manifest, manifest
from manifests.compute_class import LABEL as COMPUTE_CLASS
from manifests.scheduler import scheduler
from manifests.secrets import token_env
from manifests.server import (
    adapters_of_the_hub,
    command,
    leader_script,
    server_args,
    server_environment,
    worker_script,
)
from settings import names
from settings.derive import GRACE_SECONDS, HEALTH_PATH, SERVER_PORT, SERVER_SCHEME, Deployment, ServedModel

API = "serving.kserve.io/v1alpha2"
_STARTUP_PERIOD = 10
# GKE collects duty cycle and memory of the chips only from containers that declare this port (Google, "TPUs in GKE").
TPU_METRICS_PORT = 8431
# KServe 0.20 sets the first to 1, with which hf-xet 1.5 buffers up to 64 GB, and keeps what is there (pkg/utils/storage.go,
# kserve#5326). The second leaves out copies in PyTorch's format that Meta's repositories have beside the safetensors.
_DOWNLOAD = {"HF_XET_HIGH_PERFORMANCE": "0", "STORAGE_IGNORE_PATTERNS": "original/*,*.pth"}


def llm_inference_service(deployment: Deployment, model: ServedModel) -> Manifest:
    """The service of a model. It refers to our route, and so gets none of KServe's (which GKE rejects)."""
    gateway = deployment.settings.gateway
    spec: dict[str, Any] = {
        "model": {"uri": model.weights_address or model.settings.source, "name": model.settings.names_for_clients[0]},
        "parallelism": {"tensor": model.tensor_parallel_size},
        "router": {
            "gateway": {"refs": [{"name": gateway.name, "namespace": deployment.namespace}]},
            "route": {"http": {"refs": [{"name": names.route(model.name)}]}},
            "scheduler": scheduler(model),
        },
        "template": _pod(deployment, model, leader=True),
    }
    if model.settings.scaling is None:  # else KServe 0.20 keeps the live number, KEDA's (workload.go Preserve*Replicas)
        spec["replicas"] = model.settings.replicas
    if model.streamed is not None:
        # Else KServe 0.20 refuses gs:// (workload_storage.go attachModelArtifacts).
        spec["storageInitializer"] = {"enabled": False}
    annotations: dict[str, str] = {}
    if model.shape.multi_host:
        # KServe makes a group of that many pods of it, and asks for a preset; the server itself has no pipeline.
        spec["parallelism"] = {"pipeline": model.shape.hosts}
        spec["worker"] = _pod(deployment, model, leader=False)
        # One slice, one group: leader and workers land on the hosts of the same node pool.
        annotations["leaderworkerset.sigs.k8s.io/exclusive-topology"] = "cloud.google.com/gke-nodepool"
    return manifest(API, "LLMInferenceService", model.name, deployment.namespace, annotations=annotations, spec=spec)


def pipeline_preset(namespace: str) -> Manifest:
    """The preset KServe asks for with pipeline parallelism and does not ship (kserve#5047)."""
    container = {"name": "main"}
    return manifest(
        API,
        "LLMInferenceServiceConfig",
        names.PIPELINE_PRESET,
        namespace,
        spec={"template": {"containers": [container]}, "worker": {"containers": [container]}},
    )


def node_selector(shape: SliceShape) -> dict[str, str]:
    """The labels that only the nodes of such a slice have.

    The machine type is one of them where GKE's TPU labels do not tell two apart: a pod for a host of two would else fit on
    the one host of another slice. Every node has it (Kubernetes, "Well-Known Labels, Annotations and Taints").
    """
    labels = {
        ACCELERATOR_LABEL: generations()[shape.generation].node_label,
        TOPOLOGY_LABEL: shape.topology,
    }
    return labels | ({"node.kubernetes.io/instance-type": shape.machine_type} if shape.ambiguous else {})


def _before(deployment: Deployment, model: ServedModel) -> list[dict[str, Any]]:
    """Init containers: the download, unless the weights are streamed, and the look at the bucket."""
    found = []
    if model.streamed is None:  # KServe strips one that it does not need, but not where its initializer is off
        memory = f"{deployment.settings.platform.storage_initializer_memory_gib}Gi"
        initializer: dict[str, Any] = {
            "name": "storage-initializer",
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "4", "memory": memory}},
            "env": [{"name": name, "value": value} for name, value in _DOWNLOAD.items()] + token_env(model),
        }
        found.append(initializer)
    if (looking := weights.looking(model)) is not None:
        found.append(looking)
    return found


def placement(deployment: Deployment, shape: SliceShape) -> dict[str, Any]:
    """Where a replica may run. With an order its class says so, and GKE rejects the machine type beside a class.

    GKE adds the class's toleration itself; written out, it holds on any cluster.
    """
    name, selector = deployment.compute_class(shape), node_selector(shape)
    if name is None:
        return {"nodeSelector": selector}
    selector.pop("node.kubernetes.io/instance-type", None)
    return {
        "nodeSelector": {**selector, COMPUTE_CLASS: name},
        "tolerations": [{"key": COMPUTE_CLASS, "operator": "Equal", "value": name, "effect": "NoSchedule"}],
    }


def _pod(deployment: Deployment, model: ServedModel, *, leader: bool) -> dict[str, Any]:
    before = _before(deployment, model)
    # For /dev/shm. Ray keeps its objects there, so over several hosts the pod's memory is the only limit, as upstream.
    shared_memory = {"medium": "Memory"} | ({} if model.shape.multi_host else {"sizeLimit": "16Gi"})
    volumes: list[dict[str, Any]] = [{"name": "home", "emptyDir": {}}, {"name": "dshm", "emptyDir": shared_memory}]
    if any(container["name"] == "weights" for container in before):
        volumes.append(weights.VOLUME)
    return {
        "serviceAccountName": names.service_account(model.name),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        # As on GKE Autopilot, which runs TPU pods with it (Google "Security measures in Autopilot").
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        **placement(deployment, model.shape),
        "initContainers": before,
        "containers": [_container(model, leader=leader)],
        "volumes": volumes,
    }


def _container(model: ServedModel, *, leader: bool) -> dict[str, Any]:
    image = model.settings.image or load_lock().images["vllm-tpu"].reference()
    env: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in server_environment(model).items()]
    if adapters_of_the_hub(model):
        env += token_env(model)
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePolicy": "FallbackToLogsOnError",  # argparse's words in the pod's status (issue 12)
        "env": env,
        "ports": [{"name": "tpu-metrics", "containerPort": TPU_METRICS_PORT, "protocol": "TCP"}],
        "securityContext": {"runAsNonRoot": False, "allowPrivilegeEscalation": False},  # the image runs as root
        "resources": _resources(model),
        "volumeMounts": [{"name": "home", "mountPath": "/home"}, {"name": "dshm", "mountPath": "/dev/shm"}],  # noqa: S108
    }
    if not model.shape.multi_host:
        container |= {"command": command(model), "args": server_args(model)}
    else:
        container |= {"command": ["/bin/bash", "-c"], "args": [leader_script(model) if leader else worker_script()]}
    if leader:
        container["ports"].insert(0, {"name": "http", "containerPort": SERVER_PORT, "protocol": "TCP"})
        container |= probes(model)
    return container


def probes(model: ServedModel) -> dict[str, Any]:
    """Startup probe with the whole budget and no initial delay (KS11, field issue 8); the others begin after it."""
    check = {"httpGet": {"path": HEALTH_PATH, "port": SERVER_PORT, "scheme": SERVER_SCHEME}}
    return {
        "startupProbe": {
            **check,
            "periodSeconds": _STARTUP_PERIOD,
            "timeoutSeconds": 5,
            "failureThreshold": math.ceil(model.startup_budget_seconds / _STARTUP_PERIOD),
        },
        "readinessProbe": {**check, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**check, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


def _resources(model: ServedModel) -> dict[str, Any]:
    """All chips of the node (TP03), and half of its CPU and memory: the pod has the node to itself."""
    chips = str(model.shape.chips_per_host)
    requests = {TPU_RESOURCE: chips}
    if model.cpu:
        requests["cpu"] = str(model.cpu)
    if model.memory_gib:
        requests["memory"] = f"{model.memory_gib}Gi"
    return {"requests": requests, "limits": {TPU_RESOURCE: chips}}
