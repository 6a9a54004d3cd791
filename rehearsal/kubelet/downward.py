"""The downward API: a pod's own fields and resources as text, for environment variables and files."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]$")
_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(1000) ** (power + 1) for power, suffix in enumerate("kMGTPE")},
    **{f"{suffix}i": Decimal(1024) ** (power + 1) for power, suffix in enumerate("KMGTPE")},
}
_QUANTITY = re.compile(r"^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTPE]?i?)$")


def quantity(text: str | int | float) -> Decimal:
    """A Kubernetes quantity such as `500m` or `2Gi` as a number. Raises ValueError for anything else."""
    match = _QUANTITY.match(str(text))
    if match is None or match.group(2) not in _SUFFIXES:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    return Decimal(match.group(1)) * _SUFFIXES[match.group(2)]


def field(pod: Json, path: str, addresses: dict[str, str]) -> str:
    """Value of a `fieldRef`. `addresses` has `podIP` and `hostIP`. Raises ValueError for a field that is not offered."""
    metadata, spec = pod["metadata"], pod["spec"]
    if match := _SUBSCRIPT.match(path):
        return str((metadata.get(match.group(1)) or {}).get(match.group(2), ""))
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "metadata.labels": _lines(metadata.get("labels")),
        "metadata.annotations": _lines(metadata.get("annotations")),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": addresses["podIP"],
        "status.podIPs": addresses["podIP"],
        "status.hostIP": addresses["hostIP"],
        "status.hostIPs": addresses["hostIP"],
    }
    if path not in values:
        raise ValueError(f"fieldRef {path!r} is not offered by the kubelet")
    return str(values[path])


def resource(pod: Json, reference: Json, container: Json, allocatable: Json) -> str:
    """Value of a `resourceFieldRef`; where no limit is set, what the node offers. Rounded up, as the kubelet does."""
    if name := reference.get("containerName"):
        every = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
        container = next((one for one in every if one["name"] == name), container)
    kind, _, what = reference["resource"].partition(".")
    values = (container.get("resources") or {}).get(kind) or {}
    value = values.get(what)
    if value is None:
        value = allocatable.get(what, "0") if kind == "limits" else "0"
    divisor = quantity(reference.get("divisor") or "1") or Decimal(1)
    return str(math.ceil(quantity(value) / divisor))


def _lines(values: dict[str, str] | None) -> str:
    quoted = (f'{key}="{_escape(value)}"' for key, value in sorted((values or {}).items()))
    return "\n".join(quoted)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
