"""The control plane that tests share, and planes of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.control_plane import stop
from rehearsal.directory import RehearsalDirectory
from tests.rehearsal.plane import Plane, programs


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    return programs()


@pytest.fixture(scope="session")
def plane(api_server: Plane) -> Plane:
    """Shared, without emulators."""
    return api_server


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[RehearsalDirectory]:
    """Of a control plane of the test's own, which is ended after it."""
    made = RehearsalDirectory(tmp_path / "own")
    yield made
    stop(made)
