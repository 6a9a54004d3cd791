"""A model with everything derived from its settings: slice, parallelism, backend, size, times. Decided here and nowhere else."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from catalog.durations import precompile_workers, startup_budget_seconds
from catalog.lock import runtime_version
from catalog.models import Checkpoint, KnownModel, Task, named
from catalog.runtimes import BACKEND_VARIABLE, Backend, Family, Runtime, family_of, load_runtime
from catalog.tpu import SliceShape, generations
from settings.flags import json_flag, plain_flags
from settings.model import FlagValue, Model
from settings.store import Revision, Store, revision_of

DEFAULT_CONTEXT_LENGTH = 4096
_PLAIN_BITS = 16  # bfloat16
_DOWNLOAD_BYTES_PER_SECOND = 100e6
_SAFETY = 3
_FILLING_NODE_SECONDS, _UNKNOWN_DOWNLOAD_SECONDS = 900, 7200
# Roles take up to seven minutes to be in force (Google "Access change propagation"), an init container is started again until then.
_LOOKING_SECONDS = 660
_LEAST_DISK_GIB = 100
# What the streamer's own buffers and the server take beside the weights (marin#3768: 131 GiB in all, for as many of weights).
_SERVER_GIB = 16
_MOST_OF_MEMORY = 0.9  # what a node of any size has left for pods, about
# A TPU stock-out hides for about 35 minutes before GKE gives up (gke.md 4.4); then the node boots and pulls the image.
NODE_BUDGET_SECONDS = 3600
# The slowest answer we plan for; one request alone ran at about 105 tokens/s in the field report.
_SLOWEST_TOKENS_PER_SECOND = 10
_MIN_ANSWER_SECONDS = 300
# KServe 0.20 has no rollout field: a Deployment rolls with Kubernetes' default of 25 % surge, rounded up.
_SURGE_SHARE = 0.25
# As publishers name models that embed: nomic-embed-text, bge-m3, gte-Qwen2, multilingual-e5.
_EMBEDDER = re.compile(r"embed|\b(?:bge|gte|e5)\b")
# Kinds of stretched positions whose factor lengthens the context.
_LENGTHENING = ("yarn", "linear", "dynamic")
# Without --max-num-batched-tokens a server on a TPU takes 2048 (vllm 0.32.0 arg_utils.py get_batch_defaults).
DEFAULT_BATCHED_TOKENS = 2048
# Where clients ask, below a model's base URL (vllm 0.32.0 entrypoints/pooling and openai).
REQUEST_PATHS: dict[Task, str] = {
    "chat": "/v1/chat/completions",
    "embed": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "score": "/v1/score",
}
MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True)
class ServedModel:
    """A model of the file and its slice. Raises nothing: the rules have refused what can't be."""

    settings: Model
    shape: SliceShape
    store: Store | None = None

    @property
    def name(self) -> str:
        """Name of the LLMInferenceService."""
        return self.settings.name

    @property
    def known(self) -> KnownModel | None:
        """The catalogue's entry, where the source is one or a copy of one."""
        return named(self.settings.source).model

    @property
    def checkpoint(self) -> Checkpoint | None:
        """How the weights are stored, where the name says so."""
        return named(self.settings.source).checkpoint

    @property
    def runtime(self) -> Runtime:
        """What the runtime of its image loads and knows."""
        return load_runtime(runtime_version(self.settings.image))

    @cached_property
    def flags_given(self) -> dict[str, FlagValue]:
        """The user's flags by their full names without dashes; `no-x: true` is `x: false`."""
        return dict(plain_flags(self.settings.server_flags)) | dict(plain_flags(self.settings.unlisted_server_flags))

    @property
    def architecture(self) -> str | None:
        """The class of the model that its config.json names, where it is known or overridden."""
        overridden = json_flag(self.flags_given.get("hf-overrides")).get("architectures")
        if isinstance(overridden, list) and overridden and isinstance(overridden[0], str):
            return overridden[0]
        return self.known.architecture if self.known else None

    @property
    def family(self) -> Family:
        """What its architecture needs."""
        return family_of(self.architecture)

    @property
    def task(self) -> Task:
        """What clients ask of it."""
        if self.settings.task is not None:
            return self.settings.task
        if self.flags_given.get("runner") == "generate":
            return "chat"
        if self.known is not None:
            return self.known.task
        name = self.settings.source.lower()
        if "rerank" in name or "cross-encoder" in name:
            return "rerank"
        pooling = self.flags_given.get("runner") == "pooling" or self.flags_given.get("convert") == "embed"
        return "embed" if pooling or _EMBEDDER.search(name) else "chat"

    @property
    def request_path(self) -> str:
        """Where clients ask for its task, below its base URL."""
        return REQUEST_PATHS[self.task]

    @property
    def most_replicas(self) -> int:
        """Replicas, the most of them where they follow load or clock: what pools, quota and budgets are made for."""
        return self.settings.scaling.most if self.settings.scaling else self.settings.replicas

    @property
    def least_replicas(self) -> int:
        """Replicas, the fewest of them where they follow load or clock."""
        return self.settings.scaling.least if self.settings.scaling else self.settings.replicas

    @property
    def picker_queue(self) -> bool:
        """Whether requests wait in the endpoint picker while every replica is busy, and are counted there."""
        scaling = self.settings.scaling
        return scaling is not None and not scaling.by_clock and scaling.queue_per_replica > 0

    @property
    def chips(self) -> int:
        """Chips of all replicas, the most of them."""
        return self.shape.chips * self.most_replicas

    @property
    def surge_slices(self) -> int:
        """Slices an update needs beside the replicas; LeaderWorkerSet replaces in place."""
        return 0 if self.shape.multi_host else math.ceil(_SURGE_SHARE * self.most_replicas)

    @property
    def tensor_parallel_size(self) -> int:
        """All devices of the slice, of several hosts too (TP04)."""
        return self.shape.devices

    @property
    def quantization(self) -> str | None:
        """vLLM's method for the weights: the flag, what the name says, or the catalogue; None for plain or unknown ones."""
        given = self.flags_given.get("quantization")
        if isinstance(given, str):
            return {"awq": "auto_awq", "gptq": "auto_gptq", "mxfp4": "gpt_oss_mxfp4"}.get(given, given)
        if self.checkpoint is not None:
            return self.checkpoint.method
        return self.known.method if self.known else None

    @property
    def revision(self) -> Revision | None:
        """The repository and revision that the source names; None where it is not from the Hub."""
        return revision_of(self.settings.source)

    @property
    def streamed(self) -> tuple[Store, Revision] | None:
        """Where its weights are read from by the streamer; None where each pod downloads them."""
        revision = self.revision
        if self.settings.weights is None or self.store is None or revision is None:
            return None
        return self.store, revision

    @property
    def weights_address(self) -> str:
        """`gs://` address that its weights are read from; empty where each pod downloads them."""
        if self.streamed is None:
            return ""
        store, revision = self.streamed
        return store.address(store.weights_of(revision))

    @property
    def programs_folder(self) -> str | None:
        """Folder of the bucket that its compiled programs are kept in; None where each pod has its own."""
        if self.store is None or not self.store.programs:
            return None
        return self.store.programs_of(self.runtime.version, self.shape)

    @property
    def precompile_workers(self) -> int:
        """Programs compiled at once: each needs memory of the device, where the weights lie already."""
        if self.settings.precompile_workers is not None:
            return self.settings.precompile_workers
        facts = generations()[self.shape.generation]
        return precompile_workers(facts.hbm_gib / facts.devices_per_chip)

    @property
    def torchax_reason(self) -> str | None:
        """Why the runtime's own JAX models can't serve this model; None where they may."""
        if self.flags_given.get("enable-lora") is True:
            return "LoRA adapters"
        if self.shape.multi_host:
            return "several hosts"
        method = self.quantization
        if method in self.runtime.loads["vllm"] and method not in self.runtime.loads["flax_nnx"]:
            return f"{method} weights"
        if method == "compressed-tensors" and self.checkpoint is not None and self.checkpoint.integer:
            return "int8 weights"
        return None

    @property
    def variables(self) -> dict[str, str]:
        """Variables of the server that follow from the model, the user's on top."""
        found = dict(self.family.environment)
        if self.torchax_reason is not None:
            found[BACKEND_VARIABLE] = "vllm"
        return found | self.settings.environment

    @property
    def backend(self) -> Backend | None:
        """The backend that serves the model; None where its architecture is not known."""
        wanted = self.variables.get(BACKEND_VARIABLE, "auto")
        if wanted in {"vllm", "flax_nnx"}:
            outside_of_jax = self.architecture is not None and self.architecture not in self.runtime.jax_architectures
            return "vllm" if wanted == "vllm" or outside_of_jax else "flax_nnx"
        streamed = self.streamed is not None
        return self.runtime.chosen_backend(self.architecture, streamed) if self.architecture else None

    @property
    def cpu(self) -> int | None:
        """CPUs that the server asks for: half of its machine where nobody says it; None where that is not known."""
        machine = generations()[self.shape.generation].machines[self.shape.machine_type]
        return self.settings.resources.cpu or (machine.vcpus and machine.vcpus // 2)

    @property
    def memory_gib(self) -> int | None:
        """Memory that the server asks for, likewise; more where the weights pass through it as a whole."""
        machine = generations()[self.shape.generation].machines[self.shape.machine_type]
        if self.settings.resources.memory_gib or not machine.memory_gib:
            return self.settings.resources.memory_gib
        needed, half = self.streaming_memory_gib or 0, machine.memory_gib // 2
        return max(half, needed) if needed < _MOST_OF_MEMORY * machine.memory_gib else half  # WT06 says so

    @property
    def host_memory_gib(self) -> int:
        """Host memory that the server takes: torchax holds the whole model there on its way, whatever loads it."""
        through = self.weights_bytes if self.backend == "vllm" else None
        return math.ceil((through or 0) / GIB) + _SERVER_GIB

    @property
    def streaming_memory_gib(self) -> int | None:
        """Host memory for weights that torchax streams: the whole model was seen there; None where it does not."""
        if self.streamed is None or self.backend == "flax_nnx" or self.weights_bytes is None:
            return None
        return self.host_memory_gib

    @property
    def text_overrides(self) -> dict[str, Any]:
        """What `hf-overrides` says of the language model: a model of images has it below `text_config` (vllm#54289)."""
        overrides = json_flag(self.flags_given.get("hf-overrides"))
        return json_flag(overrides.get("text_config")) if self.family.multimodal else overrides

    @property
    def rope_type(self) -> str | None:
        """How `hf-overrides` stretches positions; `type` is the older key (vllm transformers_utils/config.py)."""
        return self._rope.get("rope_type", self._rope.get("type"))

    @property
    def _rope(self) -> dict[str, Any]:
        # One field with two names in transformers 5.
        return json_flag(self.text_overrides.get("rope_parameters") or self.text_overrides.get("rope_scaling"))

    @property
    def rope_factor(self) -> float:
        """How much longer a context `hf-overrides` allows, 1 without it (vllm config/model.py _get_and_verify_max_len)."""
        factor = self._rope.get("factor")
        if self.known is None or self.rope_type not in _LENGTHENING or not isinstance(factor, int | float):
            return 1
        if self.known.architecture.startswith("Gemma3"):
            return 1  # what it publishes is stretched already
        original = self._rope.get("original_max_position_embeddings") if self.rope_type == "yarn" else None
        return max(1, factor * original / self.known.max_context if isinstance(original, int | float) else factor)

    @property
    def max_context(self) -> int | None:
        """The longest context the model allows; None where it is not known."""
        if self.known is None:
            return None
        stretched = self.text_overrides.get("max_position_embeddings")
        if not isinstance(stretched, int):
            return int(self.known.max_context * self.rope_factor)
        return stretched if self.rope_type == "yarn" else int(stretched * self.rope_factor)

    @property
    def context_length(self) -> int:
        """Longest prompt and answer together, in tokens."""
        if self.settings.context_length is not None:
            return self.settings.context_length
        return min(DEFAULT_CONTEXT_LENGTH, self.known.max_context if self.known else DEFAULT_CONTEXT_LENGTH)

    @property
    def longest_answer_tokens(self) -> int:
        """Longest answer in tokens."""
        return self.settings.longest_answer_tokens or self.context_length

    @property
    def answer_seconds(self) -> int:
        """Time limit of the load balancer for one answer (decision 4); its own default of 30 s cuts long answers."""
        if self.settings.longest_answer_seconds is not None:
            return self.settings.longest_answer_seconds
        return max(_MIN_ANSWER_SECONDS, math.ceil(self.longest_answer_tokens / _SLOWEST_TOKENS_PER_SECOND) + 60)

    @property
    def bits_per_weight(self) -> float:
        """Bits of a parameter in the files: the key, the name, the catalogue; bfloat16 where nobody says."""
        if self.settings.bits_per_weight is not None:
            return self.settings.bits_per_weight
        if self.checkpoint is not None:
            return self.checkpoint.bits
        return self.known.bits if self.known else _PLAIN_BITS

    @property
    def weights_bytes(self) -> int | None:
        """Size of the weights; None where neither settings nor catalogue nor name know the model."""
        billions = self.settings.parameters_billion or named(self.settings.source).billions
        if billions is not None:
            return round(billions * 1e9 * self.bits_per_weight / 8)
        if self.known is None:
            return None
        published = self.checkpoint is None and self.settings.bits_per_weight is None
        if published and self.known.weights_bytes is not None:
            return self.known.weights_bytes
        return round(self.known.parameters * self.bits_per_weight / 8)

    @property
    def cache_bytes(self) -> int:
        """Key-value cache of one request of the whole context, which a server must hold to start; 0 where not known."""
        if self.known is None:
            return 0
        narrow = str(self.flags_given.get("kv-cache-dtype", "")).startswith("fp8")
        return self.known.cache_bytes(self.context_length, 1 if narrow else 2, self.tensor_parallel_size)

    @property
    def download_seconds(self) -> int:
        """A slow day's download of the weights, by each pod or by the Job that fills the bucket."""
        return math.ceil((self.weights_bytes or 0) / _DOWNLOAD_BYTES_PER_SECOND)

    @property
    def startup_budget_seconds(self) -> int:
        """How long the server container may take until it answers (KS11), its download of the weights not counted."""
        if self.settings.startup_budget_seconds is not None:
            return self.settings.startup_budget_seconds
        weights = (self.weights_bytes or 0) / GIB
        streamed = self.streamed is not None
        return startup_budget_seconds(weights, self.context_length, self.shape.hosts, streamed=streamed)

    @property
    def ready_timeout_seconds(self) -> int:
        """How long the engine waits for the service: node, download and start together (KS11)."""
        before = _LOOKING_SECONDS if self.streamed else _SAFETY * self.download_seconds
        return NODE_BUDGET_SECONDS + before + self.startup_budget_seconds

    @property
    def filling_timeout_seconds(self) -> int:
        """How long the engine waits for the Job that fills the bucket: its node's start, and a slow day three times over."""
        return _FILLING_NODE_SECONDS + _SAFETY * (self.download_seconds or _UNKNOWN_DOWNLOAD_SECONDS)

    @property
    def disk_gib(self) -> int:
        """Boot disk of its nodes: weights twice (download cache and copy) unless they are streamed, image and system."""
        if self.settings.disk_gib is not None:
            return self.settings.disk_gib
        if self.streamed is not None:
            return _LEAST_DISK_GIB
        return max(_LEAST_DISK_GIB, math.ceil(2 * (self.weights_bytes or 50e9) / GIB) + 60)
