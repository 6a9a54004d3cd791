"""A run ends with a record and with nothing left, whatever step fails; a run that broke off is gone on with."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.errors import CannotAskError
from cluster.target import Target
from serving.acceptance import steps as steps_module
from serving.acceptance.new_record import new_record
from serving.acceptance.platform import Platform
from serving.acceptance.pulumi_cli import PulumiCli
from serving.acceptance.record import FORWARD, STEPS, Name, Record, read_record, record_schema
from serving.acceptance.redact import redactor
from serving.acceptance.run import Acceptance, Consent, RefusedRunError
from serving.acceptance.run_folder import RunFolder
from serving.acceptance.steps import Steps
from serving.checking.findings import Check, Finding, Outcome, Report, VerdictTexts, failed, passed
from serving.plan.build import planned
from serving.plan.plan import Plan
from settings.document import Document, read_document
from tests.commands import run as run_command

PROJECT = "acme-secret-project"
FILE = f"""\
config:
  tpu-serving:project: {{id: {PROJECT}}}
  tpu-serving:location: {{zone: us-central1-b}}
  tpu-serving:models:
    - name: own-codename
      source: hf://Qwen/Qwen3-0.6B
      tpu: {{generation: v6e, topology: 1x1}}
      contextLength: 2048
"""
PULUMI_STEPS = {"up": "up", "preview": "preview", "destroy": "destroy"}


@dataclass
class World:
    """One environment, its fake CLI, and what verify, drift and Google would say."""

    folder: Path
    plan: Plan
    document: Document
    wrong: set[str] = field(default_factory=set)
    left: list[tuple[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    typed: bool = True
    said: list[str] = field(default_factory=list)
    on_say: Callable[[str], None] = lambda _text: None

    @property
    def state(self) -> dict[str, Any]:
        """The fake CLI's file."""
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        return found

    def change(self, **values: Any) -> None:
        """Change the fake CLI's file."""
        (self.folder / "state.json").write_text(json.dumps({**self.state, **values}), encoding="utf-8")

    def report(self, name: str, finding: Finding) -> Report:
        """What a check of one question says."""
        check = Check(name, name, name, (), lambda _context: ())
        words = VerdictTexts("good", "bad", "unknown")
        outcome = Outcome(check, (finding,), 0.1)
        return Report(environment="own", where="", words=words, outcomes=(outcome,), seconds=0.1, proofs=frozenset())

    def ask(self, name: str) -> Report:
        """verify, drift or preflight."""
        if name in self.wrong:
            return self.report(
                name, failed("no-credentials", f"Pod {PROJECT}/x", f"https://10.0.0.7/{PROJECT} says no")
            )
        return self.report(name, passed("Pod"))

    def run(self, *, yes: bool = True, keep: bool = False, destroy: bool = False, digest: str = "1") -> Record:
        """One call."""
        kept = RunFolder(self.folder / "kept")
        with kept.locked():
            run = Acceptance(
                self.steps(), kept, Consent(self.agree, yes, keep, destroy), digest,
                lambda: new_record(self.plan, emulated=False, consent="--yes", cli="v3"),
            )  # fmt: skip
            record = run.run()
        self.interrupted = run.interrupted
        json_file, markdown = kept.files(record)
        assert read_record(json_file) == record
        assert PROJECT not in json_file.read_text(encoding="utf-8") + markdown.read_text(encoding="utf-8")
        return record

    def agree(self, question: str) -> bool:
        """Somebody at a terminal."""
        self.asked.append(question)
        return self.typed

    def say(self, text: str) -> None:
        """Progress."""
        self.said.append(text)
        self.on_say(text)

    def steps(self) -> Steps:
        """The real steps on the fake boundary."""
        project = self.folder / "project"
        variables = {"PATH": f"{self.folder}:{os.environ['PATH']}", "FAKE_PULUMI": str(self.folder / "state.json")}
        outputs = SimpleNamespace(environment="own", project=PROJECT)
        target = Target("cloud", outputs)  # type: ignore[arg-type]
        platform = Platform(False, project, project / "Pulumi.own.yaml", lambda _outputs: target, variables)
        kept = self.folder / "kept"
        return Steps(
            plan=self.plan,
            platform=platform,
            pulumi=PulumiCli(platform, "own", kept, self.say),
            folder=kept,
            redact=redactor(self.plan.deployment, self.document.data, self.plan.objects()),
            preflight=lambda: self.ask("preflight"),
            leftovers=lambda: self.left,
            say=self.say,
            with_options=lambda found: found,
            wait_seconds=0,
        )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Document, Plan]:
    project = tmp_path_factory.mktemp("environment") / "project"
    project.mkdir()
    path = project / "Pulumi.own.yaml"
    path.write_text(FILE, encoding="utf-8")
    document = read_document(path)
    return project, document, planned(document)


