"""Ask all checks side by side, each within its time; ask again while waiting; make the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from cluster.errors import CannotAskError
from cluster.reading import Cluster
from cluster.target import Target
from serving.checking.side_by_side import ask_all
from serving.checking.verdict import Verdict
from serving.google.asking import Google
from serving.live.context import Context
from serving.verify.registry import checks
from serving.verify.results import Check, Outcome, Report, Result, failed, passed, unknown

Progress = Callable[[str], None]

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
    google: Callable[[], Google] | None = None,
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
        outcomes |= _round(context, pending, progress)
        elapsed = time.monotonic() - started
        report = Report(target.where, quick, outcomes=tuple(outcomes[check.name] for check in asked), seconds=elapsed)
        left = wait_seconds - elapsed
        found = report.named if until_named else report.serves and len(pending) == len(asked)
        if found or left <= 0:
            return report
        if report.serves:
            if until_named:
                time.sleep(min(pause, left))
            # What passed in an earlier round must still pass now.
            pending = asked
            continue
        teller.tell(report.line, elapsed)
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        pending = [check for check in asked if outcomes[check.name].verdict in _MAY_GET_BETTER]


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


def _round(context: Context, asked: Iterable[Check], progress: Progress) -> dict[str, Outcome]:
    """Every check in a thread of its own; one that takes longer than its time is left behind and says so."""
    by_name = {check.name: check for check in asked}
    return ask_all(
        {name: _limit(check, context) for name, check in by_name.items()},
        lambda name: _ask(by_name[name], context),
        lambda name, seconds: _late(by_name[name], seconds),
        progress,
    )


def _limit(check: Check, context: Context) -> float:
    """What a check may take, in seconds."""
    return check.budget + check.requests * max(1, len(context.models)) * context.request_seconds


def _late(check: Check, seconds: float) -> Outcome:
    text = f"no end after {seconds:.0f} s"
    result = failed("time-is-up", check.title, text) if check.traffic else unknown("time-is-up", check.title, text)
    return Outcome(check, (result,), seconds)


def _ask(check: Check, context: Context) -> Outcome:
    started = time.monotonic()
    results: list[Result] = []
    try:
        results.extend(check.ask(context))
    except CannotAskError as error:
        results.append(_cannot(check, error))
    except Exception as error:
        # Whatever an object of a foreign cluster makes a check trip over is told, and the other checks go on.
        results.append(unknown("unexpected", check.title, f"{type(error).__name__}: {error}"))
    return Outcome(check, tuple(results) or (passed(check.title, "nothing to check"),), time.monotonic() - started)


def _cannot(check: Check, error: CannotAskError) -> Result:
    """A kind that is not served is a failure of the environment; everything else is a question without an answer."""
    make = failed if error.failure == "kind-not-served" else unknown
    return make(error.failure, check.looks_at.split(",")[0], error.message)
