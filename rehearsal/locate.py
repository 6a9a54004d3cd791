"""Which directory belongs to which environment: `.state/rehearsal/<name>` below the checkout."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from rehearsal.directory import RehearsalDirectory
from settings.document import ROOT, find_environment
from settings.refusal import RefusedError

HOME = ROOT / ".state" / "rehearsal"


def directory_of(environment: str, home: Path = HOME) -> RehearsalDirectory:
    """The directory of a named environment, or of a file anywhere: two files of one name don't share one.

    Raises:
        RefusedError: there is neither such an environment nor a rehearsal of that name.
    """
    try:
        path = find_environment(environment).resolve()
    except RefusedError:
        # The file may be gone while its rehearsal still runs.
        if re.fullmatch(r"[A-Za-z0-9._-]+", environment) and (home / environment / "rehearsal.json").exists():
            return RehearsalDirectory(home / environment)
        raise
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem.removeprefix("Pulumi."))
    if path == ROOT / f"Pulumi.{stem}.yaml":
        return RehearsalDirectory(home / stem)
    return RehearsalDirectory(home / f"{stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}")
