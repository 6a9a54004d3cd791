"""Which rehearsal has which network, also while it does not run: links in `${XDG_CACHE_HOME:-~/.cache}/tpu-serving/networks`.

A rehearsal can't change its network, for the addresses of its Services are in etcd. So a new one must not take the
network of one that was killed, or whose machine was switched off. Where the folder can't be written nothing is reserved.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rehearsal.assets.cache import user_folder
from rehearsal.directory import RehearsalDirectory


def last_use(network: int, directory: RehearsalDirectory) -> float:
    """When another directory last took it, seconds since 1970; 0 where none has it or that directory is gone."""
    link = _link(network)
    with contextlib.suppress(OSError):
        if link.readlink() != directory.root and link.exists():
            return link.lstat().st_mtime
    return 0.0


def reserve(network: int, directory: RehearsalDirectory) -> None:
    """The network is this directory's; to be called while the network's socket is held."""
    release(directory)
    link = _link(network)
    with contextlib.suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(directory.root)


def release(directory: RehearsalDirectory) -> None:
    """The directory needs no network any more."""
    with contextlib.suppress(OSError):
        for link in links_of(directory):
            link.unlink(missing_ok=True)


def links_of(directory: RehearsalDirectory) -> Iterator[Path]:
    """What is reserved for the directory."""
    for link in _folder().glob("*"):
        with contextlib.suppress(OSError):
            if link.readlink() == directory.root:
                yield link


def _folder() -> Path:
    return user_folder() / "networks"


def _link(network: int) -> Path:
    return _folder() / str(network)
