"""A cluster's API server: client, requests, watches. Shared by commands and rehearsal."""

from __future__ import annotations

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
