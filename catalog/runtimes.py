"""What a runtime loads and knows by name, per version; written from its wheels by `tools.runtime_tables.runtime`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from catalog.files import DATA_DIR, UnknownVersionError, read_yaml
from catalog.records import record

# `flax_nnx`: the runtime's own JAX models. `vllm`: vLLM's PyTorch models through torchax. Values of MODEL_IMPL_TYPE.
Backend = Literal["flax_nnx", "vllm"]
BACKEND_VARIABLE = "MODEL_IMPL_TYPE"


@dataclass(frozen=True)
class Runtime:
    """One version of the runtime.

    `loads` are the quantization methods of each backend, `platform` those that the platform lets through at all.
    `streamed` are the JAX architectures that stay on JAX under the streamer. `variables` names every variable its two packages read, with its values where it refuses others.
    """

    version: str
    jax_architectures: frozenset[str]
    streamed: frozenset[str]
    torchax_preferred: frozenset[str]
    platform: frozenset[str]
    loads: dict[Backend, frozenset[str]]
    connectors: frozenset[str]
    tool_parsers: frozenset[str]
    reasoning_parsers: frozenset[str]
    variables: dict[str, tuple[str, ...]]

    def chosen_backend(self, architecture: str, streamed: bool = False) -> Backend:
        """What MODEL_IMPL_TYPE=auto comes to (models/common/model_loader.py resolve_model_architecture, get_model).

        `streamed`: with --load-format=runai_streamer, which moves every class without a loader of its own to torchax.
        """
        if streamed and architecture not in self.streamed:
            return "vllm"
        if architecture in self.torchax_preferred or architecture not in self.jax_architectures:
            return "vllm"
        return "flax_nnx"


@cache
def load_runtime(version: str) -> Runtime:
    """The table of one version (`0.32.0` or `v0.32.0`).

    Raises:
        UnknownVersionError: no table for that version.
    """
    path = DATA_DIR / "runtimes" / f"{version.removeprefix('v')}.json"
    if not path.is_file():
        raise UnknownVersionError(f"no table of the runtime {version}; `python -m tools.runtime_tables` writes one")
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    quantization = data["quantization"]
    return Runtime(
        version=path.stem,
        jax_architectures=frozenset(data["jaxArchitectures"]),
        streamed=frozenset(data["streamed"]),
        torchax_preferred=frozenset(data["torchaxPreferred"]),
        platform=frozenset(quantization["platform"]),
        loads={"flax_nnx": frozenset(quantization["flaxNnx"]), "vllm": frozenset(quantization["torchax"])},
        connectors=frozenset(data["connectors"]),
        tool_parsers=frozenset(data["toolParsers"]),
        reasoning_parsers=frozenset(data["reasoningParsers"]),
        variables={name: tuple(values) for name, values in data["variables"].items()},
    )


@dataclass(frozen=True)
class Family:
    """What an architecture needs of the runtime. Data and sources: `data/families.yaml`."""

    mla: bool = False
    multimodal: bool = False
    image_tokens: int | None = None
    flags: tuple[tuple[str, bool | str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    ran: tuple[str, ...] = ()


@cache
def family_of(architecture: str | None) -> Family:
    """The family of an architecture; an empty one where nothing is known of it."""
    row = read_yaml("families.yaml")["families"].get(architecture, {})
    pairs = {key: tuple(row.get(key, {}).items()) for key in ("flags", "environment")}
    return record(Family, row, **pairs)


def matrix_says(model: str, generation: str) -> str | None:
    """What the release's support matrix says of a model on a generation; None where it does not name either."""
    rows = {key.lower(): row for key, row in read_yaml("support_matrix.yaml")["models"].items()}
    answer = rows.get(model.lower(), {}).get(generation)
    return str(answer) if answer else None


def untested_formats() -> frozenset[str]:
    """Quantization methods whose checkpoints the release has not tested on any generation."""
    return frozenset(read_yaml("support_matrix.yaml")["formats"]["untested"])


def matrix_release() -> str:
    """The release whose support matrix is asked."""
    return str(read_yaml("support_matrix.yaml")["release"])
