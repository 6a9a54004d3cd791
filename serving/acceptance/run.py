"""Which steps run, and how a run ends: whatever happens, the destroy is offered and a record is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from serving.acceptance.estimates import up_seconds
from serving.acceptance.pulumi_cli import PulumiError
from serving.acceptance.record import FORWARD, TITLES, Name, Record, Step
from serving.acceptance.run_folder import Progress, RunFolder
from serving.acceptance.steps import StepResult, Steps
from settings.text import duration

# Without these there is nothing to ask the later ones about.
_STOPS = frozenset({"preflight", "up", "verify"})


class RefusedRunError(Exception):
    """The run may not start; the message says why and what to do."""


@dataclass(frozen=True)
class Consent:
    """What the caller said, and how to ask: `agree(question)` is whether somebody typed yes.

    `yes`: everything was agreed to on the command line, so nobody is asked. `keep`: after a failure nothing is destroyed
    without a word. `destroy`: only destroy what an earlier call left.
    """

    agree: Callable[[str], bool]
    yes: bool
    keep: bool = False
    destroy: bool = False


class Acceptance:
    """One run of an environment, over as many calls as it takes.

    Args:
        digest: of the environment's file; where it has changed, all steps run again.
        fresh: makes the record of a new run.
    """

    def __init__(
        self, steps: Steps, kept: RunFolder, answers: Consent, digest: str, fresh: Callable[[], Record]
    ) -> None:
        self._steps, self._kept, self._answers = steps, kept, answers
        self._say = steps.say
        self._digest = digest
        self.interrupted = False
        self._agreed = False
        self._progress = self._begin(fresh)

    @property
    def record(self) -> Record:
        """As it is now."""
        return self._progress.record

    def run(self) -> Record:
        """Everything that is left to do.

        Raises:
            PulumiError: the stack can't be made or removed.
        """
        destroying = self.record.step("destroy").status in ("failed", "interrupted")
        if destroying:
            self._say("The previous call was destroying; continuing.")
        complete = not destroying and not self._answers.destroy and self._forward()
        if self._nothing_made():
            self._end("nothing was created")
        elif complete or destroying or self._answers.destroy or self._destroy_agreed():
            self._remove()
        return self.record

    def _begin(self, fresh: Callable[[], Record]) -> Progress:
        found = self._kept.load()
        resources = self._steps.pulumi.resources()
        if found is not None and found.open:
            return self._resumed(found)
        if self._answers.destroy:
            raise RefusedRunError("There is no interrupted run; nothing is destroyed.")
        if resources:
            raise RefusedRunError(
                f"The stack has {resources} resources that no acceptance run made, and a run destroys its stack at the end. "
                "Copy the environment's file to a new name, and run the acceptance of that."
            )
        if self._steps.plan.deployment.deletion_protection:
            raise RefusedRunError(
                "The cluster has deletion protection, so the run could not destroy it. Set deletionProtection: false "
                "under cluster, in a copy of the environment's file."
            )
        return Progress(record=fresh(), digest=self._digest)

    def _resumed(self, found: Progress) -> Progress:
        record = found.record.model_copy(update={"calls": found.record.calls + 1})
        self._say(f"A run of {record.started:%Y-%m-%d %H:%M} UTC was interrupted; resuming it.")
        if found.digest != self._digest and not self._answers.destroy:
            self._say("The environment file has changed since: every step runs again.")
            for name in FORWARD:
                old = record.step(name)
                record = record.with_step(old.model_copy(update={"status": "notRun", "note": ""}))
        return found.model_copy(update={"record": record, "digest": self._digest})

    def _forward(self) -> bool:
        """The steps up to the value that is changed back; False where one of them broke the run off."""
        for name in FORWARD:
            step = self.record.step(name)
            if step.status == "passed":
                self._say(f"skipped  {name}: passed at {step.started:%H:%M} UTC")
                continue
            if name != "preflight" and not self._agree():
                self._say("Not confirmed; nothing more is created.")
                return False
            if name == "up":
                self._make_stack()
            status = self._step(name)
            # Who types yes has read what preflight found; --yes was said before.
            asked = name == "preflight" and not self._answers.yes and not self.interrupted
            if status == "interrupted" or (status == "failed" and name in _STOPS and not asked):
                return False
        return True

    def _agree(self) -> bool:
        if not self._agreed:
            preflight = self.record.step("preflight")
            if preflight.status == "failed":
                self._say(
                    f"preflight found {len(preflight.findings)} problems; `up` may fail and cost money all the same."
                )
            self._agreed = self._answers.yes or self._answers.agree("Type yes to create it")
        return self._agreed

    def _make_stack(self) -> None:
        if self._steps.pulumi.resources() is None:
            self._steps.pulumi.init()
            self._save(self._progress.model_copy(update={"stack_made": True}))

    def _step(self, name: Name) -> str:
        """Run one, keep what it found, and say it."""
        old = self.record.step(name)
        self._say(f"\n== {name}: {TITLES[name]}")
        started, clock = datetime.now(UTC).replace(microsecond=0), time.monotonic()
        estimate = up_seconds(self._steps.plan) if name == "up" else None
        running = old.model_copy(
            update={"status": "interrupted", "attempts": old.attempts + 1, "started": started, "note": ""}
        )
        # Whoever is killed meanwhile leaves this behind.
        self._keep(running.model_copy(update={"estimate_seconds": estimate}))
        try:
            found = self._steps.run(name)
        except KeyboardInterrupt:
            self.interrupted = True
            found = StepResult(False)
        status = (
            "interrupted" if self.interrupted else "notRun" if not found.ran else "passed" if found.passed else "failed"
        )
        step = Step(
            name=name,
            attempts=running.attempts,
            status=status,
            note=found.note,
            started=started,
            seconds=round(time.monotonic() - clock, 1) if found.ran else None,
            estimate_seconds=estimate,
            changes=found.changes,
            findings=(*old.findings, *found.findings),
            timings=found.timings,
        )
        self._keep(step)
        took = "" if step.seconds is None else f" after {duration(step.seconds)}"
        said = {"notRun": "not run"}.get(status, status)
        self._say(f"{name}: {said}{took}" + (f"; {step.note}" if step.note else ""))
        for finding in found.findings:
            self._say(f"  {finding.verdict}: {finding.check}: {finding.object} {finding.message}")
        return status

    def _nothing_made(self) -> bool:
        return self.record.step("up").attempts == 0 and not self._steps.pulumi.resources()

    def _destroy_agreed(self) -> bool:
        """After a failure or an interrupt: asked, or what the command line said."""
        if self._answers.yes:
            agreed = not self._answers.keep
        else:
            agreed = self._answers.agree("Type yes to destroy everything now; anything else keeps it")
        if not agreed:
            cost = self.record.cost
            self._say(
                f"Everything stays, and costs about {cost.per_hour:.2f} {cost.currency} an hour. The same command goes on "
                "where this one broke off; with --destroy it only destroys."
            )
        return agreed

    def _remove(self) -> None:
        """Destroy; where that came to its end, the stack goes if it was made for the run, and leftovers are looked for."""
        interrupted, self.interrupted = self.interrupted, False
        status = self._step("destroy")
        self.interrupted |= interrupted
        if status != "passed":
            self._say(
                "Some resources are left and may cost money. See the engine's output; the same command retries the destroy."
            )
            return
        if self._progress.stack_made:
            own = self._steps.platform.stack_file.resolve()
            named = self._steps.platform.project / f"Pulumi.{self._steps.plan.deployment.name}.yaml"
            try:
                self._steps.pulumi.remove(keep_file=own == named.resolve())
            except PulumiError as error:
                self._say(f"The empty stack could not be removed: {error}")
        self._step("leftovers")
        self._end("")

    def _end(self, note: str) -> None:
        if note:
            self._keep(self.record.step("destroy").model_copy(update={"note": note}))
        record = self.record.model_copy(update={"ended": datetime.now(UTC).replace(microsecond=0)})
        self._save(self._progress.model_copy(update={"record": record}))

    def _keep(self, step: Step) -> None:
        record = self.record.with_step(step)
        self._save(self._progress.model_copy(update={"record": record}))

    def _save(self, progress: Progress) -> None:
        self._progress = progress
        self._kept.save(progress)
