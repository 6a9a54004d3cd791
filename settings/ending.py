"""How a command ends: one line and an exit code on Ctrl-C, on a full disk and on closed output, never a traceback."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable
from typing import NoReturn


def run(command: Callable[[], object]) -> None:
    """Call a command, and leave the process where it cannot end as it should.

    Exit codes: the command's own; 130 interrupted, 1 output that cannot be written, 2 a version that the catalogue lacks.
    """
    from catalog.files import UnknownVersionError

    _open_streams()
    try:
        command()
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
    gc.freeze()  # what ends now need not be searched for garbage once more


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
