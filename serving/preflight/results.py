"""What preflight finds: results with needed and found, outcomes of one check, and the report of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.preflight import Expectation, expectations
from serving.checking.failures import Failure, find_failure
from serving.checking.verdict import Verdict, worst

if TYPE_CHECKING:
    from serving.preflight.context import Context


@dataclass(frozen=True)
class Result:
    """What was found of one thing. `fix` is a command, or a setting to write; `failure` names what is wrong."""

    verdict: Verdict
    object: str
    found: str = ""
    needed: str = ""
    failure: str = ""
    fix: str = ""

    @property
    def known(self) -> Failure | None:
        """Cause and runbook section of the failure; None where nothing is wrong."""
        return find_failure(self.failure) if self.failure else None


def passed(name: str, found: str, needed: str = "") -> Result:
    """All is well with it."""
    return Result(Verdict.PASS, name, found, needed)


def failed(failure: str, name: str, *, needed: str, found: str, fix: str) -> Result:
    """`pulumi up` would fail, or what it makes would not serve."""
    return Result(Verdict.FAIL, name, found, needed, failure, fix)


def warned(failure: str, name: str, *, needed: str, found: str, fix: str) -> Result:
    """`pulumi up` may work; somebody should know first."""
    return Result(Verdict.WARN, name, found, needed, failure, fix)


def unknown(failure: str, name: str, *, found: str, needed: str = "", fix: str = "") -> Result:
    """It could not be asked."""
    return Result(Verdict.UNKNOWN, name, found, needed, failure, fix)


@dataclass(frozen=True)
class Check:
    """One question. `asks` says whom for what; `budget` is the time it may take, in seconds, for one request in a row."""

    name: str
    title: str
    asks: str
    failures: tuple[str, ...]
    requests: int
    ask: Callable[[Context], Iterable[Result]]

    @property
    def expectation(self) -> Expectation:
        """Where what it expects is from."""
        return expectations()[self.name]


@dataclass(frozen=True)
class Outcome:
    """A check with what it found and how long it took, in seconds."""

    check: Check
    results: tuple[Result, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The worst verdict."""
        return worst(result.verdict for result in self.results)

    @property
    def deciding(self) -> Result:
        """The first result with the worst verdict."""
        return next(result for result in self.results if result.verdict is self.verdict)

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        expectation = self.check.expectation
        return {
            "check": self.check.name,
            "title": self.check.title,
            "asks": self.check.asks,
            "verdict": self.verdict.value,
            "seconds": round(self.seconds, 2),
            "sources": [str(source) for source in expectation.sources],
            "notVerified": expectation.unverified or None,
            "results": [_result_as_json(result) for result in self.results],
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
class Report:
    """All checks of one environment. `strict`: what could not be asked counts as a failure."""

    environment: str
    project: str
    strict: bool
    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """1 where something failed, or with `strict` where something could not be asked; else 0."""
        return 1 if self._decisive else 0

    @property
    def ready(self) -> bool:
        """Nothing failed, and everything was answered."""
        return not (self._with(Verdict.FAIL) or self._with(Verdict.UNKNOWN))

    @property
    def _decisive(self) -> list[Outcome]:
        return self._with(Verdict.FAIL) or (self._with(Verdict.UNKNOWN) if self.strict else [])

    def _with(self, verdict: Verdict) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.verdict is verdict]

    @property
    def line(self) -> str:
        """The verdict in one line."""
        count, wrong, open_ = len(self.outcomes), self._with(Verdict.FAIL), self._with(Verdict.UNKNOWN)
        unasked = f"{len(open_)} of {count} checks could not ask" if open_ else ""
        if wrong:
            first = wrong[0].deciding
            said = f"not ready: {wrong[0].check.name}: {first.failure}: {first.object}"
            more = [f"{len(wrong) - 1} more failed"] if len(wrong) > 1 else []
            return "; ".join([said, *more, *filter(None, [unasked])])
        if open_:
            return f"not known to be ready: {unasked}"
        warnings = len(self._with(Verdict.WARN))
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
            "checks": [outcome.as_json() for outcome in self.outcomes],
        }
