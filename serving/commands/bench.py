"""`serving bench`: how much an environment serves, measured with load in steps."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.commands.options import (
    Environment,
    Format,
    FormatOption,
    end_with,
    print_json,
    require_packages,
    wrong_calls,
)
from serving.commands.target_options import (
    AuthorityFile,
    ClientCertificate,
    Kubeconfig,
    OutputsFile,
    TokenFile,
    Url,
    chosen_target,
)

if TYPE_CHECKING:
    from serving.bench.run import Bench, FinishedRun
    from serving.live.request_errors import RequestError

_INTERRUPTED = 130

Model = Annotated[str | None, typer.Option(metavar="NAME", help="Which model, where there are several.")]
PromptWords = Annotated[int, typer.Option(min=1, help="Length of a prompt; the server counts its tokens.")]
AnswerTokens = Annotated[
    int | None,
    typer.Option(min=2, help="Length of every answer, 128 by default; of chat models only.", show_default=False),
]
SharedPrefix = Annotated[float, typer.Option(min=0, max=1, help="Share of a prompt with which all of them begin.")]
MaxConcurrency = Annotated[
    int, typer.Option(min=1, max=4096, help="Requests at once in the last step; steps double: 1, 2, 4 ...")
]
StepTime = Annotated[str, typer.Option(metavar="TIME", help="How long a step is measured once it is steady.")]
Time = Annotated[str, typer.Option(metavar="TIME", help="What the whole run may take.")]
Against = Annotated[
    Path | None, typer.Option(metavar="RUN", help="File of an earlier run of the same workload to compare with.")
]
Directory = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the files go; .state/bench of the checkout by default.")
]


def bench(
    environment: Environment,
    model: Model = None,
    prompt_words: PromptWords = 512,
    answer_tokens: AnswerTokens = None,
    shared_prefix: SharedPrefix = 0.5,
    max_concurrency: MaxConcurrency = 256,
    step_time: StepTime = "30s",
    time: Time = "30m",
    against: Against = None,
    directory: Directory = None,
    outputs: OutputsFile = None,
    kubeconfig: Kubeconfig = None,
    url: Url = None,
    ca_file: AuthorityFile = None,
    token_file: TokenFile = None,
    client_certificate: ClientCertificate = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Measure throughput, latency and cost under load.

    Concurrency doubles until throughput stops growing. Models that embed, rerank or score are asked as `vllm bench
    serve` asks them; their throughput is that of prompts. It sends real load, which takes capacity from everybody else.
    Each run leaves two files: the raw data (.jsonl, every request) and a report with plots (.html). Without --outputs
    it is the running rehearsal of ENV, whose figures say nothing about a TPU. Ctrl-C ends it with what was measured.

    Exit codes: 0 measured, 1 the endpoint does not serve or its capacity is more than 5 % below that of RUN (beyond
    chance), 2 invalid input or usage, 130 interrupted.

    Examples:

        python -m serving bench dev

        python -m serving bench dev --prompt-words 1000 --shared-prefix 0.8 --step-time 1m

        python -m serving bench prod --outputs prod.json --kubeconfig prod.kubeconfig --token-file token

        python -m serving bench dev --against .state/bench/dev-qwen2-5-3b-20261127T180000.jsonl
    """
    as_json = output is Format.JSON
    require_packages("cloud", "bench", as_json=as_json)
    from cluster.target import TargetError
    from serving.bench.run import BenchError, BenchOptions, prepare
    from serving.bench.run_file import RunError, read_run

    with wrong_calls(as_json, TargetError, BenchError, RunError):
        steps = (max_concurrency, _seconds(step_time, "--step-time"), _seconds(time, "--time"))
        options = BenchOptions(model, prompt_words, answer_tokens, shared_prefix, *steps)
        earlier = read_run(against) if against is not None else None  # judged without an environment, so first
        target = chosen_target(
            environment,
            outputs=outputs,
            kubeconfig=kubeconfig,
            url=url,
            ca_file=ca_file,
            token_file=token_file,
            client_certificate=client_certificate,
        )
        prepared = prepare(target, options, earlier, directory, secrets.randbits(32))
    raise typer.Exit(_run(prepared, as_json))


def _seconds(text: str, option: str) -> float:
    from settings.text import parse_duration

    seconds = parse_duration(text)
    if seconds < 1:
        raise ValueError(f"{option} {text}: at least 1 s")
    return seconds


def _run(prepared: Bench, as_json: bool) -> int:
    """Probe, run, report; the exit code. Progress goes to standard error."""
    from rich.console import Console

    from serving.bench.driver import GeneratorError
    from serving.bench.terminal import Progress
    from serving.live.request_errors import RequestError

    errors = Console(stderr=True, soft_wrap=True)
    try:
        came = prepared.probe()
    except RequestError as error:
        return _does_not_serve(prepared, error, as_json)
    limits = prepared.order
    errors.print(f"  one request: {came}", highlight=False, markup=False)
    errors.print(
        f"  steps of {limits.step_seconds:g} s and the answers they wait for, up to {limits.max_concurrency} requests at "
        f"once, at most {limits.seconds:g} s; Ctrl-C reports what was measured",
        highlight=False,
        markup=False,
    )
    progress = Progress(errors)
    try:
        done = prepared.run(progress)
    except GeneratorError as error:
        end_with(str(error), as_json, 1)
    except OSError as error:
        end_with(f"{prepared.folder}: {error.strerror or error}", as_json, 1)
    finally:
        progress.stop()
    _report(done, as_json)
    return _exit_code(done)


def _exit_code(done: FinishedRun) -> int:
    from serving.bench.verdict import Ending, Kind

    if done.summary.run.ending is Ending.INTERRUPTED:
        return _INTERRUPTED
    slower = done.comparison is not None and done.comparison.slower
    return 1 if done.summary.verdict.kind is Kind.FAILING or slower else 0


def _report(done: FinishedRun, as_json: bool) -> None:
    if as_json:
        document: dict[str, Any] = {**done.summary.as_json(), "page": str(done.page)}
        if done.comparison is not None:
            document["against"] = done.comparison.as_json()
        print_json(document)
        return
    from rich.console import Console

    from serving.bench.terminal import print_report

    console = Console()
    print_report(console, done)


def _does_not_serve(prepared: Bench, error: RequestError, as_json: bool) -> int:
    """The endpoint did not answer one request: no load is sent."""
    from serving.checking.failures import find_failure

    known = find_failure(error.failure)
    if as_json:
        document = {"error": error.message, "failure": error.failure, "runbook": known.anchor}
        print_json(document)
        return 1
    typer.secho(f"does not serve, no load was sent: {error.failure}: {error.message}", fg="red", err=True)
    typer.echo(f"  Likely cause: {known.why}\n  Runbook: {known.anchor}", err=True)
    typer.echo(f"  Everything about it: python -m serving verify {prepared.target.outputs.environment}", err=True)
    return 1
