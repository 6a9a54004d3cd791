"""`serving plan`: what would be created, in which order, what it serves, costs and takes. Offline."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from serving.commands.options import Environment, print_json, rejections

if TYPE_CHECKING:
    from pathlib import Path

    from serving.plan.plan import Plan


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    MERMAID = "mermaid"
    SVG = "svg"
    MARKDOWN = "markdown"


def plan(
    environment: Environment,
    output: Annotated[
        Format, typer.Option("--format", help="text, markdown, json, yaml (the objects), mermaid or svg (the graph).")
    ] = Format.TEXT,
    resources: Annotated[bool, typer.Option("--resources", help="List every resource too (text).")] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REF|FILE|outputs",
            help="Show what changes for clients, compared with the file at a git ref, another environment file, a "
            "file with the output of `pulumi stack output --json`, or (the word outputs) the stack's current outputs. "
            "Exit code 1: pulumi up can't do all of it.",
        ),
    ] = None,
) -> None:
    """Show what an environment creates, serves and costs; offline.

    It needs no cloud account, credentials or Pulumi CLI.

    Examples:

        python -m serving plan dev

        python -m serving plan prod --format json

        python -m serving plan examples/multi-host.yaml --format svg > graph.svg

        python -m serving plan dev --against main --format markdown
    """
    # Imported here: `--help` needs no settings, and a refused file needs neither Pulumi nor a provider.
    from checks.environment import require
    from settings.document import find_environment, read_document

    if against is not None and output not in (Format.TEXT, Format.MARKDOWN, Format.JSON):
        raise typer.BadParameter(f"--against has no {output.value}; use text, markdown or json.")
    with rejections(output is Format.JSON):
        path = find_environment(environment)
        document = read_document(path)
        deployment, findings = require(document)
        if sys.stderr.isatty():
            typer.echo(f"Planning {deployment.name} ...", err=True)
        from serving.plan.build import plan_checked  # only now: a refused file needs no Pulumi

        planned = plan_checked(document, deployment, findings)
    if against is None:
        sys.stdout.write(_render(planned, output, resources))
    else:
        _difference(planned, path, against, output)


def _difference(planned: Plan, path: Path, against: str, output: Format) -> None:
    """Print the comparison; leaves with 2 where the other side can't be read or is refused, 1 where it can't be done."""
    from serving.plan.against import render, run, source

    with rejections(output is Format.JSON, "The other side, --against:"):
        made = run.against(planned, source.find(against, path))
    if output is Format.JSON:
        print_json(made.as_json())
    else:
        sys.stdout.write(render.render_markdown(made) if output is Format.MARKDOWN else render.render_text(made))
    if made.not_done:
        raise typer.Exit(1)


def _render(planned: Plan, output: Format, resources: bool) -> str:
    if output is Format.JSON:
        from serving.plan.document import document

        return document(planned).model_dump_json(by_alias=True, indent=2) + "\n"
    if output is Format.YAML:
        import yaml

        return str(yaml.safe_dump_all(planned.objects(), sort_keys=False, explicit_start=True))
    if output is Format.TEXT:
        from serving.plan.text import render_text

        return render_text(planned, sys.stdout, resources)
    if output is Format.MARKDOWN:
        from serving.plan.markdown import render_markdown

        return render_markdown(planned)
    from serving.plan.diagram import render_mermaid, render_svg

    return render_mermaid(planned) if output is Format.MERMAID else render_svg(planned)
