"""What a check gets: the target, the cluster's objects as read once in a round, and the way to send requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cluster.reading import Cluster, KubeObject
from cluster.target import Target
from settings import names

if TYPE_CHECKING:
    from serving.google.client import GoogleClient
    from serving.live.http_client import HttpClient
    from settings.outputs import ModelOutput

# What is said of a model that `scaled_to_zero`.
NONE_NOW = "no server is wanted now, by its schedule"


@dataclass(frozen=True)
class Context:
    """One round of questions.

    `request_seconds`: what one request may take from the first byte to the last. `google_client` makes a client of
    Google's APIs in place of one with application default credentials.
    """

    target: Target
    cluster: Cluster
    request_seconds: float
    google_client: Callable[[], GoogleClient] | None = None

    @property
    def models(self) -> list[ModelOutput]:
        """The models that the stack outputs name."""
        return self.target.outputs.models

    @property
    def namespace(self) -> str:
        """Namespace of Gateway, routes, policies and models."""
        return self.target.outputs.namespace

    @cached_property
    def client(self) -> HttpClient:
        """The way to send requests; the package for it is heavy, and `--quick` sends none."""
        from serving.live.http_client import HttpClient

        target = self.target
        return HttpClient(self.request_seconds, target.ca_file, target.token, target.host, target.client_certificate)

    @cached_property
    def google(self) -> Callable[[], GoogleClient]:
        """Makes a client of Google's APIs that has no answers yet; credentials are found once."""
        from serving.live.google_backends import clients

        return self.google_client or clients(self.target.outputs.project)

    def objects(self, api_version: str, kind: str, namespace: str | None = None) -> list[KubeObject]:
        """Objects of the models' namespace (or another one)."""
        return self.cluster.objects(api_version, kind, namespace or self.namespace)

    def by_name(self, api_version: str, kind: str) -> dict[str, KubeObject]:
        """Objects of the models' namespace by their name."""
        return {item["metadata"]["name"]: item for item in self.objects(api_version, kind)}


def title(item: KubeObject) -> str:
    """`Kind namespace/name`."""
    metadata = item["metadata"]
    return " ".join([item["kind"], "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))])


def scaled_to_zero(context: Context, model: ModelOutput) -> bool:
    """Whether the clock asks for no server of the model now, as its HorizontalPodAutoscaler says."""
    if model.min_replicas != 0:
        return False
    own = {names.workload(model.name, group) for group in (False, True)}
    return any(
        condition.get("reason") == "ScalingDisabled" and condition["status"] == "False"
        for item in context.objects("autoscaling/v2", "HorizontalPodAutoscaler")
        if item["spec"]["scaleTargetRef"]["name"] in own
        for condition in (item.get("status") or {}).get("conditions") or ()
    )
