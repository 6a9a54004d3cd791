"""From a container's specification to a process, by the table of images: which local program stands for which image."""

from __future__ import annotations

import datetime
import json
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from rehearsal import assets, die_with_parent
from rehearsal.control_plane.names import STORAGE
from rehearsal.directory import write_private
from rehearsal.kubelet.context import Context, expand

Json = dict[str, Any]

TERMINATION_LOG = "/dev/termination-log"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
HOST_PATH = "/usr/local/bin:/usr/bin:/bin"
# Tells a program of ours which address to listen on: the real ones listen on every address of their own network.
POD_IP_VARIABLE = "TPU_SERVING_POD_IP"
# The folder that stands for the container's root, for a program that says a path of its own.
ROOT_VARIABLE = "TPU_SERVING_ROOT"
_PROJECT = Path(__file__).resolve().parents[2]


class StartError(Exception):
    """A container that can't be started: its program is not there."""


@dataclass(frozen=True)
class Image:
    """One row of the table; see there."""

    repository: str
    source: str
    date: datetime.date
    entrypoint: str
    executables: dict[str, list[str]]
    arguments: Sequence[str] = ()
    configuration: str = ""


@cache
def table() -> tuple[Image, ...]:
    """All rows, in file order."""
    document = yaml.safe_load(Path(__file__).with_name("images.yaml").read_text(encoding="utf-8"))
    return tuple(Image(**row) for row in document["images"])


def find(image: str) -> Image | None:
    """The row of an image, whatever registry and tag; None where the table does not know it."""
    repository = re.sub(r"(:[^/:@]+)?(@.*)?$", "", image)
    return next((row for row in table() if f"/{repository}".endswith(f"/{row.repository}")), None)


