"""What all components share: type tokens, child options, and one class for every Kubernetes object."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pulumi

from manifests.base import Manifest
from settings.names import type_token

Dependencies = Sequence[pulumi.Resource]


class Component(pulumi.ComponentResource):
    """A ComponentResource of this project; token `tpu-serving:<module>:<Name>`.

    `opts` names the providers that its children get (`gcp`, `kubernetes`), or a parent that has them. What children wait
    for is said by each component's own arguments. Its children go with what its `deleted_with` names.
    """

    def __init__(self, token: str, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        opts = copy.copy(opts or pulumi.ResourceOptions())
        # The engine ignores it on a component, with a warning, and does not pass it on.
        self._goes_with, opts.deleted_with = opts.deleted_with, None
        super().__init__(token, name, None, opts)

    def child(self, depends_on: Dependencies = (), **options: Any) -> pulumi.ResourceOptions:
        """Options of a child: our parent, real dependencies, and nothing of the caller's leaking in."""
        return pulumi.ResourceOptions(parent=self, depends_on=list(depends_on), deleted_with=self._goes_with, **options)

    def object(self, name: str, obj: Manifest, depends_on: Dependencies = (), **options: Any) -> KubernetesObject:
        """A Kubernetes object as a child."""
        return KubernetesObject(name, obj, self.child(depends_on, **options))


class KubernetesObject(pulumi.CustomResource):
    """A Kubernetes object from a manifest, built-in or custom, under the token the kubernetes provider uses.

    The typed classes of pulumi-kubernetes have the same tokens and inputs; their modules cost half a second to import,
    and they know no `status` of a custom resource (pulumi-kubernetes#1836).
    """

    if TYPE_CHECKING:  # at runtime the SDK would evaluate it for every object
        status: pulumi.Output[Any]

    def __init__(self, name: str, obj: Manifest, opts: pulumi.ResourceOptions) -> None:
        if obj["kind"] == "Secret":
            secret = pulumi.ResourceOptions(additional_secret_outputs=["data", "stringData"])
            opts = pulumi.ResourceOptions.merge(opts, secret)
        super().__init__(type_token(obj["apiVersion"], obj["kind"]), name, obj, opts)
