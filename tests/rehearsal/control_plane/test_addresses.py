"""Networks: a rehearsal finds its own again after a kill, whoever started meanwhile."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.control_plane import addresses, release, reservations
from rehearsal.directory import Record, RehearsalDirectory
from rehearsal.ports import claim


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Its own reservations, and its own sockets: real rehearsals of this machine have theirs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    port = claim()
    monkeypatch.setattr(addresses, "_CLAIM_PORT", port.port)
    yield tmp_path / "cache" / "tpu-serving" / "networks"
    port.release()


def take(directory: RehearsalDirectory) -> int:
    """Start on a directory, hold its network for a moment, be killed."""
    directory.create()
    with directory.change_record() as record:
        record.network, claimed = addresses.claim_network(directory, record)
        claimed.close()
    return record.network


def meeting(folder: Path, number: int) -> list[RehearsalDirectory]:
    """Directories that would all begin at the same network."""
    found: dict[int, list[RehearsalDirectory]] = {}
    for name in range(10_000):
        directory = RehearsalDirectory(folder / str(name))
        place = found.setdefault(zlib.crc32(str(directory.root).encode()) % addresses.NETWORKS, [])
        place.append(directory)
        if len(place) == number:
            return place
    raise AssertionError("unreachable")


def test_what_was_killed_gets_its_network_again_whoever_starts_meanwhile(tmp_path: Path) -> None:
    directories = meeting(tmp_path, 4)
    first = [take(directory) for directory in directories]
    assert len(set(first)) == 4
    # All at once: nobody is in another one's way.
    with contextlib.ExitStack() as held:
        for directory, network in zip(directories, first, strict=True):
            again, claimed = addresses.claim_network(directory, directory.load_record())
            held.enter_context(claimed)
            assert again == network


def test_a_directory_that_was_removed_frees_its_network(tmp_path: Path, cache: Path) -> None:
    one, two, three = meeting(tmp_path, 3)
    network = take(one)
    release(one)
    assert not list(cache.iterdir())
    one.remove()
    assert take(two) == network
    two.remove()  # by hand, without a word to anybody
    assert take(three) == network


def test_only_the_one_that_has_it_releases_it(tmp_path: Path) -> None:
    one, two = meeting(tmp_path, 2)
    network = take(one)
    two.create()
    two.save_record(Record(network=network))
    release(two)
    assert reservations.last_use(network, two) > 0


def test_where_all_are_reserved_the_longest_unused_is_taken(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "NETWORKS", 3)
    directories = [RehearsalDirectory(tmp_path / str(number)) for number in range(4)]
    networks = [take(directory) for directory in directories[:3]]
    assert sorted(networks) == [0, 1, 2]
    for age, network in ((10, networks[0]), (30, networks[1]), (20, networks[2])):
        os.utime(cache / str(network), (1000 - age, 1000 - age), follow_symlinks=False)
    assert take(directories[3]) == networks[1]


def test_a_cache_that_can_not_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    one, two = meeting(tmp_path, 2)
    network = take(one)
    assert take(one) == network
    # Nothing is known of the one that was ended; the one that runs is seen all the same.
    _, claimed = addresses.claim_network(one, one.load_record())
    with claimed:
        assert take(two) != network
        two.save_record(Record(network=network))
        with pytest.raises(addresses.AddressError, match=r"in use by another one .*End that one, or remove"):
            addresses.claim_network(two, two.load_record())
