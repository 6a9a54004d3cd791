"""A cluster and what is deployed in it: API server, watches, target, stack outputs. Shared by commands and rehearsal.

The client's names are loaded when they are first used: it takes most of a second, and a target or outputs need none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubernetes.client.exceptions import ApiException
    from kubernetes.dynamic import DynamicClient
    from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

    from cluster.client import (
        RETRY_SECONDS,
        TRANSPORT_ERRORS,
        KubeObject,
        apply,
        connect,
        connect_when_up,
        delete,
        get,
        list_objects,
        patch_status,
        path_of,
        serves,
    )
    from cluster.watching import Event, Store, watch

__all__ = [
    "RETRY_SECONDS",
    "TRANSPORT_ERRORS",
    "ApiException",
    "DynamicClient",
    "Event",
    "KubeObject",
    "NotFoundError",
    "ResourceNotFoundError",
    "Store",
    "apply",
    "connect",
    "connect_when_up",
    "delete",
    "get",
    "list_objects",
    "patch_status",
    "path_of",
    "serves",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    module = "cluster.watching" if name in ("Event", "Store", "watch") else "cluster.client"
    return getattr(importlib.import_module(module), name)
