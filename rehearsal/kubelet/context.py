"""What the parts of one pod share: where it lives on this machine, and what its references are resolved with."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import cluster as kube
from rehearsal.directory import Record, RehearsalDirectory
from rehearsal.ports import Claim, claim

Json = dict[str, Any]

_EMULATED: Json = yaml.safe_load(Path(__file__).with_name("pod_fields.yaml").read_text(encoding="utf-8"))
_REFERENCE = re.compile(r"\$(?:\$|\(([^()\s]+)\))")


class MissingReferenceError(Exception):
    """An object or a key that a pod needs is not there yet; the message is the kubelet's."""


@dataclass(frozen=True)
class Machine:
    """What every pod shares; `cluster` is the API server as the rehearsal's kubeconfig has it."""

    directory: RehearsalDirectory
    record: Record
    cluster: Json
    config_maps: kube.Store
    secrets: kube.Store


@dataclass(frozen=True)
class Context:
    """One pod for its containers. `changed` and `event` are told what status and Events are to say."""

    pod: Json
    pod_ip: str
    machine: Machine
    changed: Callable[[], None]
    event: Callable[[str, str, str], None]
    _claims: dict[int, Claim] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Namespace and name."""
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"

    @property
    def folder(self) -> Path:
        """The pod's files."""
        return self.machine.directory.pods / self.name / str(self.pod["metadata"]["uid"])

    def real_port(self, container_port: int) -> int:
        """A free port for a server that listens on every address, in place of its container port, for the pod's life."""
        if container_port not in self._claims:
            self._claims[container_port] = claim()
        return self._claims[container_port].port

    def ports(self) -> dict[str, str]:
        """The map as the annotation has it: `{"9443": "127.0.0.1:41234"}`."""
        return {str(port): f"127.0.0.1:{real.port}" for port, real in sorted(self._claims.items())}

    def address(self, container_port: int) -> str:
        """Where a container port is reached, `host:port`."""
        return self.ports().get(str(container_port), f"{self.pod_ip}:{container_port}")

    def release_ports(self) -> None:
        """Give the ports back."""
        for real in self._claims.values():
            real.release()

    def data(self, kind: str, name: str) -> dict[str, bytes]:
        """Keys and values of a `configmap` or `secret`. Raises MissingReferenceError where it does not exist."""
        objects = self.machine.config_maps if kind == "configmap" else self.machine.secrets
        found = objects.get(name, self.pod["metadata"]["namespace"])
        if found is None:
            raise MissingReferenceError(f'{kind} "{name}" not found')
        decode = str.encode if kind == "configmap" else base64.b64decode
        return {key: decode(text) for key, text in (found.get("data") or {}).items()}

    def field(self, reference: Json) -> str:
        """Value of a `fieldRef`."""
        return str(self.pod["metadata"][reference["fieldPath"].removeprefix("metadata.")])

    def environment(self, container: Json) -> dict[str, str]:
        """All variables that the pod declares for a container, later ones over earlier ones.

        Raises MissingReferenceError where a Secret or a key of it is not there.
        """
        values: dict[str, str] = {}
        for variable in container.get("env") or []:
            source = variable.get("valueFrom") or {}
            if reference := source.get("secretKeyRef"):
                data = self.data("secret", reference["name"])
                if reference["key"] not in data:
                    raise MissingReferenceError(f"couldn't find key {reference['key']} in Secret {reference['name']}")
                values[variable["name"]] = data[reference["key"]].decode()
            elif source:
                values[variable["name"]] = self.field(source["fieldRef"])
            else:
                values[variable["name"]] = expand(variable.get("value") or "", values)
        return values


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)`; an unknown name stays as it is, `$$` is one `$` (kubernetes third_party/forked/golang/expansion)."""
    return _REFERENCE.sub(lambda match: values.get(match[1], match[0]) if match[1] else "$", text)


def not_emulated(value: Any, known: Any = None, path: str = "spec") -> Iterator[str]:
    """Paths of all in a pod's spec that the kubelet emulator does not act on, by `pod_fields.yaml`."""
    known = known or _EMULATED
    for item in value if isinstance(value, list) else [value]:
        if isinstance(known, list):
            if item not in known:
                yield f"{path} {item}"
            continue
        for key, inner in item.items():
            if key not in known:
                yield f"{path}.{key}"
            elif known[key] is not None:
                yield from not_emulated(inner, known[key], f"{path}.{key}")
