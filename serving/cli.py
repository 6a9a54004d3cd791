"""The commands: `python -m serving COMMAND ENV`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys

import typer

from serving.commands.lock import lock
from serving.commands.plan import plan
from serving.commands.rehearse import down, rehearse

app = typer.Typer(
    name="serving",
    help="LLM serving on Google Cloud TPU behind GKE's own Gateway.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """LLM serving on Google Cloud TPU behind GKE's own Gateway, as one dependency graph.

    ENV is the name of an environment (dev reads Pulumi.dev.yaml) or the path of such a file.

    Exit codes: 0 good, 1 the environment failed the check, 2 the input was refused or the call was wrong.
    """


for command in (plan, rehearse, down, lock):
    app.command()(command)


def main() -> None:
    """Entry point; ends quietly on Ctrl-C and on a closed pipe."""
    try:
        app()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
