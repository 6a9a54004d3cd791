"""What verify finds: verdicts, results of one object, outcomes of one check, and the report of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serving.checking.failures import Failure, find_failure
from serving.checking.verdict import Verdict, worst

if TYPE_CHECKING:
    from serving.verify.context import Context


@dataclass(frozen=True)
class Result:
    """What was seen of one object. `message` is the object's own words where it has some; `failure` names what is wrong."""

    verdict: Verdict
    object: str
    message: str = ""
    failure: str = ""

    @property
    def known(self) -> Failure | None:
        """Cause, rules and runbook section of the failure; None where nothing is wrong."""
        return find_failure(self.failure) if self.failure else None

    @property
    def follows(self) -> bool:
        """Whether the failure usually has its cause in another one of the report."""
        return self.known is not None and self.known.consequence

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        known = self.known
        return {
            "verdict": self.verdict.value,
            "object": self.object,
            "message": self.message,
            "failure": self.failure or None,
            "cause": known.why if known else None,
            "rules": list(known.rules) if known else [],
            "runbook": known.anchor if known else None,
        }


def passed(name: str, message: str = "") -> Result:
    """All is well with it."""
    return Result(Verdict.PASS, name, message)


def failed(failure: str, name: str, message: str) -> Result:
    """It stops or spoils serving."""
    return Result(Verdict.FAIL, name, message, failure)


def warned(failure: str, name: str, message: str) -> Result:
    """It serves all the same."""
    return Result(Verdict.WARN, name, message, failure)


def unknown(failure: str, name: str, message: str) -> Result:
    """It could not be asked."""
    return Result(Verdict.UNKNOWN, name, message, failure)


@dataclass(frozen=True)
class Check:
    """One question. `traffic` checks send requests and are left out by `--quick`.

    `proof`: without an answer to this one nobody can say that the environment serves (with or without `--quick`).
    `budget` is the time it may take, in seconds; a traffic check gets what its requests may take on top.
    """

    name: str
    title: str
    looks_at: str
    traffic: bool
    proof: bool
    budget: float
    requests: int
    failures: tuple[str, ...]
    ask: Callable[[Context], Iterable[Result]]


@dataclass(frozen=True)
class Outcome:
    """A check with what it found and how long it took, in seconds."""

    check: Check
    results: tuple[Result, ...]
    seconds: float

    @property
    def worst(self) -> Result:
        """The result that decides: of the worst ones the first that is no mere consequence."""
        verdict = worst(result.verdict for result in self.results)
        deciding = [result for result in self.results if result.verdict is verdict]
        return next((result for result in deciding if not result.follows), deciding[0])

    @property
    def verdict(self) -> Verdict:
        """The worst verdict."""
        return self.worst.verdict

    @property
    def settled(self) -> bool:
        """Whether waiting could not make it better."""
        return self.verdict in (Verdict.PASS, Verdict.WARN)

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        return {
            "check": self.check.name,
            "title": self.check.title,
            "looksAt": self.check.looks_at,
            "verdict": self.verdict.value,
            "seconds": round(self.seconds, 2),
            "results": [result.as_json() for result in self.results],
        }


@dataclass(frozen=True)
class Report:
    """All checks of one environment. `where` says what was looked at, `seconds` how long it took."""

    where: str
    quick: bool
    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def serves(self) -> bool:
        """Nothing failed, and every proof was given."""
        return self._decisive is None

    @property
    def named(self) -> bool:
        """Something failed, and it is no mere consequence of something else."""
        return any(o.verdict is Verdict.FAIL and not o.worst.follows for o in self.outcomes)

    @property
    def exit_code(self) -> int:
        """0 where it serves, 1 where it does not or where nobody can say."""
        return 0 if self.serves else 1

    @property
    def _decisive(self) -> Outcome | None:
        """The first failed check that is no consequence, else the first failed, else a proof that could not be asked."""
        wrong = [outcome for outcome in self.outcomes if outcome.verdict is Verdict.FAIL]
        wrong.sort(key=lambda outcome: outcome.worst.follows)
        # Where requests were sent, their answers are the proof; without them, the objects' own conditions are.
        missing = [
            outcome
            for outcome in self.outcomes
            if outcome.verdict is Verdict.UNKNOWN and outcome.check.proof and outcome.check.traffic is not self.quick
        ]
        return next(iter([*wrong, *missing]), None)

    @property
    def line(self) -> str:
        """The verdict in one line."""
        decisive = self._decisive
        if decisive is None:
            said = "serves (by its configuration; no request was sent)" if self.quick else "serves"
            count = sum(outcome.verdict is Verdict.UNKNOWN for outcome in self.outcomes)
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
            "checks": [outcome.as_json() for outcome in self.outcomes],
        }
