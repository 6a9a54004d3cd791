"""A real control plane with some of the emulators, for tests of what they do in a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

import cluster as kube
from rehearsal.assets import find
from rehearsal.control_plane import start, stop
from rehearsal.control_plane.names import BINARIES
from rehearsal.directory import RehearsalDirectory

T = TypeVar("T")
# Only a hanging test meets it, whatever the machine does besides, seconds.
HANGS = 600.0


@dataclass(frozen=True)
class Plane:
    """A control plane that runs, and a client of it."""

    directory: RehearsalDirectory
    client: kube.DynamicClient


def programs() -> dict[str, Path]:
    """The programs of a control plane; the test is skipped where one is not on this machine."""
    found = {name: asset.path for name, asset in find(BINARIES).items()}
    missing = sorted(set(BINARIES) - set(found))
    if missing:
        pytest.skip(f"{', '.join(missing)} not found; `python -m serving rehearse --prepare` gets them")
    return found


@contextmanager
def running(folder: Path, controllers: Sequence[str]) -> Iterator[Plane]:
    """A control plane of the test's own, which ends with the block, or with this process."""
    directory = RehearsalDirectory(folder / "plane")
    binaries = programs()
    try:
        start(directory, binaries, progress=lambda _: None, controllers=controllers, attached=True)
        yield Plane(directory, kube.connect(directory.kubeconfig))
    finally:
        stop(directory)


def until(condition: Callable[[], T], show: Callable[[], object] = lambda: "") -> T:
    """The first true answer of `condition`; a test that waits in vain fails with what `show` says."""
    deadline = time.monotonic() + HANGS
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {show()}"
        time.sleep(0.05)
    return answer
