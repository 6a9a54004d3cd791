"""The real engine on a program without providers: what it shows, and what it leaves where it is killed."""

from __future__ import annotations

import io
import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from rehearsal.control_plane.processes import marked
from rehearsal.engine.display import Screen
from rehearsal.engine.engine import EngineError
from tests.rehearsal.engine.conftest import Cli


def test_a_program_that_fails_is_quoted_and_leaves_no_mark(cli: Cli) -> None:
    def fails() -> None:
        raise ValueError("no such zone")

    with pytest.raises(EngineError, match="no such zone"):
        cli.up(fails)
    assert not cli.directory.interrupted.exists()


def test_an_engine_that_is_killed_leaves_its_mark(cli: Cli) -> None:
    def kills() -> None:
        [engine] = [process for process in marked(cli.directory) if "up" in process.cmdline()]
        os.kill(engine.pid, signal.SIGKILL)

    with pytest.raises(EngineError, match=r"ended by SIGKILL. Run the same command again: it starts from nothing"):
        cli.up(kills)
    assert cli.directory.interrupted.exists()


def event(kind: str, urn: str = "::::") -> Any:
    """An event of the engine about the creation of a resource `urn:...::TYPE::NAME`."""
    kinds = dict.fromkeys(("resource_pre_event", "res_outputs_event", "res_op_failed_event", "diagnostic_event"))
    state = SimpleNamespace(custom=True)
    metadata = SimpleNamespace(urn=urn, type=urn.split("::")[-2], op="create", new=state, old=state)
    return SimpleNamespace(**{**kinds, kind: SimpleNamespace(metadata=metadata)})


def said(severity: str, urn: str, message: str) -> Any:
    made = event("diagnostic_event")
    made.diagnostic_event = SimpleNamespace(severity=severity, urn=urn, message=message, ephemeral=False)
    return made


URN = "urn:pulumi:dev::tpu-serving::kubernetes:batch/v1:Job::gate-job"


def test_a_terminal_shows_what_is_under_way_and_errors_are_kept_by_name() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=200, force_terminal=True), "Up")
    with screen.showing() as on_event:
        on_event(event("resource_pre_event", URN))
        for _ in range(2):
            on_event(said("error", URN, "timed\n out"))
            on_event(said("error", "", "update failed"))
        on_event(event("res_op_failed_event", URN))
    assert screen.errors() == "gate-job: timed out"
    assert "failed       gate-job (Job)" in out.getvalue()
    assert out.getvalue().count("error gate-job: timed") == 1
