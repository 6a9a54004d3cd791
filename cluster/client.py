"""Requests to a cluster's API server: client, reading, server-side apply, status, deletion.

Objects are plain dictionaries. Every write is a server-side apply: KServe's CRDs are 0.7 MB each, more than the
annotation of a client-side apply may hold.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import client as kubernetes_client
from kubernetes.client.exceptions import ApiException
from kubernetes.config.kube_config import KubeConfigLoader
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.discovery import LazyDiscoverer
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

log = logging.getLogger(__name__)

KubeObject = dict[str, Any]

# A failed request is tried again after this time, seconds.
RETRY_SECONDS = 0.5
_PAGE = 500
TRANSPORT_ERRORS = (urllib3.exceptions.HTTPError, OSError)


_DISCOVERY = threading.RLock()


class _MemoryDiscoverer(LazyDiscoverer):
    """Discovery that is kept in memory only: the package's file in the temporary folder is shared by every cluster
    that ever had the same host and port, and readable by other users."""

    def __init__(self, client: DynamicClient, _cache_file: str | None) -> None:
        super().__init__(client, str(Path(os.devnull) / "none"))  # type: ignore[no-untyped-call]

    def _write_cache(self) -> None:
        return


def connect(kubeconfig: Path) -> DynamicClient:
    """A client for the kubeconfig's current context.

    The environment's proxies are not used for a server on loopback. Where the kubeconfig names no CA, the file in
    SSL_CERT_FILE is trusted.

    Raises:
        FileNotFoundError: no such kubeconfig.
        urllib3.exceptions.HTTPError: the server does not answer.
    """
    document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    configuration = kubernetes_client.Configuration()
    # The CA goes in as text: the package's loader would write it into a temporary file that a kill leaves behind.
    authority = _take_authority(document)
    loader = KubeConfigLoader(document, config_base_path=str(kubeconfig.parent))  # type: ignore[no-untyped-call]
    loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    if authority is not None:
        configuration.ca_cert_data = authority
    elif not configuration.ssl_ca_cert:
        configuration.ssl_ca_cert = os.environ.get("SSL_CERT_FILE")
    host = urllib3.util.parse_url(configuration.host).host or ""
    if host == "localhost" or host.startswith("127."):
        configuration.proxy = None
    configuration.retries = False
    # Each watch holds a connection; the pool must not throw away the others.
    configuration.connection_pool_maxsize = 32
    api = kubernetes_client.ApiClient(configuration)
    return DynamicClient(api, discoverer=_MemoryDiscoverer)  # type: ignore[no-untyped-call]


def connect_when_up(kubeconfig: Path, stop: threading.Event) -> DynamicClient | None:
    """A client as soon as the server answers; None when `stop` was set before."""
    while not stop.is_set():
        try:
            return connect(kubeconfig)
        except (*TRANSPORT_ERRORS, ApiException) as error:
            log.debug("the API server does not answer yet: %s", error)
            stop.wait(RETRY_SECONDS)
    return None


def _take_authority(document: Any) -> str | None:
    """Remove the CA of the current context's cluster from the document and return it as PEM."""
    contexts = {item["name"]: item["context"] for item in document.get("contexts") or ()}
    current = contexts.get(document.get("current-context"), {})
    for item in document.get("clusters") or ():
        if item["name"] == current.get("cluster"):
            encoded = item["cluster"].pop("certificate-authority-data", None)
            return base64.b64decode(encoded).decode() if encoded else None
    return None


def path_of(
    client: DynamicClient, api_version: str, kind: str, namespace: str | None = None, name: str | None = None
) -> str:
    """The URL path of a kind or of one object.

    Raises:
        ResourceNotFoundError: the server does not serve this kind (yet). The next call asks the server again.
    """
    group, _, version = api_version.rpartition("/")
    prefix = "apis" if group else "api"
    # Without `prefix` a core kind could be found in a group of the same version.
    # Discovery drops its cache when it meets an unknown kind: another thread would find it empty.
    with _DISCOVERY:
        resource = client.resources.get(prefix=prefix, group=group or None, api_version=version, kind=kind)
    return str(resource.path(name=name, namespace=namespace if resource.namespaced else None))


