"""The committed flag table says what the pinned server's parser says, and values are judged as that parser would."""

from __future__ import annotations

import pytest

from catalog.files import UnknownVersionError
from catalog.vllm_flags import FlagTable, check_value, flag_versions, load_flags, load_tpu_limits

TABLE = load_flags("0.32.0")
LIMITS = load_tpu_limits()

# Read by hand in the wheel vllm-tpu 0.32.0: kind, default, and what else counts.
BY_HAND: dict[str, dict[str, object]] = {
    "--max-model-len": {"kind": "int", "default": None, "suffixes": True, "words": ("auto",)},
    "--tensor-parallel-size": {"kind": "int", "default": 1, "aliases": ("-tp",), "bounds": {"ge": 1}},
    "--pipeline-parallel-size": {"kind": "int", "default": 1, "aliases": ("-pp",)},
    "--dtype": {"kind": "str", "choices": ("auto", "bfloat16", "float", "float16", "float32", "half")},
    "--served-model-name": {"kind": "list", "items": "str", "default": None},
    "--enable-prefix-caching": {"kind": "bool", "negation": "--no-enable-prefix-caching", "default": None},
    "--max-num-seqs": {"kind": "int", "default": None, "bounds": {"ge": 1}},
    "--max-num-batched-tokens": {"kind": "int", "default": None, "suffixes": True},
    "--gpu-memory-utilization": {"kind": "float", "default": 0.92, "bounds": {"gt": 0, "le": 1}},
    "--shutdown-timeout": {"kind": "int", "default": 0},
    "--disable-access-log-for-endpoints": {"kind": "str", "default": None, "group": "Frontend"},
    "--load-format": {"kind": "str", "default": "auto", "choices": None},
    "--block-size": {"kind": "int", "default": None, "bounds": {"gt": 0}},
    "--port": {"kind": "int", "default": 8000},
    "--host": {"kind": "str", "default": None},
    "--ssl-certfile": {"kind": "str", "default": None},
    "--ssl-keyfile": {"kind": "str", "default": None},
    "--enable-log-requests": {"kind": "bool", "default": False, "negation": "--no-enable-log-requests"},
    "--distributed-executor-backend": {"kind": "str", "choices": None, "known_values": ("external_launcher", "mp", "ray", "uni")},
    "--async-scheduling": {"kind": "bool", "default": None},
    "--kv-transfer-config": {"kind": "json", "default": None},
    "--allowed-origins": {"kind": "json", "default": []},
    "--headless": {"kind": "bool", "default": False, "negation": None},
    "--hf-token": {"kind": "str", "value_optional": True},
    "--middleware": {"kind": "str", "repeatable": True},
    "--moe-backend": {"kind": "str", "folded": True},
    "--max-lora-rank": {"kind": "int", "choices": (1, 8, 16, 32, 64, 128, 256, 320, 512), "default": 16},
    "--seed": {"kind": "int", "default": 0},
    "--quantization": {"kind": "str", "aliases": ("-q",), "choices": None},
    "--optimization-level": {"aliases": ("-O",), "default": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_a_flag_is_in_the_table_as_a_person_read_it_in_the_wheel(name: str) -> None:
    flag = TABLE.lookup(name)
    assert flag is not None
    assert {key: getattr(flag, key) for key in BY_HAND[name]} == BY_HAND[name]


def test_the_table_says_where_it_is_from() -> None:
    assert TABLE.wheel.version == "0.32.0"
    assert TABLE.wheel.name.startswith("vllm_tpu-0.32.0-")
    assert len(TABLE.wheel.sha256) == 64
    assert len(TABLE.flags) == 317
    assert all(flag.read_at.startswith("vllm/") and ":" in flag.read_at for flag in TABLE.flags)


def test_names_are_unique() -> None:
    names = [n for f in TABLE.flags for n in (f.name, *f.aliases, *([f.negation] if f.negation else []))]
    assert len(names) == len(set(names))


def test_a_default_is_a_value_that_the_flag_would_take() -> None:
    """The check must never refuse what the server chooses itself."""
    for flag in TABLE.flags:
        if flag.kind not in ("bool", "json", "list") and flag.default is not None:
            assert check_value(flag, str(flag.default)) is None, flag.name


@pytest.mark.parametrize(
    ("written", "flag"),
    [
        ("--max-model-len", "--max-model-len"),
        ("--max_model_len", "--max-model-len"),
        ("max-model-len", "--max-model-len"),
        ("max_model_len", "--max-model-len"),
        ("-tp", "--tensor-parallel-size"),
        ("--no-enable-prefix-caching", "--enable-prefix-caching"),
        ("--no_enable_prefix_caching", "--enable-prefix-caching"),
        ("--kv-transfer-config.kv_role", "--kv-transfer-config"),
        ("-O", "--optimization-level"),
    ],
)
def test_a_flag_is_found_however_the_server_lets_it_be_written(written: str, flag: str) -> None:
    found = TABLE.lookup(written)
    assert found is not None
    assert found.name == flag


@pytest.mark.parametrize(
    "name",
    ["--prefix-cache-block-size", "--disable-log-requests", "--port.x", "--no-port", "--no-headless", "", "-", "--"],
)
def test_what_the_server_does_not_know_is_not_found(name: str) -> None:
    assert TABLE.lookup(name) is None


def test_a_misspelt_flag_finds_its_neighbour() -> None:
    assert TABLE.nearest("--max-model-length")[0] == "--max-model-len"
    assert TABLE.nearest("enable_prefix_cache")[0] == "--enable-prefix-caching"
    assert len(TABLE.nearest("--tensor-parallel", n=2)) == 2
    assert TABLE.nearest("--qqq") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("--max-model-len", "32768"), ("--max-model-len", "32k"), ("--max-model-len", "25.6k"), ("--max-model-len", "32K"),
        ("--max-model-len", "auto"), ("--max-model-len", "-1"), ("--gpu-memory-utilization", "0.98"),
        ("--gpu-memory-utilization", "1"), ("--dtype", "bfloat16"), ("--quantization", "None"), ("--block-size", "64"),
        ("--moe-backend", "Flashinfer-Cutlass"), ("--hf-token", ""), ("--served-model-name", "anything at all"),
        ("--kv-transfer-config", '{"kv_connector": "TPUConnector", "cpu_bytes_to_use": 80m}'),
        ("--cudagraph-capture-sizes", "8"), ("--distributed-executor-backend", "ray"), ("--max-lora-rank", "16"),
    ],
)  # fmt: skip
def test_a_value_the_server_takes_is_taken(name: str, value: str) -> None:
    flag = TABLE.lookup(name)
    assert flag is not None
    assert check_value(flag, value) is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("--max-model-len", "many", "whole number (or auto)"),
        ("--max-model-len", "1.5K", "write 1.5k"),
        ("--max-model-len", "-2", "at least -1"),
        ("--max-num-seqs", "0", "at least 1"),
        ("--max-num-seqs", "1k", "whole number"),
        ("--gpu-memory-utilization", "0", "greater than 0"),
        ("--gpu-memory-utilization", "98%", "takes a number"),
        ("--gpu-memory-utilization", "1.01", "at most 1"),
        ("--dtype", "bf16", "did you mean bfloat16?"),
        ("--kv-cache-dtype", "int8", "takes one of auto"),
        ("--enable-prefix-caching", "true", "--no-enable-prefix-caching"),
        ("--headless", "true", "does not take a value"),
        ("--kv-transfer-config", "{kv_role: both}", "takes JSON"),
        ("--cudagraph-capture-sizes", "all", "whole number"),
        ("--max-lora-rank", "17", "takes one of 1, 8"),
        ("--port", "eight", "whole number"),
    ],
)
def test_a_value_the_server_refuses_is_refused_with_the_reason(name: str, value: str, says: str) -> None:
    flag = TABLE.lookup(name)
    assert flag is not None
    reason = check_value(flag, value)
    assert reason is not None
    assert says in reason


