"""The admin's token and kubeconfig, and the emulator of gke-gcloud-auth-plugin. Readable by the user only."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

import yaml

from rehearsal.directory import RehearsalDirectory, write_private


def token_file(directory: RehearsalDirectory) -> Path:
    """The API server's `--token-auth-file`."""
    return directory.certs / "tokens.csv"


def make(directory: RehearsalDirectory, server: str) -> str:
    """Write token file, kubeconfig and `bin/gke-gcloud-auth-plugin`; the token is returned. `server` is a URL."""
    name, token = f"rehearsal-{directory.root.name}", secrets.token_urlsafe(32)
    write_private(token_file(directory), f'{token},rehearsal-admin,admin,"system:masters"\n')
    authority = base64.b64encode((directory.certs / "ca.crt").read_bytes()).decode()
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    write_private(directory.kubeconfig, yaml.safe_dump(kubeconfig, sort_keys=False))
    # What a kubeconfig of GKE calls.
    credential = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "spec": {"interactive": False},
        "status": {"token": token},
    }
    script = f"#!/bin/sh\nprintf '%s\\n' '{json.dumps(credential)}'\n"
    write_private(directory.bin / "gke-gcloud-auth-plugin", script, mode=0o700)
    return token
