"""Reading the cluster: each kind once, with a time limit, and with a name for everything that can go wrong."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from cluster.errors import CannotAskError

KubeObject = dict[str, Any]
_Key = tuple[str, str, str | None]

# An API server that does not take a connection within this time (seconds) is called not reachable.
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 15.0
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Cluster:
    """Objects of one cluster as they are in one round. Safe for several threads.

    Args:
        kubeconfig: None where none was named; then every question raises CannotAskError.
    """

    def __init__(self, kubeconfig: Path | None) -> None:
        self._kubeconfig = kubeconfig
        self._client: Any = None
        self._lists: dict[_Key, list[KubeObject] | CannotAskError] = {}
        self._refusal: CannotAskError | None = None
        self._connecting = threading.Lock()
        self._reading = threading.Lock()
        self._locks: dict[_Key, threading.Lock] = {}

    def forget(self) -> None:
        """Read everything anew from now on."""
        with self._reading:
            self._lists.clear()
            self._refusal = None

    def objects(self, api_version: str, kind: str, namespace: str | None = None) -> list[KubeObject]:
        """All objects of a kind, of one namespace or of all.

        Raises:
            CannotAskError: no kubeconfig, no answer, no permission, or a kind that is not served.
        """
        key = (api_version, kind, namespace)
        with self._reading:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._lists:
                try:
                    found: list[KubeObject] | CannotAskError = self._ask_for(*key)
                except CannotAskError as error:
                    found = error
                with self._reading:
                    self._lists[key] = found
            answer = self._lists[key]
        if isinstance(answer, CannotAskError):
            raise answer
        return answer

    def has_read(self, api_version: str, kind: str, namespace: str | None = None) -> bool:
        """Whether `objects` has its answer already, and so does not wait."""
        with self._reading:
            return (api_version, kind, namespace) in self._lists

    def one(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, metadata_only: bool = False
    ) -> KubeObject | None:
        """One object as it is now; None where it is not there. Definitions of kinds are long: `metadata_only`.

        Raises:
            CannotAskError: as `objects`.
        """
        path = self._path(api_version, kind, namespace, name)
        try:
            found: KubeObject = json.loads(self._get(path, f"{kind} {name}", _METADATA if metadata_only else None))
        except CannotAskError as error:
            if error.status == 404:
                return None
            raise
        return found

    def labelled(
        self, api_version: str, kind: str, labels: Mapping[str, str], namespace: str | None = None
    ) -> list[KubeObject]:
        """Objects with these labels, of one namespace or of all, as they are now.

        Raises:
            CannotAskError: as `objects`.
        """
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        path = f"{self._path(api_version, kind, namespace)}?labelSelector={quote(selector, safe='')}"
        return _items(api_version, kind, self._get(path, kind))

    def pod_page(self, namespace: str, pod: str, port: int, path: str) -> str:
        """What a pod answers to GET, asked through the API server, never from the list of this round.

        Raises:
            CannotAskError: as `objects`, or the pod does not answer.
        """
        where = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}:{port}/proxy{path}"
        return self._get(where, f"pod {namespace}/{pod}")

    def _ask_for(self, api_version: str, kind: str, namespace: str | None) -> list[KubeObject]:
        return _items(api_version, kind, self._get(self._path(api_version, kind, namespace), kind))

    def _path(self, api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
        from cluster import ResourceNotFoundError, path_of

        client = self._connected()
        try:
            return path_of(client, api_version, kind, namespace, name)
        except ResourceNotFoundError:
            group = api_version.rpartition("/")[0]
            message = f"the API server does not serve the kind {kind}" + (f" of {group}" if group else "")
            raise CannotAskError("kind-not-served", message) from None
        except Exception as error:
            raise _cannot(error, kind) from error

    def _get(self, path: str, what: str, accept: str | None = None) -> str:
        client = self._connected()
        headers = {"header_params": {"Accept": accept}} if accept else {}
        try:
            answer = client.request("get", path, serialize=False, _request_timeout=_READ_SECONDS, **headers)
        except Exception as error:
            raise _cannot(error, what) from error
        return bytes(answer.data).decode("utf-8", "replace")

    def _connected(self) -> Any:
        if self._kubeconfig is None:
            raise CannotAskError("kubernetes-not-asked", "no kubeconfig was named (--kubeconfig FILE)")
        with self._connecting:
            # One round waits once for a server that is not there, not once for every kind.
            if self._refusal is not None:
                raise self._refusal
            if self._client is None:
                try:
                    self._client = _connect(self._kubeconfig)
                except CannotAskError as error:
                    self._refusal = error
                    raise
            return self._client


def _connect(kubeconfig: Path) -> Any:
    _knock(kubeconfig)
    from cluster.client import connect

    try:
        return connect(kubeconfig)
    except Exception as error:
        raise _cannot(error, str(kubeconfig)) from error


def _knock(kubeconfig: Path) -> None:
    """Whether something takes connections where the kubeconfig points: the client itself would wait without end."""
    try:
        host, port = _server(kubeconfig)
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        what = error.strerror or str(error) or type(error).__name__
        raise CannotAskError("kubernetes-not-reachable", f"{kubeconfig}: {what}") from error
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError, yaml.YAMLError) as error:
        raise CannotAskError("kubernetes-not-reachable", f"{kubeconfig} is not a usable kubeconfig") from error


def _server(kubeconfig: Path) -> tuple[str, int]:
    document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    current = document["current-context"]
    context = next(item["context"] for item in document["contexts"] if item["name"] == current)
    cluster = next(item["cluster"] for item in document["clusters"] if item["name"] == context["cluster"])
    parts = urlsplit(cluster["server"])
    return str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)


def _cannot(error: Exception, what: str) -> CannotAskError:
    """The client's exception in words; the client raises many kinds, all of them mean that there is no answer."""
    status = getattr(error, "status", None)
    if status in (401, 403):
        message = f"{what}: the API server rejects it with {status} {_reason(error)}"
        return CannotAskError("not-allowed-to-read", message, status=status)
    said = f"{status} {_reason(error)}" if status else f"{type(error).__name__}: {error}"
    return CannotAskError("kubernetes-not-reachable", f"{what}: {said}", status=status)


def _items(api_version: str, kind: str, answer: str) -> list[KubeObject]:
    """Objects of a list, which carry neither apiVersion nor kind there."""
    return [{"apiVersion": api_version, "kind": kind, **item} for item in json.loads(answer).get("items", [])]


def _reason(error: Exception) -> str:
    try:
        return str(json.loads(getattr(error, "body", "") or "{}")["message"])
    except (ValueError, KeyError, TypeError):
        return str(getattr(error, "reason", "") or "")
