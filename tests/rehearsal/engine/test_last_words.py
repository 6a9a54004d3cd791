"""A failed engine is quoted in its own words, and one that was killed is said to have been."""

from __future__ import annotations

import pytest

from rehearsal.engine.engine import last_words

UPDATING = "\n code: {code}\n stdout: Updating (dev):\n +  Namespace a creating\n{more} stderr: {stderr}"


@pytest.mark.parametrize(
    ("code", "more", "stderr", "words"),
    [
        (255, "", "error: no stack named 'dev' found", "error: no stack named 'dev' found"),
        (255, "    error: a\n    error: b\n    error: a\n", "", "error: a\nerror: b"),
        (-9, "", "", "the engine was ended by SIGKILL. Run the same command again: it goes on from there."),
        (
            -15,
            "    error: a\n",
            "",
            "the engine was ended by SIGTERM. Run the same command again: it goes on from there.",
        ),
    ],
)
def test_last_words(code: int, more: str, stderr: str, words: str) -> None:
    assert last_words(UPDATING.format(code=code, more=more, stderr=stderr)) == words
