"""`serving review`: what a change means for every environment, as the comment of a pull request. Offline."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from serving.commands.options import rejections
from serving.commands.reporting import ReportFormat, ReportFormatOption


def review(
    against: Annotated[str, typer.Option(metavar="REF", help="The git ref to compare with.")] = "HEAD",
    output: ReportFormatOption = ReportFormat.TEXT,
    file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Also write it to FILE, whatever the exit code.")
    ] = None,
) -> None:
    """Show what a change means for every environment.

    Every environment is planned and compared with a git ref. Exit codes: 0 all are planned, 2 invalid file or usage.

    Examples:

        python -m serving review

        python -m serving review --against origin/main --format markdown --output review.md
    """
    from serving.plan.review import render, run

    def tell(name: str) -> None:
        if sys.stderr.isatty():
            typer.echo(f"Planning {name} ...", err=True)

    with rejections(output is ReportFormat.JSON):
        made = run.review(against, tell=tell)
    if output is ReportFormat.JSON:
        text = json.dumps(made.as_json(), indent=2) + "\n"
    else:
        text = render.render_markdown(made) if output is ReportFormat.MARKDOWN else render.render_review_text(made)
    sys.stdout.write(text)
    if file is not None:
        _write(file, text)
    raise typer.Exit(2 if made.refused else 0)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"--output {file}: {error.strerror}") from None
