"""Pods and referenced objects for the tests that need no API server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.directory import Record, RehearsalDirectory
from rehearsal.kubelet.context import Context, Machine

Json = dict[str, Any]


class Given(dict[str, Json]):
    def get(self, name: str, namespace: Any = "") -> Any:
        return super().get(name) if namespace == "models" else None


def config_maps(**data: Mapping[str, str]) -> Any:
    return Given({name: {"data": one} for name, one in data.items()})


def secrets(**data: Mapping[str, str]) -> Any:
    return Given(
        {
            name: {"data": {k: base64.b64encode(v.encode()).decode() for k, v in one.items()}}
            for name, one in data.items()
        }
    )


def context(folder: Path, maps: Any = None, hidden: Any = None, **spec: Any) -> Context:
    pod = {"metadata": {"name": "qwen-0", "namespace": "models", "uid": "u-1"}, "spec": {"nodeName": "node-1", **spec}}
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Q0E="}
    directory = RehearsalDirectory(folder)
    machine = Machine(directory, Record(), cluster, maps or config_maps(), hidden or secrets())
    return Context(pod, "127.65.0.10", machine, lambda: None, lambda *_: None)
