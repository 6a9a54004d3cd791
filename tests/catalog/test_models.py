"""Known models: what fit and parallelism are computed from."""

from __future__ import annotations

import pytest

from catalog.models import known_models, named


def test_a_model_is_found_by_its_source_with_and_without_a_revision_in_any_letters() -> None:
    model = named("hf://Qwen/Qwen3-32B").model
    assert model is not None
    assert model.id == "Qwen/Qwen3-32B"
    assert named("hf://Qwen/Qwen3-32B:main").model == model
    assert named("hf://qwen/qwen3-32b").model == model


@pytest.mark.parametrize("source", ["Qwen/Qwen3-32B", "gs://b/Qwen/Qwen3-32B", "hf://x/y", ""])
def test_any_other_source_is_unknown_and_no_error(source: str) -> None:
    assert named(source).model is None


@pytest.mark.parametrize(
    ("source", "model", "method", "exact"),
    [
        ("Qwen/Qwen3-32B-FP8", "Qwen/Qwen3-32B", "fp8", True),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8", "Qwen/Qwen3-30B-A3B-Instruct-2507", "fp8", True),
        ("RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8", "meta-llama/Llama-3.3-70B-Instruct", "compressed-tensors", False),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic", "meta-llama/Llama-3.1-8B-Instruct", "fp8", False),
        ("unsloth/Qwen3-32B_GGUF", "Qwen/Qwen3-32B", None, False),
        ("someone/Qwen3-32B-AWQ", "Qwen/Qwen3-32B", "auto_awq", False),
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "meta-llama/Llama-3.3-70B-Instruct", "modelopt_fp4", False),
        ("Intel/Qwen3-32B-int4-AutoRound", "Qwen/Qwen3-32B", "inc", False),
        ("someone/Qwen3-32B-finetuned-AWQ", None, "auto_awq", False),
    ],
)  # fmt: skip
def test_a_name_says_which_model_it_is_and_how_it_is_stored(
    source: str, model: str | None, method: str | None, exact: bool
) -> None:
    found = named(f"hf://{source}")
    assert (found.model and found.model.id, found.checkpoint and found.checkpoint.method, found.exact) == (
        model,
        method,
        exact,
    )


def test_the_size_of_an_unknown_model_is_what_its_name_says() -> None:
    sizes = {
        name: named(f"hf://example/{name}").billions
        for name in (
            "Large-405B-Instruct",
            "Small-0.5B",
            "Mix-8x7B-v0.1",
            "Coder-480B-A35B",
            "Scout-17B-16E-Instruct",
            "Ling-1T",
            "Model-A3B",
            "v2",
        )
    }
    assert sizes == {
        "Large-405B-Instruct": 405,
        "Small-0.5B": 0.5,
        "Mix-8x7B-v0.1": 56,
        "Coder-480B-A35B": 480,
        "Scout-17B-16E-Instruct": None,
        "Ling-1T": 1000,
        "Model-A3B": None,
        "v2": None,
    }


def test_cache_of_models_whose_figures_are_published() -> None:
    """Qwen3-32B: 256 KiB of cache a token. DeepSeek-R1: 61 layers of 576 values."""
    model = named("hf://Qwen/Qwen3-32B").model
    assert model is not None
    assert model.cache_bytes(1) == 262144
    assert model.cache_bytes(1, dtype_bytes=1) == 131072
    latent = named("hf://deepseek-ai/DeepSeek-R1").model
    assert latent is not None
    assert latent.cache_bytes(1000, tensor_parallel=8) == 1000 * 61 * 576 * 2


def test_more_devices_than_key_value_heads_hold_copies() -> None:
    model = named("hf://Qwen/Qwen2.5-3B-Instruct").model
    assert model is not None
    assert model.key_value_heads == 2
    assert model.cache_bytes(1, tensor_parallel=4) == 2 * model.cache_bytes(1, tensor_parallel=2)


def test_a_layer_with_a_window_keeps_no_more_than_it() -> None:
    model = named("hf://google/gemma-3-27b-it").model
    assert model is not None
    longer = model.cache_bytes(131072)
    assert longer - model.cache_bytes(1024) == (131072 - 1024) * 10 * 2 * 16 * 128 * 2


def test_tensor_parallelism_needs_even_heads_of_both_kinds() -> None:
    model = named("hf://Qwen/Qwen2.5-7B-Instruct").model  # 28 attention heads, 4 key-value heads
    assert model is not None
    assert [size for size in (1, 2, 4, 8) if model.allows_tensor_parallel(size)] == [1, 2, 4]
    field = named("hf://Qwen/Qwen2.5-3B-Instruct").model
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
