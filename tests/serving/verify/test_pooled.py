"""Answers of models that give numbers: embeddings, ranks, scores. Shapes: vllm 0.32.0 entrypoints/pooling."""

from __future__ import annotations

from typing import Any

import pytest

from serving.live.answers import check_pooled
from serving.live.request_errors import RequestError

RIGHT: dict[str, dict[str, Any]] = {
    "embed": {"object": "list", "data": [{"index": 0, "embedding": [0.25, -0.5, 1]}]},
    "rerank": {"results": [{"index": 0, "document": {"text": "a"}, "relevance_score": 0.9}]},
    "score": {"object": "list", "data": [{"index": 0, "object": "score", "score": 0.4}]},
}


@pytest.mark.parametrize("task", RIGHT)
def test_a_right_answer_is_right_for_its_task_only(task: str) -> None:
    assert check_pooled(RIGHT[task], task)
    for other in set(RIGHT) - {task}:
        with pytest.raises(RequestError) as found:
            check_pooled(RIGHT[task], other)
        assert found.value.failure == "wrong-shape"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": []},
        {"data": ["text"]},
        {"data": [{"embedding": []}]},
        {"data": [{"embedding": "AAAA"}]},
        {"data": [{"embedding": [0.1, None]}]},
        {"data": [{"embedding": [True]}]},
    ],
)
def test_an_answer_without_numbers_is_no_embedding(answer: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        check_pooled(answer, "embed")
