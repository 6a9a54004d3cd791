"""How a command that asks many questions tells what it found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from serving.commands.options import print_json

if TYPE_CHECKING:
    from serving.checking.findings import Report


class ReportFormat(StrEnum):
    """Output formats."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


ReportFormatOption = Annotated[
    ReportFormat, typer.Option("--format", help="text, markdown (for a comment or an issue), or json.")
]


def progress() -> Callable[[str], None]:
    """Says lines on standard error."""
    from rich.console import Console

    errors = Console(stderr=True, soft_wrap=True)
    return lambda text: errors.print(f"  {text}", highlight=False, markup=False)


def write_report(report: Report, output: ReportFormat) -> int:
    """Print a report; the exit code."""
    from rich.console import Console

    from serving.checking.render import print_report, render_markdown

    if output is ReportFormat.JSON:
        print_json(report.as_json())
    elif output is ReportFormat.MARKDOWN:
        sys.stdout.write(render_markdown(report))
    else:
        print_report(Console(), report)
    return report.exit_code
