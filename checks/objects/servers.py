"""Rules on TPU pods and their servers' flags, images and secrets, in any resource (TP03, TP04, TP12, VL01 to VL05, VL08, SC01, SC03)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from catalog.lock import is_moving_tag, runtime_version
from catalog.runtimes import load_runtime
from catalog.tpu import ACCELERATOR_LABEL, TOPOLOGY_LABEL, TPU_RESOURCE, shapes_of
from catalog.vllm_flags import load_flags
from checks.objects.check import Check, Context, Found, on_each
from checks.objects.pods import (
    POD_KINDS,
    SERVING_KINDS,
    Argument,
    arguments_of,
    chips_asked,
    containers_of,
    generation_of,
    pods_of,
    servers_on_tpu,
)
from checks.objects.resource import RELEASE, Resource
from checks.objects.values import items, mapping, strings, text
from checks.registry import register
from checks.shared.flags_together import Line, together
from checks.shared.server_flags import UNLISTED, flag_problems
from checks.shared.slices import chips_problem, generation_of_label, label_problem
from checks.shared.versions import image_problem
from settings.refusal import Path
from settings.secrets import HIDDEN, holds_secret

_FLAG_RULES = ("VL01", "VL02", "VL03", "VL04", UNLISTED)
_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_PARALLEL = ("--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size")


@on_each("TP03", *POD_KINDS)
def all_chips_of_the_node(resource: Resource, _: Context) -> Iterator[Found]:
    """A pod that uses chips asks for all of its node; what only runs beside them (a log collector) asks for none."""
    serves = resource.kind in SERVING_KINDS
    for pod in pods_of(resource):
        label = text(pod.spec, "nodeSelector", ACCELERATOR_LABEL)
        topology = text(pod.spec, "nodeSelector", TOPOLOGY_LABEL)
        asking = [(c, chips_asked(c)) for c in containers_of(pod)]
        # A preset or a merge may bring the server's container; then nothing is known here.
        if not label or not topology or not asking:
            continue
        asked = sum(chips or 0 for _, chips in asking)
        if not asked and not serves:
            continue
        if (problem := chips_problem(label, topology, asked)) is not None:
            container = next((c for c, chips in asking if chips), asking[0][0])
            at = (*container.path, "resources", "limits", TPU_RESOURCE)
            yield Found(resource, at, asked or None, *problem)


@on_each("TP12", *POD_KINDS)
def label_of_the_node(resource: Resource, _: Context) -> Iterator[Found]:
    """The node selector has the label's value, not the accelerator's name."""
    for pod in pods_of(resource):
        label = text(pod.spec, "nodeSelector", ACCELERATOR_LABEL)
        if label and (problem := label_problem(label)) is not None:
            yield Found(resource, (*pod.path, "nodeSelector", ACCELERATOR_LABEL), label, *problem)


def _flags(rule: str) -> Check:
    """The check of one of the rules on flags: of all problems of a flag, those which that rule forbids."""

    def flags(resource: Resource, context: Context) -> Iterator[Found]:
        if rule in context.accepted:
            return
        for container in servers_on_tpu(resource):
            generation, version = generation_of(container.pod), runtime_version(text(container.body, "image"))
            for argument in arguments_of(container):
                for problem in flag_problems(argument.name, argument.values, generation, version):
                    if problem.rule == rule:
                        yield Found(resource, argument.path, argument.written, problem.message, problem.fix)

    return register(Check(rule, POD_KINDS, on_one=flags))


@on_each("SC01", *POD_KINDS)
def images_stay_put(resource: Resource, _: Context) -> Iterator[Found]:
    """No container's image has a moving tag."""
    for pod in pods_of(resource):
        for container in containers_of(pod):
            image = text(container.body, "image")
            if image and "{{" not in image and (problem := image_problem(image)) is not None:
                yield Found(resource, (*container.path, "image"), image, *problem)


@on_each("SC01", RELEASE)
def chart_images_stay_put(release: Resource, _: Context) -> Iterator[Found]:
    """No tag in a chart's values moves."""
    for path, image, tag in _tags(mapping(release.inputs, "values"), ("values",)):
        if is_moving_tag(tag):
            fix = "Name an exact version or a digest."
            yield Found(release, path, image or tag, f"The tag {tag} moves.", fix)


