"""Pods inside any resource: where their specifications stand, their server, its probes and its command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from catalog.tpu import ACCELERATOR_LABEL, TPU_RESOURCE
from checks.objects.resource import Resource
from checks.objects.values import items, mapping, number, text
from checks.shared.slices import generation_of_label
from settings.refusal import Path

# Where a kind keeps its pods' specification.
_TEMPLATE: Path = ("spec", "template", "spec")
_PATHS: dict[str, tuple[Path, ...]] = {
    "Pod": (("spec",),),
    "Deployment": (_TEMPLATE,),
    "StatefulSet": (_TEMPLATE,),
    "DaemonSet": (_TEMPLATE,),
    "ReplicaSet": (_TEMPLATE,),
    "Job": (_TEMPLATE,),
    "CronJob": (("spec", "jobTemplate", *_TEMPLATE),),
    "LeaderWorkerSet": tuple(("spec", "leaderWorkerTemplate", f"{r}Template", "spec") for r in ("leader", "worker")),
    "LLMInferenceService": (
        ("spec", "template"),
        ("spec", "worker"),
        ("spec", "prefill", "template"),
        ("spec", "prefill", "worker"),
        ("spec", "router", "scheduler", "template"),
    ),
}
_PATHS["LLMInferenceServiceConfig"] = _PATHS["LLMInferenceService"]
POD_KINDS = tuple(_PATHS)
SERVING_KINDS = ("LLMInferenceService", "LLMInferenceServiceConfig", "LeaderWorkerSet")
SERVER = "main"  # KServe: the server's container
_MODULE = "vllm.entrypoints.openai.api_server"
_SCRIPT = re.compile(r"vllm\s+serve\s|vllm\.entrypoints\.openai\.api_server\s")
_LEVEL = re.compile(r"-O=?(\d)")  # vLLM's parser has this short form of its own
_FLAG = re.compile(r"--?[A-Za-z]")
_EXTRA_ARGS = "VLLM_ADDITIONAL_ARGS"  # KServe's presets append it to the command line
_TLS_FLAGS = ("--ssl-certfile", "--ssl-keyfile")


class Pod(NamedTuple):
    """A pod specification and where it stands."""

    path: Path
    spec: Mapping[str, Any]


class Container(NamedTuple):
    """A container and where it stands."""

    path: Path
    body: Mapping[str, Any]
    pod: Pod


class Probe(NamedTuple):
    """What a health check asks."""

    scheme: str
    port: int
    path: str


class Argument(NamedTuple):
    """A flag on a command line, with its values and where it stands."""

    name: str
    values: tuple[str, ...]
    path: Path

    @property
    def written(self) -> str:
        """The flag with its values."""
        return " ".join((self.name, *self.values))


def pods_of(resource: Resource) -> Iterator[Pod]:
    """Every pod specification of a resource."""
    for path in _PATHS.get(resource.kind, ()):
        if spec := mapping(resource.inputs, *path):
            yield Pod(path, spec)


def containers_of(pod: Pod) -> Iterator[Container]:
    """Containers of a pod, those for initialisation last."""
    for key in ("containers", "initContainers"):
        for index, body in enumerate(items(pod.spec, key)):
            yield Container((*pod.path, key, index), mapping(body), pod)


def servers_on_tpu(resource: Resource) -> Iterator[Container]:
    """Every container of a resource's pods that run on TPU nodes."""
    for pod in pods_of(resource):
        if is_on_tpu(pod):
            yield from containers_of(pod)


def server_of(service: Resource) -> Container | None:
    """The server's container of an LLMInferenceService; None where KServe's preset provides it alone."""
    pod = next(pods_of(service), None)
    if pod is None or pod.path != ("spec", "template"):
        return None
    return next((c for c in containers_of(pod) if text(c.body, "name") == SERVER), None)


