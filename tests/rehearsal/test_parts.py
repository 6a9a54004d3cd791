"""The table of what is real agrees with the programs and packages that there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog.lock import load_lock
from rehearsal.assets.table import table
from rehearsal.parts import Part, all_parts, assets_of
from settings.document import ROOT
from tests.manifests.test_manifests import DEPLOYMENTS
from tools.rehearsal_docs import rehearsal_reference

PARTS = all_parts()
EMULATORS = [part for part in PARTS if part.package]


def test_every_program_in_the_table_is_an_asset_and_every_emulator_a_package() -> None:
    binaries = yaml.safe_load((ROOT / "rehearsal/assets/assets.yaml").read_text(encoding="utf-8"))["binaries"]
    assert {part.asset for part in PARTS if part.asset} <= set(binaries)
    assert all((ROOT / "rehearsal" / part.package).is_dir() for part in EMULATORS)


def test_no_behaviour_is_left_out_of_the_table() -> None:
    found = {str(path.parent.relative_to(ROOT / "rehearsal")) for path in ROOT.glob("rehearsal/**/behaviour.yaml")}
    assert found == {part.package for part in EMULATORS}


@pytest.mark.parametrize("part", EMULATORS, ids=lambda part: part.package)
def test_every_behaviour_has_a_source_and_a_test_that_exists(part: Part) -> None:
    rows = part.behaviour()
    assert rows
    for row in rows:
        assert row["behaviour"] and row["source"]
        # What an emulator leaves out is said, and needs no test.
        if not row["behaviour"].startswith("Not offered"):
            assert [name for name in named_by(row) if not exists(name)] == []


def named_by(row: dict[str, Any]) -> list[str]:
    return row["test"] if isinstance(row["test"], list) else [row["test"]]


def exists(test: str) -> bool:
    path, *names = test.split("[")[0].split("::")
    file = ROOT / Path(path)
    if not file.exists():
        return False
    text = file.read_text(encoding="utf-8")
    return all(f"def {name}(" in text or f"class {name}" in text for name in names)


def test_an_environment_without_groups_needs_no_leader_worker_set_and_only_what_scales_needs_keda() -> None:
    wanted = {name: set(assets_of(deployment)) for name, deployment in DEPLOYMENTS.items()}
    for name, deployment in DEPLOYMENTS.items():
        assert ("lws" in wanted[name]) == (deployment.settings.platform.leader_worker_set != "off")
        assert ("keda-operator" in wanted[name]) == ("prometheus" in wanted[name]) == deployment.scales


def test_the_document_names_every_part_and_behaviour() -> None:
    text = rehearsal_reference()
    for part in PARTS:
        assert part.part in text
    assert text.count("\n- ") >= sum(len(part.behaviour()) for part in EMULATORS)
    # Which picker is rehearsed, and which is deployed.
    assert f"`epp` {table().binaries['epp'].version}" in text
    assert f"deployed is llm-d's {load_lock().images['epp'].tag}" in text