def _request(client: DynamicClient, method: str, path: str, **arguments: Any) -> KubeObject:
    response = client.request(method, path, serialize=False, **arguments)
    answer: KubeObject = json.loads(response.data)
    return answer


def get(
    client: DynamicClient, api_version: str, kind: str, name: str, namespace: str | None = None
) -> KubeObject | None:
    """The object, or None where it or its kind is not there."""
    try:
        return _request(client, "get", path_of(client, api_version, kind, namespace, name))
    except (NotFoundError, ResourceNotFoundError):
        return None


def serves(client: DynamicClient, definition: str) -> bool:
    """Whether the kind of a CustomResourceDefinition can be used: it is established, and discovery, which follows a
    moment later, names each served version."""
    found = get(client, "apiextensions.k8s.io/v1", "CustomResourceDefinition", definition) or {}
    conditions = (found.get("status") or {}).get("conditions") or []
    if not any((c["type"], c["status"]) == ("Established", "True") for c in conditions):
        return False
    spec = found["spec"]
    versions = [f"{spec['group']}/{version['name']}" for version in spec["versions"] if version["served"]]
    try:
        return all(path_of(client, version, spec["names"]["kind"]) for version in versions)
    except ResourceNotFoundError:
        return False


def list_objects(
    client: DynamicClient, api_version: str, kind: str, namespace: str | None = None, **selectors: str
) -> list[KubeObject]:
    """All objects of a kind; `selectors` are `label_selector` and `field_selector`.

    Raises:
        ResourceNotFoundError: the server does not serve this kind.
    """
    return list_with_version(client, api_version, kind, namespace, selectors)[0]


def list_with_version(
    client: DynamicClient, api_version: str, kind: str, namespace: str | None, selectors: Mapping[str, str]
) -> tuple[list[KubeObject], str]:
    """All objects of a kind, and the resourceVersion from which a watch sees every later change."""
    path = path_of(client, api_version, kind, namespace)
    objects: list[KubeObject] = []
    following: str | None = None
    while True:
        page = _request(client, "get", path, limit=_PAGE, _continue=following, **selectors)
        # The items of a list carry neither apiVersion nor kind.
        objects += [{"apiVersion": api_version, "kind": kind, **item} for item in page["items"]]
        following = page["metadata"].get("continue")
        if not following:
            return objects, page["metadata"]["resourceVersion"]


def apply(
    client: DynamicClient,
    manifest: Mapping[str, Any],
    *,
    manager: str,
    force: bool = True,
    dry_run: bool = False,
    subresource: str = "",
) -> KubeObject:
    """Server-side apply; the object as the server then holds it (or would hold it, with `dry_run`).

    Raises:
        ApiException: the server refuses it; `status` and `summary()` say why.
        ResourceNotFoundError: the server does not serve this kind.
    """
    metadata = manifest["metadata"]
    path = path_of(client, manifest["apiVersion"], manifest["kind"], metadata.get("namespace"), metadata["name"])
    return _request(
        client,
        "patch",
        f"{path}/{subresource}" if subresource else path,
        body=dict(manifest),
        content_type="application/apply-patch+yaml",
        field_manager=manager,
        force_conflicts=force,
        dry_run="All" if dry_run else None,
    )


def patch_status(client: DynamicClient, target: Mapping[str, Any], status: Any, *, manager: str) -> KubeObject | None:
    """Apply `status` to the object's status subresource; None where the object is gone: it is not made again.

    What this manager set before and does not set now is removed.
    """
    identity = {key: target["metadata"][key] for key in ("name", "namespace") if key in target["metadata"]}
    body = {"apiVersion": target["apiVersion"], "kind": target["kind"], "metadata": identity, "status": status}
    try:
        return apply(client, body, manager=manager, subresource="status")
    except (NotFoundError, ResourceNotFoundError):
        return None


def delete(
    client: DynamicClient,
    api_version: str,
    kind: str,
    name: str,
    namespace: str | None = None,
    *,
    propagation: str = "Background",
    grace_seconds: int | None = None,
) -> bool:
    """Ask for an object's deletion; False where it is not there."""
    try:
        _request(
            client,
            "delete",
            path_of(client, api_version, kind, namespace, name),
            propagation_policy=propagation,
            grace_period_seconds=grace_seconds,
        )
    except (NotFoundError, ResourceNotFoundError):
        return False
    return True
