"""Known models: what fit and parallelism checks need. Data, source and date: `data/models.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from catalog.files import read_yaml
from catalog.records import record

_SCHEME = "hf://"


@dataclass(frozen=True)
class KnownModel:
    """A model of the Hugging Face Hub as its config.json describes it.

    `gated`: its pages ask for a licence to be accepted, so a download needs a token. `v6e`: what the TPU runtime's own
    support matrix says of it on that generation. `verified` is False where the numbers could not be confirmed.
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
    v6e: Literal["passing", "failing", "untested"]
    verified: bool
    weights_dtype_bytes: int = 2

    @property
    def page(self) -> str:
        """Where the licence can be read, and accepted if the model is gated."""
        return f"https://huggingface.co/{self.id}"

    def weights_bytes(self) -> int:
        """Bytes of the weights as published."""
        return self.parameters * self.weights_dtype_bytes

    def kv_bytes_per_token(self, dtype_bytes: int = 2, tensor_parallel: int = 1) -> int:
        """Bytes of key-value cache of one token, summed over the chips.

        More chips than key-value heads hold copies, so that every chip has one head (tpu_inference 0.27.0 utils.py,
        get_num_kv_heads_by_tp). An upper bound for models whose layers partly look back a fixed window only.
        """
        return 2 * self.layers * max(self.key_value_heads, tensor_parallel) * self.head_dim * dtype_bytes

    def allows_tensor_parallel(self, size: int) -> bool:
        """True if the attention heads divide evenly, and the key-value heads divide or are copied evenly."""
        heads = self.key_value_heads
        return self.attention_heads % size == 0 and (heads % size == 0 or size % heads == 0)


@cache
def _known() -> dict[str, KnownModel]:
    return {key: record(KnownModel, row, id=key) for key, row in read_yaml("models.yaml")["models"].items()}


def known_models() -> tuple[KnownModel, ...]:
    """All of them, in the order of the data file."""
    return tuple(_known().values())


def find_model(source: str) -> KnownModel | None:
    """The known model of an `hf://Org/Name` source, with or without `:revision`; None for any other."""
    if not source.startswith(_SCHEME):
        return None
    return _known().get(source.removeprefix(_SCHEME).partition(":")[0])
