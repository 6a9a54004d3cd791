"""`serving bench` as a person calls it: a server whose rate is known, endpoints that misbehave, Ctrl-C, a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import Result

from serving.bench.run_file import read_run
from serving.bench.verdict import Ending
from serving.commands import options
from serving.commands.bench import bench
from tests.commands import run
from tests.rehearsal.end_to_end.command import ROOT, wait_until
from tests.rehearsal.model_server.conftest import Server, servers_in
from tests.rehearsal.plane import until
from tests.serving.bench.made import saturated_at
from tests.serving.calling import caller, outputs_file, wrong_call
from tests.serving.verify import deployed
from tests.serving.verify.model_server import events
from tests.serving.verify.web import Reply, connection, serving

NAME = "Qwen/Qwen2.5-3B-Instruct"
# Of the server below: so many answers at once, each of so many tokens a second.
PLACES, RATE = 4, 100.0
SHORT = ["--prompt-words", "40", "--answer-tokens", "64", "--step-time", "2s", "--time", "4m"]


call = caller(bench)


def outputs_of(folder: Path, url: str, **changes: Any) -> Path:
    """A file of stack outputs whose model is at this URL."""
    outputs = deployed.outputs(deployed.deployment("dev"), url)
    model = outputs.models[0].model_copy(update={"url": url, **changes})
    return outputs_file(folder, outputs.model_copy(update={"models": [model]}))


@dataclass(frozen=True)
class Known:
    """A server whose rate is known, with its outputs, and the document of a run that went on until it was saturated."""

    server: Server
    options: list[str]
    folder: Path
    document: dict[str, Any]

    @property
    def run(self) -> str:
        """The file of that run."""
        return str(self.document["file"])

    def call(self, *arguments: str) -> Result:
        """Another run."""
        return call("dev", *self.options, *SHORT, *arguments)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    folder = tmp_path_factory.mktemp("bench")
    with servers_in(folder) as start:
        server = start("--served-model-name", NAME, f"--max-num-seqs={PLACES}", "--max-model-len=2048", rate=RATE)
        options = ["--outputs", str(outputs_of(folder, server.url)), "--directory", str(folder)]

        def saturated() -> dict[str, Any]:
            done = call("dev", *options, *SHORT, "--format", "json")
            assert done.exit_code == 0, done.output
            return saturated_at(PLACES, PLACES * RATE, json.loads(done.stdout))

        yield Known(server, options, folder, until(saturated))


def test_the_knee_that_the_servers_settings_imply_is_found_within_15_percent(known: Known) -> None:
    capacity = PLACES * RATE
    assert saturated_at(PLACES, capacity, known.document)
    per_chip = known.document["verdict"]["tokensPerSecondPerChip"]
    assert per_chip == pytest.approx(capacity / known.document["chips"], rel=0.15)
    assert known.document["failed"] == {}


def test_the_files_hold_every_request_and_the_report(known: Known) -> None:
    run = read_run(Path(known.run))
    assert len(run.requests) >= sum(step["requests"] for step in known.document["steps"])
    assert {asked.answer_tokens for asked in run.requests} == {64}
    assert Path(known.document["page"]).read_text().startswith("<!doctype html>")


def test_below_the_knee_no_word_about_scaling_and_a_comparison_of_what_both_have(known: Known) -> None:
    done = known.call("--max-concurrency", "2", "--step-time", "1s", "--against", known.run)
    assert done.exit_code == 0, done.output
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("not saturated: 2 of the three steps")
    assert last.endswith("No statement about scaling.")
    assert "no statement about capacity" in done.stdout
    assert "knee" not in done.stdout


def test_another_workload_is_not_compared(known: Known) -> None:
    done = known.call("--answer-tokens", "63", "--against", known.run)
    assert (done.exit_code, "had another workload" in done.output) == (2, True)


def command(known: Known, folder: Path) -> subprocess.Popen[str]:
    """The command as a process, after its first step."""
    arguments = [*known.options[:2], "--directory", str(folder), *SHORT, "--max-concurrency", "1024"]
    process = subprocess.Popen(
        [sys.executable, "-m", "serving", "bench", "dev", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "1 at once" in line:
            return process
    raise AssertionError(f"ended with {process.wait()}")


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_reports_what_was_measured_and_leaves_nothing_running(known: Known, tmp_path: Path) -> None:
    process = command(known, tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, "Traceback" in err) == (130, False), err
    assert "interrupted after the step of" in out.strip().splitlines()[-1]
    assert children
    assert not any(child.is_running() for child in children)
    [path] = tmp_path.glob("*.jsonl")
    assert read_run(path).windows
    assert path.with_suffix(".html").is_file()


def test_a_killed_command_leaves_no_load_behind_and_a_file_that_can_be_read(known: Known, tmp_path: Path) -> None:
    process = command(known, tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(child.is_running() for child in children), lambda: True, lambda: str(children))
    [path] = tmp_path.glob("*.jsonl")
    assert read_run(path).windows


def test_a_load_generator_that_is_lost_is_said_and_what_it_measured_is_kept(known: Known, tmp_path: Path) -> None:
    process = command(known, tmp_path)
    for child in psutil.Process(process.pid).children(recursive=True):
        child.kill()
    _, err = process.communicate()
    [path] = tmp_path.glob("*.jsonl")
    assert process.returncode == 1
    assert f"exited unexpectedly: no output; what was measured is in {path}" in err
    run = read_run(path)
    assert (bool(run.windows), run.ending) == (True, Ending.BROKEN)


def cut_after(good: int) -> Callable[[str, str, Any], Reply]:
    """A server that answers so many requests, and then cuts each answer."""
    asked = iter(range(10_000))
    usage = {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}

    def answer(_method: str, _path: str, body: Any) -> Reply:
        stream = events(body["model"], usage, done=next(asked) < good)
        return Reply(200, "text/event-stream", stream)

    return answer


def test_answers_that_are_cut_in_the_middle_of_a_run_end_it_with_their_name(tmp_path: Path) -> None:
    with serving(cut_after(good=6)) as server:
        options = ["--outputs", str(outputs_of(tmp_path, server.url)), "--directory", str(tmp_path)]
        done = call("dev", *options, *SHORT, "--step-time", "1s", "--format", "json")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["verdict"]["kind"]) == (1, "requests fail"), done.output
    assert set(document["failed"]) == {"stream-cut"}
    # They are not hammered on: each user waits after a failure.
    assert sum(document["failed"].values()) < 20


PROBES: list[tuple[Reply, str]] = [
    (
        Reply.json({"error": {"message": "The model `x` does not exist.", "type": "NotFoundError"}}, 404),
        "wrong-model-name",
    ),
    (Reply.json({"error": "Unauthorized"}, 401), "not-authorised"),
    (Reply(200, "text/event-stream", events(NAME, None, done=False)), "stream-cut"),
    (Reply(200, "text/html", b"<html>"), "html-instead-of-json"),
    (Reply(503, "text/plain", b"no healthy upstream"), "no-healthy-upstream"),
    (
        Reply(200, "text/event-stream", events("another", {"prompt_tokens": 1, "completion_tokens": 1})),
        "wrong-model-answers",
    ),
]


@pytest.mark.parametrize(("reply", "failure"), PROBES, ids=[name for _, name in PROBES])
def test_an_endpoint_that_does_not_serve_gets_one_request_and_its_failure_a_name(
    tmp_path: Path, reply: Reply, failure: str
) -> None:
    with serving(lambda *_: reply) as server:
        done = call("dev", "--outputs", str(outputs_of(tmp_path, server.url)), "--directory", str(tmp_path))
        assert len(server.requests) == 1
    assert done.exit_code == 1
    assert f"no load was sent: {failure}: " in done.stderr
    assert f"Runbook: docs/runbook/requests.md#{failure}" in done.stderr
    assert list(tmp_path.glob("*.jsonl")) == []


def test_an_endpoint_that_is_down_is_one_line_for_machines_too(tmp_path: Path) -> None:
    with connection(lambda *_: None) as url:
        pass
    done = call("dev", "--outputs", str(outputs_of(tmp_path, url)), "--directory", str(tmp_path), "--format", "json")
    assert (done.exit_code, json.loads(done.stdout)["failure"]) == (1, "connection-refused")


WRONG: list[tuple[list[str], str]] = [
    (["--step-time", "0"], "--step-time 0: at least 1 s"),
    (["--time", "soon"], "not a duration"),
    (["--model", "llama"], "no such model; the outputs name qwen2-5-3b"),
    (["--answer-tokens", "1000000"], "answers of qwen2-5-3b have at most"),
    (["--prompt-words", "1000000"], "do not fit into the context"),
    (["--against", "nowhere.jsonl"], "can't be read"),
    (["--against", "Pulumi.dev.yaml"], "is not JSON"),
    (["--shared-prefix", "2"], "is not in the range"),
    (["--max-concurrency", "0"], "is not in the range"),
    (["--url", "10.0.0.1"], "give scheme and host"),
    (["--directory", "Pulumi.dev.yaml/x"], "can't be written to"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_a_wrong_call_ends_with_2_before_anything_is_sent(tmp_path: Path, arguments: list[str], words: str) -> None:
    with serving(cut_after(good=0)) as server:
        said = wrong_call(call, "dev", "--outputs", str(outputs_of(tmp_path, server.url)), *arguments)
        assert server.requests == []
    assert words in said


def test_missing_packages_are_one_line_that_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(options.GROUPS, "bench", ("json", "no_such_package"))
    done = call("dev")
    assert done.exit_code == 2
    assert done.output == "Not installed: no_such_package. Run: make setup (or: uv sync)\n"


def test_options_are_judged_before_a_rehearsal_is_looked_for(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Pulumi.dev.yaml", tmp_path / "nowhere.yaml")
    for option, said in {"--against": "can't be read", "--step-time": "at least 1 s"}.items():
        done = run(
            "serving", "bench", str(tmp_path / "nowhere.yaml"), option, "0" if "time" in option else "nowhere.jsonl"
        )
        assert (done.code, said in done.text) == (2, True), done.text
