"""Ask all checks side by side, each within its time, and make the report."""

from __future__ import annotations

import time
from collections.abc import Callable

from serving.checking.findings import Check, Report, VerdictTexts
from serving.checking.runner import run_checks
from serving.preflight.context import Context
from serving.preflight.registry import checks

# Progress is told when nothing came for so long, seconds.
_TELL_SECONDS = 2.0
# Beside its requests: libraries to import, credentials to find (no metadata server answers outside Google), a busy machine.
_SPARE_SECONDS = 45.0
_WORDS = VerdictTexts("ready", "not ready", "not known to be ready")


def preflight(
    context: Context, *, strict: bool = False, progress: Callable[[str], None] = lambda _text: None
) -> Report:
    """Whether Google's side is ready for `pulumi up` of an environment.

    Args:
        strict: what could not be asked makes the exit code 1.
        progress: gets a line when there is something to tell.
    """
    started = time.monotonic()
    subject = f"project {context.project}"
    outcomes = run_checks(
        checks(), context, lambda check: _limit(check, context), progress, subject=subject, tell_seconds=_TELL_SECONDS
    )
    return Report(
        environment=context.deployment.name,
        where=subject,
        words=_WORDS,
        outcomes=tuple(outcomes.values()),
        seconds=time.monotonic() - started,
        proofs=frozenset(outcomes),
        strict=strict,
    )


def _limit(check: Check, context: Context) -> float:
    """What a check may take, in seconds: all of its requests slow, with every retry and the pauses before it."""
    google = context.google
    pauses = float(2 ** (google.retries + 1))
    return _SPARE_SECONDS + check.requests * ((google.retries + 1) * google.seconds + pauses)
