"""Run checks in parallel, each within its time; whatever keeps one from an answer is an answer too."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from cluster.errors import CannotAskError
from serving.checking.findings import Check, Finding, Outcome, failed, passed, unknown

# What any check can end with.
COMMON_FAILURES = ("time-is-up", "unexpected")
Progress = Callable[[str], None]


def run_checks(
    checks: Iterable[Check],
    context: Any,
    limit: Callable[[Check], float],
    progress: Progress,
    *,
    subject: str = "",
    tell_seconds: float = 5.0,
) -> dict[str, Outcome]:
    """The outcome of every check by its name, in the order of the checks.

    Args:
        limit: what a check may take, in seconds; one that takes longer is left behind and says so.
        progress: gets a line with what is still asked when nothing came for `tell_seconds`.
        subject: what could not be asked, where it is the same for all checks.
    """
    by_name = {check.name: check for check in checks}
    waiting = {name: limit(check) for name, check in by_name.items()}
    done: queue.Queue[Outcome] = queue.Queue()
    started = time.monotonic()
    for check in by_name.values():
        # A daemon: a thread that hangs in a system call must not keep the program from ending.
        ask = threading.Thread(target=lambda one=check: done.put(run_check(one, context, subject)), daemon=True)
        ask.start()
    found: dict[str, Outcome] = {}
    while waiting:
        left = min(waiting.values()) - (time.monotonic() - started)
        try:
            outcome = done.get(timeout=max(0.0, min(left, tell_seconds)))
        except queue.Empty:
            elapsed = time.monotonic() - started
            for name in [name for name, most in waiting.items() if elapsed >= most]:
                found[name] = _late(by_name[name], elapsed, subject)
                del waiting[name]
            if waiting and left > 0:
                progress(f"{elapsed:.0f} s: still asking {', '.join(waiting)}")
            continue
        if waiting.pop(outcome.check.name, None) is not None:
            found[outcome.check.name] = outcome
    return {name: found[name] for name in by_name}


def run_check(check: Check, context: Any, subject: str = "") -> Outcome:
    """What one check finds; must not raise."""
    started = time.monotonic()
    findings: list[Finding] = []
    try:
        findings.extend(check.ask(context))
    except CannotAskError as error:
        # A kind that is not served is a failure of the environment; everything else is a question without an answer.
        make = failed if error.failure == "kind-not-served" else unknown
        findings.append(make(error.failure, subject or check.looks_at.split(",")[0], error.message, fix=error.fix))
    except Exception as error:
        # Whatever an object of a foreign cluster makes a check trip over is told, and the other checks go on.
        findings.append(unknown("unexpected", check.title, f"{type(error).__name__}: {error}"))
    made = tuple(findings) or (passed(check.title, "nothing to check"),)
    return Outcome(check, made, time.monotonic() - started)


def _late(check: Check, seconds: float, subject: str) -> Outcome:
    make = failed if check.traffic else unknown
    return Outcome(check, (make("time-is-up", subject or check.title, f"no end after {seconds:.0f} s"),), seconds)
