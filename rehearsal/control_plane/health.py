"""Whether the processes of the control plane answer."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path

_SECONDS = 5.0


class Health:
    """Questions to etcd and the API server, with the admin's token; every answer is a plain yes or no."""

    def __init__(self, certs: Path, ports: Mapping[str, int], token: str) -> None:
        self._ports, self._token = ports, token
        self._context = ssl.create_default_context(cafile=str(certs / "ca.crt"))
        self._context.load_cert_chain(certs / "tls.crt", certs / "tls.key")

    def etcd(self) -> bool:
        """etcd has a leader and takes writes."""
        return bool(json.loads(self._get("etcd", "/health") or b"{}").get("health") == "true")

    def serves(self) -> bool:
        """The API server takes requests; its bootstrap objects may still be missing."""
        return self._get("kube-apiserver", "/livez") is not None

    def ready(self) -> bool:
        """The API server has made its bootstrap objects and filled its caches."""
        return self._get("kube-apiserver", "/readyz") is not None

    def controller_manager(self) -> bool:
        """The controllers work: they have made the service account of a namespace."""
        return self._get("kube-apiserver", "/api/v1/namespaces/default/serviceaccounts/default") is not None

    def _get(self, process: str, path: str) -> bytes | None:
        """The body of a 200 answer, else None."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._ports[process], timeout=_SECONDS, context=self._context
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
