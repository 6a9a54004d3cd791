"""What a run tells beside what the engine says."""

from __future__ import annotations

from pathlib import Path

from rehearsal.directory import RehearsalDirectory
from rehearsal.run import unknown_images


def test_an_image_that_nothing_stands_for_is_told_once(tmp_path: Path) -> None:
    directory = RehearsalDirectory(tmp_path)
    assert unknown_images(directory) == []
    directory.unknown_images.write_text(
        "n/a-1 side example.com/side:1\nn/a-2 side example.com/side:1\n", encoding="utf-8"
    )
    (note,) = unknown_images(directory)
    assert "example.com/side:1" in note