def chips_asked(container: Container) -> int | None:
    """Chips a container asks for, None where it asks for none."""
    limits = number(container.body, "resources", "limits", TPU_RESOURCE)
    return limits if limits is not None else number(container.body, "resources", "requests", TPU_RESOURCE)


def is_on_tpu(pod: Pod) -> bool:
    """True where a pod asks for chips or for a TPU node."""
    return bool(text(pod.spec, "nodeSelector", ACCELERATOR_LABEL)) or any(
        chips_asked(c) is not None for c in containers_of(pod)
    )


def generation_of(pod: Pod) -> str | None:
    """TPU generation of a pod's node."""
    return generation_of_label(text(pod.spec, "nodeSelector", ACCELERATOR_LABEL))


def probes_of(container: Container) -> list[Probe]:
    """What the kubelet asks, readiness first; a port by name is looked up in the container's ports."""
    ports = {text(p, "name"): number(p, "containerPort") for p in items(container.body, "ports")}
    found: list[Probe] = []
    for key in ("readinessProbe", "startupProbe", "livenessProbe"):
        check = mapping(container.body, key, "httpGet")
        port = number(check, "port") or ports.get(text(check, "port"))
        if check and port is not None:
            found.append(Probe(text(check, "scheme") or "HTTP", port, text(check, "path") or "/"))
    return found


def serves_tls(container: Container) -> bool:
    """True where the server is given a certificate."""
    return any(argument.name in _TLS_FLAGS for argument in arguments_of(container))


def arguments_of(container: Container) -> list[Argument]:
    """The flags of vLLM on a container's command line, also inside a shell script; empty where it starts no vLLM.

    Raises:
        UnknownValueError: a part of the command line is not known yet.
    """
    found: list[Argument] = []
    words: list[tuple[str, Path]] = []
    for key in ("command", "args"):
        for index in range(len(items(container.body, key))):
            word, path = text(container.body, key, index), (*container.path, key, index)
            if "vllm" in word and _SCRIPT.search(word):
                found += _parse([(w, path) for w in _script_words(word)])
            else:
                words.append((word, path))
    starts = [i for i, (w, _) in enumerate(words) if w in {"serve", _MODULE}]
    if starts:
        found += _parse(words[starts[0] + 1 :])
    elif not found and not items(container.body, "command"):
        found += _parse(words)  # appended to the command of the image or of KServe's preset
    for index, variable in enumerate(items(container.body, "env")):
        if text(variable, "name") == _EXTRA_ARGS:
            path = (*container.path, "env", index, "value")
            found += _parse([(w, path) for w in _split(text(variable, "value"))])
    return found


def _script_words(script: str) -> list[str]:
    """The words behind `vllm serve` (or its module) in a shell script, to the end of that command."""
    for line in script.replace("\\\n", " ").splitlines():
        words = _split(line)
        for index, word in enumerate(words):
            if word == _MODULE or (word == "serve" and index and words[index - 1].endswith("vllm")):
                rest = words[index + 1 :]
                end = next((i for i, w in enumerate(rest) if re.fullmatch(r"[;&|]+|.*;", w)), len(rest))
                return [*rest[:end], rest[end].rstrip(";")] if end < len(rest) else rest
    return []


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # an open quotation mark
        return line.split()


def _parse(words: list[tuple[str, Path]]) -> list[Argument]:
    """`--a=1 --b 2 3 --c` as three flags. A word before the first flag (the model) belongs to none."""
    found: list[Argument] = []
    for word, path in words:
        if level := _LEVEL.fullmatch(word):
            found.append(Argument("--optimization-level", (level[1],), path))
        elif _FLAG.match(word):
            name, equals, value = word.partition("=")
            found.append(Argument(name, (value,) if equals else (), path))
        elif found and not re.fullmatch(r"\$(@|\{?VLLM_ADDITIONAL_ARGS\}?)", word):
            last = found[-1]
            found[-1] = last._replace(values=(*last.values, word))
    return found
