"""One resource as the rules see it: a Kubernetes object, a Helm release or a Google Cloud resource, by its type token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from checks.objects.dependencies import Dependencies
from checks.objects.values import is_unknown, text
from settings.names import type_token
from settings.refusal import Path

RELEASE = "Release"
NODE_POOL = "gcp:container/nodePool:NodePool"
RESOURCE_POLICY = "gcp:compute/resourcePolicy:ResourcePolicy"
CLUSTER = "gcp:container/cluster:Cluster"
SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
NETWORK = "gcp:compute/network:Network"
FIREWALL = "gcp:compute/firewall:Firewall"
ADDRESS = "gcp:compute/address:Address"
GLOBAL_ADDRESS = "gcp:compute/globalAddress:GlobalAddress"
SECURITY_POLICY = "gcp:compute/securityPolicy:SecurityPolicy"
REGION_SECURITY_POLICY = "gcp:compute/regionSecurityPolicy:RegionSecurityPolicy"
# Kinds whose names other APIs use too (Istio's Gateway, Knative's Service): only these groups are judged.
_GROUPS = {
    "Gateway": ("gateway.networking.k8s.io",),
    "HTTPRoute": ("gateway.networking.k8s.io",),
    "HealthCheckPolicy": ("networking.gke.io",),
    "GCPBackendPolicy": ("networking.gke.io",),
    "GCPGatewayPolicy": ("networking.gke.io",),
    "GCPAuthzPolicy": ("networking.gke.io",),
    "GCPTrafficDistributionPolicy": ("networking.gke.io",),
    "InferencePool": ("inference.networking.k8s.io", "inference.networking.x-k8s.io"),
    "LLMInferenceService": ("serving.kserve.io",),
    "LLMInferenceServiceConfig": ("serving.kserve.io",),
    "Service": ("core",),
    "Secret": ("core",),
    "ConfigMap": ("core",),
    "Node": ("core",),
    "Pod": ("core",),
    "Certificate": ("cert-manager.io",),
    "ScaledObject": ("keda.sh",),
    "Release": ("helm.sh",),
}


@dataclass(frozen=True)
class Resource:
    """A resource with its inputs.

    Attributes:
        type: the engine's token, `kubernetes:<group>/<version>:<Kind>` or `gcp:<module>:<Kind>`.
        key: what others refer to it by (a URN, or its place in a list).
        needs: who depends on whom in its stack; None where only the order of the list is known.
        create_seconds: how long the engine waits for its creation; None where nobody said.
    """

    type: str
    inputs: Mapping[str, Any]
    key: str = ""
    logical_name: str = ""
    needs: Dependencies | None = None
    create_seconds: float | None = None

    @cached_property
    def kind(self) -> str:
        """What rules ask for: the kind of a Kubernetes object, the whole token of anything else."""
        return kind_of(self.type)

    @cached_property
    def group(self) -> str:
        """API group of a Kubernetes object; `core` for the group without a name."""
        return self.type.split(":")[1].rpartition("/")[0] if self.type.startswith("kubernetes:") else ""

    @cached_property
    def api_version(self) -> str:
        """`v1alpha2` of a Kubernetes object."""
        return self.type.split(":")[1].rpartition("/")[2] if self.type.startswith("kubernetes:") else ""

    @property
    def name(self) -> str:
        """Its name; `""` where the engine will make one up.

        Raises:
            UnknownValueError: the name is not known yet.
        """
        return text(self.inputs, "metadata", "name") if self.is_object else text(self.inputs, "name")

    @property
    def namespace(self) -> str:
        """Its namespace.

        Raises:
            UnknownValueError: the namespace is not known yet.
        """
        return text(self.inputs, "metadata", "namespace") or "default"

    @cached_property
    def is_object(self) -> bool:
        """Whether it is a Kubernetes object: no chart, nothing of Google's."""
        return self.type.startswith("kubernetes:") and self.kind != RELEASE

    @cached_property
    def label(self) -> str:
        """`HTTPRoute llm-serving/qwen`, for messages."""
        kind = self.type.rsplit(":", 1)[-1]
        name = self._known("metadata", "name") if self.is_object else self._known("name")
        namespace = self._known("metadata", "namespace") if self.is_object else ""
        return f"{kind} {namespace}{'/' if namespace else ''}{name or self.logical_name or '(unnamed)'}"

    def _known(self, *path: str) -> str:
        return "" if is_unknown(self.inputs, *path) else text(self.inputs, *path)

    def place(self, path: Path) -> Path:
        """A finding's path: `HTTPRoute llm-serving/qwen: spec.rules[0].timeouts` when it is rendered."""
        return (f"{self.label}: {path[0]}", *path[1:]) if path else (self.label,)


def kind_of(token: str) -> str:
    """The kind behind a type token; a kind that only shares its name with one of ours keeps its token."""
    if not token.startswith("kubernetes:"):
        return token
    _, version, kind = (*token.split(":"), "", "")[:3]
    groups = _GROUPS.get(kind)
    return kind if groups is None or version.rpartition("/")[0] in groups else token


def resource_of(obj: Mapping[str, Any], key: str = "") -> Resource:
    """A Kubernetes object as a resource, under the token the kubernetes provider uses."""
    return Resource(type_token(str(obj.get("apiVersion", "")), str(obj.get("kind", ""))), obj, key)
