"""Rules on what the runtime does with a model: formats, backends, variables, flags together (VL04, VL08, VL10, VL11, MD)."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator

from catalog.models import known_models, named
from catalog.runtimes import BACKEND_VARIABLE, matrix_release, matrix_says, untested_formats
from catalog.tpu import generations
from catalog.vllm_flags import load_flags
from checks.registry import Found, rule, served_models
from checks.shared.flags_together import Line, together
from checks.shared.models import source_problem
from checks.shared.server_flags import MEMORY_ONLY
from settings.derive import Deployment, ServedModel
from settings.names import server_flag
from settings.refusal import Path

# Kubernetes 1.34, RelaxedEnvironmentVariableValidation: printable ASCII without the equals sign.
_VARIABLE = re.compile(r"[ -<>-~]+")
_NARROW = {"fp8": "fp8", "deepseek_v4_fp8": "fp8", "gpt_oss_mxfp4": "mxfp4", "modelopt_fp4": "nvfp4"}
# What the program sets itself, and what would take the server from it.
_OWN_VARIABLES = {
    "HOME": "the cache and the downloads lie below it",
    "VLLM_XLA_CACHE_PATH": "it is where compiled programs are kept over a restart",
    "TPU_MULTIHOST_BACKEND": "it follows from the slice",
    "VLLM_USE_RAY_V2_EXECUTOR_BACKEND": "the rendered group is for that executor",
    "VLLM_API_KEY": "the key would stand in the file; authenticate at the edge: gateway.authentication",
    "HF_TOKEN": "a token is named by huggingFaceToken",
    "HUGGING_FACE_HUB_TOKEN": "a token is named by huggingFaceToken",
    "VLLM_ADDITIONAL_ARGS": "flags are written to serverFlags",
    "VLLM_PORT": "probes and health checks ask the server's own port",
    "VLLM_HOST_IP": "the pod's address is the one that is asked",
}
_OWN_PREFIXES = ("TPU_WORKER_", "TPU_PROCESS_", "TPU_TOPOLOGY", "TPU_CHIPS_PER_", "TPU_HOST_", "TPU_VISIBLE_", "LWS_")
# Read by libraries below the runtime, not by its own two packages.
_LIBRARY_PREFIXES = (
    "JAX_",
    "XLA_",
    "LIBTPU_",
    "RAY_",
    "HF_",
    "TOKENIZERS_",
    "TRANSFORMERS_",
    "RUNAI_STREAMER_",
    "OTEL_",
    "PYTHON",
)
_LIBRARY = frozenset({"OMP_NUM_THREADS", "LD_PRELOAD", "TZ", "LOG_LEVEL", "TPU_STDERR_LOG_LEVEL", "TPU_MIN_LOG_LEVEL", "TPU_PREMAPPED_BUFFER_SIZE", "TPU_BACKEND_TYPE", "PJRT_DEVICE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "CUDA_VISIBLE_DEVICES"})  # fmt: skip


@rule("VL04")
def narrow_floats(deployment: Deployment) -> Iterator[Found]:
    """A checkpoint of fp8 or 4-bit floats on a generation that has no arithmetic for them; flags are in server_rules."""
    for here, model in served_models(deployment):
        if generations()[model.shape.generation].fp8 or "quantization" in model.flags_given:
            continue
        if model.quantization in _NARROW:
            said = f"The checkpoint is {_NARROW[model.quantization]}, which saves memory on {model.shape.generation}, and no arithmetic."
            yield Found((*here, "source"), model.settings.source, said, MEMORY_ONLY)


@rule("VL08")
def flags_together(deployment: Deployment) -> Iterator[Found]:
    """What vLLM's own validators refuse about the flags of a server."""
    for here, model in served_models(deployment):
        path = (*here, "serverFlags")
        for flag, names in _spellings(model).items():
            if len(names) > 1:
                said = f"{flag} is written {len(names)} times: {', '.join(names)}."
                yield Found((*path, names[-1]), names, said, f"Keep one of them: {flag}.")
        written = {flag: names[-1] for flag, names in _spellings(model).items()}
        image = model.family.image_tokens if model.family.multimodal else None
        flags = dict(model.family.flags) | model.flags_given
        for found in together(Line(flags, model.runtime, model.context_length, image)):
            place = (*path, written[found.flag]) if found.flag in written else path
            yield Found(place, model.flags_given.get(found.flag), found.message, found.fix)


