"""Whole rehearsals for the tests.

Tests of dev run in one process, those of all other environments in another one, side by side (tests/sharing.py).
A rehearsal that waits for nobody takes half a core all the same: the last test that needs one ends it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal import assets, parts
from rehearsal.assets.table import table
from tests.rehearsal.end_to_end.command import ROOT, Rehearsal

# Answers at once of the shared rehearsal's server: few enough that a test machine can saturate it.
PLACES = 4
# What is added to prod, and removed again (test_cut_off.py).
SECOND = "qwen3-4b"


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    """Everything that every rehearsal runs."""
    optional = {name for name, row in table().binaries.items() if row.optional}
    needed = [part.asset for part in parts.all_parts() if part.asset and part.asset not in optional]
    found = {name: asset.path for name, asset in assets.find(needed).items()}
    if missing := sorted(set(needed) - set(found)):
        pytest.skip(f"{', '.join(missing)} not found; `python -m rehearsal.assets` gets them")
    return found


def copied(example: str, folder: Path) -> Iterator[Rehearsal]:
    """A rehearsal of a copy of an environment; not started. It is taken down at the end."""
    rehearsal = Rehearsal(Path(shutil.copy(ROOT / example, folder)))
    try:
        yield rehearsal
    finally:
        assert rehearsal.down().code == 0


def _few_places(configuration: dict[str, Any]) -> None:
    configuration["tpu-serving:models"][0]["serverFlags"] = {"max-num-seqs": PLACES}


@pytest.fixture(scope="package")
def shared(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    for rehearsal in copied("Pulumi.dev.yaml", tmp_path_factory.mktemp("dev")):
        rehearsal.change(_few_places)
        yield rehearsal


@pytest.fixture
def dev(shared: Rehearsal) -> Rehearsal:
    """dev, running: whichever test comes first brings it up."""
    return shared.running()


def _second_model(configuration: dict[str, Any]) -> None:
    """On a node pool of its own, whose topology differs."""
    model = {"name": SECOND, "source": "hf://Qwen/Qwen3-4B", "tpu": {"generation": "v6e", "topology": "1x1"}}
    configuration["tpu-serving:models"].append(model)


@pytest.fixture(scope="package")
def prod(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """prod with a second model; not started."""
    for rehearsal in copied("Pulumi.prod.yaml", tmp_path_factory.mktemp("prod")):
        rehearsal.change(_second_model)
        yield rehearsal
