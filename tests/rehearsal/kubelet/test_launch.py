"""From a pod's specification to files and a command line of this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from catalog.lock import load_lock
from rehearsal import assets
from rehearsal.kubelet.context import MissingReferenceError, expand
from rehearsal.kubelet.launch import Image, Root, StartError, find, prepare, table
from rehearsal.kubelet.volumes import Volumes
from tests.rehearsal.kubelet.conftest import context, secrets

# Images of the lock that do nothing in a rehearsal: cert-manager's and KEDA's work is done elsewhere, the tokenizer is only
# used by a picker plugin that the program does not configure.
UNKNOWN = {"uds-tokenizer", "keda-operator", "keda-metrics-apiserver", "keda-admission-webhooks"} | {
    f"cert-manager-{part}" for part in ("controller", "webhook", "cainjector", "startupapicheck")
}


def image(reference: str) -> Image:
    found = find(reference)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _assets_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        path = Path("/assets/program")

    monkeypatch.setattr(assets, "find", lambda names: dict.fromkeys(names, Found))


def prepared(folder: Path, container: dict[str, Any], **about: Any) -> tuple[list[str], dict[str, str]]:
    return prepare({"name": "main", **container}, image(container["image"]), context(folder, **about))


def test_a_row_matches_any_registry_and_tag_but_whole_components() -> None:
    assert find("mirror.example.com:5000/team/lws/lws:main") is find("registry.k8s.io/lws/lws@sha256:00")
    assert find("registry.k8s.io/other-lws/lws:v1") is None


def test_every_locked_image_has_a_row_or_is_known_to_do_nothing() -> None:
    rows = {key for key, locked in load_lock().images.items() if find(locked.reference())}
    assert rows | UNKNOWN == set(load_lock().images)
    assert not rows & UNKNOWN
    assert all(row.entrypoint in row.executables for row in table())


def test_programs_are_local_also_for_a_shell_and_an_unknown_one_has_the_runtimes_message(tmp_path: Path) -> None:
    python = {"image": "docker.io/library/python:3.13"}
    script = "python -c 'import sys; print(sys.argv[1:], sys.executable)' \"a b\""
    argv, environment = prepared(tmp_path, {**python, "command": ["/bin/sh", "-c", script]})
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"['a b'] {sys.executable}\n"
    with pytest.raises(StartError, match=r'exec: "no-such-program": executable file not found'):
        prepared(tmp_path, {**python, "command": ["no-such-program"]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$(A)-$(B)", "1-2"), ("$(C)", "$(C)"), ("$$(A)", "$(A)"), ("$A ${A} $(A", "$A ${A} $(A"), ("$$$(A)", "$1")],
)
def test_expansion_follows_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


def test_the_environment_is_the_pods_with_references_and_nothing_of_the_developers(tmp_path: Path) -> None:
    env: list[dict[str, Any]] = [
        {"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "B", "value": "$(NS)/$(LATER)"},
        {"name": "LATER"},
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}},
        {"name": "DIR", "value": "/etc/x:/tmp/y"},
    ]
    container = {"image": "docker.io/library/python:3", "env": env}
    _, found = prepared(tmp_path, container, hidden=secrets(hf={"token": "t"}))
    root = found["TPU_SERVING_ROOT"]
    declared = {"NS": "models", "B": "models/$(LATER)", "LATER": "", "HF_TOKEN": "t", "DIR": f"/etc/x:{root}/tmp/y"}
    assert declared.items() <= found.items()
    own = {"HOME", "TMPDIR", "PATH", "HOSTNAME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}
    own |= {"STORAGE_EMULATOR_HOST", "HF_ENDPOINT", "GCE_METADATA_HOST"}
    own |= {"TPU_SERVING_POD_IP", "TPU_SERVING_ROOT", "TPU_SERVING_REHEARSAL"}
    assert set(found) == own | set(declared)
    with pytest.raises(MissingReferenceError, match='secret "hf" not found'):
        prepared(tmp_path, container)
    with pytest.raises(MissingReferenceError, match="couldn't find key token in Secret hf"):
        prepared(tmp_path, container, hidden=secrets(hf={}))


ROOT_OF = Root(
    context(Path("/r")),
    {"name": "m", "volumeMounts": [{"name": "v", "mountPath": p} for p in ("/mnt/models/", "/mnt", "/home")]},
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/mnt/models/a", ["/mnt/models/a"]),
        ("/mnt/models-2", ["/mnt/models-2"]),
        ("/mnt2/models", []),
        ("--path=/home", ["/home"]),
        ("a:/home:/mnt/models", ["/home:", "/mnt/models"]),
        ("/data/mnt/models", []),
        ("hf://owner/home https://x/mnt/models /homepage /home.d", []),
        ("ls /home && cat '/tmp/x'", ["/home &", "/tmp/x"]),
    ],
)
def test_mount_paths_are_rewritten_as_whole_components(text: str, found: list[str]) -> None:
    expected = text
    for part in found:
        expected = expected.replace(part, f"{ROOT_OF.folder}{part}")
    assert ROOT_OF.rewrite(text) == expected


def test_a_restart_keeps_volumes_and_nothing_else(tmp_path: Path) -> None:
    pod = context(tmp_path, volumes=[{"name": "data", "emptyDir": {}}])
    Volumes(pod, "").write()
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "data", "mountPath": "/tmp/in", "subPath": "a/b"}]
    root = Root(pod, {"name": "main", "volumeMounts": mounts})
    root.lay_out()
    (root.folder / "tmp" / "in" / "kept").touch()
    (root.folder / "tmp" / "gone").touch()
    root.lay_out()
    assert (root.folder / "data" / "a" / "b" / "kept").exists()
    assert not (root.folder / "tmp" / "gone").exists()
