"""`bench` of a rehearsal, through the real Envoy and the real picker, against servers whose rate is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rehearsal.model_server.options import Timing
from serving.bench.run import report
from serving.bench.runfile import read_run
from tests.rehearsal.end_to_end.command import Done, Rehearsal, serving
from tests.rehearsal.end_to_end.conftest import PLACES

# Long enough that the server's passes and the way to it hardly count.
TOKENS = 1200
CHIPS = 4


def bench(dev: Rehearsal, folder: Path, *options: str) -> Done:
    return serving(
        *("bench", str(dev.file), "--format", "json", "--directory", str(folder), "--prompt-words", "600"),
        *("--answer-tokens", str(TOKENS), "--step-time", "3s", "--time", "5m", *options),
    )


@pytest.fixture(scope="module")
def saturated(shared: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return bench(shared.running(), tmp_path_factory.mktemp("bench")).succeeded()


def test_the_knee_that_the_settings_imply_is_found_within_15_percent(saturated: dict[str, Any]) -> None:
    rate = Timing.of({}).tokens_per_second
    verdict = saturated["verdict"]
    assert verdict["kind"] == "saturated", verdict
    assert verdict["kneeConcurrency"] == pytest.approx(PLACES, rel=0.15)
    assert verdict["capacityTokensPerSecond"] == pytest.approx(PLACES * rate, rel=0.15)
    assert verdict["tokensPerSecondPerChip"] == pytest.approx(PLACES * rate / CHIPS, rel=0.15)
    assert saturated["failed"] == {}


def test_servers_and_picker_are_asked_and_the_prefix_is_found_in_the_cache(saturated: dict[str, Any]) -> None:
    assert any("rehearsal" in caveat for caveat in saturated["caveats"])
    assert not any("could not be read" in caveat for caveat in saturated["caveats"]), saturated["caveats"]
    last = saturated["steps"][-1]["servers"]
    assert last["prefixHitShare"] > 0.25
    assert last["pickerPrefixShare"] > 0
    assert last["waiting"] > 0
    assert sum(last["tokensPerSecond"].values()) == pytest.approx(saturated["steps"][-1]["tokensPerSecond"], rel=0.2)


def test_below_the_knee_nothing_is_said_about_scaling(
    dev: Rehearsal, saturated: dict[str, Any], tmp_path: Path
) -> None:
    found = bench(dev, tmp_path, "--max-concurrency", "2", "--against", saturated["file"]).succeeded()
    assert found["verdict"]["kind"] == "not saturated"
    assert found["verdict"]["kneeConcurrency"] is None
    assert "no statement about capacity" in found["against"]["text"]


def test_the_report_can_be_written_anew_from_the_raw_data(saturated: dict[str, Any], tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(Path(saturated["file"]).read_bytes())
    again = report(copy, read_run(copy)).summary.as_json()
    assert again["steps"] == saturated["steps"]
    assert again["verdict"] == saturated["verdict"]
