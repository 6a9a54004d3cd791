"""What verify finds: verdicts, results of one object, outcomes of one check, and the report of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serving.checking import results
from serving.checking.verdict import Verdict

if TYPE_CHECKING:
    from serving.live.context import Context


@dataclass(frozen=True)
class Result(results.Result):
    """What was seen of one object. `message` is the object's own words where it has some."""

    message: str = ""


def passed(name: str, message: str = "") -> Result:
    """All is well with it."""
    return Result(Verdict.PASS, name, message)


def failed(failure: str, name: str, message: str) -> Result:
    """It stops or spoils serving."""
    return Result(Verdict.FAIL, name, message, failure=failure)


def warned(failure: str, name: str, message: str) -> Result:
    """It serves all the same."""
    return Result(Verdict.WARN, name, message, failure=failure)


def unknown(failure: str, name: str, message: str) -> Result:
    """It could not be asked."""
    return Result(Verdict.UNKNOWN, name, message, failure=failure)


@dataclass(frozen=True)
class Check(results.Check):
    """One question. `traffic` checks send requests and are left out by `--quick`.

    `proof`: without an answer to this one nobody can say that the environment serves (with or without `--quick`).
    `budget` is the time it may take, in seconds; a traffic check gets what its requests may take on top.
    """

    looks_at: str
    traffic: bool
    proof: bool
    budget: float
    requests: int
    failures: tuple[str, ...]
    ask: Callable[[Context], Iterable[Result]]


Outcome = results.Outcome[Check, Result]


def _outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "check": outcome.check.name,
        "title": outcome.check.title,
        "looksAt": outcome.check.looks_at,
        "verdict": outcome.verdict.value,
        "seconds": round(outcome.seconds, 2),
        "results": [_result_as_json(result) for result in outcome.results],
    }


def _result_as_json(result: Result) -> dict[str, Any]:
    known = result.known
    return {
        "verdict": result.verdict.value,
        "object": result.object,
        "message": result.message,
        "failure": result.failure or None,
        "cause": known.why if known else None,
        "rules": list(known.rules) if known else [],
        "runbook": known.anchor if known else None,
    }


@dataclass(frozen=True)
class Report(results.Report[Check, Result]):
    """All checks of one environment. `where` says what was looked at."""

    where: str
    quick: bool

    @property
    def serves(self) -> bool:
        """Nothing failed, and every proof was given."""
        return self._decisive is None

    @property
    def named(self) -> bool:
        """Something failed, and it is no mere consequence of something else."""
        return any(not outcome.worst.follows for outcome in self.having(Verdict.FAIL))

    @property
    def exit_code(self) -> int:
        """0 where it serves, 1 where it does not or where nobody can say."""
        return 0 if self.serves else 1

    @property
    def _decisive(self) -> Outcome | None:
        """The first failed check that is no consequence, else the first failed, else a proof that could not be asked."""
        wrong = sorted(self.having(Verdict.FAIL), key=lambda outcome: outcome.worst.follows)
        # Where requests were sent, their answers are the proof; without them, the objects' own conditions are.
        missing = [
            outcome
            for outcome in self.having(Verdict.UNKNOWN)
            if outcome.check.proof and outcome.check.traffic is not self.quick
        ]
        return next(iter([*wrong, *missing]), None)

    @property
    def line(self) -> str:
        """The verdict in one line."""
        decisive = self._decisive
        if decisive is None:
            said = "serves (by its configuration; no request was sent)" if self.quick else "serves"
            count = len(self.having(Verdict.UNKNOWN))
            return said + (f"; {count} of {len(self.outcomes)} checks could not ask" if count else "")
        said = "does not serve" if decisive.verdict is Verdict.FAIL else "not known to serve"
        worst = decisive.worst
        return f"{said}: {decisive.check.name}: {worst.failure}: {worst.object}: {' '.join(worst.message.split())}"

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        return {
            "verdict": self.line,
            "serves": self.serves,
            "lookedAt": self.where,
            "quick": self.quick,
            "seconds": round(self.seconds, 2),
            "checks": [_outcome_as_json(outcome) for outcome in self.outcomes],
        }
