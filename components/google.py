"""Google's resources under the names and types of pulumi_gcp, without the import of its modules (ADR 41).

`compute.Network(name, network_argument=..., opts=...)` is checked by mypy as what it says. At runtime it registers the type
token with the same inputs, as the class would: tests/components/test_google.py holds both beside each other. Nested inputs
are written with their `Args` classes; a plain mapping, such as labels, goes to the provider as it stands.
"""

from __future__ import annotations

import importlib.metadata
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pulumi

if TYPE_CHECKING:
    from pulumi_gcp import compute as compute
    from pulumi_gcp import container as container
    from pulumi_gcp import projects as projects
    from pulumi_gcp import secretmanager as secretmanager
    from pulumi_gcp import serviceaccount as serviceaccount

SERVICES = ("compute", "container", "projects", "secretmanager", "serviceaccount")
_SECRET = ["effectiveLabels", "pulumiLabels"]
# By type: outputs that are no inputs and that we read; outputs that the class makes secret; the token's earlier form.
_OUTPUTS = {
    "Account": ("email", "member"),
    "Address": ("address",),
    "Cluster": ("controlPlaneEndpointsConfig", "endpoint", "masterAuth"),
}
_SECRETS = {"Address": _SECRET, "Cluster": _SECRET}
_ALIASES = {"Account": [pulumi.Alias(type_="gcp:serviceAccount/account:Account")]}


class GoogleResource(pulumi.CustomResource):
    """A resource of the gcp provider by its type token; inputs and outputs have Python's names, as in pulumi_gcp."""

    def __init__(self, token: str, name: str, /, *, opts: pulumi.ResourceOptions | None = None, **inputs: Any) -> None:
        kind = token.rpartition(":")[2]
        own = pulumi.ResourceOptions(
            version=plugin_version(), additional_secret_outputs=_SECRETS.get(kind), aliases=_ALIASES.get(kind)
        )
        properties = {**dict.fromkeys(_OUTPUTS.get(kind, ())), **arguments(**inputs)}
        super().__init__(token, name, properties, pulumi.ResourceOptions.merge(own, opts))

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__[camel(name)]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__} has no output {name}; components/google.py lists them"
            ) from None


class _Service:
    """A module of pulumi_gcp: its resource classes, and its Args classes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, kind: str) -> Any:
        if kind.endswith("Args"):
            return arguments
        return partial(GoogleResource, f"gcp:{self._name}/{kind[0].lower()}{kind[1:]}:{kind}")


if not TYPE_CHECKING:
    compute, container, projects, secretmanager, serviceaccount = map(_Service, SERVICES)


def arguments(**inputs: Any) -> dict[str, Any]:
    """Inputs under the provider's names."""
    return {camel(key): value for key, value in inputs.items() if value is not None}


def camel(name: str) -> str:
    """`disk_size_gb` -> `diskSizeGb`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


@cache
def plugin_version() -> str:
    """The version of the provider's plugin: that of the pinned package."""
    return importlib.metadata.version("pulumi_gcp")


def google_provider(name: str, *, project: str, region: str, zone: str) -> pulumi.ProviderResource:
    """The provider of all Google resources of an environment."""
    options = pulumi.ResourceOptions(version=plugin_version(), additional_secret_outputs=["accessToken"])
    return pulumi.ProviderResource("gcp", name, {"project": project, "region": region, "zone": zone}, options)
