"""Times and sizes of the stand-in, and the two variables that change them. Data: `timing.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from catalog.files import read_yaml

SPEED_VARIABLE = "REHEARSAL_SPEED"
RATE_VARIABLE = "REHEARSAL_TOKENS_PER_SECOND"


class TimingError(Exception):
    """A variable that holds no positive number; the message names it."""


@cache
def _data() -> dict[str, Any]:
    path = Path(__file__).with_name("timing.yaml")
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data


def default(name: str) -> float:
    """A figure of the data file."""
    return float(_data()[name]["value"])


@dataclass(frozen=True)
class Timing:
    """Durations are seconds on this machine, rates are per second on this machine."""

    speed: float
    server_seconds: float
    compile_seconds: float
    tokens_per_second: float
    prefill_tokens_per_second: float

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Timing:
        """The times under `REHEARSAL_SPEED` (how many times faster than real) and `REHEARSAL_TOKENS_PER_SECOND`.

        Raises TimingError where one of them is no positive number.
        """
        speed = _positive(environment, SPEED_VARIABLE, default("speed"))
        rate = _positive(environment, RATE_VARIABLE, default("tokensPerSecond"))
        start = read_yaml("durations.yaml")["modelStart"]
        return cls(
            speed=speed,
            server_seconds=float(start["server"]["seconds"]) / speed,
            compile_seconds=float(start["compile"]["seconds"]) / speed,
            tokens_per_second=rate * speed,
            prefill_tokens_per_second=default("prefillTokensPerSecond") * speed,
        )


def _positive(environment: Mapping[str, str], name: str, fallback: float) -> float:
    text = environment.get(name, "")
    if not text:
        return fallback
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise TimingError(f"{name} must be a number greater than 0, not {text!r}")
    return number
