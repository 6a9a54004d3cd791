"""The command line: vLLM's real flag table, and argparse's words for what is wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from catalog.vllm_flags import Flag, load_flags
from checks.environment import require
from manifests.server import command, server_args
from rehearsal.model_server.__main__ import main
from rehearsal.model_server.arguments import RefusedError, locked_version, parse
from rehearsal.model_server.options import options_of
from settings.derive import SERVER_PORT
from settings.document import ROOT, read_document

FILES = sorted([*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("examples/*.yaml")])


def _some_value(flag: Flag) -> str:
    kind = flag.items or "str" if flag.kind == "list" else flag.kind
    if flag.choices:
        return str(flag.choices[0])
    return {"int": "1", "float": "0.5", "json": "{}"}.get(kind, "x")


@pytest.mark.parametrize("flag", load_flags(locked_version()).flags, ids=lambda flag: flag.name)
def test_every_flag_of_the_locked_version_is_taken_under_all_its_names(flag: Flag) -> None:
    if flag.name in {"--model", "--config"}:
        return
    for name in (flag.name, *flag.aliases):
        value = [] if flag.kind == "bool" else [_some_value(flag)]
        with contextlib.suppress(RefusedError):  # known to the parser, and not to a TPU
            parse(["serve", "/mnt/models", name, *value])


def test_an_unknown_flag_ends_with_the_words_of_field_issue_12(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "/mnt/models", "--port=8000", "--prefix-cache-block-size=16"])
    assert ended.value.code == 2
    words = capsys.readouterr().err
    assert words.startswith("usage: vllm ")
    assert "error: unrecognized arguments: --prefix-cache-block-size=16" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "x"], "argument --port: invalid int value: 'x'"),
        (["--max-model-len=long"], "argument --max-model-len: invalid human_readable_int_or_auto value: 'long'"),
        (["--dtype", "bf16"], "argument --dtype: invalid choice: 'bf16'"),
        (["--enable-prefix-caching=true"], "ignored explicit argument 'true'"),
        (["--num-gpu-blocks-override", "x"], "Value x cannot be converted to <class 'int'>"),
        (["--served-model-name"], "expected at least one argument"),
    ],
)
def test_a_wrong_type_or_choice_ends_with_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "/mnt/models", *arguments])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dtype", "half"], "float16"),
        (["--max-num-seqs", "0"], "at least 1"),
        (["--num-gpu-blocks-override=1", "--max-model-len=4096"], "more KV cache is needed"),
    ],
)
def test_what_the_server_refuses_at_its_start_ends_with_1(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "/mnt/models", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("REHEARSAL_SPEED", "fast")
    assert main(["serve", "/mnt/models"]) == 1
    assert "REHEARSAL_SPEED must be a number greater than 0, not 'fast'" in capsys.readouterr().err


def test_spellings_of_flags_mean_the_same() -> None:
    dashes = parse(["serve", "/m", "--max-model-len=4k", "--enable-prefix-caching"])
    underscores = parse(["serve", "--model", "/m", "--max_model_len", "4000", "--enable_prefix_caching"])
    assert vars(dashes) == vars(underscores)
    assert parse(["serve", "/m", "--kv-transfer-config.kv_role", "kv_both", "--port=1"]).port == 1


def test_the_pod_address_is_listened_on_where_no_host_is_given() -> None:
    values = parse(["serve", "/m"])
    assert options_of(values, {"TPU_SERVING_POD_IP": "127.65.0.10"}).host == "127.65.0.10"
    assert options_of(values, {}).host == "127.0.0.1"
    assert options_of(parse(["serve", "/m", "--host=0.0.0.0"]), {}).host == "127.0.0.1"


def test_the_page_size_follows_the_context_length_as_on_a_tpu() -> None:
    for length, size in {100: 16, 1024: 64, 2048: 128, 4096: 256, 8192: 256, 32768: 16}.items():
        assert options_of(parse(["serve", "/m", f"--max-model-len={length}"]), {}).block_size == size


def test_the_cache_has_the_tokens_of_the_field_report() -> None:
    options = options_of(parse(["serve", "/m", "--block-size=64"]), {})
    assert options.num_gpu_blocks == 31_250
    assert options_of(parse(["serve", "/m", "--num-gpu-blocks-override=1000"]), {}).num_gpu_blocks == 1000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_we_deploy_is_understood(path: Path) -> None:
    deployment, _ = require(read_document(path))
    assert deployment.models
    for model in deployment.models:
        options = options_of(parse([*command()[1:], *server_args(model)]), {})
        assert options.names == tuple(model.settings.names_for_clients)
        assert (options.max_model_len, options.port) == (model.context_length, SERVER_PORT)
        assert options.quiet_paths == {"/health", "/metrics"}


def test_without_served_names_the_name_is_the_path_in_the_container() -> None:
    values = parse(["serve", "/run/pod/_root/main/mnt/models"])
    assert options_of(values, {"TPU_SERVING_ROOT": "/run/pod/_root/main"}).names == ("/mnt/models",)
    assert options_of(parse(["serve", "/mnt/models"]), {}).names == ("/mnt/models",)
