"""The model server: vLLM's command line on TPU, single-host and as leader and worker of a multi-host slice."""

from __future__ import annotations

import shlex

from catalog.lock import runtime_version
from catalog.vllm_flags import load_flags
from settings.derive import HEALTH_PATH, SERVER_PORT, SHUTDOWN_SECONDS, ServedModel
from settings.flags import flag_words, json_flag
from settings.model import FlagValue
from settings.served import DEFAULT_BATCHED_TOKENS

MODEL_PATH = "/mnt/models"
_RAY_PORT = 6379


def server_flags(model: ServedModel) -> dict[str, FlagValue]:
    """vLLM's flags: ours, what the model and its family need, then the user's. Only flags that the rules let through."""
    flags: dict[str, FlagValue] = {
        "port": SERVER_PORT,
        "dtype": "bfloat16",  # fp16 is not native on TPU (VL02)
        "max-model-len": model.context_length,
        "tensor-parallel-size": model.tensor_parallel_size,
        "shutdown-timeout": SHUTDOWN_SECONDS,
        "disable-access-log-for-endpoints": f"{HEALTH_PATH},/metrics",
    }
    if model.task == "chat" or not model.settings.prefix_caching:
        flags["enable-prefix-caching"] = model.settings.prefix_caching
    if model.task != "chat":
        flags["runner"] = "pooling"
    if model.shape.multi_host:
        flags["distributed-executor-backend"] = "ray"
    if model.streamed is not None:
        flags["load-format"] = "runai_streamer"
    flags |= dict(model.family.flags) | dict(model.known.flags if model.known else ())
    if (model.family.image_tokens or 0) > DEFAULT_BATCHED_TOKENS:
        flags["max-num-batched-tokens"] = model.family.image_tokens or 0  # a batch holds one image
    flags |= model.flags_given
    if model.rope_type == "yarn" and model.rope_factor > 1:
        # vLLM 0.32 takes max_position_embeddings as scaled already; 0.27 multiplies what YaRN says of the original.
        stretched = {"max_position_embeddings": model.max_context} | model.text_overrides
        overrides = json_flag(flags["hf-overrides"]) | {"text_config": stretched}
        flags["hf-overrides"] = overrides if model.family.multimodal else stretched
    return flags


def server_args(model: ServedModel) -> list[str]:
    """Arguments after `vllm serve MODEL`, served names always among them: else clients must say `/mnt/models` (KS07)."""
    args = ["--served-model-name", *model.settings.names_for_clients]
    for name, value in server_flags(model).items():
        if isinstance(value, bool):
            args.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, list) and not _is_repeated(name):
            args += [f"--{name}", *flag_words(value)]
        else:
            args += [f"--{name}={word}" for word in flag_words(value)]
    return args


def _is_repeated(name: str) -> bool:
    flag = load_flags(runtime_version()).lookup(name)
    return flag is not None and flag.repeatable


def server_environment(model: ServedModel) -> dict[str, str]:
    """Variables of the server, on every host of its slice: ours, what the model needs, then the user's."""
    variables = {"HOME": "/home", "VLLM_XLA_CACHE_PATH": "/home/xla-cache"}  # compiled programs survive a restart
    if model.store is not None and model.programs_folder is not None:
        variables["VLLM_XLA_CACHE_PATH"] = model.store.address(model.programs_folder)
        variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"  # JAX leaves out what compiles within a second
    if model.precompile_workers > 1:
        variables["NUM_PRECOMPILE_WORKERS"] = str(model.precompile_workers)
    if model.shape.multi_host:
        variables["TPU_MULTIHOST_BACKEND"] = "ray"
    return variables | model.variables


def adapters_of_the_hub(model: ServedModel) -> bool:
    """Whether the server itself downloads something from Hugging Face: LoRA adapters that are no folder."""
    given = model.flags_given.get("lora-modules")
    modules = given if isinstance(given, list) else [given] if given else []
    return any("=/" not in str(module) and '"/' not in str(module) for module in modules)


def command(model: ServedModel) -> list[str]:
    """The command of the server."""
    return ["vllm", "serve", model.weights_address or MODEL_PATH]


def leader_script(model: ServedModel) -> str:
    """Leader of a multi-host slice: Ray's head, then, once every host has joined, the server over all of them.

    The runtime takes one part of the slice from every host that has joined by then, and waits for none: with fewer it ends
    ("Insufficient devices", tpu_inference 0.32.0 runner/tpu_runner.py), and LeaderWorkerSet recreates the whole group.
    """
    serve = shlex.join([*command(model), *server_args(model)])
    return (
        f"set -e\nray start --head --port={_RAY_PORT}\n"
        f"until [ \"$(ray status | grep -c '^ 1 node_')\" -ge {model.shape.hosts} ]; do\n"
        f'  echo "waiting for {model.shape.hosts} hosts"; sleep 5\ndone\n'
        f"exec {serve}\n"
    )


def worker_script() -> str:
    """Worker of a multi-host slice: joins the leader, waiting until it is there."""
    return (
        f'until ray start --address="$LWS_LEADER_ADDRESS:{_RAY_PORT}" --block; do\n'
        '  echo "waiting for the leader $LWS_LEADER_ADDRESS"; sleep 5\ndone\n'
    )
