"""What commands that ask many questions find: results, the outcome of one check, and the report of all of them.

Each command adds to these the words that it has for its results, and its own verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from serving.checking.failures import Failure, find_failure
from serving.checking.verdict import Verdict, worst


@dataclass(frozen=True)
class Result:
    """What was found of one object; `failure` names what is wrong."""

    verdict: Verdict
    object: str
    failure: str = field(default="", kw_only=True)

    @property
    def known(self) -> Failure | None:
        """Cause, rules and runbook section of the failure; None where nothing is wrong."""
        return find_failure(self.failure) if self.failure else None

    @property
    def follows(self) -> bool:
        """Whether the failure usually has its cause in another one of the report."""
        return self.known is not None and self.known.consequence


@dataclass(frozen=True)
class Check:
    """One question."""

    name: str
    title: str


AnyCheck = TypeVar("AnyCheck", bound=Check)
AnyResult = TypeVar("AnyResult", bound=Result)


@dataclass(frozen=True)
class Outcome(Generic[AnyCheck, AnyResult]):
    """A check with what it found and how long it took, in seconds."""

    check: AnyCheck
    results: tuple[AnyResult, ...]
    seconds: float

    @property
    def worst(self) -> AnyResult:
        """The result that decides: of the worst ones the first that is no mere consequence."""
        verdict = worst(result.verdict for result in self.results)
        deciding = [result for result in self.results if result.verdict is verdict]
        return next((result for result in deciding if not result.follows), deciding[0])

    @property
    def verdict(self) -> Verdict:
        """The worst verdict."""
        return self.worst.verdict


@dataclass(frozen=True, kw_only=True)
class Report(Generic[AnyCheck, AnyResult]):
    """All checks of one environment. `seconds`: how long they took together."""

    outcomes: tuple[Outcome[AnyCheck, AnyResult], ...]
    seconds: float

    def having(self, verdict: Verdict) -> list[Outcome[AnyCheck, AnyResult]]:
        """The outcomes with a verdict."""
        return [outcome for outcome in self.outcomes if outcome.verdict is verdict]

    @property
    def not_passed(self) -> dict[AnyResult, list[AnyCheck]]:
        """Each result that is no pass, with the checks that found it: several often meet the same obstacle."""
        found: dict[AnyResult, list[AnyCheck]] = {}
        for outcome in self.outcomes:
            for result in dict.fromkeys(outcome.results):
                if result.verdict is not Verdict.PASS:
                    found.setdefault(result, []).append(outcome.check)
        return found
