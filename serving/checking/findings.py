"""What commands that ask many questions find: a verdict on each object, check by check, and the report of all checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from serving.checking.failures import Failure, find_failure
from settings.text import count


class Verdict(StrEnum):
    """How a question can end. Worst last: what holds several findings has the worst of their verdicts."""

    PASS = "pass"
    WARN = "warn"
    UNKNOWN = "unknown"
    FAIL = "fail"

    @property
    def words(self) -> str:
        """For people."""
        return "could not ask" if self is Verdict.UNKNOWN else self.value


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that decides; PASS where there is none."""
    return max(verdicts, key=list(Verdict).index, default=Verdict.PASS)


@dataclass(frozen=True)
class Finding:
    """What was found of one object.

    `message` is what was seen, in the object's own words where it has some, and `needed` what should be there; `failure`
    names a section of the runbook; `fix` is a command, or a setting to write.
    """

    verdict: Verdict
    object: str
    message: str = ""
    failure: str = field(default="", kw_only=True)
    needed: str = field(default="", kw_only=True)
    fix: str = field(default="", kw_only=True)

    @property
    def known(self) -> Failure | None:
        """Cause, rules and runbook section of the failure; None where nothing is wrong."""
        return find_failure(self.failure) if self.failure else None

    @property
    def follows(self) -> bool:
        """Whether the failure usually has its cause in another one of the report."""
        return self.known is not None and self.known.consequence

    @property
    def summary(self) -> str:
        """What the verdict of the whole report says of it."""
        return self.message

    def seen(self) -> Iterator[tuple[str, str]]:
        """What was seen, each with its label."""
        yield "Needed", self.needed
        yield "Found", self.message

    def advice(self) -> Iterator[tuple[str, str]]:
        """Cause and fix, each with its label; lines to paste follow the first one of their text."""
        known = self.known
        rules = f" (rule{'s' * (len(known.rules) > 1)} {', '.join(known.rules)})" if known and known.rules else ""
        if known:
            yield "Cause", known.why + rules
        if self.fix:
            yield "Fix", self.fix

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        known = self.known
        return {
            "verdict": self.verdict.value,
            "object": self.object,
            "message": self.message or None,
            "needed": self.needed or None,
            "failure": self.failure or None,
            "cause": known.why if known else None,
            "rules": list(known.rules) if known else [],
            "fix": self.fix or None,
            "runbook": known.anchor if known else None,
        }


def passed(name: str, message: str = "", needed: str = "") -> Finding:
    """All is well with it."""
    return Finding(Verdict.PASS, name, message, needed=needed)


def failed(failure: str, name: str, message: str, *, needed: str = "", fix: str = "") -> Finding:
    """It stops or spoils what was asked for."""
    return Finding(Verdict.FAIL, name, message, failure=failure, needed=needed, fix=fix)


def warned(failure: str, name: str, message: str, *, needed: str = "", fix: str = "") -> Finding:
    """It works all the same; somebody should know."""
    return Finding(Verdict.WARN, name, message, failure=failure, needed=needed, fix=fix)


def unknown(failure: str, name: str, message: str, *, needed: str = "", fix: str = "") -> Finding:
    """It could not be asked."""
    return Finding(Verdict.UNKNOWN, name, message, failure=failure, needed=needed, fix=fix)


@dataclass(frozen=True)
class Check:
    """One question.

    `traffic` checks send requests to a model; `proof`: without an answer to this one nobody can give the verdict.
    `budget` is the time it may take, in seconds; what its `requests` may take comes on top. `sources` say where its
    expectation is from, `unverified` what about it nobody has seen.
    """

    name: str
    title: str
    looks_at: str
    failures: tuple[str, ...]
    ask: Callable[[Any], Iterable[Finding]]
    traffic: bool = False
    proof: bool = False
    budget: float = 30
    requests: int = 0
    sources: tuple[str, ...] = ()
    unverified: str = ""


@dataclass(frozen=True)
class Outcome:
    """A check with what it found and how long it took, in seconds."""

    check: Check
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def worst(self) -> Finding:
        """The finding that decides: of the worst ones the first that is no mere consequence."""
        verdict = worst(finding.verdict for finding in self.findings)
        deciding = [finding for finding in self.findings if finding.verdict is verdict]
        return next((finding for finding in deciding if not finding.follows), deciding[0])

    @property
    def verdict(self) -> Verdict:
        """The worst verdict."""
        return self.worst.verdict

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        return {
            "check": self.check.name,
            "title": self.check.title,
            "looksAt": self.check.looks_at,
            "verdict": self.verdict.value,
            "seconds": round(self.seconds, 2),
            "sources": list(self.check.sources),
            "notVerified": self.check.unverified or None,
            "results": [finding.as_json() for finding in self.findings],
        }


