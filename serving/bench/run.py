"""One run from the first request to the report: probe, load, file, page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cluster.errors import CannotAskError
from cluster.reading import Cluster
from cluster.target import Target
from serving.bench.compare import Comparison, check_comparable, compare
from serving.bench.counters import Counters
from serving.bench.driver import GeneratorError, run_load
from serving.bench.events import Event, LoadOrder
from serving.bench.run_file import Run, RunFile, read_run
from serving.bench.summary import Summary
from serving.bench.workload import Workload
from serving.live.answers import check_pooled, check_stream
from serving.live.context import Context
from serving.live.http_client import Request
from serving.live.request_errors import RequestError
from serving.live.starts import starts
from serving.live.streaming import stream
from settings.document import ROOT
from settings.outputs import ModelOutput
from settings.served import REQUEST_PATHS

# Reading counters must not take longer than the shortest step.
_ASKING_SECONDS = 5.0
_SECONDS_OF_PROBE = 60.0
_ANSWER_TOKENS = 128


class BenchError(Exception):
    """The call asks for what this environment can't give; the message says what to write instead."""


@dataclass(frozen=True)
class BenchOptions:
    """What the caller asks for. `seconds`: what the whole run may take; `step_seconds`: the window of each step.

    `answer_tokens` None: 128 where answers are text, and none where they are numbers.
    """

    model: str | None
    prompt_words: int
    answer_tokens: int | None
    shared_prefix: float
    max_concurrency: int
    step_seconds: float
    seconds: float


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended, with its files."""

    summary: Summary
    comparison: Comparison | None
    page: Path


@dataclass(frozen=True)
class Bench:
    """A run that could begin: everything is checked but the endpoint."""

    target: Target
    model: ModelOutput
    order: LoadOrder
    earlier: Run | None
    folder: Path

    def probe(self) -> str:
        """One request as all others will be; what came.

        Raises:
            RequestError: it is not answered as it should be.
        """
        order, workload = self.order, self.order.workload
        if not order.url:
            raise RequestError("no-address", "the outputs have no address; give one with --url")
        context = Context(self.target, Cluster(None), min(order.request_seconds, _SECONDS_OF_PROBE))
        request = Request("POST", f"{order.url}{workload.path}", workload.body(0))
        if workload.task != "chat":
            return check_pooled(context.client.ask(request), workload.task)
        tokens = workload.answer_tokens
        return check_stream(stream(context.client, request, tokens), self.model.served_names, tokens)

    def run(self, tell: Callable[[Event], None]) -> FinishedRun:
        """The run and its report.

        Raises:
            GeneratorError: the load generator failed.
        """
        started = datetime.now(UTC)
        name = f"{self.target.outputs.environment}-{self.model.name}-{started:%Y%m%dT%H%M%S-%f}"
        path = self.folder / f"{name}.jsonl"
        file = RunFile(path, self.target, self.model, self.order)
        context = Context(self.target, Cluster(self.target.kubeconfig), _ASKING_SECONDS)
        counters = Counters(context, self.model)
        with suppress(CannotAskError):  # without a kubeconfig there are no counters either, and the report says so
            file.starts(list(starts(context, [self.model])))
        try:
            run_load(self.order, file, counters.read, tell)
        except GeneratorError as error:
            raise GeneratorError(f"{error}; what was measured is in {path}") from None
        finally:
            file.close()
        return report(path, self.earlier)


def report(path: Path, earlier: Run | None) -> FinishedRun:
    """The report of a run's file, written beside it.

    Raises:
        RunError: it is not the file of a run.
    """
    from serving.bench.html_report import write_page

    summary = Summary(read_run(path))
    comparison = compare(Summary(earlier), summary) if earlier is not None else None
    page = path.with_suffix(".html")
    write_page(page, summary, comparison)
    return FinishedRun(summary, comparison, page)


def prepare(target: Target, options: BenchOptions, earlier: Run | None, folder: Path | None, seed: int) -> Bench:
    """Check what is wished against what the environment promises.

    Raises:
        BenchError: it does not fit.
        RunError: the earlier run is another workload's.
    """
    model = find_model(target.outputs.models, options.model)
    task = next((known for known in REQUEST_PATHS if known == model.task), None)
    if task is None:
        raise BenchError(f"{model.name} is a model to {model.task}, which this version does not know")
    answer_tokens = _answer_tokens(model, options)
    name = options.model if options.model in model.served_names else model.served_names[0]
    workload = Workload(name, options.prompt_words, answer_tokens, options.shared_prefix, seed, task)
    if earlier is not None:
        check_comparable(earlier, workload.shape, model.name)
    order = LoadOrder(
        url=target.model_url(model.url) or "",
        workload=workload,
        max_concurrency=options.max_concurrency,
        step_seconds=options.step_seconds,
        request_seconds=model.answer_timeout_seconds,
        seconds=options.seconds,
        token=target.token,
        ca_file=str(target.ca_file) if target.ca_file else None,
        host=target.host,
        client_certificate=str(target.client_certificate) if target.client_certificate else None,
    )
    return Bench(target, model, order, earlier, _made(folder or ROOT / ".state" / "bench"))


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"{folder} can't be written to: {error.strerror}") from None
    return folder


def find_model(models: list[ModelOutput], wanted: str | None) -> ModelOutput:
    """The model of a name, by its own or a served one; the only one where none is named.

    Raises:
        BenchError: none, or several.
    """
    known = ", ".join(model.name for model in models) or "none"
    found = [model for model in models if wanted is None or wanted == model.name or wanted in model.served_names]
    if not found:
        raise BenchError(f"--model {wanted}: no such model; the outputs name {known}")
    if len(found) > 1:
        raise BenchError(f"several models ({known}): choose one with --model")
    return found[0]


def _answer_tokens(model: ModelOutput, options: BenchOptions) -> int:
    """Tokens of every answer; raises BenchError where prompt or answer are too long, or the model has no such answers."""
    tokens = options.answer_tokens
    if model.task != "chat":
        if tokens is not None:
            raise BenchError(
                f"--answer-tokens {tokens}: {model.name} ({model.task}) answers with numbers; leave it out"
            )
        tokens = 0
    elif tokens is None:
        tokens = _ANSWER_TOKENS
    if tokens > model.longest_answer_tokens and model.task == "chat":
        raise BenchError(
            f"--answer-tokens {tokens}: answers of {model.name} have at most {model.longest_answer_tokens}"
        )
    # A word is a token at least.
    if options.prompt_words + tokens > model.context_length:
        also = f" and --answer-tokens {tokens}" if tokens else ""
        raise BenchError(
            f"--prompt-words {options.prompt_words}{also} do not fit into the context of {model.name}, "
            f"{model.context_length} tokens"
        )
    return tokens
