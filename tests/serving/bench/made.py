"""Runs made for the tests: a closed system whose capacity and knee are known, written as a run's file."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from cluster.target import Target
from serving.bench.counters import Reading, Server
from serving.bench.events import LoadOrder, line
from serving.bench.measure import SLICES, RequestTiming, Step, Window, percentiles
from serving.bench.run_file import RunFile
from serving.bench.workload import Workload
from serving.live.starts import Start
from tests.serving.verify import deployed

WORKLOAD = Workload("Qwen/Qwen2.5-3B-Instruct", 60, 48, 0.5, 1)


def saturated_at(places: int, capacity: float, document: dict[str, Any]) -> dict[str, Any]:
    """A run that found knee and tokens a second within 15 percent; empty for one in which a busy machine was slower."""
    verdict = document["verdict"]
    found = verdict["kind"], verdict.get("kneeConcurrency"), verdict.get("capacityTokensPerSecond")
    near = "saturated", pytest.approx(places, rel=0.15), pytest.approx(capacity, rel=0.15)
    return document if found == near else {}


def step_of(level: int, tokens: float, *, cpu: float = 0.1) -> Step:
    """A step with this throughput."""
    slices = (tokens,) * SLICES
    return Step(
        level=level,
        window=Window(level, 0.0, 10.0, cpu),
        requests=level,
        errors={},
        tokens_per_second=tokens,
        input_tokens_per_second=tokens,
        requests_per_second=tokens / 48,
        slices=slices,
        first_token=percentiles([0.1]),
        latency=percentiles([0.5]),
        per_token=percentiles([0.01]),
    )


def requests_of(places: int, seconds: float, tokens: int, level: int, begin: float, end: float) -> list[RequestTiming]:
    """What `level` users see of a server with so many places, each of which answers in `seconds`, from begin to end."""
    free = [begin] * places
    waiting = [begin] * level
    asked = []
    while min(waiting) < end:
        start = min(waiting)
        waiting.remove(start)
        place = min(range(places), key=free.__getitem__)
        first = max(start, free[place])
        free[place] = first + seconds
        waiting.append(free[place])
        asked.append(RequestTiming(level, start, free[place], first, 60, tokens))
    return asked


def outputs_target(environment: str = "prod") -> Target:
    """A target on the cloud that nobody answers for."""
    made = deployed.deployment(environment)
    url = "http://user:secret@127.0.0.1:1"
    return Target("test", deployed.outputs(made, "http://127.0.0.1:1"), url=url, token="a-token-of-a-user")


def write_run(
    path: Path,
    levels: tuple[int, ...],
    *,
    places: int = 4,
    seconds: float = 0.5,
    end: str = "saturated",
    jitter: int = 0,
) -> Path:
    """A run's file of a server with so many places."""
    target = outputs_target()
    model = target.outputs.models[0]
    order = LoadOrder(target.model_url(model.url) or "", WORKLOAD, 16, 10.0, 60.0, 600.0, target.token)
    file = RunFile(path, target, model, order)
    file.starts([Start("server-0", 95.0, 5.0, True, (100.0, 400.0))])
    noise, at = random.Random(jitter), 0.0  # noqa: S311
    for level in levels:
        begin, finish = at + 2.0, at + 12.0
        for asked in requests_of(places, seconds, WORKLOAD.answer_tokens, level, at, finish):
            late = noise.uniform(0, 0.02) if jitter else 0.0
            moved = replace(asked, end=asked.end + late)
            file.write(line("request", asdict(moved)))
        file.write(line("step", asdict(Window(level, begin, finish, 0.05))))
        for clock in (begin, finish):
            file.reading(level, _reading(clock, level))
        at = finish + 2.0
    file.write(line("end", {"ending": end, "at": at}))
    file.close()
    return path


def _reading(clock: float, level: int) -> Reading:
    """Two servers that share the work two to one, and find half of each prompt in their cache."""
    servers = tuple(
        Server(f"server-{number}", clock, clock * 50 * share, clock * 100 * share, clock * 30 * share, level / 2, 1.0)
        for number, share in enumerate((2.0, 1.0))
    )
    return Reading(servers, (clock * 4, clock * 10))