@dataclass(frozen=True)
class VerdictTexts:
    """How a command says that all is well, that it is not, and that nobody can say."""

    good: str
    bad: str
    unknown: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All checks of one environment.

    `where` says what was looked at; `proofs` names the checks without whose answers nobody can give the verdict; with
    `strict` a verdict that nobody can give is a failure; `notes` are lists for people, by heading.
    """

    environment: str
    where: str
    words: VerdictTexts
    outcomes: tuple[Outcome, ...]
    seconds: float
    proofs: frozenset[str]
    strict: bool = True
    notes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def having(self, verdict: Verdict) -> list[Outcome]:
        """The outcomes with a verdict."""
        return [outcome for outcome in self.outcomes if outcome.verdict is verdict]

    @property
    def decisive(self) -> Outcome | None:
        """The first failed check that is no consequence, else the first failed, else a proof that could not be asked."""
        wrong = sorted(self.having(Verdict.FAIL), key=lambda outcome: outcome.worst.follows)
        missing = [outcome for outcome in self.having(Verdict.UNKNOWN) if outcome.check.name in self.proofs]
        return next(iter([*wrong, *missing]), None)

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL, or UNKNOWN where nobody can say."""
        return self.decisive.verdict if self.decisive else Verdict.PASS

    @property
    def good(self) -> bool:
        """Nothing failed, and every proof was given."""
        return self.decisive is None

    @property
    def named(self) -> bool:
        """Something failed, and it is no mere consequence of something else."""
        return any(not outcome.worst.follows for outcome in self.having(Verdict.FAIL))

    @property
    def exit_code(self) -> int:
        """0 where all is well, 1 where something failed or, with `strict`, where nobody can say."""
        return int(self.verdict is Verdict.FAIL or (self.verdict is Verdict.UNKNOWN and self.strict))

    @property
    def line(self) -> str:
        """The verdict in one line."""
        decisive, unasked = self.decisive, len(self.having(Verdict.UNKNOWN))
        said = [{Verdict.FAIL: self.words.bad, Verdict.UNKNOWN: self.words.unknown}.get(self.verdict, self.words.good)]
        if decisive is not None:
            finding = decisive.worst
            said += [decisive.check.name, finding.failure, finding.object, " ".join(finding.summary.split())]
        failed_ = sum(finding.verdict is Verdict.FAIL for outcome in self.outcomes for finding in outcome.findings)
        more = [count(failed_ - 1, "more finding")] if failed_ > 1 else []
        open_ = [f"{unasked} of {len(self.outcomes)} checks could not ask"] if unasked else []
        return "; ".join([": ".join(filter(None, said)), *more, *open_])

    @property
    def not_passed(self) -> list[tuple[Finding, list[Check]]]:
        """Each finding that is no pass, with the checks that found it: several often meet the same one."""
        found: list[tuple[Finding, list[Check]]] = []
        for outcome in self.outcomes:
            for finding in outcome.findings:
                if finding.verdict is Verdict.PASS:
                    continue
                checks = next((checks for known, checks in found if known == finding), None)
                if checks is None:
                    found.append((finding, [outcome.check]))
                elif outcome.check not in checks:
                    checks.append(outcome.check)
        return found

    @property
    def groups(self) -> list[list[tuple[Finding, list[Check]]]]:
        """What did not pass, with what has the same cause and the same fix together."""
        found: dict[tuple[Verdict, str, str], list[tuple[Finding, list[Check]]]] = {}
        for finding, checks in self.not_passed:
            found.setdefault((finding.verdict, finding.failure or finding.object, finding.fix), []).append(
                (finding, checks)
            )
        return list(found.values())

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        return {
            "environment": self.environment,
            "lookedAt": self.where,
            "verdict": self.line,
            "status": self.verdict.value,
            "seconds": round(self.seconds, 2),
            "checks": [outcome.as_json() for outcome in self.outcomes],
            "notes": {heading: list(texts) for heading, texts in self.notes},
        }
