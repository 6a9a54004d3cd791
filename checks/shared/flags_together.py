"""What vLLM's own validators refuse about several flags together, or about a name that its registries lack (VL08).

Read in vllm 0.32.0 (file and function beside each) and held against 0.27.0; none of them can be run here, for they import
torch. Not covered: what needs the model's config.json, and the keys inside of JSON flags that pydantic refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from catalog.runtimes import Runtime
from settings.flags import json_flag

# scheduler.py verify_max_model_len, engine/arg_utils.py get_batch_defaults: without flags, on a TPU.
_BATCHED_TOKENS, _SEQUENCES = 2048, 256
_KV_ROLES = ("kv_producer", "kv_consumer", "kv_both")
# tpu_inference runner/tpu_runner.py _init_speculative_decoding, and what counts as eagle in vllm config/speculative.py.
_SPECULATION = ("ngram", "dflash", "dspark", "eagle", "eagle3", "mtp")
_SUFFIX = {"k": 1000, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Together(NamedTuple):
    """A problem of flags together: the one that is wrong (without dashes), what is wrong, and what to write."""

    flag: str
    message: str
    fix: str


@dataclass(frozen=True)
class Line:
    """A command line: flags by full name without dashes. `image_tokens`: the most of one image, None where not known."""

    flags: Mapping[str, Any]
    runtime: Runtime
    context: int | None = None
    image_tokens: int | None = None

    def on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.flags.get(name) is True

    def number(self, name: str, default: float | None = None) -> float | None:
        """The number of a flag as the parser reads it, `2k` and quotes included; `default` where there is none."""
        value = self.flags.get(name)
        if isinstance(value, bool) or value is None:
            return default
        match = re.fullmatch(r"(-?\d+(?:\.\d+)?)([kKmMgGtT]?)", str(value).strip())
        return float(match[1]) * _SUFFIX.get(match[2], 1) if match else default

    def mapping(self, name: str) -> dict[str, Any]:
        """The content of a JSON flag, with the keys given one by one (`--x.y 1`); empty where it has none."""
        content = dict(json_flag(self.flags.get(name)))
        for key, one in self.flags.items():
            if key.startswith(f"{name}."):
                content[key.removeprefix(f"{name}.")] = one
        return {key.replace("-", "_"): one for key, one in content.items()}


def together(line: Line) -> Iterator[Together]:
    """Everything that vLLM would refuse at its start."""
    for check in (_tools, _logging, _batches, _adapters, _speculation, _transfer, _parallel, _images):
        yield from check(line)


def _tools(line: Line) -> Iterator[Together]:
    # entrypoints/launchers/cli_args.py validate_parsed_serve_args, launcher.py validate_api_server_args
    parser = line.flags.get("tool-call-parser")
    known = sorted(line.runtime.tool_parsers)
    if line.on("enable-auto-tool-choice"):
        if not parser:
            said = "enable-auto-tool-choice needs a tool-call-parser."
            yield Together("enable-auto-tool-choice", said, f"Write tool-call-parser beside it: {_some(known)}.")
        elif parser not in line.runtime.tool_parsers and "tool-parser-plugin" not in line.flags:
            said = f"vLLM {line.runtime.version} has no tool-call-parser {parser}."
            yield Together("tool-call-parser", said, f"Write one of {', '.join(known)}.")
    reasoning = line.flags.get("reasoning-parser") or line.mapping("structured-outputs-config").get("reasoning_parser")
    if reasoning and reasoning not in line.runtime.reasoning_parsers and "reasoning-parser-plugin" not in line.flags:
        said = f"vLLM {line.runtime.version} has no reasoning-parser {reasoning}."
        place = "reasoning-parser" if "reasoning-parser" in line.flags else "structured-outputs-config"
        yield Together(place, said, f"Write one of {', '.join(sorted(line.runtime.reasoning_parsers))}.")


def _some(known: list[str]) -> str:
    usual = [name for name in ("hermes", "llama3_json", "openai", "qwen3_coder") if name in known]
    return f"{', '.join(usual)} or another of {len(known)}"


def _logging(line: Line) -> Iterator[Together]:
    # cli_args.py validate_parsed_serve_args
    if line.on("enable-log-outputs") and not line.on("enable-log-requests"):
        yield Together(
            "enable-log-outputs",
            "enable-log-outputs needs enable-log-requests.",
            "Write enable-log-requests: true too.",
        )
    if (line.number("sse-keep-alive-interval") or 0) < 0:
        yield Together("sse-keep-alive-interval", "The interval can't be negative.", "Write 0 or more seconds.")
    if line.on("enable-per-request-metrics") and line.on("disable-log-stats"):
        said = "enable-per-request-metrics needs the statistics that disable-log-stats turns off."
        yield Together("enable-per-request-metrics", said, "Remove one of the two.")


def _batches(line: Line) -> Iterator[Together]:
    # config/scheduler.py verify_max_model_len, engine/arg_utils.py _set_default_max_num_seqs_and_batched_tokens_args
    chunked = line.flags.get("enable-chunked-prefill") is not False
    given_batch, given_sequences = line.number("max-num-batched-tokens"), line.number("max-num-seqs")
    batch = given_batch or max(_BATCHED_TOKENS, 0 if chunked else line.context or 0)
    sequences = given_sequences or min(_SEQUENCES, batch)
    batch_flag = "max-num-batched-tokens" if given_batch is not None else "max-num-seqs"
    if batch < sequences and (given_batch is not None or given_sequences is not None):
        said = f"A batch of {batch:.0f} tokens holds fewer than {sequences:.0f} sequences."
        fix = f"Write max-num-batched-tokens: {max(_BATCHED_TOKENS, int(sequences))}, or max-num-seqs: {int(batch)}."
        yield Together(batch_flag, said, fix)
    if not chunked and given_batch is not None and line.context and batch < line.context:
        said = f"Without chunked prefill a batch of {batch:.0f} tokens must hold the context of {line.context}."
        yield Together(batch_flag, said, f"Write max-num-batched-tokens: {line.context}, or leave chunked prefill on.")
    active = line.number("max-num-active-seqs")
    if active is not None and active > sequences:
        said = f"{active:.0f} active sequences are more than {sequences:.0f}."
        yield Together("max-num-active-seqs", said, f"Write max-num-active-seqs: {int(sequences)}.")
    threshold = line.number("long-prefill-token-threshold")
    if threshold is not None and line.context and threshold > line.context:
        said = f"The threshold of {threshold:.0f} tokens is longer than the context of {line.context}."
        yield Together("long-prefill-token-threshold", said, f"Write {line.context} or less.")


def _adapters(line: Line) -> Iterator[Together]:
    # config/lora.py _validate_lora_config, launchers/cli_args.py LoRAParserAction, models/serving.py init_static_loras
    modules = line.flags.get("lora-modules")
    for module in modules if isinstance(modules, list | tuple) else [modules] if modules else []:
        text = module if isinstance(module, str) else json.dumps(module)
        if not re.fullmatch(r"[^=,]+=[^=,]+", text) and not {"name", "path"} <= set(json_flag(text)):
            said = f"{text} names no adapter."
            yield Together("lora-modules", said, 'Write NAME=PATH, or {"name": NAME, "path": PATH} as JSON.')
    if modules and not line.on("enable-lora"):
        yield Together("lora-modules", "Adapters need enable-lora.", "Write enable-lora: true beside lora-modules.")
    most = line.number("max-loras", 1)
    on_host = line.number("max-cpu-loras")
    if line.on("enable-lora") and on_host is not None and most is not None and 0 < on_host < most:
        said = f"max-cpu-loras ({on_host:.0f}) is less than max-loras ({most:.0f})."
        yield Together("max-cpu-loras", said, f"Write max-cpu-loras: {int(most)} or more.")


def _speculation(line: Line) -> Iterator[Together]:
    # engine/arg_utils.py create_speculative_config, config/speculative.py, tpu_inference runner/tpu_runner.py
    config, place = line.mapping("speculative-config"), "speculative-config"
    for flag, key in (("spec-method", "method"), ("spec-model", "model"), ("spec-tokens", "num_speculative_tokens")):
        if flag not in line.flags:
            continue
        if key in config:
            yield Together(
                flag, f"{flag} and {key} in speculative-config exclude each other.", "Remove one of the two."
            )
        config[key] = line.flags[flag]
        place = place if place in line.flags else flag
    if not config:
        return
    method, model = config.get("method"), str(config.get("model") or "").lower()
    if method is None and model:
        named = next((name for name in ("eagle3", "eagle", "dflash", "dspark", "mtp") if name in model), None)
        method = "ngram" if model in {"ngram", "[ngram]"} else named or "draft_model"
    if method is None or not any(str(method) == name or str(method).endswith(f"_{name}") for name in _SPECULATION):
        said = f"Speculation by {method or 'no method'} does not run on a TPU."
        yield Together(place, said, f"Write a method of {', '.join(_SPECULATION)}, or remove it.")
    tokens = config.get("num_speculative_tokens")
    if tokens is None and method in {"ngram", "eagle", "eagle3"}:
        yield Together(
            place, "num_speculative_tokens is not said.", "Write how many tokens are guessed, for example 3."
        )
    elif isinstance(tokens, int | float) and tokens <= 0:
        yield Together(place, "num_speculative_tokens must be greater than 0.", "Write for example 3.")
    if "tensor_parallel_size" in config:
        said = "speculative-config has no tensor_parallel_size."
        yield Together(place, said, "Remove it, or write draft_tensor_parallel_size.")
    least, most = config.get("prompt_lookup_min"), config.get("prompt_lookup_max")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield Together(place, f"prompt_lookup_min {least} is more than prompt_lookup_max {most}.", "Swap them.")


def _transfer(line: Line) -> Iterator[Together]:
    # config/kv_transfer.py __post_init__, tpu_inference platforms/tpu_platform.py check_and_update_config
    config = line.mapping("kv-transfer-config")
    connector, role = config.get("kv_connector"), config.get("kv_role")
    if role is not None and role not in _KV_ROLES:
        yield Together("kv-transfer-config", f"There is no kv_role {role}.", f"Write one of {', '.join(_KV_ROLES)}.")
    elif connector is not None and role is None:
        yield Together("kv-transfer-config", "A kv_connector needs a kv_role.", f"Write one of {', '.join(_KV_ROLES)}.")
    if config and connector not in line.runtime.connectors:
        said = f"The TPU platform has no connector {connector}."
        known = ", ".join(sorted(line.runtime.connectors))
        yield Together("kv-transfer-config", said, f"Write one of {known}; recipes for GPUs do not carry over.")


def _parallel(line: Line) -> Iterator[Together]:
    # config/parallel.py _validate_parallel_config
    if line.on("enable-eplb"):
        yield Together("enable-eplb", "Expert load balancing exists on CUDA, ROCm and XPU only.", "Remove it.")
    elif line.mapping("eplb-config").get("num_redundant_experts"):
        yield Together("eplb-config", "Redundant experts need enable-eplb, which a TPU lacks.", "Remove it.")
    bound = [name for name in ("numa-bind-nodes", "numa-bind-cpus") if name in line.flags]
    if bound and not line.on("numa-bind"):
        yield Together(bound[0], f"{bound[0]} needs numa-bind.", "Write numa-bind: true too, or remove it.")
    if line.on("enable-elastic-ep") and not line.on("enable-eplb"):
        yield Together("enable-elastic-ep", "Elastic experts need enable-eplb, which a TPU lacks.", "Remove it.")
    if line.on("enable-fault-tolerance"):
        yield Together(
            "enable-fault-tolerance", "Fault tolerance needs an external load balancer of ranks.", "Remove it."
        )


def _images(line: Line) -> Iterator[Together]:
    # v1/core/encoder_cache_manager.py, config/multimodal.py _validate_multimodal_config
    batch = line.number("max-num-batched-tokens")
    if (
        line.on("disable-chunked-mm-input")
        and line.image_tokens is not None
        and batch is not None
        and batch < line.image_tokens
        and _images_allowed(line)
    ):
        said = f"With chunked image input off a batch of {batch:.0f} tokens must hold an image of {line.image_tokens}."
        yield Together(
            "max-num-batched-tokens", said, f"Write max-num-batched-tokens: {line.image_tokens}, or leave it out."
        )
    size = "mm-shm-cache-max-object-size-mb"
    if size in line.flags and line.flags.get("mm-processor-cache-type") != "shm":
        yield Together(size, f"{size} needs mm-processor-cache-type: shm.", "Write that too, or remove it.")


def _images_allowed(line: Line) -> bool:
    """False where images are off, or made smaller than the processor's own most."""
    smaller = line.mapping("mm-processor-kwargs")
    image = line.mapping("limit-mm-per-prompt").get("image", 1)
    return (
        image != 0 and not {"max_pixels", "size", "images_kwargs"} & set(smaller) and not line.on("language-model-only")
    )
