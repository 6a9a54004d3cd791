"""The controllers: installed from the lock file, or already there."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from settings.base import Install, ResourceName, Section


class Platform(Section):
    """What is installed into the cluster. Versions come from the lock file (catalog/data/lock.yaml)."""

    cert_manager: Install = Field("install", description="cert-manager: KServe's webhooks need it.")
    leader_worker_set: Literal["install", "existing", "off"] = Field(
        "install", description="LeaderWorkerSet, before KServe's controller; off only where no model is multi-host."
    )
    keda: Install = Field(
        "install", description="KEDA, where a model has `scaling`: it keeps replicas to load or clock."
    )
    kserve: Install = Field("install", description="KServe's LLMInferenceService controller.")
    kserve_version: str | None = Field(None, description="Version of an existing KServe, to check it against the lock.")
    storage_initializer_memory_gib: int = Field(
        8, ge=1, le=512, description="Memory limit of the container that downloads the weights, in GiB."
    )
    monitoring: bool = Field(True, description="PodMonitoring for servers and endpoint pickers (managed Prometheus).")
    network_policies: bool = Field(
        True, description="NetworkPolicies in the models' namespace: only what serving needs comes in or goes out."
    )
    models_namespace: ResourceName = Field(
        "llm-serving", description="Namespace of Gateway, routes, policies and models."
    )