def _spellings(model: ServedModel) -> dict[str, list[str]]:
    table = load_flags(model.runtime.version)
    found: dict[str, list[str]] = defaultdict(list)
    for name in (*model.settings.server_flags, *model.settings.unlisted_server_flags):
        flag = table.lookup(f"--{server_flag(name)}")
        known = flag.name.removeprefix("--") if flag and "." not in name else server_flag(name)
        found[known].append(name)
    return found


@rule("VL09")
def runner_of_the_task(deployment: Deployment) -> Iterator[Found]:
    """The runner is the one that serves the path of the task."""
    for here, model in served_models(deployment):
        runner = model.flags_given.get("runner")
        if runner in {"generate", "pooling"} and (runner == "pooling") is (model.task == "chat"):
            said = f"A server with runner: {runner} has no {model.request_path}, the path of task: {model.task}."
            yield Found((*here, "serverFlags", "runner"), runner, said, "Remove it; it follows from the task.")


@rule("VL10")
def own_variables(deployment: Deployment) -> Iterator[Found]:
    """A variable that the program decides, or a value that the runtime refuses."""
    for here, model in served_models(deployment):
        for name, value in model.settings.environment.items():
            path = (*here, "environment", name)
            why = _OWN_VARIABLES.get(name) or ("it follows from the slice" if name.startswith(_OWN_PREFIXES) else None)
            choices = model.runtime.variables.get(name, ())
            if why is not None:
                yield Found(path, value, f"{name} is not for the file: {why}.", "Remove it.")
            elif choices and value.lower() not in {choice.lower() for choice in choices}:
                said = f"{name} is one of {', '.join(choice or 'nothing' for choice in choices)}."
                near = difflib.get_close_matches(value.lower(), choices, n=1)
                yield Found(
                    path, value, said, f'Write {name}: "{near[0]}".' if near else "Write one of them, or remove it."
                )
            elif _VARIABLE.fullmatch(name) is None:
                said = "The name of a variable has no equals sign, and no letter outside of ASCII."
                yield Found(path, value, said, "Write the name alone, and the value behind the colon.")


@rule("VL11")
def known_variables(deployment: Deployment) -> Iterator[Found]:
    """A variable that nothing in the runtime reads."""
    for here, model in served_models(deployment):
        known = model.runtime.variables
        for name, value in model.settings.environment.items():
            if name in known or name in _LIBRARY or name in _OWN_VARIABLES or name.startswith(_LIBRARY_PREFIXES):
                continue
            if name.startswith(_OWN_PREFIXES):
                continue
            near = difflib.get_close_matches(name.upper(), known, n=1)
            fix = f"Write {near[0]}." if near else "Remove it, unless a library reads it."
            said = f"Neither vLLM {model.runtime.version} nor tpu-inference reads {name}."
            yield Found((*here, "environment", name), value, said, fix)


@rule("MD01")
def loadable(deployment: Deployment) -> Iterator[Found]:
    """The platform lets the checkpoint's format through, and the backend that is asked for can serve it."""
    for here, model in served_models(deployment):
        source = (*here, "source")
        if model.checkpoint is not None and model.checkpoint.why:
            fix = "Name the repository with the safetensors of the model, plain or as FP8, AWQ or compressed-tensors."
            yield Found(source, model.settings.source, model.checkpoint.why, fix)
            continue
        method = model.quantization
        if method is not None and "quantization" not in model.flags_given and method not in model.runtime.platform:
            said = f"The TPU platform rejects {method} weights."
            fix = f"Choose a checkpoint that is plain, or one of {', '.join(sorted(model.runtime.platform))}."
            yield Found(source, model.settings.source, said, fix)
        place = (*here, "environment", BACKEND_VARIABLE)
        wanted = model.settings.environment.get(BACKEND_VARIABLE)
        if wanted and model.backend == "flax_nnx" and model.torchax_reason is not None and not model.shape.multi_host:
            said = (
                f"{BACKEND_VARIABLE}={wanted} comes to the runtime's JAX models, which have no {model.torchax_reason}."
            )
            yield Found(place, wanted, said, "Write vllm, or leave it out.")
        if model.family.mla:
            yield from _latent_attention(model, here)


