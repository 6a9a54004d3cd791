"""A program that the supervisor runs as it runs a stand-in: it adds its process id to `stand-ins` and waits."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    with (Path(sys.argv[1]) / "stand-ins").open("a") as file:
        file.write(f"{os.getpid()}\n")
    signal.pause()
