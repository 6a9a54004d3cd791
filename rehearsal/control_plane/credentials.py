"""Tokens, kubeconfigs and the stand-in of gke-gcloud-auth-plugin. Readable by the user only."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

import yaml

from rehearsal.directory import RehearsalDirectory, write_private

ADMIN = "admin"
# Users of the API server: name in our files -> user name, group. The two controllers have the names that the API
# server's own bootstrap roles are bound to (kubernetes.io/docs/reference/access-authn-authz/rbac, core components).
_USERS = {
    ADMIN: ("rehearsal-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
}


def token_file(directory: RehearsalDirectory) -> Path:
    """The API server's `--token-auth-file`."""
    return directory.certs / "tokens.csv"


def ensure_tokens(directory: RehearsalDirectory) -> dict[str, str]:
    """A token for each user, made once."""
    path = token_file(directory)
    found: dict[str, str] = {}
    if path.exists():
        rows = (line.split(",") for line in path.read_text(encoding="utf-8").splitlines())
        found = {row[2]: row[0] for row in rows if len(row) >= 3}
    tokens = {name: found.get(name) or secrets.token_urlsafe(32) for name in _USERS}
    if tokens != found:
        lines = [f'{tokens[name]},{user},{name},"{group}"' for name, (user, group) in _USERS.items()]
        write_private(path, "\n".join(lines) + "\n")
    return tokens


def controller_kubeconfig(directory: RehearsalDirectory, name: str) -> Path:
    """Where the kubeconfig of `kube-controller-manager` or `kube-scheduler` lies."""
    return directory.certs / f"{name}.kubeconfig"


def write_kubeconfigs(directory: RehearsalDirectory, server: str) -> None:
    """The admin's kubeconfig, the two controllers', and `bin/gke-gcloud-auth-plugin`. `server` is the API server's
    URL."""
    tokens = ensure_tokens(directory)
    authority = base64.b64encode((directory.certs / "ca.crt").read_bytes()).decode()
    for name, token in tokens.items():
        path = directory.kubeconfig if name == ADMIN else controller_kubeconfig(directory, name)
        write_private(path, _kubeconfig(f"rehearsal-{directory.root.name}", server, authority, token))
    _write_auth_plugin(directory.bin / "gke-gcloud-auth-plugin", tokens[ADMIN])


def _kubeconfig(name: str, server: str, authority: str, token: str) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _write_auth_plugin(path: Path, token: str) -> None:
    """What a kubeconfig of GKE calls: prints an ExecCredential, here with the admin's token."""
    credential = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "spec": {"interactive": False},
        "status": {"token": token},
    }
    write_private(path, f"#!/bin/sh\nprintf '%s\\n' '{json.dumps(credential)}'\n", mode=0o700)
