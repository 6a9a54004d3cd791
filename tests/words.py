"""Words of the runbook that a test has the real engine or provider print."""

from __future__ import annotations

from serving.checking.failures import load_failures


def not_printed(failure: str, test: str, printed: str) -> list[str]:
    """Words of a section, known from this test (its function's name), that are not in what was printed."""
    known = [words.text for words in load_failures()[failure].words if words.source.endswith(f"::{test}")]
    assert known, f"no words of {failure} are known from {test}"
    text = " ".join(printed.split())
    return [words for words in known if words not in text]
