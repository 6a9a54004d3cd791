"""From a container's specification to a process: file tree, environment and command line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.kubelet.arguments import HOST_PATH, Programs, StartError, apply_rules
from rehearsal.kubelet.environment import Surroundings, container_environment, expand
from rehearsal.kubelet.images import Image
from rehearsal.kubelet.machine import Machine
from rehearsal.kubelet.mounts import ACCOUNT, Mounts
from rehearsal.kubelet.paths import inside
from rehearsal.kubelet.ports import PortMap
from rehearsal.kubelet.volumes import Volumes

Json = dict[str, Any]

# Tells a program of ours which address to listen on: the real ones listen on every address of their own network.
POD_IP_VARIABLE = "TPU_SERVING_POD_IP"
# Marks every process of a pod, also one that left its process group.
POD_VARIABLE = "TPU_SERVING_POD"
# The folder that stands for the container's root, for a program that says a path of its own.
ROOT_VARIABLE = "TPU_SERVING_ROOT"


@dataclass(frozen=True)
class PodPlace:
    """Where a pod lives on this machine."""

    machine: Machine
    folder: Path
    volumes: Volumes
    ports: PortMap


@dataclass(frozen=True)
class Launch:
    """What to run: a container's command, and how other commands run in the same container."""

    argv: list[str]
    environment: dict[str, str]
    working_folder: Path
    programs: Programs
    mounts: Mounts

    def other(self, command: list[str]) -> list[str]:
        """The local command line for a command of a probe or a hook. Raises StartError where there is no program."""
        if not command:
            raise StartError("the command is empty")
        return self.programs.command(self.mounts.paths.rewrite_all(command))


def prepare(container: Json, image: Image, place: PodPlace, around: Surroundings) -> Launch:
    """Lay out a container's files and make its command.

    Raises MissingReferenceError where its environment refers to what is not there, StartError where its program is not.
    """
    declared = container_environment(container, around)
    root = place.folder / "_root" / container["name"]
    mounts = Mounts(container, place.volumes, root, declared)
    mounts.link()
    programs = Programs(image, place.machine.binary)
    programs.write_shims(root / "_bin")
    argv = [expand(text, declared) for text in container.get("command") or image.entrypoint]
    arguments = [expand(text, declared) for text in container.get("args") or []]
    argv = mounts.paths.rewrite_all(argv)
    arguments = mounts.paths.rewrite_all(arguments)
    if container.get("command"):
        argv, arguments = argv[:1], argv[1:] + arguments
    arguments = apply_rules(image, arguments, place.ports, root / "_config", mounts.paths)
    folder = inside(root, container.get("workingDir") or "/")
    folder.mkdir(parents=True, exist_ok=True)
    environment = _basic(place, around, root) | programs.environment() | _account(mounts, place.machine)
    environment |= {name: mounts.paths.rewrite(value) for name, value in declared.items()}
    environment["PATH"] = f"{root / '_bin'}:{environment['PATH']}"
    return Launch([*programs.command(argv), *arguments], environment, folder, programs, mounts)


def _basic(place: PodPlace, around: Surroundings, root: Path) -> dict[str, str]:
    host, port = place.machine.api_host_and_port
    metadata = around.pod["metadata"]
    return {
        "PATH": HOST_PATH,
        "HOME": str(root),
        "TMPDIR": str(root / "tmp"),
        "HOSTNAME": around.pod["spec"].get("hostname") or metadata["name"],
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": str(port),
        POD_IP_VARIABLE: around.addresses["podIP"],
        POD_VARIABLE: metadata["uid"],
        ROOT_VARIABLE: str(root),
        **place.machine.directory.environment,
    }


def _account(mounts: Mounts, machine: Machine) -> dict[str, str]:
    """A kubeconfig in place of the in-cluster configuration, only where the pod mounts its account's token."""
    if mounts.account_folder() is None:
        return {}
    path = mounts.root / "_kubeconfig"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(machine.kubeconfig(inside(mounts.root, ACCOUNT) / "token"))
    return {"KUBECONFIG": str(path)}
