"""Rules about slices and fit (TP)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace

from catalog.runtimes import BACKEND_VARIABLE
from catalog.tpu import SliceShape, find_shape, generations, table_of, topologies
from checks.registry import Found, models, rule, served_models
from checks.shared.slices import near_topologies
from settings.cpu_pool import RESERVED_CPU, RESERVED_MEMORY, left_of
from settings.derive import GIB, Deployment, ServedModel
from settings.text import count

# Share of the chips' memory above which weights leave little for the cache of several requests; a rule of thumb (gke.md 6).
_WEIGHTS_SHARE = 0.75
# Default of --gpu-memory-utilization in vllm-tpu 0.27.0 and 0.32.0: what the server takes, weights and cache together.
_MEMORY_UTILIZATION = 0.92


@rule("TP01")
def slice_shape(deployment: Deployment) -> Iterator[Found]:
    """Generation, topology and machine type stand in the table."""
    for here, model in models(deployment):
        tpu, path = model.tpu, (*here, "tpu")
        if tpu.generation not in generations():
            if _generation_of_name(tpu.generation) is None:
                said = f"There is no TPU generation {tpu.generation} (table of {table_of()})."
                yield Found((*path, "generation"), tpu.generation, said, _near_generation(tpu.generation))
        elif find_shape(tpu.generation, tpu.topology) is None:
            said = f"{tpu.generation} has no topology {tpu.topology} (table of {table_of()})."
            yield Found((*path, "topology"), tpu.topology, said, _near_topology(tpu.generation, tpu.topology))
        elif tpu.machine_type and find_shape(tpu.generation, tpu.topology, tpu.machine_type) is None:
            shape = find_shape(tpu.generation, tpu.topology)
            assert shape is not None
            said = f"{tpu.machine_type} forms no {tpu.topology} (table of {table_of()})."
            fix = f"Write machineType: {shape.machine_type}, or leave it out."
            yield Found((*path, "machineType"), tpu.machine_type, said, fix)


def _near_generation(name: str) -> str:
    # Generations go by many names: Trillium, ct6e, v5litepod.
    meant = {
        _folded(alias): key
        for key, g in generations().items()
        for alias in (key, g.name, g.quota_family, g.accelerator_type)
    }
    near = [meant[alias] for alias in difflib.get_close_matches(_folded(name), meant, n=1, cutoff=0.3)]
    known = ", ".join(generations())
    return f"Write generation: {near[0]} (known: {known})." if near else f"Known: {known}."


def _folded(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower().removeprefix("tpu-")))


def _near_topology(generation: str, topology: str) -> str:
    known = topologies(generation)
    near = near_topologies(topology, known)
    # 4x2 means 2x4.
    near += [t for t in known if sorted(t.split("x")) == sorted(topology.split("x"))]
    listed = ", ".join(known)
    return f"Write topology: {near[0]} (known: {listed})." if near else f"Known for {generation}: {listed}."


def _generation_of_name(name: str) -> str | None:
    """The generation that another API calls by this name: an accelerator type, or the value of the node label."""
    return next((key for key, g in generations().items() if name in (g.accelerator_type, g.node_label)), None)


@rule("TP12")
def names_in_their_place(deployment: Deployment) -> Iterator[Found]:
    """The generation is not called by the compute API's name, nor by the node label."""
    for here, model in models(deployment):
        name = model.tpu.generation
        meant = None if name in generations() else _generation_of_name(name)
        if meant is not None:
            fact = generations()[meant]
            what = "the value of the node label" if name == fact.node_label else "the compute API's accelerator type"
            said = f"{name} is {what}; both names follow from the generation."
            yield Found((*here, "tpu", "generation"), name, said, f"Write generation: {meant}.")


@rule("TP04")
def attention_heads(deployment: Deployment) -> Iterator[Found]:
    """The devices of a slice divide the attention heads of a known model, and its key-value heads divide or are copied."""
    for here, model in served_models(deployment):
        if model.known is None or model.known.allows_tensor_parallel(model.tensor_parallel_size):
            continue
        known = model.known
        fitting = [
            shape.topology
            for shape in _shapes(model.shape.generation)
            if not shape.multi_host and known.allows_tensor_parallel(shape.devices)
        ]
        heads = f"{known.attention_heads} attention heads and {known.key_value_heads} key-value heads"
        said = f"{heads} do not divide over {model.tensor_parallel_size} devices."
        also = f" (or {', '.join(fitting[:-1])})" if fitting[:-1] else ""
        fix = f"Write topology: {fitting[-1]}{also}." if fitting else "Choose another generation."
        yield Found((*here, "tpu", "topology"), model.shape.topology, said, fix)


def _shapes(generation: str) -> list[SliceShape]:
    found = (find_shape(generation, topology) for topology in topologies(generation))
    return [shape for shape in found if shape is not None]


@rule("TP10")
def memory_fit(deployment: Deployment) -> Iterator[Found]:
    """Weights, and the cache of one request of full length beside them, have room in what the server takes of the memory."""
    for here, model in served_models(deployment):
        if model.weights_bytes is None or _holds(model, model.shape):
            continue
        have, cache = _memory(model.shape), model.cache_bytes
        fit = next((s.topology for s in _shapes(model.shape.generation) if _fits(model, s)), None)
        beside = f" and {cache / GIB:.1f} GiB of cache for one request" if cache else ""
        stored = f"{model.weights_bytes / GIB:.0f} GiB of weights ({model.bits_per_weight:g} bits each)"
        said = f"{stored}{beside} do not fit into {_usable(model) * have / GIB:.0f} of {have / GIB:.0f} GiB of chip memory."
        fix = f"Write topology: {fit}." if fit else _elsewhere(model)
        yield Found((*here, "tpu", "topology"), model.shape.topology, said, fix)


