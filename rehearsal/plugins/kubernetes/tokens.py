"""Type tokens and what they say of an object: kind, version, Patch resources, generated names."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.frame import ProviderError, Resource

RELEASE = "kubernetes:helm.sh/v3:Release"
KubeObject = dict[str, Any]
# Keys of the provider's own among the outputs.
_OWN = ("__inputs", "__initialApiVersion", "__fieldManager")


def with_kind(resource: Resource, values: Mapping[str, Any]) -> KubeObject:
    """The object with apiVersion and kind, from its type token where the inputs don't say.

    Raises:
        ProviderError: the token is none of an object.
    """
    package, _, rest = resource.type.partition(":")
    api_version, _, kind = rest.partition(":")
    if package != "kubernetes" or api_version.count("/") != 1 or not kind:
        raise ProviderError(
            f'unrecognized resource type: "{resource.type}" for this provider; expected kubernetes:<group>/<version>:<kind>'
        )
    if kind.endswith("List") and "items" in values:
        raise ProviderError(
            "list resources exist for compatibility with YAML manifests and Helm charts, and cannot be created "
            "directly. Use the underlying resource type instead"
        )
    obj = dict(values)
    obj["apiVersion"] = obj.get("apiVersion") or api_version.removeprefix("core/")
    obj["kind"] = obj.get("kind") or kind.removesuffix("Patch")
    return obj


def is_patch(resource: Resource, obj: Mapping[str, Any]) -> bool:
    """Whether a resource only owns some fields of an object (`NamespacePatch`)."""
    return resource.type.rpartition(":")[2] == f"{obj.get('kind')}Patch"


def shown(obj: Mapping[str, Any]) -> str:
    """`group/version/Kind`."""
    return f"{obj['apiVersion']}/{obj['kind']}"


def suffix(seed: bytes) -> str:
    """Eight hexadecimal digits, the same for the same seed; random without one."""
    return hashlib.sha256(seed).hexdigest()[:8] if seed else secrets.token_hex(4)


def outgoing(values: Mapping[str, Any]) -> KubeObject:
    """Inputs or outputs as the API server knows them: SDKs write `x_kubernetes_` where it has `x-kubernetes-`."""
    return {key: _renamed(v, "x_kubernetes_", "_", "-") for key, v in values.items() if key not in _OWN}


def incoming(obj: Mapping[str, Any]) -> KubeObject:
    """An object of the API server as the SDKs know it."""
    return {key: _renamed(v, "x-kubernetes-", "-", "_") for key, v in obj.items()}


def _renamed(value: Any, prefix: str, old: str, new: str) -> Any:
    if isinstance(value, Mapping):
        return {
            (key.replace(old, new) if key.startswith(prefix) else key): _renamed(v, prefix, old, new)
            for key, v in value.items()
        }
    if isinstance(value, list):
        return [_renamed(v, prefix, old, new) for v in value]
    return value
