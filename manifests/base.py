"""What all manifests share."""

from __future__ import annotations

from typing import Any

from catalog.lock import load_lock

Manifest = dict[str, Any]

MANAGED_BY = {"app.kubernetes.io/managed-by": "tpu-serving"}


def manifest(
    api_version: str,
    kind: str,
    name: str,
    namespace: str | None = None,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **body: Any,
) -> Manifest:
    """A Kubernetes object. `body` holds everything beside apiVersion, kind and metadata."""
    metadata: dict[str, Any] = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    metadata["labels"] = {**MANAGED_BY, **(labels or {})}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def bound_role(
    kind: str, name: str, namespace: str | None, rules: list[dict[str, Any]], account: tuple[str, str]
) -> tuple[Manifest, Manifest]:
    """A Role or ClusterRole, and the binding that gives it to an account (name, namespace)."""
    api = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": account[0], "namespace": account[1]}
    return manifest(f"{api}/v1", kind, name, namespace, rules=rules), manifest(
        f"{api}/v1",
        f"{kind}Binding",
        name,
        namespace,
        roleRef={"apiGroup": api, "kind": kind, "name": name},
        subjects=[subject],
    )


def script_container(name: str, command: list[str], arguments: list[str], volume: str, folder: str) -> dict[str, Any]:
    """A container that runs a program of ours from a mounted ConfigMap, without any right on its node."""
    return {
        "name": name,
        "image": load_lock().images["readiness"].reference(),
        "command": ["python", "-u", *command],
        "args": arguments,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": volume, "mountPath": folder, "readOnly": True}],
    }


def script_job(
    name: str,
    namespace: str,
    account: str,
    container: dict[str, Any],
    volume: dict[str, Any],
    *,
    tries: int,
    seconds: int,
) -> Manifest:
    """A Job with such a container."""
    pod = {
        "serviceAccountName": account,
        "restartPolicy": "Never",
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [volume],
    }
    spec = {"backoffLimit": tries, "activeDeadlineSeconds": seconds, "template": {"spec": pod}}
    return manifest("batch/v1", "Job", name, namespace, spec=spec)


def gateway_ref(name: str) -> dict[str, str]:
    """A reference to a Gateway of the same namespace."""
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name}


def reference(obj: Manifest) -> tuple[str, str, str | None, str]:
    """(apiVersion, kind, namespace, name): what makes an object the same object."""
    metadata = obj["metadata"]
    return obj["apiVersion"], obj["kind"], metadata.get("namespace"), metadata["name"]
