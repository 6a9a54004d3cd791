"""Real control planes for the tests: the programs, one plane that a module shares, and planes of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cluster as kube
from rehearsal.assets.find import find
from rehearsal.control_plane import start, stop
from rehearsal.control_plane.names import BINARIES
from rehearsal.directory import RehearsalDirectory
from tests.rehearsal.plane import Plane


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    found = {name: asset.path for name, asset in find(BINARIES).items()}
    missing = sorted(set(BINARIES) - set(found))
    if missing:
        pytest.skip(f"{', '.join(missing)} not found; `python -m rehearsal.assets` gets them")
    return found


@pytest.fixture(scope="module")
def plane(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Shared by a module's tests, without emulators."""
    directory = RehearsalDirectory(tmp_path_factory.mktemp("shared") / "plane")
    start(directory, binaries, progress=lambda _: None, stand_ins=(), attached=True)
    yield Plane(directory, kube.connect(directory.kubeconfig))
    stop(directory)


@pytest.fixture
def new_directory(tmp_path: Path) -> Iterator[Callable[[str], RehearsalDirectory]]:
    """Directories whose control planes are ended after the test."""
    made: list[RehearsalDirectory] = []

    def make(name: str = "plane") -> RehearsalDirectory:
        made.append(RehearsalDirectory(tmp_path / name))
        return made[-1]

    yield make
    for directory in made:
        stop(directory)
