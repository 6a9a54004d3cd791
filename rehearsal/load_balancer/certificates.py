"""Certificates of HTTPS listeners: from a Secret, or made here in place of those that Google Cloud keeps."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from rehearsal.cert_manager.keys import issue, new_key, read_pair
from rehearsal.directory import write_private
from rehearsal.gke.gateway.world import Key, KubeObject, key_of
from rehearsal.load_balancer.listeners import Certificate

_LIFE = timedelta(days=365)


class Certificates:
    """Certificates for listeners; those made here are kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secrets: Mapping[Key, KubeObject] = {}

    def use(self, secrets: Mapping[Key, KubeObject]) -> None:
        """Take these Secrets from now on."""
        self._secrets = secrets

    def of(self, gateway: KubeObject, listener: Mapping[str, Any]) -> tuple[Certificate, ...]:
        """The certificates of an HTTPS listener; a Secret without a usable pair gives none."""
        references = (listener.get("tls") or {}).get("certificateRefs") or ()
        if not references:
            return (self._own("_".join(key_of(gateway)), listener.get("hostname")),)
        namespace = key_of(gateway)[0]
        secrets = (self._secrets.get((item.get("namespace") or namespace, item["name"])) for item in references)
        return tuple(found for secret in secrets if secret and (found := _of_secret(secret)))

    def _own(self, name: str, hostname: str | None) -> Certificate:
        chain, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        if not (chain.exists() and key.exists()):
            names = ["localhost", *([hostname] if hostname else [])]
            spec = {
                "commonName": names[-1],
                "dnsNames": names,
                "ipAddresses": ["127.0.0.1"],
                "privateKey": {"algorithm": "ECDSA"},
            }
            data = issue(spec, new_key(spec), None, _LIFE).data()
            write_private(key, _decoded(data["tls.key"]))
            write_private(chain, _decoded(data["tls.crt"]))
        return Certificate(chain.read_text("utf-8"), key.read_text("utf-8"))


def _of_secret(secret: KubeObject) -> Certificate | None:
    """None where Envoy would refuse the pair, and every other listener with it."""
    if read_pair(secret) is None:
        return None
    return Certificate(_decoded(secret["data"]["tls.crt"]), _decoded(secret["data"]["tls.key"]))


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
