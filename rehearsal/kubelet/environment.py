"""The environment of a container: env, envFrom, references, and `$(VAR)` in texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.kubelet.downward import field, resource
from rehearsal.kubelet.objects import MissingReferenceError, Objects, config_map_data, secret_data

Json = dict[str, Any]

_REFERENCE = re.compile(r"\$(?:\$|\(([^()\s]+)\))")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)`; an unknown name stays as it is, `$$` is one `$`.

    Source: kubernetes third_party/forked/golang/expansion/expand.go.
    """

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return values.get(name, match.group())

    return _REFERENCE.sub(one, text)


@dataclass(frozen=True)
class Surroundings:
    """What references in a pod are resolved with."""

    pod: Json
    addresses: dict[str, str]
    allocatable: Json
    objects: Objects

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return str(self.pod["metadata"]["namespace"])


def container_environment(container: Json, around: Surroundings) -> dict[str, str]:
    """All variables that the pod declares for a container, in order, later ones over earlier ones.

    Raises MissingReferenceError where an object or key is not there; the message is the kubelet's.
    """
    values: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        values |= _from_source(source, around)
    for variable in container.get("env") or []:
        if variable.get("valueFrom"):
            found = _referenced(variable["valueFrom"], container, around)
            if found is not None:
                values[variable["name"]] = found
        else:
            values[variable["name"]] = expand(variable.get("value") or "", values)
    return values


def _from_source(source: Json, around: Surroundings) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    if reference := source.get("configMapRef"):
        read = config_map_data
    else:
        reference, read = source["secretRef"], secret_data
    data = read(around.objects, around.namespace, reference["name"], optional=bool(reference.get("optional")))
    return {prefix + key: value.decode(errors="replace") for key, value in data.items()}


def _referenced(source: Json, container: Json, around: Surroundings) -> str | None:
    if reference := source.get("fieldRef"):
        return field(around.pod, reference["fieldPath"], around.addresses)
    if reference := source.get("resourceFieldRef"):
        return resource(around.pod, reference, container, around.allocatable)
    if reference := source.get("configMapKeyRef"):
        kind, read = "ConfigMap", config_map_data
    elif reference := source.get("secretKeyRef"):
        kind, read = "Secret", secret_data
    else:
        raise ValueError(f"valueFrom {sorted(source)} is not offered")
    optional = bool(reference.get("optional"))
    data = read(around.objects, around.namespace, reference["name"], optional=optional)
    if reference["key"] in data:
        return data[reference["key"]].decode(errors="replace")
    if optional:
        return None
    raise MissingReferenceError(
        f"couldn't find key {reference['key']} in {kind} {around.namespace}/{reference['name']}"
    )
