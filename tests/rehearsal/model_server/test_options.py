"""The command line: vLLM's real flag table, and argparse's words for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.lock import runtime_version
from catalog.vllm_flags import load_flags
from checks.environment import require
from manifests.server import command, server_args
from rehearsal.model_server.options import Timing, options_of, parse
from settings.derive import SERVER_PORT
from settings.document import ROOT, read_document

FILES = sorted([*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("examples/*.yaml")])


def test_every_flag_of_the_locked_version_is_taken_under_all_its_names() -> None:
    flags = load_flags(runtime_version()).flags
    names = [(flag, name) for flag in flags for name in (flag.name, flag.negation, *flag.aliases) if name]
    line = [word for flag, name in names for word in ([name] if flag.kind == "bool" else [name, "1"])]
    taken = vars(parse(["serve", "/mnt/models", *line]))
    assert len(names) > 300
    assert len(taken) == len(flags) + 2, "the command and the model"


def test_an_unknown_flag_ends_with_the_words_of_field_issue_12(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["serve", "/mnt/models", "--port=8000", "--prefix-cache-block-size=16"])
    assert ended.value.code == 2
    assert "error: unrecognized arguments: --prefix-cache-block-size=16" in capsys.readouterr().err
    assert parse(["serve", "/m", "--kv-transfer-config.kv_role=kv_both", "--port=1"]).port == 1
    with pytest.raises(SystemExit):
        parse(["serve", "/m", "--dtype.x=1"])


def test_a_cache_that_cannot_hold_one_request_ends_the_start() -> None:
    with pytest.raises(SystemExit, match="more KV cache is needed than 1 blocks"):
        options_of(parse(["serve", "/m", "--num-gpu-blocks-override=1", "--max-model-len=4096"]), {})


def test_the_page_size_follows_the_context_and_the_cache_has_the_tokens_of_the_field_report() -> None:
    for length, size in {100: 16, 1024: 64, 2048: 128, 4096: 256, 8192: 256, 32768: 16}.items():
        options = options_of(parse(["serve", "/m", f"--max-model-len={length}"]), {})
        assert (options.block_size, options.num_blocks) == (size, 2_000_000 // size)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_we_deploy_is_understood(path: Path) -> None:
    deployment, _ = require(read_document(path))
    assert deployment.models
    for model in deployment.models:
        options = options_of(parse([*command(model)[1:], *server_args(model)]), {})
        assert options.names == tuple(model.settings.names_for_clients)
        assert (options.max_model_len, options.port) == (model.context_length, SERVER_PORT)
        assert options.prefix_caching is model.settings.prefix_caching


def test_without_served_names_the_name_is_the_path_in_the_container() -> None:
    values = parse(["serve", "/run/pod/_root/main/mnt/models"])
    assert options_of(values, {"TPU_SERVING_ROOT": "/run/pod/_root/main"}).names == ("/mnt/models",)


def test_the_start_takes_the_measured_time_scaled_and_five_seconds_by_default() -> None:
    real = Timing.of({"REHEARSAL_SPEED": "1"})
    assert (real.server_seconds, real.compile_seconds) == (33, 91)
    usual = Timing.of({})
    assert usual.server_seconds + usual.compile_seconds == pytest.approx(5, abs=0.1)
    assert usual.tokens_per_second == real.tokens_per_second * 25
