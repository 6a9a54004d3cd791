"""What people see of making assets."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rehearsal.assets.progress import Progress


def test_without_a_terminal_a_thing_is_said_once_and_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out, width=200))
    with progress:
        for seconds in range(3):
            progress.now(f"building etcd, {seconds} s so far")
        progress.done("  etcd [v3] built")
        progress.now("building lws, 0 s so far")
        monkeypatch.setattr(Progress, "_EVERY", 0.0)
        progress.now("building lws, 1 s so far")
    assert out.getvalue().splitlines() == [
        "building etcd, 0 s so far", "  etcd [v3] built", "building lws, 0 s so far", "building lws, 1 s so far",
    ]  # fmt: skip


def test_on_a_terminal_one_line_changes_and_what_is_done_stays() -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out, force_terminal=True, width=200))
    with progress:
        progress.now("building etcd, [0] s so far")
        progress.done("  etcd built")
    assert "etcd built" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")  # the line is gone, and the cursor is back
