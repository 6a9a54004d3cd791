"""Whether the processes of the control plane answer."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping

from rehearsal.control_plane import credentials
from rehearsal.directory import RehearsalDirectory

_SECONDS = 5.0


class Health:
    """Questions to the four processes; every answer is a plain yes or no."""

    def __init__(self, directory: RehearsalDirectory, ports: Mapping[str, int]) -> None:
        certs = directory.certs
        self._ports = ports
        self._token = credentials.ensure_tokens(directory)[credentials.ADMIN]
        self._server = ssl.create_default_context(cafile=str(certs / "ca.crt"))
        self._etcd = ssl.create_default_context(cafile=str(certs / "ca.crt"))
        self._etcd.load_cert_chain(certs / "client.crt", certs / "client.key")

    def etcd(self) -> bool:
        """etcd has a leader and takes writes."""
        body = self._get("etcd", "/health", self._etcd)
        return body is not None and json.loads(body).get("health") == "true"

    def serves(self) -> bool:
        """The API server takes requests; its bootstrap objects may still be missing."""
        return self._get("kube-apiserver", "/livez") is not None

    def ready(self) -> bool:
        """The API server has made its bootstrap objects and filled its caches."""
        return self._get("kube-apiserver", "/readyz") is not None

    def controller_manager(self) -> bool:
        """The controllers work: a process that answers, and the service account that they make in every namespace."""
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        return (
            self._get("kube-controller-manager", "/healthz") is not None
            and self._get("kube-apiserver", account) is not None
        )

    def scheduler(self) -> bool:
        """The scheduler has filled its caches."""
        return self._get("kube-scheduler", "/readyz") is not None

    def all(self) -> bool:
        """Everything that has to work does."""
        return self.etcd() and self.ready() and self.controller_manager() and self.scheduler()

    def _get(self, process: str, path: str, context: ssl.SSLContext | None = None) -> bytes | None:
        """The body of a 200 answer, else None."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._ports[process], timeout=_SECONDS, context=context or self._server
        )
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return body if answer.status == http.client.OK else None
