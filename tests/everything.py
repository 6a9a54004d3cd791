"""What `make test-all` runs more of than `make test`: every undo, every example, many more examples of properties."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import TypeVar

import pytest

T = TypeVar("T")
EVERYTHING = os.environ.get("TPU_SERVING_TEST_ALL") == "1"

of_everything = pytest.mark.skipif(not EVERYTHING, reason="runs with `make test-all`")


def examples(usual: int) -> int:
    """How many examples of a property are tried, `usual` of them every day."""
    return usual * 20 if EVERYTHING else usual


def some_of(everything: Iterable[T], usual: Collection[T]) -> list[T]:
    """The cases that are run, `usual` of them every day."""
    return [case for case in everything if EVERYTHING or case in usual]
