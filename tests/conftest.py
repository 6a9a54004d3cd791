"""What tests of every folder share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.everything import examples

# How long an example takes says something about the machine.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=examples(100)
)
settings.load_profile("untimed")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as on a terminal: what a shell starts in the background ignores it, and no child could undo that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
