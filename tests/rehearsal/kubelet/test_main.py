"""The program's arguments."""

from __future__ import annotations

import pytest

from rehearsal.kubelet.__main__ import main


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_it_takes_exactly_a_directory(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage: python -m rehearsal.kubelet DIR" in capsys.readouterr().err
