"""What stands in the cache is whole, or is made again; two never make things at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.assets.cache import Entry, locked, root

PLACE = Entry("tool", "v1-abc", "tool")


def make(text: str) -> None:
    with PLACE.making("built") as folder:
        (folder / "tool").write_text(text, encoding="utf-8")


@pytest.fixture
def made() -> Path:
    make("a program")
    return PLACE.path


@pytest.mark.parametrize(
    "break_it",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.unlink(),
        lambda path: path.chmod(0o644),
        lambda path: (path.parent / "record.json").unlink(),
        lambda path: (path.parent / "record.json").write_text("[", encoding="utf-8"),
    ],
    ids=["truncated", "removed", "not executable", "no record", "broken record"],
)
def test_a_broken_file_is_noticed_and_replaced(made: Path, break_it: Callable[[Path], object]) -> None:
    assert PLACE.record()["how"] == "built"
    break_it(made)
    assert PLACE.record() == {}
    make("anew")
    assert (PLACE.record()["size"], made.read_text(encoding="utf-8")) == (4, "anew")
    assert [path.name for path in (root() / "tool").iterdir()] == ["v1-abc"]


def test_what_was_left_half_made_is_removed_by_the_next(made: Path) -> None:
    left = root() / "tool" / ".making-killed"
    (left / "tmp").mkdir(parents=True)
    with contextlib.suppress(KeyboardInterrupt), PLACE.making("built") as folder:
        assert not left.exists()
        (folder / "tool").touch()
        raise KeyboardInterrupt
    assert [path.name for path in (root() / "tool").iterdir()] == ["v1-abc"]
    assert made.read_text(encoding="utf-8") == "a program"


def test_the_second_is_told_and_waits() -> None:
    ready, go_on = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with locked(lambda _: None):
            os.write(ready[1], b"x")
            os.read(go_on[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    told: list[str] = []

    def waiting(text: str) -> None:
        told.append(text)
        os.write(go_on[1], b"x")

    with locked(waiting):
        os.waitpid(child, 0)
    assert told == ["another process makes assets already"]
    for end in (*ready, *go_on):
        os.close(end)