def _latent_attention(model: ServedModel, here: Path) -> Iterator[Found]:
    """Multi-head latent attention stops without its two switches (tpu_platform.py check_and_update_config)."""
    if model.variables.get("NEW_MODEL_DESIGN", "").lower() not in {"1", "true"}:
        place = (*here, "environment", "NEW_MODEL_DESIGN")
        said = "Models with latent attention need NEW_MODEL_DESIGN."
        yield Found(
            place, model.variables.get("NEW_MODEL_DESIGN"), said, 'Write NEW_MODEL_DESIGN: "1", or leave it out.'
        )
    config = dict(model.family.flags) | model.flags_given
    sharding = Line(config, model.runtime).mapping("additional-config").get("sharding") or {}
    if not sharding.get("sharding_strategy", {}).get("enable_dp_attention"):
        place = (*here, "serverFlags", "additional-config")
        said = "Models with latent attention need data-parallel attention."
        fix = "Put {sharding: {sharding_strategy: {enable_dp_attention: true}}} into it, or leave it out."
        yield Found(place, config.get("additional-config"), said, fix)


@rule("MD02")
def unchecked(deployment: Deployment) -> Iterator[Found]:
    """What could not be held against anything, because nobody says it."""
    for here, model in served_models(deployment):
        missing = list(_missing(model)) if source_problem(model.settings.source, "source") is None else []
        if missing:
            said = f"Not checked, for it is not known here: {'; '.join(missing)}."
            fix = "Write parametersBillion (and bitsPerWeight); preflight asks the Hub for the rest."
            yield Found((*here, "source"), model.settings.source, said, fix)


def _missing(model: ServedModel) -> Iterator[str]:
    name = named(model.settings.source)
    if model.weights_bytes is None:
        yield "the size of the weights, and so whether they fit"
    elif name.model is None and model.settings.parameters_billion is None:
        yield f"the size of the weights but for its name ({name.billions:g} billion)"
    if name.model is None:
        yield "heads and layers, and so parallelism and the fit of the cache"
        yield "the longest context"
    if not name.exact and model.settings.source.startswith("hf://") and model.settings.hugging_face_token is None:
        yield "whether it is gated"
    if model.architecture is None:
        yield "the backend that the runtime chooses, and whether it loads the model"


@rule("MD03")
def tested_by_the_release(deployment: Deployment) -> Iterator[Found]:
    """The release's support matrix, by model and by family, and what its pages call the generation."""
    for here, model in served_models(deployment):
        generation = model.shape.generation
        if generations()[generation].experimental:
            place = (*here, "tpu", "generation")
            said = f"The runtime's pages call {generation} experimental."
            yield Found(place, generation, said, "Choose v6e or tpu7x, or try it before anybody depends on it.")
        elif (problem := _matrix_problem(model)) is not None:
            fix = "Try it before anybody depends on it."
            yield Found((*here, "source"), model.settings.source, problem, fix)


def _matrix_problem(model: ServedModel) -> str | None:
    generation, release = model.shape.generation, matrix_release()
    name = model.known.id if model.known else model.settings.source.removeprefix("hf://").partition(":")[0]
    own = matrix_says(name, generation)
    if own == "failing":
        return f"It fails on {generation} in the support matrix of {release}."
    if own == "notEnoughMemory":
        return f"The support matrix of {release} has it on no {generation} slice: one host was too small."
    method = model.checkpoint.method if model.checkpoint is not None else None
    if method is not None and method in untested_formats():
        return f"The support matrix of {release} has {method} checkpoints as untested."
    if model.known is None:  # MD02 says that nobody knows its family
        return f"The support matrix of {release} lists it, untested on {generation}." if own == "untested" else None
    if own == "passing" and model.architecture == model.known.architecture:
        return None
    family = [m for m in known_models() if m.architecture == model.architecture]
    if generation in model.family.ran or any(matrix_says(m.id, generation) == "passing" for m in family):
        return None
    if own == "untested":
        return f"The support matrix of {release} lists it, untested on {generation}."
    return f"No model of its family ({model.architecture}) is in the support matrix of {release} for {generation}."
