"""Text for people: what came from outside made fit for a terminal, numbers with their nouns, and durations."""

from __future__ import annotations

import re

# C0 without tab and line feed, DEL, C1, and the marks that reorder or hide text on a screen.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def control_character(text: str) -> str | None:
    """The first control or direction character of a text as `U+001B`, None where there is none."""
    found = _CONTROL.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def printable(text: str) -> str:
    """The text with such characters written as `\\x1b` or `\\u202e`."""
    return _CONTROL.sub(lambda m: m.group().encode("unicode_escape").decode(), text)


def count(number: int, noun: str) -> str:
    """`1 chip`, `2 chips`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """`42 s`, `12 min 05 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60:02d} s"


def parse_duration(text: str) -> float:
    """Seconds of a duration as people and Go write it: 90, 90s, 40m, 1h30m.

    Raises:
        ValueError: not such a text.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration; write for example 90s, 40m or 1h30m")
    return sum(float(number) * seconds for number, seconds in zip(match.groups(), (3600, 60, 1)) if number)
