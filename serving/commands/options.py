"""What commands share: the environment's argument, text or JSON, and how a wrong call ends."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from settings.derive import Deployment

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


def print_json(data: Any) -> None:
    """One document on standard output."""
    sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")


def end_with(message: str, as_json: bool, code: int = 2) -> NoReturn:
    """Say why the command ends; 2 where the call is wrong."""
    if as_json:
        print_json({"error": message})
    else:
        typer.secho(message, fg="red", err=True)
    raise typer.Exit(code) from None


def require_packages(*groups: str, as_json: bool) -> None:
    """End with 2 where packages of these dependency groups are not installed."""
    missing = [name for group in groups for name in GROUPS[group] if importlib.util.find_spec(name) is None]
    if missing:
        end_with(f"Not installed: {', '.join(missing)}. Run: make setup (or: uv sync)", as_json)


@contextmanager
def wrong_calls(as_json: bool, *errors: type[Exception]) -> Iterator[None]:
    """A refused file, a ValueError and these errors end the command with 2, in words."""
    wrong: tuple[type[Exception], ...] = (ValueError, *errors)
    try:
        with rejections(as_json):
            yield
    except wrong as error:
        end_with(str(error), as_json)


@contextmanager
def rejections(as_json: bool, heading: str = "") -> Iterator[None]:
    """A file that is refused ends the command with 2, with every finding below the heading."""
    from serving.refusals import print_findings
    from settings.refusal import RefusedError

    try:
        yield
    except RefusedError as refused:
        if heading:
            typer.echo(heading, err=True)
        print_findings(refused.findings, refused.origin, as_json)
        raise typer.Exit(2) from None


def load(environment: str) -> Deployment:
    """The environment of this name or file.

    Raises:
        RefusedError: there is none, or a rule refuses it.
    """
    from checks.environment import require
    from settings.document import find_environment, read_document

    return require(read_document(find_environment(environment)))[0]
