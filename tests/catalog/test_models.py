"""Known models: what fit and parallelism are computed from."""

from __future__ import annotations

import pytest

from catalog.models import find_model, known_models


def test_a_model_is_found_by_its_source_with_and_without_a_revision() -> None:
    model = find_model("hf://Qwen/Qwen3-32B")
    assert model is not None
    assert model.id == "Qwen/Qwen3-32B"
    assert find_model("hf://Qwen/Qwen3-32B:main") == model


@pytest.mark.parametrize("source", ["Qwen/Qwen3-32B", "hf://qwen/qwen3-32b", "gs://b/Qwen/Qwen3-32B", "hf://x/y", ""])
def test_any_other_source_is_unknown_and_no_error(source: str) -> None:
    assert find_model(source) is None


def test_weights_and_cache_of_a_model_whose_figures_are_published() -> None:
    """Qwen3-32B: 61.02 GiB in bfloat16, 256 KiB of cache a token."""
    model = find_model("hf://Qwen/Qwen3-32B")
    assert model is not None
    assert round(model.weights_bytes() / 2**30, 2) == 61.02
    assert model.kv_bytes_per_token() == 262144
    assert model.kv_bytes_per_token(dtype_bytes=1) == 131072


def test_more_chips_than_key_value_heads_hold_copies() -> None:
    model = find_model("hf://Qwen/Qwen2.5-3B-Instruct")
    assert model is not None
    assert model.key_value_heads == 2
    assert model.kv_bytes_per_token(tensor_parallel=4) == 2 * model.kv_bytes_per_token(tensor_parallel=2)


def test_tensor_parallelism_needs_even_heads_of_both_kinds() -> None:
    model = find_model("hf://Qwen/Qwen2.5-7B-Instruct")  # 28 attention heads, 4 key-value heads
    assert model is not None
    assert [size for size in (1, 2, 4, 8) if model.allows_tensor_parallel(size)] == [1, 2, 4]
    field = find_model("hf://Qwen/Qwen2.5-3B-Instruct")
    assert field is not None
    assert field.allows_tensor_parallel(4), "the field report ran it on four chips"


def test_every_model_is_shaped_like_a_transformer() -> None:
    for model in known_models():
        assert model.attention_heads % model.key_value_heads == 0, model.id
        assert model.max_context >= 8192, model.id
        assert model.id.count("/") == 1, model.id


def test_gated_models_are_those_whose_makers_ask_for_a_licence() -> None:
    gated = {model.id.partition("/")[0] for model in known_models() if model.gated}
    assert gated == {"meta-llama", "google"}
