"""What many commands have alike: the environment's argument, text or JSON, and how a wrong call ends."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

Environment = Annotated[str, typer.Argument(metavar="ENV", help="Name of an environment, or path of its file.")]


# Dependency group of pyproject.toml -> packages of it that its commands import.
GROUPS = {
    "bench": ("locust", "plotly", "scipy"),
    "cloud": ("googleapiclient", "kubernetes", "prometheus_client"),
    "rehearsal": ("aiohttp", "cryptography", "psutil"),
}


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="text, or json (one document at the end).")]


def wrong_call(message: str, as_json: bool) -> NoReturn:
    """Say why a call is wrong, and end with 2."""
    if as_json:
        sys.stdout.write(json.dumps({"error": message}, indent=2) + "\n")
    else:
        typer.secho(message, fg="red", err=True)
    raise typer.Exit(2) from None


def require_packages(*groups: str, as_json: bool) -> None:
    """End with 2 where packages of these dependency groups are not installed."""
    missing = [name for group in groups for name in GROUPS[group] if importlib.util.find_spec(name) is None]
    if missing:
        wrong_call(f"Not installed: {', '.join(missing)}. Run: make setup (or: uv sync)", as_json)


@contextmanager
def wrong_calls(as_json: bool, *errors: type[Exception]) -> Iterator[None]:
    """A refused file, a ValueError and these errors end the command with 2, in words."""
    from serving.refusals import print_findings
    from settings.refusal import RefusedError

    wrong: tuple[type[Exception], ...] = (ValueError, *errors)
    try:
        yield
    except RefusedError as refused:
        print_findings(refused.findings, refused.origin, as_json)
        raise typer.Exit(2) from None
    except wrong as error:
        wrong_call(str(error), as_json)
