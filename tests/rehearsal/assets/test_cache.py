"""What stands in the cache is whole, or is made again; two never make one thing."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.assets import AssetError
from rehearsal.assets.cache import Entry, build_cache, drop_build_cache, locked, making, root

PLACE = Entry("tool", "v1-abc", "tool")


@pytest.fixture
def published() -> Path:
    with making("tool") as folder:
        (folder / "tool").write_text("a program", encoding="utf-8")
        PLACE.publish(folder, "built", 1.0)
    return PLACE.path


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _other_content(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    "break_it",
    [
        _truncate,
        _other_content,
        lambda path: path.unlink(),
        lambda path: path.chmod(0o644),
        lambda path: (path.parent / "record.json").unlink(),
        lambda path: (path.parent / "record.json").write_text("[", encoding="utf-8"),
    ],
    ids=["truncated", "changed", "removed", "not executable", "no record", "broken record"],
)
def test_a_broken_file_is_noticed_and_replaced(published: Path, break_it: Callable[[Path], object]) -> None:
    assert PLACE.intact()
    break_it(published)
    assert not PLACE.intact()
    with making("tool") as folder:
        (folder / "tool").write_text("anew", encoding="utf-8")
        PLACE.publish(folder, "built", 1.0)
    assert PLACE.intact()
    assert published.read_text(encoding="utf-8") == "anew"
    assert sorted(path.name for path in (root() / "tool").iterdir()) == ["v1-abc"]


def test_a_copied_file_of_the_same_content_is_whole(published: Path) -> None:
    os.utime(published, ns=(5, 5))
    assert PLACE.intact()


def test_the_content_is_only_read_again_where_time_or_size_changed(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr("rehearsal.assets.cache.sha256", read.append)
    assert PLACE.intact()
    assert read == []
    os.utime(published, ns=(5, 5))
    PLACE.intact()
    assert read == [published]


def test_what_was_left_half_made_is_removed_by_the_next(published: Path) -> None:
    left = root() / "tool" / ".making-killed"
    (left / "tmp").mkdir(parents=True)
    with making("tool") as folder:
        assert not left.exists()
        assert folder.parent == left.parent
    assert not folder.exists()
    assert PLACE.intact()


def test_the_second_waits_and_learns_who_holds_the_lock() -> None:
    ready, go_on = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with locked("tool", lambda _: None):
            os.write(ready[1], b"x")
            os.read(go_on[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    holders: list[int] = []

    def waiting(holder: int) -> None:
        if not holders:
            os.write(go_on[1], b"x")
        holders.append(holder)

    with locked("tool", waiting):
        if not holders:
            os.write(go_on[1], b"x")
        os.waitpid(child, 0)
    assert set(holders) == {child}
    for end in (*ready, *go_on):
        os.close(end)


def test_the_build_cache_is_not_removed_from_under_another_build() -> None:
    with build_cache() as folder:
        (folder / "ab").mkdir(parents=True)
        drop_build_cache()
        assert folder.exists()
        drop_build_cache(unused=3600)
    drop_build_cache(unused=3600)
    assert folder.exists()
    drop_build_cache()
    assert not folder.exists()


def test_a_cache_that_cannot_be_written_is_said_with_what_helps(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))
    for use in (making("tool"), locked("tool", lambda _: None), build_cache()):
        with pytest.raises(AssetError, match="can't be put into the cache") as refused, use:
            pytest.fail("it was used")
        assert any(command.startswith("export XDG_CACHE_HOME=") for command in refused.value.commands)


def test_a_read_only_cache_serves_what_is_in_it(published: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; run as an ordinary user")
    root().chmod(0o500)
    try:
        assert PLACE.intact()
        with pytest.raises(AssetError, match="Permission denied"), locked("other", lambda _: None):
            pytest.fail("it was used")
    finally:
        root().chmod(0o700)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_in_words(number: int) -> None:
    with pytest.raises(AssetError, match="no space left on the disk") as full, making("tool"):
        raise OSError(number, os.strerror(number))
    assert any(command.startswith("df -h") for command in full.value.commands)
    assert list((root() / "tool").iterdir()) == []


def test_the_record_says_how_it_came(published: Path) -> None:
    record = json.loads((published.parent / "record.json").read_text(encoding="utf-8"))
    assert (record["how"], record["size"], record["seconds"]) == ("built", 9, 1.0)
