"""vLLM's command line, and what of it and of the environment the emulator acts on."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from catalog.files import read_yaml
from catalog.lock import runtime_version
from catalog.vllm_flags import Flag, load_flags

POD_IP_VARIABLE = "TPU_SERVING_POD_IP"
ROOT_VARIABLE = "TPU_SERVING_ROOT"
_GROUP_SIZE = "LWS_GROUP_SIZE"  # LeaderWorkerSet says it to every pod of a group


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The values of `vllm serve MODEL ...` by their Python names, by the pinned version's own flag table.

    argparse words the error and ends the program with 2 where a flag is unknown. Values are not checked: the settings have
    done so (VL01).
    """
    table = load_flags(runtime_version())
    parser = argparse.ArgumentParser(prog="vllm")
    serve = parser.add_subparsers(required=True, dest="command").add_parser("serve")
    serve.add_argument("model_tag")
    for flag in table.flags:
        serve.add_argument(flag.name, *flag.aliases, default=flag.default, **_keywords(flag))

    def is_json_key(argument: str) -> bool:
        # The server folds `--flag.key=value` into the JSON flag, which nothing here reads.
        name = argument.partition("=")[0]
        return name.startswith("--") and "." in name and table.lookup(name) is not None

    return parser.parse_args([argument for argument in arguments if not is_json_key(argument)])


def _keywords(flag: Flag) -> dict[str, Any]:
    if flag.kind == "bool":
        return {"action": argparse.BooleanOptionalAction if flag.negation else "store_true"}
    words: dict[str, Any] = {"type": int} if flag.kind == "int" and not flag.suffixes and not flag.words else {}
    if flag.kind == "list":
        return words | {"nargs": "+"}
    return words | ({"nargs": "?", "const": True} if flag.value_optional else {})


@cache
def default(name: str) -> float:
    """A figure of `timing.yaml`."""
    data = yaml.safe_load(Path(__file__).with_name("timing.yaml").read_text(encoding="utf-8"))
    return float(data[name]["value"])


@dataclass(frozen=True)
class Timing:
    """Durations are seconds on this machine, rates are per second on this machine."""

    speed: float
    server_seconds: float
    compile_seconds: float
    warm_share: float
    tokens_per_second: float
    prefill_tokens_per_second: float

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Timing:
        """The times under `REHEARSAL_SPEED` (how many times faster than real) and `REHEARSAL_TOKENS_PER_SECOND`."""
        speed = float(environment.get("REHEARSAL_SPEED") or default("speed"))
        rate = float(environment.get("REHEARSAL_TOKENS_PER_SECOND") or default("tokensPerSecond"))
        data = read_yaml("durations.yaml")
        start = data["modelStart"]
        return cls(
            speed=speed,
            server_seconds=float(start["server"]["seconds"]) / speed,
            compile_seconds=float(start["compile"]["seconds"]) / speed,
            warm_share=float(data["warmStart"]["share"]),
            tokens_per_second=rate * speed,
            prefill_tokens_per_second=default("prefillTokensPerSecond") * speed,
        )


@dataclass(frozen=True)
class Options:
    """`ray_hosts` is the number of hosts that must have joined, 0 where there is no Ray; times are in seconds.

    `streamed`: the model is a gs:// address that Run:ai's streamer reads; `cache`: where compiled programs are kept.
    `devices`: over how many devices the model is spread.
    """

    model: str
    names: tuple[str, ...]
    host: str
    port: int
    max_model_len: int
    max_num_seqs: int
    block_size: int
    num_blocks: int
    prefix_caching: bool
    pooling: bool
    shutdown_timeout: float
    ray_hosts: int
    devices: int
    streamed: bool
    cache: str
    timing: Timing


def options_of(values: argparse.Namespace, environment: Mapping[str, str]) -> Options:
    """The options of a command line. The server listens on the pod's own address, never on every one.

    Raises SystemExit (1) where the cache can't hold one request of the full length, as the engine does at its start.
    """
    timing = Timing.of(environment)
    context = int(values.max_model_len or default("contextLength"))
    # As the TPU platform chooses it (tpu_inference 0.27.0 flash_attn.py, get_page_size).
    page = 16 if context > 8192 else min(256, max(16, (1 << (context - 1).bit_length()) // 16))
    block_size = values.block_size or page
    blocks = int(values.num_gpu_blocks_override or default("kvCacheTokens") // block_size)
    if blocks * block_size < context:
        raise SystemExit(
            f"ValueError: To serve at least one request with the model's max seq len ({context}), more KV cache is needed "
            f"than {blocks} blocks of {block_size} tokens. Try decreasing `max_model_len`."
        )
    # The kubelet made the path one of this machine; clients know the container's (field report: /mnt/models).
    model = values.model_tag.removeprefix(environment.get(ROOT_VARIABLE, ""))
    return Options(
        model=model,
        names=tuple(values.served_model_name or [model]),
        host=environment.get(POD_IP_VARIABLE) or "127.0.0.1",
        port=values.port,
        max_model_len=context,
        max_num_seqs=values.max_num_seqs or int(default("maxNumSeqs")),
        block_size=block_size,
        num_blocks=blocks,
        prefix_caching=values.enable_prefix_caching is not False,
        pooling=values.runner == "pooling",
        shutdown_timeout=values.shutdown_timeout / timing.speed,
        ray_hosts=int(environment.get(_GROUP_SIZE) or 1) if environment.get("TPU_MULTIHOST_BACKEND") == "ray" else 0,
        devices=values.tensor_parallel_size,
        streamed=values.load_format == "runai_streamer",
        cache=environment.get("VLLM_XLA_CACHE_PATH", ""),
        timing=timing,
    )
