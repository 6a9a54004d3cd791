"""The record of an acceptance run: one model for JSON and Markdown. Everything in it may be published."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from settings.base import Contract

SCHEMA_VERSION: Literal["1.0"] = "1.0"
Name = Literal["preflight", "up", "verify", "preview", "drift", "change", "back", "destroy", "leftovers"]
# In the order they run. The last two are no proof of the program: they end what the others began.
FORWARD: tuple[Name, ...] = ("preflight", "up", "verify", "preview", "drift", "change", "back")
STEPS: tuple[Name, ...] = (*FORWARD, "destroy", "leftovers")
TITLES: dict[Name, str] = {
    "preflight": "Google's side is ready",
    "up": "pulumi up",
    "verify": "it serves",
    "preview": "a second preview has no changes",
    "drift": "nothing differs from the plan",
    "change": "one value changed",
    "back": "the value changed back",
    "destroy": "pulumi destroy",
    "leftovers": "nothing is left",
}
Status = Literal["passed", "failed", "interrupted", "notRun"]


class RecordError(Exception):
    """The file is no record; the message says why."""


class Finding(Contract):
    """What a step found that is no pass. Texts are redacted."""

    verdict: Literal["warn", "unknown", "fail"]
    check: str = Field(description="The check of preflight, verify or drift; otherwise pulumi.")
    failure: str = Field("", description="A section of docs/runbook.md, where one fits.")
    object: str = ""
    message: str = ""
    cause: str = Field("", description="The usual cause, in the runbook's words.")


class Timing(Contract):
    """Resources of one kind: the slowest of them beside the plan's estimate."""

    resource: str
    count: int
    seconds: float
    estimate_seconds: float | None = None


class Step(Contract):
    """One step. `changes` counts resources by the engine's operation; `findings` are those of all attempts."""

    name: Name
    attempts: int = 0
    status: Status = "notRun"
    note: str = ""
    started: datetime.datetime | None = None
    seconds: float | None = None
    estimate_seconds: tuple[float, float] | None = Field(None, description="About so long, and as slow as reported.")
    changes: dict[str, int] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    timings: tuple[Timing, ...] = ()


class Model(Contract):
    """A model. `source` only where the catalogue knows it: any other may name its owner."""

    source: str | None
    generation: str
    topology: str
    machine_type: str
    replicas: int
    context_length: int | None


class Environment(Contract):
    """What of the environment matters, without any of its names."""

    tier: str
    zone: str
    purchase: str
    exposure: Literal["internal", "external"]
    models: tuple[Model, ...]


class Cost(Contract):
    """The plan's estimate. `complete` is false where a price is not known."""

    currency: str
    per_hour: float
    complete: bool
    prices_as_of: str


class Record(Contract):
    """One run, over all calls that it took."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    where: Literal["Google Cloud", "emulated cloud"]
    started: datetime.datetime
    ended: datetime.datetime | None = Field(None, description="None while something is to be done or destroyed.")
    calls: int = Field(1, description="How often the command was called for it.")
    consent: Literal["typed", "--yes"]
    commit: str = Field("", description="Commit of the program; + where files were changed.")
    versions: dict[str, str]
    environment: Environment
    cost: Cost
    steps: tuple[Step, ...]

    def step(self, name: Name) -> Step:
        """A step by its name."""
        return next(step for step in self.steps if step.name == name)

    def with_step(self, step: Step) -> Record:
        """The record with this step in place of the one of its name."""
        steps = tuple(step if old.name == step.name else old for old in self.steps)
        return self.model_copy(update={"steps": steps})

    @property
    def verdict(self) -> str:
        """`passed`, `failed` with the steps that did, or `incomplete` with those that did not run."""
        for word, statuses in (("failed", ("failed", "interrupted")), ("incomplete", ("notRun",))):
            if found := [step.name for step in self.steps if step.status in statuses]:
                return f"{word}: {', '.join(found)}"
        return "passed"

    @property
    def failed(self) -> bool:
        """Whether a step did not pass that could be run."""
        return any(step.status in ("failed", "interrupted") for step in self.steps)

    @property
    def proved(self) -> bool:
        """Whether everything that speaks of the program passed on Google Cloud."""
        return self.where == "Google Cloud" and all(self.step(name).status == "passed" for name in FORWARD)

    def to_json(self) -> str:
        """The file that docs/acceptance/record.schema.json describes."""
        return json.dumps({**self.as_json(), "verdict": self.verdict}, indent=2) + "\n"


def read_record(path: Path) -> Record:
    """A record from its JSON file.

    Raises:
        RecordError: not readable, or not a record of this version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise RecordError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or "schemaVersion" not in data:
            raise RecordError(f"{path} is not a record of `serving acceptance`")
        version = data.get("schemaVersion")
        if version != SCHEMA_VERSION:
            raise RecordError(f"{path}: schemaVersion {version}; this program reads {SCHEMA_VERSION}")
        data.pop("verdict", None)
        return Record.model_validate(data)
    except (ValueError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise RecordError(f"{path} is not a record of `serving acceptance` ({said})") from None


def record_schema() -> dict[str, Any]:
    """The JSON schema of a record."""
    schema = Record.schema_for("Record")
    schema["properties"]["verdict"] = {"type": "string", "title": "Verdict"}
    return schema