class Root:
    """A container's file tree: one folder stands for its root, links in it lead to the volumes.

    A process has no mount namespace, so mount paths in its texts are rewritten, whole components only: `/mnt/models` is
    found in `--path=/mnt/models/a`, not in `/mnt/models-2`, `/data/mnt/models` or `hf://host/mnt/models`. /tmp is the
    process's own too: TMPDIR alone does not reach programs that write the path out.
    """

    def __init__(self, context: Context, container: Json) -> None:
        self.folder = context.folder / "_root" / container["name"]
        self._volumes = context.folder / "_volumes"
        self._mounts: list[Json] = sorted(
            container.get("volumeMounts") or [], key=lambda one: one["mountPath"].count("/")
        )
        paths = {"/tmp", TERMINATION_LOG} | {mount["mountPath"].rstrip("/") for mount in self._mounts}  # noqa: S108
        choices = "|".join(map(re.escape, paths))
        self._pattern = re.compile(rf"(?<![A-Za-z0-9_.\-/])(?:{choices})(?![A-Za-z0-9_.\-])")

    def lay_out(self) -> None:
        """Make every mount path lead to its volume. What an earlier start wrote outside of volumes is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for mount in self._mounts:
            target = self.folder / mount["mountPath"].strip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            source = self._volumes / mount["name"] / (mount.get("subPath") or "")
            if not source.exists():  # a subPath of an empty folder
                source.mkdir(parents=True)
            target.unlink(missing_ok=True)
            target.symlink_to(source)
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        (self.folder / "dev").mkdir(exist_ok=True)

    def rewrite(self, text: str) -> str:
        """The text with every mount path in it replaced."""
        return self._pattern.sub(lambda match: f"{self.folder}{match[0]}", text)


def prepare(container: Json, image: Image, context: Context) -> tuple[list[str], dict[str, str]]:
    """Lay out a container's files; its command line and environment.

    Raises MissingReferenceError where its environment refers to what is not there, StartError where its program is not.
    """
    declared = context.environment(container)
    root = Root(context, container)
    root.lay_out()
    command = container.get("command") or [image.entrypoint]
    words = [root.rewrite(expand(text, declared)) for text in [*command, *(container.get("args") or [])]]
    words += [_with_ports(text, context) for text in image.arguments]
    words = [_configured(word, _with_ports(image.configuration, context), root) for word in words]
    environment = _basic(context, root) | {name: root.rewrite(value) for name, value in declared.items()}
    environment["PATH"] = f"{_programs(image, root.folder / '_bin')}:{HOST_PATH}"
    program = shutil.which(Path(words[0]).name, path=environment["PATH"])
    if program is None:
        raise StartError(f'exec: "{words[0]}": executable file not found in $PATH')
    return [program, *words[1:]], environment


def _with_ports(text: str, context: Context) -> str:
    return re.sub(r"\{(\d+)\}", lambda match: str(context.real_port(int(match[1]))), text)


def _configured(word: str, changes: str, root: Root) -> str:
    """`--config=FILE` with a copy of the file that has the changes; any other word as it is."""
    flag, _, source = word.partition("=")
    if flag != "--config" or not changes:
        return word
    document = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
    copy = root.folder / "_config.yaml"
    copy.write_text(yaml.safe_dump(_merged(document, yaml.safe_load(root.rewrite(changes)))), encoding="utf-8")
    return f"{flag}={copy}"


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {key: _merged(old.get(key), value) for key, value in new.items()}


def _programs(image: Image, folder: Path) -> Path:
    """Small scripts with the image's program names, also for shells that call them; they die with who started them.

    Raises StartError where an asset is not there.
    """
    folder.mkdir()
    wrapper = [sys.executable, "-I", "-S", str(Path(die_with_parent.__file__).resolve())]
    for name, (program, *words) in image.executables.items():
        found = None if program == "python" else assets.find([program]).get(program)
        if program != "python" and found is None:
            raise StartError(f"asset {program} is not there: run `python -m serving rehearse --prepare`")
        command = [str(found.path) if found else sys.executable, *words]
        path = "" if found else f"export PYTHONPATH={shlex.quote(str(_PROJECT))}\n"
        script = f'#!/bin/sh\n{path}exec {shlex.join(wrapper)} "$PPID" {shlex.join(command)} "$@"\n'
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o700)
    return folder


def _google(context: Context) -> dict[str, str]:
    """Where Google's own libraries, and the Hub's, look for an emulator; the metadata server knows node and account by its path."""
    address, spec = f"127.0.0.1:{context.machine.record.ports.get(STORAGE, 0)}", context.pod["spec"]
    account = f"{context.pod['metadata']['namespace']}/{spec.get('serviceAccountName', 'default')}"
    return {
        "STORAGE_EMULATOR_HOST": f"http://{address}",
        "HF_ENDPOINT": f"http://{address}",
        "GCE_METADATA_HOST": f"{address}/{spec.get('nodeName', '-')}/{account}",
    }


def _basic(context: Context, root: Root) -> dict[str, str]:
    """The variables of every container; a kubeconfig in place of the in-cluster configuration where there is a token."""
    server = urlsplit(context.machine.cluster["server"])
    environment = {
        "HOME": str(root.folder),
        "TMPDIR": str(root.folder / "tmp"),
        "HOSTNAME": context.pod["metadata"]["name"],
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
        POD_IP_VARIABLE: context.pod_ip,
        ROOT_VARIABLE: str(root.folder),
        **context.machine.directory.environment,
        **_google(context),
    }
    account = root.folder / ACCOUNT.lstrip("/")
    if not account.is_symlink():
        return environment
    pod = {"name": "pod", "user": {"tokenFile": str(account / "token")}}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rehearsal", "cluster": context.machine.cluster}],
        "users": [pod],
        "contexts": [{"name": "pod", "context": {"cluster": "rehearsal", "user": "pod"}}],
        "current-context": "pod",
    }
    write_private(root.folder / "_kubeconfig", json.dumps(document))
    return environment | {"KUBECONFIG": str(root.folder / "_kubeconfig")}
