"""What a runtime loads and knows is read from its wheels, and is what those wheels say."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from catalog.files import DATA_DIR, UnknownVersionError
from catalog.models import known_models
from catalog.runtimes import family_of, load_runtime, matrix_says
from catalog.vllm_flags import flag_versions
from tools.runtime_tables.runtime import runtime
from tools.runtime_tables.vllm_flags import ExtractionError

RUNTIME_TREE = {
    "tpu_inference/models/common/model_loader.py": """
_VLLM_PREFERRED_ARCHITECTURES: frozenset[str] = frozenset({"Preferred"})
def _get_model_architecture(config):
    from tpu_inference.models.ours import Ours, Preferred
    _MODEL_REGISTRY["Ours"] = Ours
    _MODEL_REGISTRY["Preferred"] = Preferred
    return _MODEL_REGISTRY["Ours"]
""",
    "tpu_inference/models/ours.py": "class Preferred:\n    pass\nclass Ours:\n    WeightLoader = Preferred\n",
    "tpu_inference/platforms/tpu_platform.py": """
class TpuPlatform:
    supported_quantization: list[str] = ["fp8", "auto_awq"]
    def check_and_update_config(cls, config):
        if config:
            allowed = ("TPUConnector",)
""",
    "tpu_inference/layers/common/quant_methods.py": 'AWQ = "auto_awq"\nFP8 = "fp8"\n',
    "tpu_inference/layers/jax/quantization/__init__.py": """
def get_tpu_quantization_config(config):
    method_to_config: dict = {None: Plain, FP8: Fp8}
""",
    "tpu_inference/layers/vllm/quantization/__init__.py": """
def get_tpu_quantization_config(config, mesh):
    method_to_config: dict = {None: Plain, quant_methods.FP8: Fp8, quant_methods.AWQ: Awq}
""",
    "tpu_inference/envs.py": """
environment_variables: dict = {
    "MODEL_IMPL_TYPE": env_with_choices("MODEL_IMPL_TYPE", "auto", ["auto", "vllm"]),
    "NEW_MODEL_DESIGN": env_bool("NEW_MODEL_DESIGN", default=False),
    "NUM_SLICES": lambda: 1,
}
""",
    "vllm/envs.py": 'environment_variables: dict = {"VLLM_PORT": lambda: 1}\n',
    "vllm/tool_parsers/__init__.py": '_TOOL_PARSERS_TO_REGISTER = {"hermes": ("hermes", "Hermes")}\n',
    "vllm/reasoning/__init__.py": '_REASONING_PARSERS_TO_REGISTER = {"qwen3": ("qwen3", "Qwen3")}\n',
}


def wheels(folder: Path, tree: dict[str, str]) -> tuple[Path, Path]:
    """Two wheels with the same sources; each is read for its own package."""
    made = []
    for name in ("vllm_tpu-1.0.0-py3-none-any.whl", "tpu_inference-1.0.0-py3-none-any.whl"):
        with zipfile.ZipFile(folder / name, "w") as out:
            for path, text in tree.items():
                out.writestr(path, text)
        made.append(folder / name)
    return made[0], made[1]


def test_registries_are_read_from_the_sources(tmp_path: Path) -> None:
    found = runtime(*wheels(tmp_path, RUNTIME_TREE))
    assert [wheel["name"] for wheel in found.pop("wheels")] == [
        "vllm_tpu-1.0.0-py3-none-any.whl",
        "tpu_inference-1.0.0-py3-none-any.whl",
    ]
    assert found == {
        "jaxArchitectures": ["Ours", "Preferred"],
        "streamed": ["Ours"],
        "torchaxPreferred": ["Preferred"],
        "quantization": {"platform": ["auto_awq", "fp8"], "flaxNnx": ["fp8"], "torchax": ["auto_awq", "fp8"]},
        "connectors": ["TPUConnector"],
        "toolParsers": ["hermes"],
        "reasoningParsers": ["qwen3"],
        "variables": {
            "MODEL_IMPL_TYPE": ["auto", "vllm"],
            "NEW_MODEL_DESIGN": ["0", "1", "false", "true"],
            "NUM_SLICES": [],
            "VLLM_PORT": [],
        },
    }


@pytest.mark.parametrize("path", RUNTIME_TREE)
def test_a_registry_that_has_moved_is_said_and_not_read_as_empty(tmp_path: Path, path: str) -> None:
    tree = RUNTIME_TREE | {path: "nothing = 1\n"}
    with pytest.raises(ExtractionError):
        runtime(*wheels(tmp_path, tree))


@pytest.mark.parametrize("version", flag_versions())
def test_every_version_with_flags_has_a_table_of_its_runtime(version: str) -> None:
    table = load_runtime(version)
    assert table.loads["vllm"] == table.platform, "what the platform lets through, torchax loads"
    assert table.loads["flax_nnx"] < table.platform
    assert table.variables["MODEL_IMPL_TYPE"] == ("auto", "vllm", "flax_nnx", "jetpack")


def test_the_backend_is_the_one_that_the_loader_chooses() -> None:
    """models/common/model_loader.py of 0.32.0: preferred, registered in JAX, and in neither list."""
    table = load_runtime("0.32.0")
    assert {
        name: table.chosen_backend(name) for name in ("GptOssForCausalLM", "Qwen3ForCausalLM", "Gemma3ForCausalLM")
    } == {
        "GptOssForCausalLM": "vllm",
        "Qwen3ForCausalLM": "flax_nnx",
        "Gemma3ForCausalLM": "vllm",
    }


def test_a_version_without_a_table_is_said_with_how_to_write_one() -> None:
    with pytest.raises(UnknownVersionError, match=r"tools\.runtime_tables"):
        load_runtime("v0.1.0")


def test_a_family_of_latent_attention_has_both_switches_that_the_platform_asks_for() -> None:
    for architecture in {model.architecture for model in known_models() if model.latent_dim}:
        family = family_of(architecture)
        assert family.mla and dict(family.environment)["NEW_MODEL_DESIGN"] == "1"
        assert "enable_dp_attention" in str(dict(family.flags)["additional-config"])


def test_the_matrix_is_the_releases() -> None:
    """support_matrices/release/{v6e,v7x}/default of v0.27.0, a line of each kind."""
    assert matrix_says("Qwen/Qwen3-32B", "v6e") == "passing"
    assert matrix_says("deepseek-ai/DeepSeek-R1", "v6e") == "notEnoughMemory"
    assert matrix_says("deepseek-ai/DeepSeek-R1", "tpu7x") == "passing"
    assert matrix_says("openai/gpt-oss-20b", "tpu7x") == "untested"
    assert matrix_says("Qwen/Qwen3-32B", "v5e") is None


def _wheels() -> tuple[Path, Path] | None:
    folder = os.environ.get("TPU_SERVING_WHEELS")
    found = (
        [sorted(Path(folder).glob(f"{name}-0.32.0-*.whl")) for name in ("vllm_tpu", "tpu_inference")] if folder else []
    )
    return (found[0][0], found[1][0]) if len(found) == 2 and all(found) else None


@pytest.mark.skipif(_wheels() is None, reason="no wheels: see test_vllm_extractor; tpu-inference==0.32.0 beside it")
def test_the_committed_table_is_what_the_wheels_give() -> None:
    import json

    given = _wheels()
    assert given is not None
    assert runtime(*given) == json.loads((DATA_DIR / "runtimes" / "0.32.0.json").read_text(encoding="utf-8"))
