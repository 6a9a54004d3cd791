"""What records are for: a column of the support matrix, and a comparison of estimates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from serving.acceptance.markdown import render
from serving.acceptance.new_record import new_record
from serving.acceptance.record import STEPS, Record, Step, Timing
from serving.plan.build import planned
from serving.plan.plan import Plan
from settings.document import find_environment, read_document
from tests.commands import run
from tools.support_docs import support_matrix

FILE = "examples/smallest.yaml"
ROW = "| v6e | 1x1 | ct6e-standard-1t |"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned(read_document(find_environment(FILE)))


def made(plan: Plan, *, emulated: bool = False, failed: str = "", timings: tuple[Timing, ...] = ()) -> Record:
    """A record in which every step passed but one, and `up` took so long."""
    record = new_record(plan, emulated=emulated, consent="--yes", cli="v3")
    now = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
    for name in STEPS:
        status: Literal["failed", "passed"] = "failed" if name == failed else "passed"
        taken = timings if name == "up" else ()
        record = record.with_step(Step(name=name, attempts=1, status=status, started=now, seconds=9000, timings=taken))
    return record.model_copy(update={"started": now, "ended": now})


def column(folder: Path, record: Record) -> str:
    """The last cell of the slice's row, once the record lies in the folder."""
    (folder / "2026-12-01T100000Z.json").write_text(record.to_json(), encoding="utf-8")
    [row] = [line for line in support_matrix(folder).splitlines() if line.startswith(ROW)]
    return row.split(" | ")[-1].removesuffix(" |")


def test_only_a_run_that_passed_on_google_cloud_validates_a_slice(plan: Plan, tmp_path: Path) -> None:
    assert "nothing in this table was validated" in support_matrix(tmp_path)
    assert column(tmp_path, made(plan, emulated=True)) == "none"
    assert column(tmp_path, made(plan, failed="verify")) == "none"
    assert column(tmp_path, made(plan)).startswith("[2026-12-01](acceptance/2026-12-01T100000Z.json), vLLM v")
    matrix = support_matrix(tmp_path)
    assert "nothing in this table was validated" not in matrix
    assert [line for line in matrix.splitlines() if "| [2026" in line and not line.startswith(ROW)] == []


def test_a_record_of_an_emulated_cloud_says_so_first(plan: Plan) -> None:
    assert "no Google Cloud project and no TPU took part" in render(made(plan, emulated=True)).split("|")[0]
    assert "no TPU" not in render(made(plan))


def test_what_took_much_longer_than_estimated_is_marked(plan: Plan, tmp_path: Path) -> None:
    timings = (
        Timing(resource="Cluster", count=1, seconds=2400, estimate_seconds=1),
        Timing(resource="Job gateway-readiness", count=1, seconds=20),
        Timing(resource="Network", count=1, seconds=23),
    )
    file = tmp_path / "record.json"
    file.write_text(made(plan, timings=timings).to_json(), encoding="utf-8")
    done = run("serving", "acceptance", FILE, "--compare", str(file))
    lines = {line.split("  ")[0]: line for line in done.out.splitlines()}
    assert lines["up"].endswith("slower")
    assert lines["Cluster"].split()[1:] == ["40", "min", "00", "s", "20", "min", "00", "s", "slower"]
    assert lines["Job gateway-readiness"].endswith("faster")
    assert not lines["Network"].endswith(("slower", "faster"))
    other = run("serving", "acceptance", "dev", "--compare", str(file))
    assert "other models or slices" in other.out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schemaVersion": "2.0"}', '{"schemaVersion": "1.0"}'])
def test_a_file_that_is_no_record_is_refused_in_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "record.json"
    file.write_text(text, encoding="utf-8")
    done = run("serving", "acceptance", FILE, "--compare", str(file))
    assert (done.code, str(file) in done.err) == (2, True)