def test_an_unknown_version_names_the_known_ones() -> None:
    with pytest.raises(UnknownVersionError, match=r"0\.27\.0"):
        load_flags("v9.9.9")
    assert "0.27.0" in flag_versions()


# -- what TPUs lack ----------------------------------------------------------------------------------------------------


def _refused(table: FlagTable, name: str, value: str | None, generation: str) -> bool:
    flag = table.lookup(name)
    assert flag is not None
    return any(limit.level == "refuse" for limit in LIMITS.limits_for(flag, value, generation))


@pytest.mark.parametrize(
    ("name", "value", "generation", "refused"),
    [
        ("--dtype", "half", "v6e", True),
        ("--dtype", "float16", "v5e", True),
        ("--dtype", "bfloat16", "v6e", False),
        ("--dtype", "float32", "v6e", False),
        ("--kv-cache-dtype", "fp8", "v6e", False),
        ("--kv-cache-dtype", "fp8", "tpu7x", False),
        ("--kv-cache-dtype", "auto", "v6e", False),
        ("--kv-cache-dtype", "turboquant_k8v4", "tpu7x", True),
        ("--quantization", "fp8", "v6e", False),
        ("--quantization", "FP8", "v6e", False),
        ("--quantization", "fp8", "tpu7x", False),
        ("--quantization", "compressed-tensors", "v6e", False),
        ("--quantization", "auto_awq", "v6e", False),
        ("--quantization", "gptq", "tpu7x", True),
        ("--kv-transfer-config", '{"kv_connector": "TPUConnectorHMA"}', "v6e", True),
        ("--kv-transfer-config", '{"kv_connector": "TPUConnector"}', "v6e", False),
        ("--enable-sleep-mode", None, "v6e", True),
        ("--attention-backend", "FLASHINFER", "v6e", False),
    ],
)
def test_what_a_generation_lacks_is_refused_there_and_only_there(
    name: str, value: str | None, generation: str, refused: bool
) -> None:
    assert _refused(TABLE, name, value, generation) is refused


