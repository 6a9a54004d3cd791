"""A rehearsal's secrets and those of the person who runs it are found nowhere in clear: files, logs, state, processes."""

from __future__ import annotations

import base64
import gzip

import psutil

import cluster as kube
from rehearsal.control_plane.processes import marked
from tests.rehearsal.end_to_end.command import PLANTED, Rehearsal


def holding(dev: Rehearsal, secret: str) -> list[str]:
    """Files in which a text stands in clear or as base64."""
    wanted = (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"="))
    return [str(path) for path, content in dev.files() if any(text in content for text in wanted)]


def test_nobody_else_can_read_what_is_private(dev: Rehearsal) -> None:
    assert (dev.directory.root.stat().st_mode & 0o077) == 0


def test_a_token_of_the_person_who_runs_it_reaches_no_file_and_no_process_that_stays(dev: Rehearsal) -> None:
    assert holding(dev, PLANTED) == []
    found = [process for process in marked(dev.directory) if PLANTED in "\0".join(variables(process).values())]
    assert not found


def variables(process: psutil.Process) -> dict[str, str]:
    """The environment of a process; none where it has ended meanwhile."""
    try:
        return process.environ()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return {}


def test_keys_of_certificates_and_tokens_of_accounts_are_in_no_log_no_state_and_no_release(dev: Rehearsal) -> None:
    client = dev.client
    secrets = [
        base64.b64decode(value).decode(errors="replace").strip()
        for secret in kube.list_objects(client, "v1", "Secret")
        if secret["type"] in ("kubernetes.io/tls", "kubernetes.io/service-account-token", "Opaque")
        for key, value in (secret.get("data") or {}).items()
        if key in ("tls.key", "token") or secret["type"] == "Opaque"
    ]
    long = [secret for secret in secrets if len(secret) >= 16]
    assert long, "there is a webhook's key at least"
    shown = [content.decode(errors="replace") for path, content in dev.files() if path.suffix in (".log", ".json")]
    shown += [
        gzip.decompress(base64.b64decode(base64.b64decode(release["data"]["release"]))).decode()
        for release in kube.list_objects(client, "v1", "Secret", field_selector="type=helm.sh/release.v1")
    ]
    # A key has lines: the second is its own, the first is a heading.
    for secret in long:
        middle = max(secret.splitlines(), key=len)[:48]
        assert not [text[:200] for text in shown if middle in text]
