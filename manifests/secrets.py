"""Hugging Face tokens, always by reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from manifests.base import Manifest, manifest
from settings import names
from settings.derive import Deployment, ServedModel
from settings.model import SecretManagerVersion

TOKEN_KEY = "HF_TOKEN"


def token_location(model: ServedModel) -> tuple[str, str] | None:
    """(Secret, key) in the models' namespace that holds the token; None where the model has none."""
    reference = model.settings.hugging_face_token
    if reference is None:
        return None
    if reference.kubernetes_secret:
        return reference.kubernetes_secret.name, reference.kubernetes_secret.key
    return names.token_secret(model.name), TOKEN_KEY


def token_env(model: ServedModel) -> list[dict[str, Any]]:
    """Environment of the container that downloads the weights."""
    location = token_location(model)
    if location is None:
        return []
    secret, key = location
    return [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}]


@dataclass(frozen=True)
class StoredToken:
    """A token that is a Pulumi secret: `secret` is without its value, which the engine alone knows by `config_key`."""

    config_key: str
    secret: Manifest


@dataclass(frozen=True)
class SyncedToken:
    """A token that GKE brings from Secret Manager; `member`, the server's account, may read `secret_id` of `project`."""

    project: str
    secret_id: str
    member: str
    source: Manifest
    sync: Manifest


def token(deployment: Deployment, model: ServedModel) -> StoredToken | SyncedToken | None:
    """What makes the Secret with a model's token; None where it needs none, or somebody else keeps it."""
    reference = model.settings.hugging_face_token
    if reference is not None and reference.pulumi_config is not None:
        secret = manifest("v1", "Secret", names.token_secret(model.name), deployment.namespace, type="Opaque")
        return StoredToken(reference.pulumi_config, secret)
    if reference is not None and reference.secret_manager is not None:
        return SyncedToken(
            deployment.settings.project.id,
            reference.secret_manager.secret,
            deployment.workload_principal(names.service_account(model.name)),
            _secret_provider_class(deployment, model.name, reference.secret_manager),
            _secret_sync(deployment, model.name),
        )
    return None


def _secret_provider_class(deployment: Deployment, model: str, version: SecretManagerVersion) -> Manifest:
    """Which secret of Secret Manager GKE's secret sync reads."""
    resource = f"projects/{deployment.settings.project.id}/secrets/{version.secret}/versions/{version.version}"
    return manifest(
        "secrets-store.csi.x-k8s.io/v1",
        "SecretProviderClass",
        names.token_secret(model),
        deployment.namespace,
        spec={
            "provider": "gke",
            "parameters": {"secrets": f'- resourceName: "{resource}"\n  path: "{TOKEN_KEY}"\n'},
        },
    )


def _secret_sync(deployment: Deployment, model: str) -> Manifest:
    """The Kubernetes Secret that GKE's secret sync keeps up to date."""
    return manifest(
        "secret-sync.gke.io/v1",
        "SecretSync",
        names.token_secret(model),
        deployment.namespace,
        spec={
            "serviceAccountName": names.service_account(model),
            "secretProviderClassName": names.token_secret(model),
            "secretObject": {"type": "Opaque", "data": [{"sourcePath": TOKEN_KEY, "targetKey": TOKEN_KEY}]},
        },
    )
