"""Resources under the names and types of pulumi_gcp and pulumi_kubernetes, without the import of their modules (ADR 41).

`compute.Network(name, network_argument=..., opts=...)` is checked by mypy as what it says. At runtime it registers the type
token with the same inputs, as the class would: tests/components/test_sdk.py holds both beside each other. Nested inputs
are written with their `Args` classes; a plain mapping, such as labels, goes to the provider as it stands.
"""

from __future__ import annotations

import importlib.metadata
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pulumi

from catalog.records import camel

if TYPE_CHECKING:
    from pulumi_gcp import certificatemanager as certificatemanager
    from pulumi_gcp import compute as compute
    from pulumi_gcp import container as container
    from pulumi_gcp import dns as dns
    from pulumi_gcp import monitoring as monitoring
    from pulumi_gcp import projects as projects
    from pulumi_gcp import secretmanager as secretmanager
    from pulumi_gcp import serviceaccount as serviceaccount
    from pulumi_gcp import storage as storage
    from pulumi_kubernetes.helm import v3

    helm = v3

_PACKAGES = {"gcp": "pulumi_gcp", "kubernetes": "pulumi_kubernetes"}
_SECRET = ["effectiveLabels", "pulumiLabels"]
# By type: outputs that are no inputs and that we read; outputs that the class makes secret; the token's earlier form; an
# input that the class adds.
_OUTPUTS = {
    "Account": ("email", "member"),
    "Address": ("address",),
    "DnsAuthorization": ("dnsResourceRecords",),
    "Cluster": ("controlPlaneEndpointsConfig", "endpoint", "masterAuth"),
}
_SECRETS = dict.fromkeys(("Address", "Bucket", "Certificate", "Cluster", "DnsAuthorization"), _SECRET)
_ALIASES = {"Account": [pulumi.Alias(type_="gcp:serviceAccount/account:Account")]}
_CONSTANTS = {"Release": {"compat": "true"}}


class SdkResource(pulumi.CustomResource):
    """A resource by its type token; inputs and outputs have Python's names, as in the SDK's classes."""

    def __init__(self, token: str, name: str, /, *, opts: pulumi.ResourceOptions | None = None, **inputs: Any) -> None:
        kind = token.rpartition(":")[2]
        own = pulumi.ResourceOptions(
            version=plugin_version(token.partition(":")[0]),
            additional_secret_outputs=_SECRETS.get(kind),
            aliases=_ALIASES.get(kind),
        )
        constants = _CONSTANTS.get(kind, {})
        properties = {**dict.fromkeys(_OUTPUTS.get(kind, ())), **constants, **arguments(**inputs)}
        super().__init__(token, name, properties, pulumi.ResourceOptions.merge(own, opts))

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__[camel(name)]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no output {name}; components/sdk.py lists them") from None


class _Module:
    """A module of an SDK: its resource classes, and its Args classes."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __getattr__(self, kind: str) -> Any:
        if kind.endswith("Args"):
            return arguments
        return partial(SdkResource, self._token.format(file=kind[:1].lower() + kind[1:], kind=kind))


if not TYPE_CHECKING:
    helm = _Module("kubernetes:helm.sh/v3:{kind}")

    def __getattr__(service: str) -> _Module:
        if service.startswith("__"):
            raise AttributeError(service)
        return _Module(f"gcp:{service}/{{file}}:{{kind}}")


def arguments(**inputs: Any) -> dict[str, Any]:
    """Inputs under the provider's names."""
    return {camel(key): value for key, value in inputs.items() if value is not None}


@cache
def plugin_version(provider: str) -> str:
    """The version of a provider's plugin: that of the pinned package."""
    return importlib.metadata.version(_PACKAGES[provider])


def google_provider(name: str, *, project: str, region: str, zone: str) -> pulumi.ProviderResource:
    """The provider of all Google resources of an environment."""
    options = pulumi.ResourceOptions(version=plugin_version("gcp"), additional_secret_outputs=["accessToken"])
    return pulumi.ProviderResource("gcp", name, {"project": project, "region": region, "zone": zone}, options)


def kubernetes_provider(
    name: str, *, kubeconfig: pulumi.Input[str], cluster_identifier: str, opts: pulumi.ResourceOptions
) -> pulumi.ProviderResource:
    """The provider of all objects and charts of a cluster."""
    inputs = {"kubeconfig": kubeconfig, "clusterIdentifier": cluster_identifier}
    own = pulumi.ResourceOptions(version=plugin_version("kubernetes"))
    return pulumi.ProviderResource("kubernetes", name, inputs, pulumi.ResourceOptions.merge(own, opts))
