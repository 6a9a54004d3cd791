"""Ask all checks side by side, each within its time, and make the report."""

from __future__ import annotations

import time
from collections.abc import Callable

from cluster.errors import CannotAskError
from serving.checking.side_by_side import ask_all
from serving.preflight.context import Context
from serving.preflight.registry import checks
from serving.preflight.results import Check, Outcome, Report, Result, passed, unknown

# Progress is told when nothing came for so long, seconds.
_TELL_SECONDS = 2.0
# Beside its requests: libraries to import, credentials to find (no metadata server answers outside Google), a busy machine.
_SPARE_SECONDS = 45.0


def preflight(
    context: Context, *, strict: bool = False, progress: Callable[[str], None] = lambda _text: None
) -> Report:
    """Whether Google's side is ready for `pulumi up` of an environment.

    Args:
        strict: what could not be asked makes the exit code 1.
        progress: gets a line when there is something to tell.
    """
    started = time.monotonic()
    asked = {check.name: check for check in checks()}
    outcomes = ask_all(
        {name: _limit(check, context) for name, check in asked.items()},
        lambda name: ask_check(asked[name], context),
        lambda name, seconds: _late(asked[name], context, seconds),
        progress,
        _TELL_SECONDS,
    )
    return Report(
        context.deployment.name,
        context.project,
        strict,
        outcomes=tuple(outcomes[name] for name in asked),
        seconds=time.monotonic() - started,
    )


def _limit(check: Check, context: Context) -> float:
    """What a check may take, in seconds: all of its requests slow, with every retry and the pauses before it."""
    google = context.google
    pauses = float(2 ** (google.retries + 1))
    return _SPARE_SECONDS + check.requests * ((google.retries + 1) * google.seconds + pauses)


def _late(check: Check, context: Context, seconds: float) -> Outcome:
    found = f"no end after {seconds:.0f} s"
    return Outcome(check, (unknown("preflight-time-is-up", _subject(context), found=found),), seconds)


def ask_check(check: Check, context: Context) -> Outcome:
    """What one check finds; whatever keeps it from finding something is an answer, too."""
    started = time.monotonic()
    results: list[Result] = []
    try:
        results.extend(check.ask(context))
    except CannotAskError as error:
        results.append(unknown(error.failure, _subject(context), found=error.message, fix=error.fix))
    except Exception as error:
        # Whatever an answer makes a check trip over is told, and the other checks go on.
        found = f"{type(error).__name__}: {error}"
        results.append(unknown("preflight-unexpected", check.title, found=found))
    made = tuple(results) or (passed(check.title, "nothing to ask for"),)
    return Outcome(check, made, time.monotonic() - started)


def _subject(context: Context) -> str:
    return f"project {context.project}"
