"""`serving bench` of models that answer with numbers: asked as `vllm bench serve` asks them, measured by their prompts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.models import Task
from serving.bench.answers import read_answer
from serving.bench.run_file import read_run
from serving.bench.workload import Workload
from serving.commands.bench import bench
from serving.live.request_errors import RequestError
from tests.rehearsal.model_server.conftest import Server, servers_in
from tests.serving.bench.test_answers import Response
from tests.serving.bench.test_command import NAME, outputs_of
from tests.serving.calling import caller

WORDS = 40
SHORT = ["--prompt-words", str(WORDS), "--step-time", "1s", "--time", "2m", "--max-concurrency", "4"]
ANSWERS: dict[Task, dict[str, Any]] = {
    "embed": {"data": [{"embedding": [0.25, 1]}]},
    "rerank": {"results": [{"index": 0, "relevance_score": 0.5}]},
    "score": {"data": [{"score": 0.5}]},
}

call = caller(bench)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers_in(tmp_path_factory.mktemp("pooled")) as start:
        yield start("--served-model-name", NAME, "--runner=pooling", "--max-model-len=2048")


def test_a_model_of_numbers_is_measured_by_its_prompts(server: Server, tmp_path: Path) -> None:
    options = ["--outputs", str(outputs_of(tmp_path, server.url, task="embed")), "--directory", str(tmp_path)]
    done = call("dev", *options, *SHORT, "--format", "json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["task"], document["failed"]) == ("embed", {})
    for step in document["steps"]:
        assert step["tokensPerSecond"] == pytest.approx(step["inputTokensPerSecond"])
        assert step["tokensPerSecond"] == pytest.approx(step["requestsPerSecond"] * WORDS, rel=0.01)
        assert (step["firstTokenSeconds"], step["secondsPerToken"]) == ({}, {})
        assert step["latencySeconds"]["p50"] > 0
        assert step["costPerMillion"]["answers"] is None
    assert {asked.prompt_tokens for asked in read_run(Path(document["file"])).requests} == {WORDS}
    page = Path(document["page"]).read_text()
    assert "Prompt tokens per second" in page and "Time to first token" not in page


@pytest.mark.parametrize("task", ["rerank", "score"])
def test_a_reranker_is_asked_with_a_query_and_a_document(server: Server, tmp_path: Path, task: Task) -> None:
    options = ["--outputs", str(outputs_of(tmp_path, server.url, task=task)), "--directory", str(tmp_path)]
    done = call("dev", *options, *SHORT, "--max-concurrency", "1")
    assert done.exit_code == 0, done.output
    assert "requests" in done.stdout and "first s" not in done.stdout


def test_the_length_of_an_answer_is_refused_where_there_is_none(tmp_path: Path) -> None:
    outputs = outputs_of(tmp_path, "http://127.0.0.1:1", task="embed")
    done = call("dev", "--outputs", str(outputs), "--answer-tokens", "64")
    assert (done.exit_code, "answers with numbers; leave it out" in done.output) == (2, True)


@pytest.mark.parametrize("task", ["embed", "rerank", "score"])
def test_texts_of_a_request_have_the_words_of_one_prompt(task: Task) -> None:
    workload = Workload("model", WORDS, 0, 0.5, 1, task)
    body = workload.body(3)
    assert body.pop("model") == "model"
    texts = [text for value in body.values() for text in ([value] if isinstance(value, str) else value)]
    assert " ".join(texts) == workload.prompt(3)
    assert len(texts) == (1 if task == "embed" else 2)


@pytest.mark.parametrize("task", ANSWERS)
def test_an_answer_of_numbers_gives_its_prompt_tokens(task: Task) -> None:
    right = ANSWERS[task] | {"usage": {"prompt_tokens": 7, "total_tokens": 7}}
    assert failure_or_tokens(right, task) == 7
    assert failure_or_tokens(ANSWERS[task], task) == "no-usage"
    assert failure_or_tokens({"data": [], "results": [], "usage": {"prompt_tokens": 7}}, task) == "wrong-shape"
    assert failure_or_tokens({"error": {"message": "no"}}, task) == "error-in-success"


def failure_or_tokens(answer: dict[str, Any], task: Task) -> int | str:
    """What the load generator makes of an answer."""
    try:
        return read_answer(
            Response(json.dumps(answer).encode(), kind="application/json"), lambda: 5.0, task
        ).prompt_tokens
    except RequestError as error:
        return error.failure
