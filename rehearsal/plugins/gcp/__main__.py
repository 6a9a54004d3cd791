"""The plugin's program: `python -m rehearsal.plugins.gcp`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.frame import serve
from rehearsal.plugins.gcp.provider import GcpProvider
from rehearsal.plugins.install import DIRECTORY_VARIABLE


def main() -> None:
    """Serve the rehearsal that the environment names."""
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory:
        sys.exit(f"{DIRECTORY_VARIABLE} is not set: this plugin only works in a rehearsal.")
    serve(GcpProvider(RehearsalDirectory(Path(directory))))


if __name__ == "__main__":
    main()
