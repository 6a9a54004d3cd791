"""`python -m rehearsal.cert_manager DIR`: becomes the real cert-manager on the cluster of a rehearsal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rehearsal import assets
from rehearsal.directory import RehearsalDirectory


def main(directory: str) -> None:
    """Never returns: this process is cert-manager from then on.

    Raises:
        rehearsal.assets.AssetError: it can't be had.
    """
    program = str(assets.ensure(["cert-manager"])["cert-manager"])
    os.execv(program, [program, "--kubeconfig", str(RehearsalDirectory(Path(directory)).kubeconfig)])  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