def _tags(values: Any, path: Path) -> Iterator[tuple[Path, str, str]]:
    """(path, image, tag) of everything in a chart's values that names an image with a tag, or a tag alone."""
    if isinstance(values, list):
        for index, inner in enumerate(values):
            yield from _tags(inner, (*path, index))
    if not isinstance(values, Mapping):
        return
    for key, value in values.items():
        if isinstance(value, str) and value and (key == "tag" or key.endswith("Tag")):
            yield (*path, key), "", value
        elif isinstance(value, str) and (key == "image" or key.endswith("Image")) and "{{" not in value:
            last = value.rpartition("/")[2]
            if ":" in last and "@" not in last:
                yield (*path, key), value, last.rpartition(":")[2]
        else:
            yield from _tags(value, (*path, key))


@on_each("SC03")
def no_token_in_clear(resource: Resource, _: Context) -> Iterator[Found]:
    """No token stands in a resource, but for the data of a Secret, which the engine keeps encrypted."""
    fix = "Put it into a Secret and refer to it with valueFrom.secretKeyRef."
    for path, value in strings(resource.inputs):
        kept = resource.kind == "Secret" and path[0] in ("data", "stringData")
        if holds_secret(value) and not kept:
            yield Found(resource, path, HIDDEN, "A token stands here in clear.", fix)
    for pod in pods_of(resource):
        for container in containers_of(pod):
            for index, variable in enumerate(items(container.body, "env")):
                value = text(variable, "value")
                if text(variable, "name") in _TOKEN_VARIABLES and value and not holds_secret(value):
                    at = (*container.path, "env", index, "value")
                    yield Found(resource, at, HIDDEN, "A token stands here in clear.", fix)


@on_each("TP04", *POD_KINDS)
def devices_of_the_slice(resource: Resource, _: Context) -> Iterator[Found]:
    """Parallelism takes no more devices than the slice has."""
    for pod in pods_of(resource):
        label = text(pod.spec, "nodeSelector", ACCELERATOR_LABEL)
        topology = text(pod.spec, "nodeSelector", TOPOLOGY_LABEL)
        shapes = shapes_of(generation_of_label(label), topology)
        if not shapes:
            continue
        devices = shapes[0].devices
        for container in containers_of(pod):
            given = {_full(a.name): a for a in arguments_of(container) if a.values}
            sizes = [given[name] for name in _PARALLEL if name in given]
            wanted = math.prod(int(a.values[0]) for a in sizes if a.values[0].isdecimal())
            if sizes and wanted > devices:
                said = f"{wanted} devices are asked for, and {label} {topology} has {devices}."
                fix = f"Write --tensor-parallel-size={devices}."
                yield Found(resource, sizes[0].path, sizes[0].written, said, fix)


def _full(name: str) -> str:
    found = load_flags(runtime_version()).lookup(name)
    return found.name if found else name


@on_each("VL08", *POD_KINDS)
def flags_together(resource: Resource, _: Context) -> Iterator[Found]:
    """What vLLM's own validators refuse about the flags of a server."""
    for container in servers_on_tpu(resource):
        arguments = {_full(a.name).removeprefix("--"): a for a in arguments_of(container)}
        if not arguments:
            continue
        context = next((a.values[0] for k, a in arguments.items() if k == "max-model-len" and a.values), "")
        flags = {key: _value(argument) for key, argument in arguments.items()}
        runtime = load_runtime(runtime_version(text(container.body, "image")))
        line = Line(flags, runtime, int(context) if context.isdecimal() else None)
        for found in together(line):
            argument = arguments.get(found.flag) or arguments.get(f"no-{found.flag}") or next(iter(arguments.values()))
            yield Found(resource, argument.path, argument.written, found.message, found.fix)


def _value(argument: Argument) -> Any:
    if not argument.values:
        return not argument.name.startswith(("--no-", "--no_"))
    return argument.values[0] if len(argument.values) == 1 else list(argument.values)


for _rule in _FLAG_RULES:
    _flags(_rule)
