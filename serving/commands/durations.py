"""Durations as people write them: 90, 90s, 40m, 1h30m."""

from __future__ import annotations

import re

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_FORM = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def parse_duration(text: str) -> float:
    """Seconds.

    Raises:
        ValueError: not such a text.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration; write for example 90s, 40m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in zip(match.groups(), "hms") if number)
