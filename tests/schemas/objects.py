"""One good object of each kind that the program renders, written by hand and kept apart from the program's own code.

Every function returns a new object, so a test may spoil it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Object = dict[str, Any]

_POOL = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "qwen-inference-pool"}
_RBAC = "rbac.authorization.k8s.io"


def _object(api_version: str, kind: str, name: str, **body: Any) -> Object:
    metadata = {"name": name, "namespace": "models", "labels": {"app.kubernetes.io/managed-by": "tpu-serving"}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def _cluster_object(api_version: str, kind: str, name: str, **body: Any) -> Object:
    obj = _object(api_version, kind, name, **body)
    del obj["metadata"]["namespace"]
    return obj


def gateway() -> Object:
    """A regional internal Gateway with TLS of Certificate Manager."""
    listener = {"port": 80, "protocol": "HTTP", "name": "http", "allowedRoutes": {"namespaces": {"from": "Same"}}}
    options = {"networking.gke.io/cert-manager-certs": "serving"}
    tls = {
        **listener,
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "options": options},
    }
    return _object(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        "inference",
        spec={
            "gatewayClassName": "gke-l7-rilb",
            "listeners": [listener, tls],
            "addresses": [{"type": "NamedAddress", "value": "inference-address"}],
        },
    )


def http_route(rules: int = 1) -> Object:
    """A route of one or more prefixes to one InferencePool."""
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}

    def rule(number: int) -> Object:
        return {
            "matches": [{"path": {"type": "PathPrefix", "value": f"/models/qwen{number}"}}],
            "filters": [rewrite],
            "backendRefs": [{**_POOL, "port": 8000, "weight": 1}],
        }

    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "inference", "sectionName": "https"}
    return _object(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "qwen",
        spec={"parentRefs": [parent], "hostnames": ["llm.example.com"], "rules": [rule(n) for n in range(rules)]},
    )


def redirect_route() -> Object:
    """A route that answers with a redirect and has no backend."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    route = http_route()
    route["spec"]["rules"] = [{"filters": [redirect]}]
    return route


def health_check_policy() -> Object:
    """The form that every published schema accepts (HTTP on the pool, everything explicit)."""
    http = {"portSpecification": "USE_FIXED_PORT", "port": 8000, "requestPath": "/health"}
    return _object(
        "networking.gke.io/v1",
        "HealthCheckPolicy",
        "qwen-pool",
        spec={
            "targetRef": dict(_POOL),
            "default": {
                "checkIntervalSec": 15,
                "timeoutSec": 5,
                "healthyThreshold": 1,
                "unhealthyThreshold": 2,
                "config": {"type": "HTTP", "httpHealthCheck": http},
            },
        },
    )


def backend_policy() -> Object:
    """Timeout, draining and logging of a pool's backend service."""
    default = {
        "timeoutSec": 3600,
        "connectionDraining": {"drainingTimeoutSec": 300},
        "logging": {"enabled": True, "sampleRate": 1000000},
    }
    return _object(
        "networking.gke.io/v1", "GCPBackendPolicy", "qwen-pool", spec={"targetRef": dict(_POOL), "default": default}
    )


def gateway_policy() -> Object:
    """Global access and an SSL policy."""
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "inference"}
    default = {"allowGlobalAccess": True, "sslPolicy": "modern"}
    return _object(
        "networking.gke.io/v1", "GCPGatewayPolicy", "inference", spec={"targetRef": target, "default": default}
    )


def inference_pool() -> Object:
    """A v1 pool with its picker."""
    picker = {"name": "qwen-epp-service", "port": {"number": 9002}, "failureMode": "FailOpen"}
    spec = {
        "selector": {"matchLabels": {"app.kubernetes.io/name": "qwen"}},
        "targetPorts": [{"number": 8000}],
        "endpointPickerRef": picker,
    }
    return _object("inference.networking.k8s.io/v1", "InferencePool", "qwen-inference-pool", spec=spec)


def inference_objective() -> Object:
    """A priority for requests to the pool."""
    pool = {"group": _POOL["group"], "kind": _POOL["kind"], "name": _POOL["name"]}
    spec = {"priority": 10, "poolRef": pool}
    return _object("inference.networking.x-k8s.io/v1alpha2", "InferenceObjective", "interactive", spec=spec)