def test_a_limit_speaks_of_a_known_flag_and_of_values_it_could_have() -> None:
    """A limit on a flag or a value that the parser refuses anyway would never be seen."""
    for limit in LIMITS.limits:
        flag = TABLE.lookup(limit.flag)
        assert flag is not None, limit.flag
        assert flag.name == limit.flag
        for value in limit.values if flag.choices else ():
            assert any(limit.applies(str(choice), "v6e") for choice in flag.choices or ()), f"{limit.flag} {value}"
        assert limit.source
        assert limit.message.endswith(".")


def test_a_foreign_flag_is_one_the_server_does_not_know_and_what_is_offered_instead_is_one_it_knows() -> None:
    for foreign in LIMITS.foreign:
        assert TABLE.lookup(foreign.flag) is None, foreign.flag
        words = [w.strip(",") for w in (foreign.instead or "").split() if w.startswith("-")]
        assert all(TABLE.lookup(w) for w in words), foreign.flag


def test_the_field_reports_flag_is_explained() -> None:
    """Field issue 12."""
    for written in ("--prefix-cache-block-size", "prefix_cache_block_size"):
        foreign = LIMITS.foreign_flag(written)
        assert foreign is not None
        assert "unrecognized arguments" in foreign.message
    assert LIMITS.foreign_flag("--max-model-len") is None


def test_a_limit_of_some_versions_speaks_in_those_only() -> None:
    flag = TABLE.lookup("--kv-transfer-config")
    assert flag is not None
    hybrid = '{"kv_connector": "TPUConnectorHMA"}'
    asked = {
        v: bool(LIMITS.limits_for(flag, hybrid, "v6e", v)) for v in ("0.26.0", "0.27.0", "0.29.0", "0.30.1", "0.32.0")
    }
    assert asked == {"0.26.0": False, "0.27.0": True, "0.29.0": True, "0.30.1": False, "0.32.0": False}
