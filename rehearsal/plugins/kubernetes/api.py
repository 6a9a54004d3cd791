"""Requests to the API server. Small and quick to load: the official client takes half a second to import."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from rehearsal.plugins.frame import ProviderError
from rehearsal.plugins.kubernetes.kubeconfig import Context, Credentials, tls

KubeObject = dict[str, Any]

CREATE_MANAGER = "pulumi-kubernetes"
_TIMEOUT = urllib3.Timeout(connect=10, read=75)
_CONNECTIONS = 64
# A server that is too busy says when to come back (429, as client-go does it).
_BUSY_TRIES = 10


class UnreachableError(ProviderError):
    """There is no way to the API server."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"configured Kubernetes cluster is unreachable: {reason}")


class ApiError(Exception):
    """The server's refusal: its Status object."""

    def __init__(self, status: KubeObject, code: int) -> None:
        super().__init__(str(status.get("message") or f"the server answered {code}"))
        self.code = code
        self.reason = str(status.get("reason") or "")
        self.details: dict[str, Any] = status.get("details") or {}


class NoMatchError(Exception):
    """The server has no such kind; a CustomResourceDefinition may be missing."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')


@dataclass(frozen=True)
class Kind:
    """Where the objects of a kind are."""

    base: str
    plural: str
    namespaced: bool


class Api:
    """One API server, as one user. Safe for many threads."""

    def __init__(self, context: Context, default_namespace: str, cancelled: threading.Event) -> None:
        self._server = str(context.cluster.get("server") or "http://localhost:8080").rstrip("/")
        self._credentials = Credentials(context)
        self._cancelled = cancelled
        self._default_namespace = default_namespace
        secure = {"ssl_context": tls(context)} if self._server.startswith("https") else {}
        self._pool = urllib3.PoolManager(
            num_pools=2,
            maxsize=_CONNECTIONS,
            retries=False,
            timeout=_TIMEOUT,
            **secure,  # type: ignore[arg-type]
        )
        self._kinds: dict[tuple[str, str], Kind] = {}

    def kind(self, api_version: str, kind: str) -> Kind:
        """Where a kind is served.

        Raises:
            NoMatchError: nowhere.
        """
        known = self._kinds.get((api_version, kind))
        if known is None:
            base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                listing = self.request("GET", base)
            except ApiError as error:
                if error.code != 404:
                    raise
                listing = {}
            for entry in listing.get("resources") or []:
                if "/" not in entry["name"]:
                    self._kinds[api_version, entry["kind"]] = Kind(base, entry["name"], entry["namespaced"])
            known = self._kinds.get((api_version, kind))
        if known is None:
            raise NoMatchError(api_version, kind)
        return known

    def get(self, obj: KubeObject) -> KubeObject:
        """The live object of the same kind, namespace and name."""
        return self.request("GET", self.path(obj))

    def create(self, obj: KubeObject, *, dry_run: bool = False) -> KubeObject:
        """A plain create."""
        query = {"fieldManager": CREATE_MANAGER, "fieldValidation": "Strict", **_dry(dry_run)}
        return self.request("POST", self.path(obj, name=False), query=query, body=self._placed(obj))

    def apply(self, obj: KubeObject, manager: str, *, force: bool = False, dry_run: bool = False) -> KubeObject:
        """Server-side apply."""
        query = {"fieldManager": manager, "fieldValidation": "Strict", **_dry(dry_run)}
        if force:
            query["force"] = "true"
        return self.request(
            "PATCH", self.path(obj), query=query, body=self._placed(obj), content_type="application/apply-patch+yaml"
        )

    def replace(self, obj: KubeObject, manager: str, *, dry_run: bool = False) -> KubeObject:
        """A PUT of the whole object."""
        query = {"fieldManager": manager, "fieldValidation": "Strict", **_dry(dry_run)}
        return self.request("PUT", self.path(obj), query=query, body=self._placed(obj))

    def json_patch(self, obj: KubeObject, operations: list[dict[str, Any]]) -> KubeObject:
        """A JSON patch."""
        return self.request("PATCH", self.path(obj), body=operations, content_type="application/json-patch+json")

    def delete(self, obj: KubeObject, propagation: str) -> KubeObject:
        """Ask for deletion; the object may stay until its finalizers are done."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        return self.request("DELETE", self.path(obj), body=options)

    def list(self, api_version: str, kind: str, namespace: str) -> list[KubeObject]:
        """All objects of a kind in a namespace, in full."""
        place = {"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace}}
        return list(self.request("GET", self.path(place, name=False)).get("items") or [])

    def path(self, obj: KubeObject, *, name: bool = True) -> str:
        """The URL path of an object, or of the collection it belongs to."""
        kind = self.kind(obj["apiVersion"], obj["kind"])
        metadata = obj.get("metadata") or {}
        parts = [kind.base]
        if kind.namespaced:
            parts += ["namespaces", quote(metadata.get("namespace") or self._default_namespace, safe="")]
        parts.append(kind.plural)
        if name:
            parts.append(quote(metadata["name"], safe=":"))
        return "/".join(parts)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> KubeObject:
        """One request; the answer's JSON.

        Raises:
            ApiError: the server refused.
            UnreachableError: there was no answer.
        """
        url = f"{self._server}{path}" + (f"?{urlencode(query)}" if query else "")
        payload = None if body is None else json.dumps(body).encode()
        renewed = False
        for _ in range(_BUSY_TRIES):
            headers = {"Accept": "application/json", "Content-Type": content_type, **self._credentials.header()}
            try:
                answer = self._pool.request(method, url, body=payload, headers=headers)
            except urllib3.exceptions.HTTPError as error:
                raise UnreachableError(f"{method} {self._server}{path}: {_cause(error)}") from error
            if answer.status == 401 and not renewed and self._credentials.renew():
                renewed = True
            elif answer.status == 429 and "Retry-After" in answer.headers:
                self._cancelled.wait(float(answer.headers["Retry-After"]))
            else:
                break
        return _decoded(answer.data, answer.status)

    def _placed(self, obj: KubeObject) -> KubeObject:
        """The object without a namespace where its kind has none (an input may carry the default one)."""
        metadata = obj["metadata"]
        if "namespace" not in metadata or self.kind(obj["apiVersion"], obj["kind"]).namespaced:
            return obj
        return {**obj, "metadata": {k: v for k, v in metadata.items() if k != "namespace"}}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _decoded(data: bytes, status: int) -> KubeObject:
    try:
        decoded = json.loads(data) if data else {}
    except ValueError:
        decoded = {"message": data[:200].decode(errors="replace")}
    if status >= 400:
        raise ApiError(decoded, status)
    return dict(decoded)


def _cause(error: Exception) -> str:
    """The innermost words: what urllib3 wraps around them names its own objects."""
    while (inner := error.__cause__ or error.__context__) is not None and isinstance(inner, Exception):
        error = inner
    return str(error)
