"""A command as a person calls it, in the test's own process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from settings.outputs import Outputs


def caller(command: Callable[..., None]) -> Callable[..., Result]:
    """A way to call a command; an exception that would be a traceback is the test's."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(command)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments], catch_exceptions=False)

    return call


def wrong_call(call: Callable[..., Result], *arguments: str) -> str:
    """What a call that must end with 2 says, on one line."""
    done = call(*arguments)
    assert done.exit_code == 2, done.output
    return " ".join(done.output.split())


def outputs_file(folder: Path, outputs: Outputs) -> Path:
    """The file that `pulumi stack output --json` would leave."""
    path = folder / "outputs.json"
    path.write_text(json.dumps(outputs.model_dump(by_alias=True)), encoding="utf-8")
    return path
