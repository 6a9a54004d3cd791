"""The commands: `python -m serving COMMAND ENV`. Nothing is imported before a command needs it."""

from __future__ import annotations

import gc
import importlib
import sys
import textwrap
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

# Command -> the module of `serving.commands` it is in, in the order of `--help`.
_COMMANDS = {
    "plan": "plan",
    "review": "review",
    "rehearse": "rehearse",
    "preflight": "preflight",
    "verify": "verify",
    "bench": "bench",
    "alerts": "alerts",
    "drift": "drift",
    "acceptance": "acceptance",
    "leftovers": "leftovers",
    "down": "rehearse",
    "rules": "rules",
    "lock": "lock",
    "versions": "versions",
}


def application(names: Iterable[str] = tuple(_COMMANDS)) -> typer.Typer:
    """The application with these commands."""
    made = typer.Typer(
        name="serving",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_root)
    for name in names:
        module = importlib.import_module(f"serving.commands.{_COMMANDS[name]}")
        made.command(cls=_Command)(getattr(module, name))
    return made


class _Command(TyperCommand):
    """Usage as everybody writes it: ENV, not {ENV}; examples that can be pasted however narrow the terminal is."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        text, width = self.help or "", formatter.width - 8
        self.help = "\n\n".join(
            _example(part, width) if part.startswith("    ") else part for part in text.split("\n\n")
        )
        super().format_help_text(ctx, formatter)
        self.help = text


def _example(command: str, width: int) -> str:
    """A command over as many lines as it needs, each but the last with the shell's sign that it goes on."""
    lines = textwrap.wrap(command.strip(), width, break_long_words=False, break_on_hyphens=False)
    return "\b\n" + " \\\n".join(f"    {'  ' if index else ''}{line}" for index, line in enumerate(lines))


def _version(wanted: bool) -> None:
    if wanted:
        import tomllib

        from settings.document import ROOT

        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        typer.echo(f"{project['name']} {project['version']}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """LLM serving on Google Cloud TPU behind GKE's own Gateway, as one dependency graph.

    ENV is the name of an environment (dev reads Pulumi.dev.yaml) or the path of such a file.

    Exit codes: 0 success, 1 a check failed, 2 invalid input or usage, 130 interrupted.
    """


def main() -> None:
    """Entry point."""
    import serving.startup  # noqa: F401
    from settings.ending import run

    # A call names its command first; the others are only for `--help` and for a word that is none.
    called = sys.argv[1:2]
    if called == ["plan"]:
        gc.disable()  # what a plan is made of lives until its end; the first search would take a tenth of the time

    def call() -> None:
        application(called if called and called[0] in _COMMANDS else _COMMANDS)()

    run(call)


if __name__ == "__main__":
    main()
