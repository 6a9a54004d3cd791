"""What preflight finds: results with needed and found, outcomes of one check, and the report of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.preflight import Expectation, expectations
from serving.checking import results
from serving.checking.verdict import Verdict

if TYPE_CHECKING:
    from serving.preflight.context import Context


@dataclass(frozen=True)
class Result(results.Result):
    """What was found of one thing. `fix` is a command, or a setting to write."""

    found: str = ""
    needed: str = ""
    fix: str = ""


def passed(name: str, found: str, needed: str = "") -> Result:
    """All is well with it."""
    return Result(Verdict.PASS, name, found, needed)


def failed(failure: str, name: str, *, needed: str, found: str, fix: str) -> Result:
    """`pulumi up` would fail, or what it makes would not serve."""
    return Result(Verdict.FAIL, name, found, needed, fix, failure=failure)


def warned(failure: str, name: str, *, needed: str, found: str, fix: str) -> Result:
    """`pulumi up` may work; somebody should know first."""
    return Result(Verdict.WARN, name, found, needed, fix, failure=failure)


def unknown(failure: str, name: str, *, found: str, needed: str = "", fix: str = "") -> Result:
    """It could not be asked."""
    return Result(Verdict.UNKNOWN, name, found, needed, fix, failure=failure)


@dataclass(frozen=True)
class Check(results.Check):
    """One question. `asks` says whom for what; `requests`: how many it may send one after the other."""

    asks: str
    failures: tuple[str, ...]
    requests: int
    ask: Callable[[Context], Iterable[Result]]

    @property
    def expectation(self) -> Expectation:
        """Where what it expects is from."""
        return expectations()[self.name]


Outcome = results.Outcome[Check, Result]


def _outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    expectation = outcome.check.expectation
    return {
        "check": outcome.check.name,
        "title": outcome.check.title,
        "asks": outcome.check.asks,
        "verdict": outcome.verdict.value,
        "seconds": round(outcome.seconds, 2),
        "sources": [str(source) for source in expectation.sources],
        "notVerified": expectation.unverified or None,
        "results": [_result_as_json(result) for result in outcome.results],
    }


def _result_as_json(result: Result) -> dict[str, Any]:
    known = result.known
    return {
        "verdict": result.verdict.value,
        "object": result.object,
        "needed": result.needed or None,
        "found": result.found or None,
        "failure": result.failure or None,
        "cause": known.why if known else None,
        "fix": result.fix or None,
        "runbook": known.anchor if known else None,
    }


@dataclass(frozen=True)
class Report(results.Report[Check, Result]):
    """All checks of one environment. `strict`: what could not be asked counts as a failure."""

    environment: str
    project: str
    strict: bool

    @property
    def exit_code(self) -> int:
        """1 where something failed, or with `strict` where something could not be asked; else 0."""
        return 1 if self._decisive else 0

    @property
    def ready(self) -> bool:
        """Nothing failed, and everything was answered."""
        return not (self.having(Verdict.FAIL) or self.having(Verdict.UNKNOWN))

    @property
    def _decisive(self) -> list[Outcome]:
        return self.having(Verdict.FAIL) or (self.having(Verdict.UNKNOWN) if self.strict else [])

    @property
    def line(self) -> str:
        """The verdict in one line."""
        count, wrong, open_ = len(self.outcomes), self.having(Verdict.FAIL), self.having(Verdict.UNKNOWN)
        unasked = f"{len(open_)} of {count} checks could not ask" if open_ else ""
        if wrong:
            first = wrong[0].worst
            said = f"not ready: {wrong[0].check.name}: {first.failure}: {first.object}"
            more = [f"{len(wrong) - 1} more failed"] if len(wrong) > 1 else []
            return "; ".join([said, *more, *filter(None, [unasked])])
        if open_:
            return f"not known to be ready: {unasked}"
        warnings = len(self.having(Verdict.WARN))
        return f"ready: {count} checks" + (f", {warnings} with a warning" if warnings else "")

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        return {
            "verdict": self.line,
            "ready": self.ready,
            "environment": self.environment,
            "project": self.project,
            "strict": self.strict,
            "seconds": round(self.seconds, 2),
            "checks": [_outcome_as_json(outcome) for outcome in self.outcomes],
        }
