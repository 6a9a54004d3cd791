"""A fresh cloud for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.plugins.gcp.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Nothing is there."""
    return Scene(tmp_path)