def _elsewhere(model: ServedModel) -> str:
    """What else would do where no slice of the generation holds a model."""
    slices = [shape for generation in generations() for shape in _shapes(generation) if _fits(model, shape)]
    least = min(slices, key=_memory, default=None)
    fixes = [f"a slice with more memory, such as {least.generation} {least.topology}"] if least else []
    if (model.weights_bytes or 0) <= _usable(model) * _memory(model.shape):
        fixes.append("a shorter contextLength")
    return f"Choose {', or '.join(fixes)}." if fixes else "Choose a smaller model, or weights of fewer bits."


@rule("TP15")
def memory_left(deployment: Deployment) -> Iterator[Found]:
    """Where the weights fit, more than a quarter of the memory is left for the cache of many requests."""
    for here, model in served_models(deployment):
        have, weights = _memory(model.shape), model.weights_bytes or 0
        if weights <= _WEIGHTS_SHARE * have or not _holds(model, model.shape):
            continue
        left = max(0.0, _usable(model) * have - weights)
        requests = f": {count(int(left / model.cache_bytes), 'request')} of full length" if model.cache_bytes else ""
        said = f"Beside {weights / GIB:.0f} GiB of weights, {left / GIB:.0f} GiB are left for the cache{requests}."
        fix = "Choose a larger topology, or serverFlags: {kv-cache-dtype: fp8, max-num-seqs: 16}."
        yield Found((*here, "tpu", "topology"), model.shape.topology, said, fix)


def _memory(shape: SliceShape) -> float:
    return shape.chips * generations()[shape.generation].hbm_gib * GIB


def _usable(model: ServedModel) -> float:
    given = model.flags_given
    share = given.get("gpu-memory-utilization", given.get("device-memory-utilization", _MEMORY_UTILIZATION))
    try:
        return float(share) if isinstance(share, int | float | str) else _MEMORY_UTILIZATION
    except ValueError:
        return _MEMORY_UTILIZATION  # VL01 says so


def _holds(model: ServedModel, shape: SliceShape) -> bool:
    """True where weights, and the cache of one request beside them, have room in the slice's memory."""
    moved = replace(model, shape=shape)
    return (model.weights_bytes or 0) + moved.cache_bytes <= _usable(model) * _memory(shape)


def _fits(model: ServedModel, shape: SliceShape) -> bool:
    """True for a slice that holds the model and that no other rule refuses."""
    if model.known is not None and not model.known.allows_tensor_parallel(shape.devices):
        return False
    return shape.multi_host_run and _holds(model, shape)


@rule("TP14")
def requests(deployment: Deployment) -> Iterator[Found]:
    """What a server asks for is what its node has left for pods."""
    for here, model in served_models(deployment):
        machine = generations()[model.shape.generation].machines[model.shape.machine_type]
        for key, asked, whole, steps in (
            ("cpu", model.cpu, machine.vcpus, RESERVED_CPU),
            ("memoryGib", model.memory_gib, machine.memory_gib, RESERVED_MEMORY),
        ):
            if asked is None or whole is None or asked <= (left := left_of(whole, steps)):
                continue
            said = f"Of the {whole} of {model.shape.machine_type}, {left:.1f} are left for pods."
            fix = f"Write {key}: {whole // 2}, or leave it out."
            yield Found((*here, "resources", key), asked, said, fix)


@rule("MD04")
def host_memory(deployment: Deployment) -> Iterator[Found]:
    """A request that somebody wrote covers what the server takes; streamed weights are WT06's business."""
    for here, model in served_models(deployment):
        asked, needed = model.settings.resources.memory_gib, model.host_memory_gib
        if asked is None or asked >= needed or model.streaming_memory_gib is not None:
            continue
        said = f"The server of {model.name} takes about {needed} GiB of host memory; it asks for {asked}."
        yield Found((*here, "resources", "memoryGib"), asked, said, f"Write memoryGib: {needed}, or leave it out.")


@rule("TP13")
def multi_host_runtime(deployment: Deployment) -> Iterator[Found]:
    """vLLM over several hosts only as upstream has run it: over all devices of a slice, on torchax."""
    for here, model in served_models(deployment):
        if model.shape.multi_host and model.backend == "flax_nnx":
            said = "The runtime's JAX models fail over several hosts."
            place = (*here, "environment", BACKEND_VARIABLE)
            yield Found(place, model.settings.environment.get(BACKEND_VARIABLE), said, "Write vllm, or leave it out.")
        if model.shape.multi_host_run:
            continue
        single = [shape.topology for shape in _shapes(model.shape.generation) if not shape.multi_host]
        run = generations()[model.shape.generation].multi_host_run
        only = f" except {', '.join(run)}" if run else ""
        said = f"Upstream has not run vLLM over several hosts of {model.shape.generation}{only}."
        fix = f"Write topology: {single[-1]} (single-host: {', '.join(single)}), or an override of TP13."
        if find_shape(model.shape.generation, model.shape.topology) != model.shape:
            fix = f"Leave machineType out: one host forms {model.shape.topology}."
        yield Found((*here, "tpu", "topology"), model.shape.topology, said, fix)
