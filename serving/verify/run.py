"""Ask all checks side by side, each within its time; ask again while waiting; make the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from cluster.errors import CannotAskError
from cluster.reading import Cluster
from cluster.target import Target
from serving.checking.findings import Check, Outcome, Report, Verdict, VerdictTexts
from serving.checking.runner import Progress, run_checks
from serving.google.client import GoogleClient
from serving.live.context import Context
from serving.live.starts import starts
from serving.verify.registry import checks

# Between two rounds of a wait, seconds; the pause grows while nothing changes.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
# After this time with the same verdict, progress is told again, seconds.
_TELL_AGAIN_SECONDS = 30.0
_MAY_GET_BETTER = (Verdict.UNKNOWN, Verdict.FAIL)


def verify(
    target: Target,
    *,
    quick: bool = False,
    wait_seconds: float = 0.0,
    progress: Progress = lambda _text: None,
    request_seconds: float = 60.0,
    until_named: bool = False,
    google: Callable[[], GoogleClient] | None = None,
) -> Report:
    """Whether an environment serves.

    Args:
        quick: read configuration and conditions only, send no request.
        wait_seconds: how long to ask again while it does not serve (0: ask once).
        progress: gets a line when there is something to tell.
        request_seconds: what one request may take.
        until_named: something is known to be wrong: ask until it has a name, and no longer.
        google: makes a client of Google's APIs in place of one with application default credentials.
    """
    asked = checks(quick=quick)
    context = Context(target, Cluster(target.kubeconfig), request_seconds, google)
    started = time.monotonic()
    outcomes: dict[str, Outcome] = {}
    pending, pause, teller = asked, _FIRST_PAUSE, _Teller(progress, wait_seconds)
    while True:
        context.cluster.forget()
        outcomes |= run_checks(pending, context, lambda check: _limit(check, context), progress)
        elapsed = time.monotonic() - started
        report = _report(context, [outcomes[check.name] for check in asked], elapsed, quick=quick)
        left = wait_seconds - elapsed
        found = report.named if until_named else report.good and len(pending) == len(asked)
        if found or left <= 0:
            return replace(report, notes=_starts(context))
        if report.good:
            if until_named:
                time.sleep(min(pause, left))
            # What passed in an earlier round must still pass now.
            pending = asked
            continue
        teller.tell(report.line, elapsed)
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        pending = [check for check in asked if outcomes[check.name].verdict in _MAY_GET_BETTER]


def _report(context: Context, outcomes: list[Outcome], seconds: float, *, quick: bool) -> Report:
    # Where requests were sent, their answers are the proof; without them, the objects' own conditions are.
    proofs = frozenset(o.check.name for o in outcomes if o.check.proof and o.check.traffic is not quick)
    good = "serves (by its configuration; no request was sent)" if quick else "serves"
    return Report(
        environment=context.target.outputs.environment,
        where=context.target.where,
        words=VerdictTexts(good, "does not serve", "not known to serve"),
        outcomes=tuple(outcomes),
        seconds=seconds,
        proofs=proofs,
    )


def _starts(context: Context) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: tuple[str, ...] = ()
    # A server that says nothing has cost the checks their time already.
    if not context.cluster.has_read("v1", "Pod", context.namespace):
        return ()
    with suppress(CannotAskError):  # the checks say so
        found = tuple(start.text for start in starts(context, context.models))
    scaled = " (a rehearsal: times are scaled)" if context.target.rehearsal else ""
    return ((f"Starts, beside what the plan said{scaled}", found),) if found else ()


class _Teller:
    """Tells a verdict when it is a new one, and now and then that it is still the same."""

    def __init__(self, progress: Progress, wait_seconds: float) -> None:
        self._progress, self._wait_seconds = progress, wait_seconds
        self._line, self._told = "", 0.0

    def tell(self, line: str, elapsed: float) -> None:
        if line != self._line or elapsed - self._told >= _TELL_AGAIN_SECONDS:
            self._progress(f"waiting, {_clock(elapsed)} of {_clock(self._wait_seconds)}: {line}")
            self._line, self._told = line, elapsed


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _limit(check: Check, context: Context) -> float:
    """What a check may take, in seconds."""
    return check.budget + check.requests * max(1, len(context.models)) * context.request_seconds
