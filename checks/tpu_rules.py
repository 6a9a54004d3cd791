"""Rules about slices, capacity and fit."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from catalog.tpu import find_shape, generations, topologies
from catalog.zones import listed_zones, nearest_zones
from settings.derive import Deployment, ServedModel
from settings.refusal import Finding

# Share of the chips' memory that weights may take; the rest is key-value cache and activations (gke.md 6).
_WEIGHTS_SHARE = 0.75
_FLEX_START_HOURS = 168
_GIB = 1024**3


def slice_shape(deployment: Deployment) -> Iterator[Finding]:
    """TP01."""
    for index, model in enumerate(deployment.settings.models):
        tpu, path = model.tpu, ("models", index, "tpu")
        if tpu.generation not in generations():
            near = difflib.get_close_matches(
                tpu.generation.lower().lstrip("tpu-"), list(generations()), n=1, cutoff=0.3
            )
            known = ", ".join(generations())
            fix = f"Write generation: {near[0]} (known: {known})." if near else f"Known: {known}."
            yield Finding(
                "TP01", (*path, "generation"), tpu.generation, f"There is no TPU generation {tpu.generation}.", fix
            )
        elif find_shape(tpu.generation, tpu.topology) is None:
            known = ", ".join(topologies(tpu.generation))
            near = [t for t in topologies(tpu.generation) if tpu.topology.startswith(t) or t.startswith(tpu.topology)]
            fix = f"Write topology: {near[0]}." if near else f"Known for {tpu.generation}: {known}."
            yield Finding(
                "TP01", (*path, "topology"), tpu.topology, f"{tpu.generation} has no topology {tpu.topology}.", fix
            )
        elif tpu.machine_type and find_shape(tpu.generation, tpu.topology, tpu.machine_type) is None:
            shape = find_shape(tpu.generation, tpu.topology)
            assert shape is not None
            yield Finding(
                "TP01",
                (*path, "machineType"),
                tpu.machine_type,
                f"{tpu.machine_type} forms no {tpu.topology}.",
                f"Leave it out, or write {shape.machine_type}.",
            )


def _indexed(deployment: Deployment) -> Iterator[tuple[int, ServedModel]]:
    by_settings = {id(m.settings): m for m in deployment.models}
    for index, settings in enumerate(deployment.settings.models):
        if id(settings) in by_settings:
            yield index, by_settings[id(settings)]


def attention_heads(deployment: Deployment) -> Iterator[Finding]:
    """TP04."""
    for index, model in _indexed(deployment):
        if model.known and model.known.attention_heads % model.tensor_parallel_size:
            fitting = [
                t
                for t in topologies(model.shape.generation)
                if (s := find_shape(model.shape.generation, t))
                and not s.multi_host
                and model.known.attention_heads % s.chips_per_host == 0
            ]
            yield Finding(
                "TP04",
                ("models", index, "tpu", "topology"),
                model.shape.topology,
                f"{model.known.attention_heads} attention heads are not divisible by {model.tensor_parallel_size} chips.",
                f"Use {' or '.join(fitting)}.",
            )


def zone(deployment: Deployment) -> Iterator[Finding]:
    """TP05, a warning: lists change."""
    for generation in dict.fromkeys(m.shape.generation for m in deployment.models):
        listed = listed_zones(generation)
        if listed and deployment.zone not in listed:
            near = ", ".join(nearest_zones(deployment.zone, generation))
            yield Finding(
                "TP05",
                ("location", "zone"),
                deployment.zone,
                f"{deployment.zone} is not on the list of zones with {generation}.",
                f"Nearest listed: {near}.",
            )


def purchase(deployment: Deployment) -> Iterator[Finding]:
    """TP09."""
    capacity, path = deployment.settings.capacity, ("capacity",)
    if capacity.purchase == "reservation" and not capacity.reservation:
        yield Finding("TP09", (*path, "reservation"), None, "No reservation is named.", "Add reservation: <name>.")
    if capacity.purchase != "reservation" and capacity.reservation:
        yield Finding(
            "TP09",
            (*path, "reservation"),
            capacity.reservation,
            f"purchase: {capacity.purchase} uses no reservation.",
            "Write purchase: reservation, or remove it.",
        )
    if capacity.purchase != "flexStart" and capacity.max_run_hours is not None:
        yield Finding(
            "TP09",
            (*path, "maxRunHours"),
            capacity.max_run_hours,
            "Only flexStart nodes have a run time.",
            "Remove maxRunHours.",
        )
    if capacity.purchase == "flexStart":
        if (capacity.max_run_hours or 0) > _FLEX_START_HOURS:
            yield Finding(
                "TP09",
                (*path, "maxRunHours"),
                capacity.max_run_hours,
                "Flex-start nodes live at most 7 days.",
                f"Write at most {_FLEX_START_HOURS}.",
            )
        for index, model in _indexed(deployment):
            if model.shape.multi_host or model.shape.generation == "tpu7x":
                yield Finding(
                    "TP09",
                    ("models", index, "tpu"),
                    model.shape.topology,
                    "Flex-start has single-host slices only, and no TPU7x.",
                    "Choose a single-host topology, or another purchase.",
                )


def memory_fit(deployment: Deployment) -> Iterator[Finding]:
    """TP10."""
    for index, model in _indexed(deployment):
        if model.weights_bytes is None:
            continue
        have = model.shape.chips * generations()[model.shape.generation].hbm_gib * _GIB
        if model.weights_bytes > _WEIGHTS_SHARE * have:
            shapes = [find_shape(model.shape.generation, t) for t in topologies(model.shape.generation)]
            hbm = generations()[model.shape.generation].hbm_gib * _GIB
            fit = next(
                (s.topology for s in shapes if s and model.weights_bytes <= _WEIGHTS_SHARE * s.chips * hbm), None
            )
            need = f"{model.weights_bytes / _GIB:.0f} GiB of weights in {have / _GIB:.0f} GiB of chip memory leave too little."
            yield Finding(
                "TP10",
                ("models", index, "tpu", "topology"),
                model.shape.topology,
                need,
                f"Use topology: {fit}." if fit else "Use a larger generation.",
            )


def spare(deployment: Deployment) -> Iterator[Finding]:
    """TP11: where a rollout can't make progress without a spare slice, one is allowed."""
    spare_slices = deployment.settings.capacity.spare_slices
    if spare_slices is None:
        return
    # Below four replicas Kubernetes' 25 % lets none be missing, so the new pod must fit beside the old ones.
    needed = max((m.surge_slices for m in deployment.models if m.settings.replicas < 4), default=0)
    if spare_slices < needed:
        yield Finding(
            "TP11",
            ("capacity", "spareSlices"),
            spare_slices,
            "An update needs one more slice than the replicas.",
            f"Write spareSlices: {needed}, or leave it out.",
        )


def multi_host_runtime(deployment: Deployment) -> Iterator[Finding]:
    """TP13."""
    for index, model in _indexed(deployment):
        if model.shape.multi_host and not generations()[model.shape.generation].multi_host_vllm:
            yield Finding(
                "TP13",
                ("models", index, "tpu", "topology"),
                model.shape.topology,
                f"vLLM over {model.shape.hosts} hosts of {model.shape.generation} is not supported.",
                "Use a single-host topology (v6e: 1x1, 2x2, 2x4), another generation, or an override of TP13.",
            )


CHECKS = (slice_shape, attention_heads, zone, purchase, memory_fit, spare, multi_host_runtime)
