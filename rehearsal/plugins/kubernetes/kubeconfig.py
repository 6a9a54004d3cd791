"""Kubeconfigs: which cluster is active, how to reach it, and who we are there (token, certificate or exec plugin)."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from rehearsal.plugins.frame import ProviderError
from rehearsal.plugins.install import DIRECTORY_VARIABLE

Config = dict[str, Any]
EXEC_TIMEOUT_SECONDS = 60
# An exec credential is renewed this long before it ends.
EXPIRY_MARGIN_SECONDS = 60


@dataclass(frozen=True)
class Context:
    """The active context: its cluster and user as the kubeconfig has them, and its namespace."""

    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    namespace: str


def parse(text: str) -> Config:
    """A kubeconfig given as content or as the path of a file; empty text is an empty kubeconfig.

    Raises:
        ProviderError: it is neither.
    """
    if not text:
        return {}
    try:
        path = Path(text).expanduser()
        content = path.read_text(encoding="utf-8") if path.is_file() else text
    except (OSError, RuntimeError):  # too long for a file name, or no such home
        content = text
    try:
        config = yaml.safe_load(content)
    except yaml.YAMLError:
        raise ProviderError("failed to parse kubeconfig: it is no YAML") from None
    if not isinstance(config, dict):
        raise ProviderError("failed to parse kubeconfig: it is neither a file that exists nor a kubeconfig")
    return config


def active(config: Config, context: str = "", cluster: str = "") -> Context | None:
    """The context that is used, with the provider's overrides; None where the kubeconfig names none that exists."""
    found = _named(config, "contexts", context or str(config.get("current-context") or ""), "context")
    if found is None:
        return None
    target = _named(config, "clusters", cluster or str(found.get("cluster") or ""), "cluster")
    if target is None:
        return None
    user = _named(config, "users", str(found.get("user") or ""), "user") or {}
    return Context(target, user, str(found.get("namespace") or ""))


def single(context: Context) -> Config:
    """A kubeconfig of one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "rehearsal",
        "contexts": [{"name": "rehearsal", "context": {"cluster": "rehearsal", "user": "rehearsal"}}],
        "clusters": [{"name": "rehearsal", "cluster": dict(context.cluster)}],
        "users": [{"name": "rehearsal", "user": dict(context.user)}],
    }


class Credentials:
    """The Authorization header of a user; runs and caches an exec plugin (client.authentication.k8s.io)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def header(self) -> dict[str, str]:
        """Headers for a request.

        Raises:
            ProviderError: the exec plugin failed.
        """
        user = self._context.user
        if "exec" in user:
            return {"Authorization": f"Bearer {self._exec_token()}"}
        if token := user.get("token"):
            return {"Authorization": f"Bearer {token}"}
        if file := user.get("tokenFile"):
            return {"Authorization": f"Bearer {Path(file).read_text(encoding='utf-8').strip()}"}
        return {}

    def renew(self) -> bool:
        """Forget a token that the server refused; whether there is a way to get another."""
        with self._lock:
            self._token = ""
        return "exec" in self._context.user

    def _exec_token(self) -> str:
        with self._lock:
            if not self._token or time.time() > self._until:
                status = self._run(self._context.user["exec"])
                self._token = str(status.get("token") or "")
                self._until = _expiry(status)
            return self._token

    def _run(self, plugin: Mapping[str, Any]) -> Mapping[str, Any]:
        version = plugin.get("apiVersion", "client.authentication.k8s.io/v1")
        info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
        environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info)}
        if directory := os.environ.get(DIRECTORY_VARIABLE):
            environment["PATH"] = f"{directory}/bin{os.pathsep}{environment.get('PATH', '')}"
        environment |= {entry["name"]: entry["value"] for entry in plugin.get("env") or []}
        command = [plugin["command"], *(plugin.get("args") or [])]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=EXEC_TIMEOUT_SECONDS, check=False
            )
        except FileNotFoundError:
            raise ProviderError(f"getting credentials: exec: executable {command[0]} not found") from None
        except subprocess.TimeoutExpired:
            raise ProviderError(
                f"getting credentials: {command[0]} gave no answer in {EXEC_TIMEOUT_SECONDS} s"
            ) from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()[-1:] or [""]
            raise ProviderError(f"getting credentials: {command[0]} failed with exit code {done.returncode}: {said[0]}")
        try:
            status = json.loads(done.stdout)["status"]
        except (ValueError, KeyError, TypeError):
            raise ProviderError(f"getting credentials: {command[0]} printed no ExecCredential") from None
        return dict(status)


def tls(context: Context) -> ssl.SSLContext:
    """TLS as the kubeconfig wants it; without a CA of its own the system's trust (SSL_CERT_FILE) holds.

    Raises:
        ProviderError: a certificate can't be read.
    """
    try:
        settings = ssl.create_default_context(cadata=_pem(context.cluster, "certificate-authority"))
        if context.cluster.get("insecure-skip-tls-verify"):
            settings.check_hostname = False
            settings.verify_mode = ssl.CERT_NONE
        certificate, key = _pem(context.user, "client-certificate"), _pem(context.user, "client-key")
        if certificate and key:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:  # mode 0600; ssl takes no memory
                pair.write(f"{certificate}\n{key}")
                pair.flush()
                settings.load_cert_chain(pair.name)
    except (OSError, ValueError) as error:
        raise ProviderError(f"the kubeconfig's certificates can't be used: {error}") from None
    return settings


def _named(config: Config, section: str, name: str, key: str) -> dict[str, Any] | None:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return dict(entry.get(key) or {})
    return None


def _pem(source: Mapping[str, Any], key: str) -> str | None:
    if data := source.get(f"{key}-data"):
        return base64.b64decode(data).decode()
    if path := source.get(key):
        return Path(path).read_text(encoding="utf-8")
    return None


def _expiry(status: Mapping[str, Any]) -> float:
    end = status.get("expirationTimestamp")
    if not end:
        return float("inf")
    return datetime.fromisoformat(str(end).replace("Z", "+00:00")).timestamp() - EXPIRY_MARGIN_SECONDS