def pod_spec() -> Object:
    """A vLLM pod on a TPU node: every probe, a secret, quantities of all forms."""
    check = {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTP"}}
    token = {"secretKeyRef": {"name": "hf-token", "key": "HF_TOKEN"}}
    container = {
        "name": "main",
        "image": "vllm/vllm-tpu:v0.11.1",
        "args": ["--max-model-len=8192"],
        "env": [{"name": "HOME", "value": "/home"}, {"name": "HF_TOKEN", "valueFrom": token}],
        "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
        "securityContext": {"runAsNonRoot": False, "allowPrivilegeEscalation": False},
        "resources": {
            "requests": {"cpu": "500m", "memory": "64Gi", "google.com/tpu": 4},
            "limits": {"google.com/tpu": "4"},
        },
        "startupProbe": {**check, "periodSeconds": 10, "failureThreshold": 360},
        "readinessProbe": {**check, "periodSeconds": 5},
        "livenessProbe": {**check, "periodSeconds": 10},
        "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}],
    }
    return {
        "serviceAccountName": "qwen",
        "terminationGracePeriodSeconds": 330,
        "nodeSelector": {"cloud.google.com/gke-tpu-topology": "2x2"},
        "tolerations": [{"key": "google.com/tpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"}],
        "containers": [container],
        "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}],
    }


def llm_inference_service() -> Object:
    """A multi-host service behind an own route, with an inline picker configuration."""
    worker = {"containers": [{"name": "main", "image": "vllm/vllm-tpu:v0.11.1"}]}
    picker_config = {
        "apiVersion": "inference.networking.x-k8s.io/v1alpha1",
        "kind": "EndpointPickerConfig",
        "plugins": [{"type": "prefix-cache-scorer"}],
    }
    return _object(
        "serving.kserve.io/v1alpha2",
        "LLMInferenceService",
        "qwen",
        spec={
            "model": {"uri": "hf://Qwen/Qwen3-8B", "name": "qwen"},
            "replicas": 2,
            "parallelism": {"tensor": 4, "pipeline": 2},
            "router": {
                "gateway": {"refs": [{"name": "inference", "namespace": "models"}]},
                "route": {"http": {"refs": [{"name": "qwen"}]}},
                "scheduler": {"replicas": 1, "config": {"inline": picker_config}},
            },
            "template": pod_spec(),
            "worker": worker,
        },
    )


def llm_inference_service_config() -> Object:
    """A preset."""
    spec = {"template": {"containers": [{"name": "main"}]}, "worker": {"containers": [{"name": "main"}]}}
    return _object("serving.kserve.io/v1alpha2", "LLMInferenceServiceConfig", "kserve-config-llm-worker", spec=spec)


def leader_worker_set() -> Object:
    """Groups of two hosts."""
    template = {"metadata": {"labels": {"app": "qwen"}}, "spec": pod_spec()}
    spec = {
        "replicas": 1,
        "leaderWorkerTemplate": {"size": 2, "restartPolicy": "RecreateGroupOnPodRestart", "workerTemplate": template},
    }
    return _object("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "qwen", spec=spec)


def pod_monitoring() -> Object:
    """Metrics of the picker, with a bearer token."""
    authorization = {"type": "Bearer", "credentials": {"secret": {"name": "reader", "key": "token"}}}
    endpoints = [
        {"port": 9090, "path": "/metrics", "interval": "15s", "authorization": authorization},
        {"port": "metrics", "interval": "30s"},
    ]
    spec = {"selector": {"matchLabels": {"app.kubernetes.io/name": "qwen"}}, "endpoints": endpoints}
    return _object("monitoring.googleapis.com/v1", "PodMonitoring", "qwen-picker", spec=spec)


def rules() -> Object:
    """An alert and a recording rule."""
    alert = {
        "alert": "Slow",
        "expr": "vllm:x > 5",
        "for": "10m",
        "labels": {"severity": "page"},
        "annotations": {"a": "b"},
    }
    group = {"name": "serving", "interval": "30s", "rules": [alert, {"record": "model:x", "expr": "sum(vllm:x)"}]}
    return _object("monitoring.googleapis.com/v1", "Rules", "serving", spec={"groups": [group]})


def secret_sync() -> Object:
    """A Secret kept up to date from Secret Manager."""
    data = [{"sourcePath": "HF_TOKEN", "targetKey": "HF_TOKEN"}]
    spec = {
        "serviceAccountName": "qwen",
        "secretProviderClassName": "qwen-token",
        "secretObject": {"type": "Opaque", "data": data},
    }
    return _object("secret-sync.gke.io/v1", "SecretSync", "qwen-token", spec=spec)


def secret_provider_class() -> Object:
    """Which secret of Secret Manager to read."""
    secrets = '- resourceName: "projects/p/secrets/s/versions/1"\n  path: "HF_TOKEN"\n'
    spec = {"provider": "gke", "parameters": {"secrets": secrets}}
    return _object("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", "qwen-token", spec=spec)


def issuer() -> Object:
    """A self-signed issuer."""
    return _object("cert-manager.io/v1", "Issuer", "selfsigned", spec={"selfSigned": {}})


def certificate() -> Object:
    """A webhook's certificate."""
    issuer_ref = {"name": "selfsigned", "kind": "Issuer", "group": "cert-manager.io"}
    spec = {"secretName": "webhook-cert", "dnsNames": ["webhook.kserve.svc"], "issuerRef": issuer_ref}
    return _object("cert-manager.io/v1", "Certificate", "webhook", spec=spec)


def compute_class() -> Object:
    """TPU slices on demand, then spot."""
    tpu = {"type": "tpu-v6e-slice", "count": 4, "topology": "2x2"}
    spec = {"priorities": [{"tpu": tpu}, {"tpu": dict(tpu), "spot": True}], "nodePoolAutoCreation": {"enabled": True}}
    return _cluster_object("cloud.google.com/v1", "ComputeClass", "tpu-v6e", spec=spec)


def namespace() -> Object:
    """The models' namespace."""
    return _cluster_object("v1", "Namespace", "models")


def service_account() -> Object:
    """A model's identity."""
    return _object("v1", "ServiceAccount", "qwen", automountServiceAccountToken=False)


def config_map() -> Object:
    """A picker's configuration."""
    return _object("v1", "ConfigMap", "picker-config", data={"picker-config.yaml": "plugins: []\n"})


def secret() -> Object:
    """A token."""
    return _object("v1", "Secret", "hf-token", type="Opaque", stringData={"HF_TOKEN": "hf_x"}, data={"other": "eA=="})


def role() -> Object:
    """The right to read one Secret."""
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["reader"], "verbs": ["get"]}
    return _object(f"{_RBAC}/v1", "Role", "reader", rules=[rule])


def cluster_role() -> Object:
    """The right to read metrics."""
    rule = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    return _cluster_object(f"{_RBAC}/v1", "ClusterRole", "models:metrics-reader", rules=[rule])


def role_binding() -> Object:
    """A Role for a service account."""
    subjects = [{"kind": "ServiceAccount", "name": "collector", "namespace": "gmp-system"}]
    role_ref = {"apiGroup": _RBAC, "kind": "Role", "name": "reader"}
    return _object(f"{_RBAC}/v1", "RoleBinding", "reader", roleRef=role_ref, subjects=subjects)


def cluster_role_binding() -> Object:
    """A ClusterRole for a service account."""
    subjects = [{"kind": "ServiceAccount", "name": "reader", "namespace": "models"}]
    role_ref = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "models:metrics-reader"}
    return _cluster_object(f"{_RBAC}/v1", "ClusterRoleBinding", "metrics-reader", roleRef=role_ref, subjects=subjects)


def job() -> Object:
    """A check that runs once."""
    container = {"name": "check", "image": "python:3.13-slim", "command": ["python", "/scripts/wait.py"]}
    template = {"metadata": {"labels": {"app": "check"}}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    return _object(
        "batch/v1", "Job", "wait", spec={"backoffLimit": 0, "activeDeadlineSeconds": 900, "template": template}
    )


def pod_disruption_budget() -> Object:
    """At most one pod of a model away at a time."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": "qwen"}}}
    return _object("policy/v1", "PodDisruptionBudget", "qwen", spec=spec)


# Kinds with published schemas, and kinds of Kubernetes itself.
CUSTOM: tuple[Callable[[], Object], ...] = (
    gateway, http_route, redirect_route, health_check_policy, backend_policy, gateway_policy, inference_pool,
    inference_objective, llm_inference_service, llm_inference_service_config, leader_worker_set, pod_monitoring, rules,
    secret_sync, secret_provider_class, issuer, certificate, compute_class,
)  # fmt: skip
BUILT_IN: tuple[Callable[[], Object], ...] = (
    namespace, service_account, config_map, secret, role, cluster_role, role_binding, cluster_role_binding, job,
    pod_disruption_budget,
)  # fmt: skip
