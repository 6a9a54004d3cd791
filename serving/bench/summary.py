"""What a run says: figures of each step, verdict, cost, cached prefixes, spread over the replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from serving.bench.counters import Reading
from serving.bench.measure import Step, step
from serving.bench.run_file import Run
from serving.bench.verdict import Verdict, judge

_MILLION = 1_000_000


@dataclass(frozen=True)
class Servers:
    """What the servers counted during one step.

    `prefix_share`: share of the prompts' tokens found in the prefix cache, None where none was looked up; `picker_share`:
    what the picker expected of it, of a mean prompt. `per_second`: answer tokens of each replica. `running` and
    `waiting`: requests in all servers at the end of the window.
    """

    prefix_share: float | None
    picker_share: float | None
    per_second: dict[str, float]
    running: float
    waiting: float

    @property
    def spread(self) -> float | None:
        """Tokens of the busiest replica over those of the mean; 1 is even. None where nothing was answered."""
        values = list(self.per_second.values())
        return max(values) / (sum(values) / len(values)) if values and sum(values) else None


@dataclass(frozen=True)
class Cost:
    """Money of one hour of the model, and of a million tokens, each as if the other kind of token were free.

    `together`: of a million tokens of prompts and answers alike. None where no token came.
    """

    per_hour: float
    answers: float | None
    prompts: float | None
    together: float | None


@dataclass(frozen=True)
class Summary:
    """Everything that is reported, computed from the run's file alone."""

    run: Run

    @cached_property
    def steps(self) -> list[Step]:
        """The steps that were measured to their end."""
        return [step(window, self.run.requests) for window in self.run.windows]

    @cached_property
    def verdict(self) -> Verdict:
        """What can be said."""
        return judge(self.steps, self.run.ending, self.run.workload.counted)

    @cached_property
    def best(self) -> Step | None:
        """The step with the most tokens per second."""
        return max(self.steps, key=lambda item: item.tokens_per_second, default=None)

    @cached_property
    def failed(self) -> dict[str, int]:
        """Requests of the whole run that failed, by what they ended with."""
        counts: dict[str, int] = {}
        for asked in self.run.requests:
            if asked.error is not None:
                counts[asked.error] = counts.get(asked.error, 0) + 1
        return counts

    @property
    def cost_per_hour(self) -> float:
        """The model's part of the environment's cost, by chips."""
        outputs = self.run.outputs
        return outputs.cost_per_hour * self.run.model.chips / outputs.chips

    def per_chip(self, item: Step) -> float:
        """Tokens per second and chip."""
        return item.tokens_per_second / self.run.model.chips

    def cost(self, item: Step) -> Cost:
        """What tokens cost at the pace of a step."""

        def of_million(per_second: float) -> float | None:
            return self.cost_per_hour / 3600 / per_second * _MILLION if per_second > 0 else None

        given = item.input_tokens_per_second
        out = item.tokens_per_second if self.run.workload.task == "chat" else 0.0
        return Cost(self.cost_per_hour, of_million(out), of_million(given), of_million(out + given))

    def servers(self, item: Step) -> Servers | None:
        """What the servers counted during a step; None where they could not be asked at both edges."""
        readings = self.run.readings.get(item.level, [])
        return _between(*readings) if len(readings) == 2 else None

    @cached_property
    def not_asked(self) -> list[str]:
        """Counters that could not be read, each said once."""
        said = (text for readings in self.run.readings.values() for reading in readings for text in reading.missing)
        return list(dict.fromkeys(said))

    @cached_property
    def caveats(self) -> list[str]:
        """What a reader must know besides the figures."""
        return list(self._caveats())

    def _caveats(self) -> Iterator[str]:
        if self.run.rehearsal:
            yield (
                "a rehearsal: the model server is an emulator whose times are settings; nothing here shows how fast a TPU "
                "is, or what its tokens cost."
            )
        if self.failed:
            words = ", ".join(f"{name} {count}" for name, count in sorted(self.failed.items()))
            yield f"{sum(self.failed.values())} of {len(self.run.requests)} requests failed: {words} (docs/runbook.md)."
        if self.not_asked:
            yield f"counters that could not be read: {'; '.join(self.not_asked[:3])}"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        run, verdict = self.run, self.verdict
        return {
            "run": run.name,
            "file": str(run.path),
            "environment": run.environment,
            "where": run.where,
            "model": run.model.name,
            "task": run.workload.task,
            "servedName": run.workload.model,
            "url": run.url,
            "started": run.started.isoformat(),
            "ending": run.ending,
            "verdict": {
                "kind": verdict.kind,
                "text": verdict.sentence,
                "capacityTokensPerSecond": verdict.capacity,
                "kneeConcurrency": verdict.knee,
                "tokensPerSecondPerChip": verdict.capacity / run.model.chips if verdict.capacity else None,
            },
            "chips": run.model.chips,
            "currency": run.outputs.currency,
            "pricesAsOf": run.outputs.prices_as_of,
            "costPerHour": self.cost_per_hour,
            "failed": self.failed,
            "caveats": self.caveats,
            "starts": self.run.starts,
            "steps": [self._step(item) for item in self.steps],
        }

    def _step(self, item: Step) -> dict[str, Any]:
        cost, servers = self.cost(item), self.servers(item)
        return {
            "concurrency": item.level,
            "seconds": item.window.seconds,
            "requests": item.requests,
            "failed": item.errors,
            "tokensPerSecond": item.tokens_per_second,
            "inputTokensPerSecond": item.input_tokens_per_second,
            "tokensPerSecondPerChip": self.per_chip(item),
            "requestsPerSecond": item.requests_per_second,
            "firstTokenSeconds": _named(item.first_token),
            "latencySeconds": _named(item.latency),
            "secondsPerToken": _named(item.per_token),
            "costPerMillion": {"answers": cost.answers, "prompts": cost.prompts, "together": cost.together},
            "generatorCpu": item.window.generator_cpu,
            "servers": servers
            and {
                "prefixHitShare": servers.prefix_share,
                "pickerPrefixShare": servers.picker_share,
                "tokensPerSecond": servers.per_second,
                "spread": servers.spread,
                "running": servers.running,
                "waiting": servers.waiting,
            },
        }


def _named(values: Mapping[int, float]) -> dict[str, float]:
    return {f"p{percent}": value for percent, value in values.items()}


def _between(first: Reading, last: Reading) -> Servers | None:
    """What was counted between two readings, by the servers that are in both; None where none is."""
    before = {server.name: server for server in first.servers}
    pairs = [
        (before[server.name], server)
        for server in last.servers
        if server.name in before and server.clock > before[server.name].clock
    ]
    if not pairs:
        return None
    queries = sum(new.prefix_queries - old.prefix_queries for old, new in pairs)
    hits = sum(new.prefix_hits - old.prefix_hits for old, new in pairs)
    picker = None
    if first.picker and last.picker and last.picker[1] > first.picker[1]:
        picker = (last.picker[0] - first.picker[0]) / (last.picker[1] - first.picker[1])
    return Servers(
        prefix_share=hits / queries if queries > 0 else None,
        picker_share=picker,
        per_second={new.name: (new.generated - old.generated) / (new.clock - old.clock) for old, new in pairs},
        running=sum(server.running for server in last.servers),
        waiting=sum(server.waiting for server in last.servers),
    )
