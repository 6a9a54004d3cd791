"""What pods refer to: ConfigMaps and Secrets, as last seen by a watch."""

from __future__ import annotations

import base64
from typing import Any, Protocol

Json = dict[str, Any]


class MissingReferenceError(Exception):
    """An object or a key that a pod needs is not there yet."""


class Objects(Protocol):
    """Where ConfigMaps and Secrets are read from; None where the object does not exist."""

    def config_map(self, namespace: str, name: str) -> Json | None:
        """A ConfigMap."""

    def secret(self, namespace: str, name: str) -> Json | None:
        """A Secret."""


def config_map_data(objects: Objects, namespace: str, name: str, *, optional: bool) -> dict[str, bytes]:
    """Keys and values of a ConfigMap, {} where an optional one does not exist."""
    found = objects.config_map(namespace, name)
    if found is None:
        if optional:
            return {}
        raise MissingReferenceError(f'configmap "{name}" not found')
    data = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    return data | {key: base64.b64decode(text) for key, text in (found.get("binaryData") or {}).items()}


def secret_data(objects: Objects, namespace: str, name: str, *, optional: bool) -> dict[str, bytes]:
    """Keys and values of a Secret, {} where an optional one does not exist."""
    found = objects.secret(namespace, name)
    if found is None:
        if optional:
            return {}
        raise MissingReferenceError(f'secret "{name}" not found')
    return {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
