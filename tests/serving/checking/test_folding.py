"""A command in a fix can be pasted, however narrow the screen is."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from serving.refusals import labelled

_OPTIONS = st.lists(st.from_regex(r"--[a-z]{1,12}=[a-z0-9./-]{1,30}", fullmatch=True), min_size=1, max_size=8)


@given(_OPTIONS, st.integers(60, 120))
def test_a_folded_command_is_the_same_command(options: list[str], width: int) -> None:
    command = ["gcloud", "compute", "do", *options]
    lines = [line.strip() for line in labelled("Fix:", "Run:", width, [shlex.join(command)])][1:]
    assert all(line.endswith(" \\") for line in lines[:-1]) and not lines[-1].endswith("\\")
    assert shlex.split(" ".join(line.removesuffix(" \\") for line in lines)) == command
    assert all(len(line) <= width for line in lines)


def test_yaml_and_quoted_text_are_not_folded() -> None:
    for line in (f"key: {'x ' * 80}y", f"kubectl get x -o jsonpath='{'a b ' * 40}'"):
        assert list(labelled("Fix:", "Write:", 60, [line]))[1].strip() == line
