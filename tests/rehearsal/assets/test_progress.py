"""Progress is told once a phase where nobody looks at a terminal, in one changing line where somebody does."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rehearsal.assets import Event, Phase, estimate, show
from rehearsal.assets.progress import line

EVENTS = [
    Event("etcd", Phase.BUILDING, 65, 0, 290),
    *(Event("etcd", Phase.BUILDING, 65, float(second), 290) for second in range(1, 61)),
    Event("etcd", Phase.READY, note="v3.6.5: built in 61 s"),
    Event("helm", Phase.WAITING, elapsed=0.2, note="process 7 makes it already"),
    Event("", Phase.END),
]


def test_plain_lines_are_few_and_tell_the_estimate() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    progress = show(console)
    for event in EVENTS:
        progress(event)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "building etcd, about 65 s; then about 5 min more",
        "building etcd, about 65 s, 30 s so far; then about 5 min more",
        "building etcd, about 65 s, 60 s so far; then about 5 min more",
        "  etcd v3.6.5: built in 61 s",
        "waiting helm: process 7 makes it already",
    ]


def test_a_terminal_keeps_only_what_is_done() -> None:
    file = io.StringIO()
    progress = show(Console(file=file, width=200, force_terminal=True))
    for event in EVENTS:
        progress(event)
    text = file.getvalue()
    assert "etcd v3.6.5: built in 61 s" in text
    # The cursor is shown again and the changing line is erased: the display has ended.
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_words_in_brackets_are_no_markup() -> None:
    file = io.StringIO()
    progress = show(Console(file=file, width=200, force_terminal=True))
    progress(Event("etcd", Phase.WAITING, note="[red]process[/x] 7"))
    progress(Event("etcd", Phase.READY, note="[/x]"))
    progress(Event("", Phase.END))
    assert "[/x]" in file.getvalue()


def test_more_cores_take_less_time_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = []
    for cores in (1, 2, 4, 64):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        seconds.append(estimate("kube-apiserver"))
    assert seconds[0] == seconds[1] > seconds[2] > seconds[3] > 0
    assert estimate("envoy") == pytest.approx(10)


def test_an_event_without_an_estimate_is_told_without() -> None:
    assert line(Event("etcd", Phase.DOWNLOADING, None, 12.4)) == "downloading etcd, 12 s so far"
