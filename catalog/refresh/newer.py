"""Which versions are newer than a pinned one, among the tags of a registry or the releases of a package index."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

from catalog.refresh.wheel import WheelError, pip

_SECONDS = 60


def newer(locked: str, tags: Iterable[str]) -> list[str]:
    """Tags of the same form with higher numbers, oldest first: `v0.20.0` is no kin of `v0.21.0-rc1` or `latest`."""
    form = re.compile("".join(r"(\d+)" if part.isdigit() else re.escape(part) for part in re.split(r"(\d+)", locked)))
    mine = _numbers(form, locked)
    found = {tag: _numbers(form, tag) for tag in tags}
    later = [tag for tag, numbers in found.items() if numbers is not None and mine is not None and numbers > mine]
    return sorted(later, key=lambda tag: found[tag] or ())


def _numbers(form: re.Pattern[str], tag: str) -> tuple[int, ...] | None:
    match = form.fullmatch(tag)
    return tuple(map(int, match.groups())) if match else None


def releases_of(package: str) -> list[str]:
    """The releases of a package that the configured index offers to this Python.

    Raises:
        WheelError: there is no pip, or it could not ask.
    """
    command = [*pip(), "index", "versions", package, "--disable-pip-version-check", "--retries", "0", "--timeout", "10"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise WheelError(f"the package index did not answer in {_SECONDS} s") from None
    listed = re.search(r"^Available versions: (.*)$", run.stdout, flags=re.MULTILINE)
    if run.returncode or listed is None:
        said = [line for line in run.stderr.splitlines() if line.startswith("ERROR:")]
        raise WheelError(said[-1].removeprefix("ERROR: ") if said else f"pip ended with {run.returncode}")
    return listed[1].split(", ")
