"""`bench` of a rehearsal, through the real Envoy and the real picker, against servers whose rate is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.model_server.options import Timing
from tests.rehearsal.end_to_end.command import Rehearsal, serving
from tests.rehearsal.end_to_end.conftest import PLACES
from tests.rehearsal.plane import until
from tests.serving.bench.made import saturated_at

# Long enough that the server's passes and the way to it hardly count.
TOKENS = 1200
CHIPS = 4


def test_the_knee_is_found_within_15_percent_and_servers_and_picker_are_asked(dev: Rehearsal, tmp_path: Path) -> None:
    command = ["bench", str(dev.file), "--format", "json", "--directory", str(tmp_path), "--prompt-words", "600"]
    command += ["--answer-tokens", str(TOKENS), "--step-time", "3s", "--time", "5m"]
    rate = Timing.of({}).tokens_per_second
    found = until(lambda: saturated_at(PLACES, PLACES * rate, serving(*command).succeeded()))
    assert found["verdict"]["tokensPerSecondPerChip"] == pytest.approx(PLACES * rate / CHIPS, rel=0.15)
    assert found["failed"] == {}
    assert any("rehearsal" in caveat for caveat in found["caveats"])
    assert not any("could not be read" in caveat for caveat in found["caveats"]), found["caveats"]
    last = found["steps"][-1]["servers"]
    assert last["prefixHitShare"] > 0.25
    assert last["pickerPrefixShare"] > 0
    assert last["waiting"] > 0
    assert sum(last["tokensPerSecond"].values()) == pytest.approx(found["steps"][-1]["tokensPerSecond"], rel=0.2)
