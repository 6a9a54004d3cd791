"""What takes long to make from source files, kept beside their byte code until one of them changes."""

from __future__ import annotations

import importlib.util
import os
import pickle
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")


def compiled(sources: Iterable[Path], version: str, make: Callable[[], Made]) -> Made:
    """`make()`, or what it returned when the sources and `version` were the same; called after the first source.

    Like byte code: it lies in `__pycache__`, is trusted as much as the code beside it, is not written where Python is
    told to write none, and whatever is wrong with it only costs the time to make it anew.
    """
    paths = tuple(sources)
    stamp = (version, *((str(path), (s := path.stat()).st_mtime_ns, s.st_size) for path in paths))
    kept = Path(importlib.util.cache_from_source(str(paths[0]))).with_suffix(".pickle")
    try:
        found, made = pickle.loads(kept.read_bytes())  # noqa: S301 - no less trusted than the byte code beside it
        if found == stamp:
            return made  # type: ignore[no-any-return]
    except Exception:  # noqa: S110 - absent, damaged, or of classes that are no more: it is made anew
        pass
    made = make()
    if not sys.dont_write_bytecode:
        _keep(kept, pickle.dumps((stamp, made)))
    return made


def _keep(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):  # no place to write: then it is made again next time
        path.parent.mkdir(exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
