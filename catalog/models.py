"""Known models: what fit and parallelism checks need. Data: `data/models.yaml`."""

from __future__ import annotations

from functools import cache

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from catalog.files import read_yaml


class KnownModel(BaseModel):
    """A model of the Hugging Face Hub as its config.json describes it."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    id: str
    parameters: int
    attention_heads: int
    max_context: int
    gated: bool
    weights_dtype_bytes: int = 2

    def weights_bytes(self) -> int:
        """Bytes of the weights as published."""
        return self.parameters * self.weights_dtype_bytes


@cache
def _known() -> dict[str, KnownModel]:
    return {key: KnownModel(id=key, **row) for key, row in read_yaml("models.yaml")["models"].items()}


def find_model(source: str) -> KnownModel | None:
    """The known model of an `hf://Org/Name` source, or None."""
    return _known().get(source.removeprefix("hf://").partition(":")[0]) if source.startswith("hf://") else None
