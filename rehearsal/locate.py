"""Which directory belongs to which environment: `.state/rehearsal/<name>` below the checkout."""

from __future__ import annotations

from pathlib import Path

from cluster.target import HOME, rehearsal_folder
from rehearsal.directory import RehearsalDirectory


def directory_of(environment: str, home: Path = HOME) -> RehearsalDirectory:
    """The directory of a named environment, or of a file anywhere: two files of one name don't share one.

    Raises:
        RefusedError: there is neither such an environment nor a rehearsal of that name.
    """
    return RehearsalDirectory(rehearsal_folder(environment, home))
