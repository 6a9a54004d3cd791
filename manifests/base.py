"""What all manifests share."""

from __future__ import annotations

from typing import Any

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


def script_container(
    name: str, image: str, command: list[str], arguments: list[str], volume: str, folder: str
) -> Manifest:
    """A container that runs a program of ours from a mounted ConfigMap, without any right on its node."""
    return {
        "name": name,
        "image": image,
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


def reference(obj: Manifest) -> tuple[str, str, str | None, str]:
    """(apiVersion, kind, namespace, name): what makes an object the same object."""
    metadata = obj["metadata"]
    return obj["apiVersion"], obj["kind"], metadata.get("namespace"), metadata["name"]
