"""What tests of every folder share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.everything import examples
from tests.sharing import BySharing, turn

if TYPE_CHECKING:
    from tests.rehearsal.plane import Plane

# How long an example takes says something about the machine.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=examples(100)
)
settings.load_profile("untimed")

# A program that happens to be on PATH or in somebody's Pulumi takes no part in a test.
os.environ["TPU_SERVING_ASSETS"] = "cache"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first."""
    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: looking through all of it for garbage made each plan several times as slow."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> BySharing:
    """pytest-xdist gives out tests by what they share."""
    return BySharing(config, log)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane without emulators, for all tests of objects; each keeps to names of its own."""
    from tests.rehearsal.plane import running

    with running(tmp_path_factory.mktemp("plane"), ()) as made:
        yield made


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as on a terminal: what a shell starts in the background ignores it, and no child could undo that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
