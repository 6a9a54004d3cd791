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
# Only a hanging test meets it, seconds.
_LIMIT = 120.0


@dataclass(frozen=True)
class Plane:
    """A control plane that runs, and a client of it."""

    directory: RehearsalDirectory
    client: kube.DynamicClient


@contextmanager
def running(folder: Path, stand_ins: Sequence[str]) -> Iterator[Plane]:
    """A control plane of the test's own; the test is skipped where its programs are not on this machine."""
    found = {name: asset.path for name, asset in find(BINARIES).items()}
    missing = sorted(set(BINARIES) - set(found))
    if missing:
        pytest.skip(f"{', '.join(missing)} not found; `python -m serving rehearse --prepare` gets them")
    directory = RehearsalDirectory(folder / "plane")
    try:
        start(directory, found, progress=lambda _: None, stand_ins=stand_ins)
        yield Plane(directory, kube.connect(directory.kubeconfig))
    finally:
        stop(directory)


def until(condition: Callable[[], T]) -> T:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + _LIMIT
    while not (answer := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return answer


def settled(look: Callable[[], T], pause: float = 1.0) -> T:
    """The answer of `look` once it stays the same: what a process wrote before its watch told it so, it writes twice."""
    before = look()
    while True:
        time.sleep(pause)
        if (now := look()) == before:
            return before
        before = now


def becomes(probe: Callable[[], object], wanted: object) -> None:
    """`probe` answers `wanted` at last; where it does not, its last answer is shown."""
    deadline = time.monotonic() + _LIMIT
    while (answer := probe()) != wanted:
        assert time.monotonic() < deadline, f"waited in vain: {answer}"
        time.sleep(0.2)
