"""The commands: `python -m serving COMMAND ENV`. Nothing is imported before a command needs it."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterable
from typing import NoReturn

import typer

# Command -> the module of `serving.commands` it is in, in the order of `--help`.
_COMMANDS = {
    "plan": "plan",
    "review": "review",
    "rehearse": "rehearse",
    "preflight": "preflight",
    "verify": "verify",
    "bench": "bench",
    "drift": "drift",
    "acceptance": "acceptance",
    "down": "rehearse",
    "rules": "rules",
    "lock": "lock",
    "versions": "versions",
}


def application(names: Iterable[str] = tuple(_COMMANDS)) -> typer.Typer:
    """The application with these commands."""
    made = typer.Typer(
        name="serving",
        help="LLM serving on Google Cloud TPU behind GKE's own Gateway.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    made.callback()(_root)
    for name in names:
        module = importlib.import_module(f"serving.commands.{_COMMANDS[name]}")
        made.command()(getattr(module, name))
    return made


def _root() -> None:
    """LLM serving on Google Cloud TPU behind GKE's own Gateway, as one dependency graph.

    ENV is the name of an environment (dev reads Pulumi.dev.yaml) or the path of such a file.

    Exit codes: 0 success, 1 a check failed, 2 invalid input or usage, 130 interrupted.
    """


def __getattr__(name: str) -> typer.Typer:
    """`app`: the application with all commands, made when somebody asks for it."""
    if name == "app":
        return application()
    raise AttributeError(name)


def main() -> None:
    """Entry point. Ends with one line on Ctrl-C, on a full disk and on closed output, and with exit code 0, 1, 2 or 130."""
    import serving.startup  # noqa: F401

    _open_streams()
    from catalog.files import UnknownVersionError

    # A call names its command first; the others are only for `--help` and for a word that is none.
    called = sys.argv[1:2]
    try:
        application(called if called and called[0] in _COMMANDS else _COMMANDS)()
    except SystemExit as done:  # typer turns an interrupt into an exit with 130
        if done.code == 130:
            _leave("interrupted", 130)
        _flush()
        raise
    except KeyboardInterrupt:
        _leave("interrupted", 130)
    except UnknownVersionError as error:  # an edit of the lock that the catalogue does not follow yet
        _leave(str(error), 2)
    except OSError as error:
        _fail(error)
    _flush()


def _open_streams() -> None:
    """Where a stream was closed, a file that is opened later would get its number, and the command's words."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end of the process
    if sys.stdout is None:
        _leave("Standard output is closed; there is nowhere to write to.", 1)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        _fail(error)


def _fail(error: OSError) -> NoReturn:
    if isinstance(error, BrokenPipeError):  # whoever read the output has read enough
        os._exit(1)
    where = f"{error.filename}: " if error.filename else "writing the output: "
    _leave(f"{where}{error.strerror or error}", 1)


def _leave(text: str, code: int) -> NoReturn:
    """Say why and end, without the interpreter's own tidying, which would try a broken stream again."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
