"""A run's file and its report: everything comes from the file, nothing secret is in it, the page needs nothing else."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from serving.bench.run import report
from serving.bench.run_file import RunError, read_run
from serving.bench.summary import Summary
from serving.bench.terminal import print_report
from serving.bench.verdict import Ending, Kind
from tests.serving.bench.made import write_run

LEVELS = (1, 2, 4, 8, 16)
PLOTS = {"throughput", "latency", "first-token", "per-chip", "cost", "prefix", "replicas"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run.jsonl", LEVELS)


def test_a_run_is_read_back_as_it_was_written(path: Path) -> None:
    run = read_run(path)
    assert [window.level for window in run.windows] == list(LEVELS)
    assert (run.ending, run.environment) == (Ending.SATURATED, "prod")
    assert {"locust", "python", "tpu-serving"} <= set(run.versions)
    assert Summary(run).verdict.kind is Kind.SATURATED
    assert Summary(run).verdict.knee == pytest.approx(4, rel=0.05)


def test_starts_are_reported_beside_the_plan(path: Path) -> None:
    done = report(path, None)
    [start] = done.summary.as_json()["starts"]
    assert (start["seconds"], start["plannedSeconds"], start["later"]) == (95.0, [100.0, 400.0], True)
    console = Console(file=io.StringIO(), width=80)
    print_report(console, done)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert (
        "start server-0: ready after 95 s, 5 s of it without a node; planned for a later start: 100 to 400 s (faster)"
        in said
    )


def test_nothing_secret_is_in_the_files(path: Path) -> None:
    done = report(path, None)
    for text in (path.read_text(), done.page.read_text()):
        assert "a-token-of-a-user" not in text
        assert "secret@" not in text


def test_a_line_that_a_kill_has_cut_is_passed_over(path: Path) -> None:
    whole = path.read_text()
    path.write_text(whole[: whole.index('"kind":"end"') + 5])
    run = read_run(path)
    assert (len(run.windows), run.ending) == (len(LEVELS), Ending.INTERRUPTED)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not the file of a run"),
        ("<html>", "is not JSON"),
        ('{"kind":"run","format":99}', "format 99"),
        ('{"kind":"run","format":1}', "is not the file of a run"),
        ("[]", "not an event"),
        ('{"kind":"run","format":1,"outputs":{}}\n', "is not the file of a run"),
    ],
)
def test_a_file_that_is_no_run_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(RunError, match=words):
        read_run(path)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("nowhere", "binary", ""):
        with pytest.raises(RunError, match="can't be read"):
            read_run(tmp_path / name)


def test_cost_is_the_models_share_of_the_environment_at_the_measured_pace(path: Path) -> None:
    summary = Summary(read_run(path))
    last = summary.steps[-1]
    cost = summary.cost(last)
    assert cost.per_hour == pytest.approx(summary.run.outputs.cost_per_hour)
    assert cost.answers == pytest.approx(1e6 * cost.per_hour / (last.tokens_per_second * 3600))
    assert cost.together is not None
    assert cost.prompts is not None
    assert cost.answers is not None
    assert 1 / cost.together == pytest.approx(1 / cost.answers + 1 / cost.prompts)


def test_servers_counters_give_cache_share_and_spread(path: Path) -> None:
    servers = Summary(read_run(path)).servers(Summary(read_run(path)).steps[0])
    assert servers is not None
    assert servers.prefix_share == pytest.approx(0.5)
    assert servers.picker_share == pytest.approx(0.4)
    assert servers.spread == pytest.approx(4 / 3)


def test_json_holds_every_step_and_is_valid(path: Path) -> None:
    data = json.loads(json.dumps(report(path, None).summary.as_json(), allow_nan=False))
    assert [step["concurrency"] for step in data["steps"]] == list(LEVELS)
    assert data["verdict"]["kneeConcurrency"] == pytest.approx(4, rel=0.05)
    assert data["pricesAsOf"]


class _Page(HTMLParser):
    """What of a page loads something, and the ids in it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values.get("content") or ""
        if tag in ("link", "img", "iframe", "object", "embed", "audio", "video", "form") or "src" in values:
            self.loads.append(f"{tag} {values}")


def parsed(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text())
    return page


def test_the_page_loads_nothing_and_forbids_it(path: Path) -> None:
    page = parsed(report(path, None).page)
    assert page.loads == []
    assert page.policy.startswith("default-src 'none'")
    assert "http" not in page.policy


@pytest.mark.parametrize("compared", [False, True])
def test_every_plot_is_there_with_points_in_it(path: Path, tmp_path: Path, compared: bool) -> None:
    earlier = read_run(write_run(tmp_path / "earlier.jsonl", (1, 2, 4), jitter=3)) if compared else None
    page = report(path, earlier).page
    assert {name.removeprefix("plot-") for name in parsed(page).ids if name.startswith("plot-")} == PLOTS
    drawn = re.findall(r'Plotly\.newPlot\(\s*"plot-([a-z-]+)",\s*(\[.*?\]),\s*\{"', page.read_text(), re.DOTALL)
    assert {name for name, _ in drawn} == PLOTS
    for name, text in drawn:
        traces = json.loads(text)
        assert all(trace["x"] and trace["y"] for trace in traces), name
        both = any("earlier" in trace["name"] for trace in traces)
        assert both == (compared and name != "replicas"), name


def test_a_run_without_a_single_step_has_a_report_too(tmp_path: Path) -> None:
    done = report(write_run(tmp_path / "run.jsonl", (), end="interrupted"), None)
    assert done.summary.verdict.kind is Kind.NOT_SATURATED
    assert "before the first step" in done.page.read_text()


def test_words_of_a_run_are_text_on_the_page(path: Path) -> None:
    path.write_text(path.read_text().replace('"where":"test"', '"where":"<script>alert(1)</script>"'))
    assert "<script>alert(1)" not in report(path, None).page.read_text()
