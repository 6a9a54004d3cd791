"""Run a program that the kernel kills when its parent ends, however the parent ends.

`wrap` makes the command line; the module itself is the small wrapper that is run first and then becomes the program.
The kernel counts the parent's *thread*: start such a program from a thread that lives as long as it should (the main
thread). Only Linux has this; elsewhere the program just runs, and leftovers are found by their mark.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

# linux/prctl.h
_PR_SET_PDEATHSIG = 1


def wrap(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` as a child of this process and dies with it.

    The wrapper starts without site packages: it costs about 15 ms.
    """
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()), *command]


def main(arguments: Sequence[str]) -> int:
    """`PARENT_PID PROGRAM [ARGUMENT...]`: become the program. 127 where it can't be run, 1 where the parent is gone."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have ended before the line above took effect.
        if os.getppid() != int(parent):
            return 1
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming that program is the purpose
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
