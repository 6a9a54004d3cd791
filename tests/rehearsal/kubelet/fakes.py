"""Pods and referenced objects for the tests that need no API server."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from rehearsal.kubelet.environment import Surroundings

Json = dict[str, Any]


@dataclass
class Given:
    """ConfigMaps and Secrets by name, in the namespace `models`."""

    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)

    def config_map(self, namespace: str, name: str) -> Json | None:
        return {"data": self.config_maps[name]} if namespace == "models" and name in self.config_maps else None

    def secret(self, namespace: str, name: str) -> Json | None:
        if namespace != "models" or name not in self.secrets:
            return None
        return {"data": {key: base64.b64encode(text.encode()).decode() for key, text in self.secrets[name].items()}}


def pod(**spec: Any) -> Json:
    """A pod of the namespace `models` with one container `main`."""
    metadata = {
        "name": "qwen-0",
        "namespace": "models",
        "uid": "u-1",
        "labels": {"app": "qwen"},
        "annotations": {"note": 'a "b"'},
    }
    container = {"name": "main", "image": "example.com/some/image:v1"}
    return {"metadata": metadata, "spec": {"nodeName": "node-1", "containers": [container]} | spec}


def around(subject: Json | None = None, objects: Given | None = None) -> Surroundings:
    """The surroundings of a pod on a node with 8 CPUs."""
    addresses = {"podIP": "127.65.0.10", "hostIP": "127.0.0.1"}
    allocatable = {"cpu": "8", "memory": "16Gi"}
    return Surroundings(subject or pod(), addresses, allocatable, objects or Given())
