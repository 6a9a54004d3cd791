"""A rehearsal with metrics: a real Prometheus scrapes what the program's PodMonitorings declare. Runs with `make test-all`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.target import TargetFile, read_target
from rehearsal import assets
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import Rehearsal, wait_until
from tests.rehearsal.end_to_end.conftest import copied
from tests.rehearsal.end_to_end.traffic import client_of

pytestmark = of_everything


@pytest.fixture(scope="module")
def rehearsal(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    if not assets.find(["prometheus"]):
        pytest.skip("prometheus not found; `python -m rehearsal.assets prometheus` gets it")
    for made in copied("Pulumi.dev.yaml", tmp_path_factory.mktemp("metrics")):
        made.rehearse("--metrics").succeeded()
        yield made


def target(rehearsal: Rehearsal) -> TargetFile:
    found = read_target(rehearsal.directory.root)
    assert found is not None and found.prometheus is not None
    return found


def asked(rehearsal: Rehearsal, path: str, **parameters: str) -> Any:
    answer = httpx.get(f"{target(rehearsal).prometheus}/api/v1/{path}", params=parameters)
    return answer.raise_for_status().json()["data"]


def test_every_target_is_up_and_a_query_of_the_cloud_is_answered(rehearsal: Rehearsal) -> None:
    def up() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for one in asked(rehearsal, "targets", state="active")["activeTargets"]:
            found.setdefault(one["labels"]["job"], []).append(one["health"])
        return found

    served = "qwen2-5-3b"
    wait_until(
        lambda: up() == {f"{served}-picker": ["up"], f"{served}-server": ["up"]}, lambda: True, lambda: str(up())
    )
    assert all(stream.done for stream in client_of(rehearsal).streams(["one", "two", "three"], tokens=20))

    def total(query: str) -> float:
        result = asked(rehearsal, "query", query=query)["result"]
        return float(result[0]["value"][1]) if result else 0.0

    for query in (
        f'sum(llm_d_epp_request_total{{job="{served}-picker"}})',
        "sum(llm_d_epp_request_duration_seconds_bucket)",
        "sum(vllm:request_success_total)",
        'sum(up{cluster="tpu-serving-dev",container="main"})',
    ):
        wait_until(lambda query=query: total(query) > 0, lambda: True, lambda query=query: query)  # type: ignore[misc]
    assert total("count({__name__=~'inference_.*'})") == 0


def test_a_second_run_keeps_it(rehearsal: Rehearsal) -> None:
    before, began = target(rehearsal).prometheus, asked(rehearsal, "status/runtimeinfo")["startTime"]
    rehearsal.rehearse().succeeded()
    assert (target(rehearsal).prometheus, asked(rehearsal, "status/runtimeinfo")["startTime"]) == (before, began)


def test_it_leaves_nothing(rehearsal: Rehearsal) -> None:
    rehearsal.down_leaves_nothing()