@pytest.fixture
def world(environment: tuple[Path, Document, Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    project, document, plan = environment
    (tmp_path / "project").symlink_to(project)
    fake = Path(__file__).with_name("fake_pulumi.py")
    launcher = tmp_path / "pulumi"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "{fake}" "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    made = World(tmp_path, plan, document)
    (tmp_path / "state.json").write_text(json.dumps({"stack": None, "faults": {}, "calls": []}), encoding="utf-8")
    monkeypatch.setattr(steps_module, "verify", lambda *_a, **_k: made.ask("verify"))
    monkeypatch.setattr(steps_module, "find_drift", lambda *_a, **_k: made.ask("drift"))
    yield made
    assert made.state["stack"] is None, "something is left"


def statuses(record: Record) -> dict[str, str]:
    return {step.name: step.status for step in record.steps}


def test_everything_passes_and_nothing_is_left(world: World) -> None:
    record = world.run()
    assert set(statuses(record).values()) == {"passed"}
    assert (record.verdict, record.proved, record.ended is not None) == ("passed", True, True)
    assert record.step("up").changes == {"create": 3}
    assert record.step("change").changes == record.step("back").changes == {"same": 2, "update": 1}
    [cluster] = record.step("up").timings
    assert (cluster.resource, cluster.seconds, cluster.estimate_seconds) == ("Cluster", 600, 1200)
    assert world.asked == []


def test_a_record_follows_its_schema(world: World) -> None:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(record_schema())
    data = json.loads(world.run().to_json())
    validator.validate(data)
    assert not validator.is_valid({**data, "project": PROJECT})


def break_step(world: World, name: str) -> None:
    """A fault of one step."""
    if name in PULUMI_STEPS:
        world.change(faults={name: f"googleapi: Error 403: projects/{PROJECT} at 10.1.2.3"})
    elif name == "leftovers":
        world.left = [("firewall rule", f"global {PROJECT}-fw")]
    else:
        world.wrong = {name}


@pytest.mark.parametrize("name", ["preflight", "up", "verify", "preview", "drift", "leftovers"])
def test_a_fault_in_a_step_ends_with_a_record_and_nothing_left(world: World, name: Name) -> None:
    break_step(world, name)
    record = world.run()
    assert record.ended is not None
    assert statuses(record)[name] == "failed"
    assert record.failed
    [finding] = record.step(name).findings
    assert finding.verdict == "fail"
    before = STEPS.index(name)
    assert {step.status for step in record.steps[:before]} <= {"passed"}
    if name in ("preflight", "up", "verify"):
        assert {step.status for step in record.steps[before + 1 : len(FORWARD)]} <= {"notRun"}
    if name == "preflight":
        assert "up" not in world.state["calls"]


def test_a_destroy_that_stops_is_gone_on_with_by_the_next_call(world: World) -> None:
    break_step(world, "destroy")
    record = world.run()
    assert (record.ended, statuses(record)["destroy"], statuses(record)["leftovers"]) == (None, "failed", "notRun")
    world.change(faults={}, calls=[])
    record = world.run()
    assert (record.calls, statuses(record)["destroy"], record.step("destroy").attempts) == (2, "passed", 2)
    assert "up" not in world.state["calls"]
    [finding] = record.step("destroy").findings
    assert finding.object == "Cluster"


def test_a_run_that_broke_off_goes_on_there_and_says_what_it_skips(world: World) -> None:
    world.wrong = {"verify"}
    record = world.run(keep=True)
    assert (record.ended, world.state["stack"]) == (None, 3)
    world.wrong = set()
    world.change(calls=[])
    world.said.clear()
    record = world.run()
    assert record.verdict == "passed"
    assert world.state["calls"].count("up") == 2  # the change and back
    assert [text.split()[1] for text in world.said if text.startswith("skipped")] == ["preflight:", "up:"]
    assert record.step("verify").attempts == 2
    assert len(record.step("verify").findings) == 1  # of the first attempt


def test_after_a_change_of_the_file_every_step_runs_again(world: World) -> None:
    world.wrong = {"verify"}
    world.run(keep=True)
    world.wrong = set()
    record = world.run(digest="2")
    assert (record.verdict, record.step("up").attempts) == ("passed", 2)


def test_destroy_alone_only_destroys(world: World) -> None:
    with pytest.raises(RefusedRunError, match="nothing is destroyed"):
        world.run(destroy=True)
    world.wrong = {"verify"}
    world.run(keep=True)
    world.change(calls=[])
    record = world.run(destroy=True)
    assert record.ended is not None
    assert not {"up", "preview"} & set(world.state["calls"])


def test_at_a_terminal_it_asks_before_it_creates_and_before_it_destroys(world: World) -> None:
    world.typed = False
    record = world.run(yes=False)
    assert [question.split(" to ")[1].split()[0] for question in world.asked] == ["create"]
    assert record.verdict.startswith("incomplete")
    assert not {"stack init", "up"} & set(world.state["calls"])
    world.typed, world.wrong, world.asked = True, {"verify"}, []
    record = world.run(yes=False)
    assert [question.split(" to ")[1].split()[0] for question in world.asked] == ["create", "destroy"]
    assert record.ended is not None


def test_at_a_terminal_a_failed_preflight_can_be_overruled(world: World) -> None:
    world.wrong = {"preflight"}
    assert world.run(yes=False).verdict == "failed: preflight"
    assert "up" in world.state["calls"]


def test_a_stack_with_resources_of_others_is_never_touched(world: World) -> None:
    world.change(stack=7)
    with pytest.raises(RefusedRunError, match="7 resources that no acceptance run made"):
        world.run()
    assert set(world.state["calls"]) == {"stack export"}
    world.change(stack=None)


def test_what_could_not_be_destroyed_is_not_created(world: World) -> None:
    settings = FILE.replace("config:", "config:\n  tpu-serving:cluster: {deletionProtection: true}")
    path = world.folder / "Pulumi.own.yaml"
    path.write_text(settings, encoding="utf-8")
    world.plan = planned(read_document(path))
    with pytest.raises(RefusedRunError, match="deletionProtection: false"):
        world.run()


def test_a_stack_that_was_there_empty_stays(world: World) -> None:
    world.change(stack=0)
    world.run()
    assert world.state["stack"] == 0
    world.change(stack=None)


def test_the_users_file_is_not_written(world: World, environment: tuple[Path, Document, Plan]) -> None:
    world.run()
    assert (environment[0] / "Pulumi.own.yaml").read_text(encoding="utf-8") == FILE


@pytest.mark.parametrize("keep", [False, True])
def test_an_interrupt_is_passed_on_once_and_the_destroy_follows(world: World, keep: bool, interruptible: None) -> None:
    def interrupt(text: str) -> None:
        if text == "hanging":
            threading.Timer(0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

    world.change(hang="up")
    world.on_say = interrupt
    record = world.run(keep=keep)
    assert world.interrupted
    assert statuses(record)["up"] == "interrupted"
    assert world.state["interrupts"] == 1
    if keep:
        assert record.ended is None
        world.change(hang="")
        record = world.run()
        assert record.verdict == "passed"
    assert record.ended is not None


def test_who_can_not_be_asked_for_leftovers_does_not_say_that_there_are_none(world: World) -> None:
    class Nobody(list[tuple[str, str]]):
        def __iter__(self) -> Iterator[tuple[str, str]]:
            raise CannotAskError("no-credentials", "no credentials")

    world.left = Nobody()
    record = world.run()
    assert statuses(record)["leftovers"] == "failed"
    assert record.step("leftovers").findings[0].verdict == "unknown"


def test_without_a_terminal_consent_needs_the_word(tmp_path: Path) -> None:
    done = run_command("serving", "acceptance", "examples/smallest.yaml")
    assert (done.code, "agree with --yes" in done.err) == (2, True)
