"""The steps of an acceptance run. Each does one thing and says what it found; which of them run is decided elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cluster.errors import CannotAskError
from cluster.outputs import OutputsError
from cluster.target import Target, TargetError
from serving.acceptance.estimates import timings
from serving.acceptance.platform import Platform
from serving.acceptance.pulumi_cli import PulumiCli, PulumiError, PulumiResult
from serving.acceptance.record import Finding, Name, Timing
from serving.acceptance.redact import Redactor
from serving.checking.findings import Report, Verdict
from serving.drift.planned import planned as planned_objects
from serving.drift.run import find_drift
from serving.plan.plan import Plan
from serving.verify.run import verify
from settings.document import read_document
from settings.names import PROJECT_NAME

_MODELS = f"{PROJECT_NAME}:models"
_ENCRYPTION = ("secretsprovider", "encryptedkey", "encryptionsalt")
# The value that is changed and changed back: it reaches the load balancer and restarts nothing.
CHANGED = "longestAnswerSeconds"
_CHANGE_SECONDS = 60
_MOST_SECONDS = 86400


@dataclass(frozen=True)
class StepResult:
    """How a step ended."""

    passed: bool
    note: str = ""
    findings: tuple[Finding, ...] = ()
    changes: dict[str, int] = field(default_factory=dict)
    timings: tuple[Timing, ...] = ()
    ran: bool = True


_NOT_ASKED = StepResult(False, "the emulated cloud has none of Google's APIs to ask", ran=False)


@dataclass(frozen=True)
class Steps:
    """The steps on one environment.

    Attributes:
        folder: private files of the run.
        preflight, leftovers: ask Google; None where there is nobody to ask. Leftovers are kind and place of each thing that
            is left. Raise CannotAskError.
        with_options: what the caller named for `verify`: URL, authority, token.
        wait_seconds: how long `verify` asks again.
    """

    plan: Plan
    platform: Platform
    pulumi: PulumiCli
    folder: Path
    redact: Redactor
    preflight: Callable[[], Report] | None
    leftovers: Callable[[], Iterable[tuple[str, str]]] | None
    say: Callable[[str], None]
    with_options: Callable[[Target], Target]
    wait_seconds: float

    def run(self, name: Name) -> StepResult:
        """One step. What can't be asked or run is a finding of it."""
        try:
            found: StepResult = getattr(self, f"_{name}")()
        except (PulumiError, TargetError, OutputsError) as error:
            return StepResult(False, findings=(self._wrong("", str(error)),))
        except CannotAskError as error:
            message = self.redact(str(error))
            return StepResult(False, findings=(Finding(verdict="unknown", check=name, message=message),))
        return found

    def _preflight(self) -> StepResult:
        return self._reported(self.preflight()) if self.preflight else _NOT_ASKED

    def _up(self) -> StepResult:
        return self._done(self.pulumi.up(self._settings()))

    def _verify(self) -> StepResult:
        return self._reported(verify(self._target(), wait_seconds=self.wait_seconds, progress=self.say))

    def _preview(self) -> StepResult:
        done = self.pulumi.preview(self._settings())
        found = self._done(done)
        return found if set(done.changes) <= {"same"} else _with_note(found, "the engine would change something")

    def _drift(self) -> StepResult:
        document = read_document(self.platform.stack_file)
        planned = planned_objects(self.plan.graph.recording)
        return self._reported(find_drift(document.name, planned, self._target(), self.say))

    def _change(self) -> StepResult:
        return self._changed(self._settings(changed=True))

    def _back(self) -> StepResult:
        return self._changed(self._settings())

    def _destroy(self) -> StepResult:
        found = self._done(self.pulumi.destroy(self._settings()))
        left = self.pulumi.resources()
        return found if not left else _with_note(found, f"{left} resources are left in the stack")

    def _leftovers(self) -> StepResult:
        if self.leftovers is None:
            return _NOT_ASKED
        left = tuple(
            Finding(verdict="fail", check="leftovers", object=kind, message=self.redact(where))
            for kind, where in self.leftovers()
        )
        return StepResult(not left, findings=left)

    def _changed(self, settings: Path) -> StepResult:
        done = self.pulumi.up(settings)
        found = self._done(done)
        if set(done.changes) <= {"same", "update"} and done.changes.get("update"):
            return found
        return _with_note(found, "more or less than updates, where the value changed only updates")

    def _target(self) -> Target:
        return self.with_options(self.platform.find(self.pulumi.outputs()))

    def _settings(self, *, changed: bool = False) -> Path:
        """The settings that the engine gets: a copy, so that nothing is written into the user's file.

        Encryption of the stack is what the project's own file of it says.
        """
        data = _read_yaml(self.platform.stack_file)
        own = self.platform.project / f"Pulumi.{self.plan.deployment.name}.yaml"
        kept = _read_yaml(own) if own.is_file() else {}
        data |= {key: kept[key] for key in _ENCRYPTION if key in kept}
        if changed:
            data = _with_changed_value(data, self.plan)
        path = self.folder / f"Pulumi.{self.plan.deployment.name}{'.changed' if changed else ''}.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return path

    def _done(self, done: PulumiResult) -> StepResult:
        findings = tuple(self._wrong(kind, message) for kind, message in done.errors)
        return StepResult(done.code == 0, "", findings, dict(done.changes), timings(self.plan, done.took))

    def _reported(self, report: Report) -> StepResult:
        return StepResult(report.exit_code == 0, "", tuple(self._of(report)))

    def _of(self, report: Report) -> Iterable[Finding]:
        for finding, checks in report.not_passed:
            known = finding.known
            verdict = {Verdict.WARN: "warn", Verdict.UNKNOWN: "unknown"}.get(finding.verdict, "fail")
            yield Finding.model_validate(
                {
                    "verdict": verdict,
                    "check": ", ".join(check.name for check in checks),
                    "failure": finding.failure,
                    "object": self.redact(finding.object),
                    "message": self.redact(finding.summary),
                    "cause": known.why if known else "",
                }
            )

    def _wrong(self, kind: str, message: str) -> Finding:
        return Finding(verdict="fail", check="pulumi", object=self.redact(kind), message=self.redact(message))


def _with_note(found: StepResult, note: str) -> StepResult:
    return StepResult(False, note, found.findings, found.changes, found.timings)


def _read_yaml(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return data


def _with_changed_value(data: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """The first model may answer for a minute longer; where that is too long, shorter."""
    seconds = plan.deployment.models[0].answer_seconds
    other = seconds + _CHANGE_SECONDS
    changed = copy.deepcopy(data)
    config = changed["config"]
    key = _MODELS if _MODELS in config else "models"
    config[key][0][CHANGED] = other if other <= _MOST_SECONDS else seconds - _CHANGE_SECONDS
    return changed
