"""Known models, and what the name of a checkpoint says of it. Data, sources, dates: `data/models.yaml`, `data/checkpoints.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from catalog.files import read_yaml
from catalog.records import record

_SCHEME = "hf://"
# `70b`, `0.6b`, `8x7b`, `1t`; not `a3b`, nor the `17b` of `17b-128e`, which are what a token uses of it.
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(?P<experts>\d+)x)?(?P<count>\d+(?:\.\d+)?)(?P<unit>[bt])(?![a-z0-9]|-\d+e\b)")
_BILLIONS = {"b": 1, "t": 1000}
Task = Literal["chat", "embed", "rerank", "score"]


@dataclass(frozen=True)
class KnownModel:
    """A model of the Hugging Face Hub as its config.json describes it.

    `gated`: its pages ask for a licence to be accepted, so a download needs a token. `bits`: of a parameter in the files, as
    published; `weights_bytes` where the size of the files is known better. `latent_dim`: values a token and layer keep in
    the cache of multi-head latent attention. `window`: tokens that `sliding_layers` look back. `flags`: what it needs beside
    its family's. `verified` is False where the numbers could not be confirmed.
    """

    id: str
    parameters: int
    attention_heads: int
    key_value_heads: int
    layers: int
    head_dim: int
    max_context: int
    gated: bool
    license: str
    architecture: str
    verified: bool
    task: Task = "chat"
    bits: float = 16
    method: str | None = None
    weights_bytes: int | None = None
    latent_dim: int | None = None
    sliding_layers: int = 0
    window: int = 0
    flags: tuple[tuple[str, bool | str], ...] = ()

    @property
    def page(self) -> str:
        """Where the licence can be read, and accepted if the model is gated."""
        return f"https://huggingface.co/{self.id}"

    def cache_bytes(self, tokens: int, dtype_bytes: int = 2, tensor_parallel: int = 1) -> int:
        """Bytes of key-value cache of one request of that many tokens, summed over the devices.

        More devices than key-value heads hold copies, so that every device has one head (tpu_inference 0.32.0 utils.py,
        get_num_kv_heads_by_tp). Layers with a window keep no more than it.
        """
        if self.latent_dim is not None:
            return self.layers * self.latent_dim * dtype_bytes * tokens
        layer = 2 * max(self.key_value_heads, tensor_parallel) * self.head_dim * dtype_bytes
        full = self.layers - self.sliding_layers
        return layer * (full * tokens + self.sliding_layers * min(tokens, self.window))

    def allows_tensor_parallel(self, size: int) -> bool:
        """True if the attention heads divide evenly, and the key-value heads divide or are copied evenly."""
        heads = self.key_value_heads
        divides = self.latent_dim is not None or heads % size == 0 or size % heads == 0
        return self.attention_heads % size == 0 and divides


@dataclass(frozen=True)
class Checkpoint:
    """What a name says of how the weights are stored.

    `bits` of a parameter in the files, scales counted in. `method`: vLLM's quantization method, None for plain weights.
    `why` such files can't be loaded on a TPU. `integer`: int8 weights and activations.
    """

    words: tuple[str, ...]
    bits: float
    method: str | None
    why: str = ""
    integer: bool = False


@dataclass(frozen=True)
class Named:
    """What is known of a source by its name: the model behind it, and how this copy of it is stored.

    `exact` is False where the model is known under its publisher's name only and this is somebody's copy. `billions`: of
    parameters, as the name has them (`70B`), where the model is not known.
    """

    model: KnownModel | None = None
    checkpoint: Checkpoint | None = None
    exact: bool = False
    billions: float | None = None


@cache
def _known() -> dict[str, KnownModel]:
    rows = read_yaml("models.yaml")["models"]
    made = (record(KnownModel, row, id=key, flags=tuple(row.get("flags", {}).items())) for key, row in rows.items())
    return {model.id.lower(): model for model in made}


@cache
def _by_words() -> dict[tuple[str, ...], KnownModel]:
    return {_words(key.partition("/")[2])[0]: model for key, model in reversed(_known().items())}


@cache
def _checkpoints() -> tuple[tuple[Checkpoint, ...], frozenset[str]]:
    data = read_yaml("checkpoints.yaml")
    formats = tuple(record(Checkpoint, row, bits=float(row["bits"])) for row in data["formats"])
    return formats, frozenset([*data["others"], *(word for row in formats for word in row.words)])


def _words(name: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The words of a name without those that say how it is stored, and all of them."""
    words = re.split(r"[-_./]+", name)
    return tuple(word for word in words if word not in _checkpoints()[1]), frozenset(words)


def known_models() -> tuple[KnownModel, ...]:
    """All of them, in the order of the data file."""
    return tuple(_known().values())


@cache
def named(source: str) -> Named:
    """What the name of an `hf://Org/Name` source says, capitals aside; nothing for any other source."""
    if not source.startswith(_SCHEME):
        return Named()
    name = source.removeprefix(_SCHEME).partition(":")[0].lower()
    known = _known().get(name)
    if known is not None:
        return Named(known, exact=True)
    words = _words(name)[1]
    checkpoint = next((row for row in _checkpoints()[0] if words.intersection(row.words)), None)
    publisher, _, own = name.partition("/")
    model = _by_words().get(_words(own)[0])
    exact = model is not None and model.id.lower().startswith(f"{publisher}/")
    size = None if model else _SIZE.search(own)
    billions = float(size["count"]) * int(size["experts"] or 1) * _BILLIONS[size["unit"]] if size else None
    return Named(model, checkpoint, exact, billions)
