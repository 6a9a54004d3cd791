"""The cloud guides as one path: each command is one that its tool takes, and needs only what a step before it made.

Nothing of it asks a cloud. Commands of ours are parsed by their own parsers, those of Pulumi by the real CLI where this machine
has it, the others by `cli_flags.yaml`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass

import pytest
import typer.main
import yaml

from catalog.preflight import permissions_for, roles
from rehearsal.assets.find import find
from serving.cli import application
from settings.document import ROOT
from tests.commands import run
from tests.project.test_commands_of_the_docs import SHELL, _lines

GUIDES = [ROOT / "docs/guide/first-deployment.md", ROOT / "docs/guide/destroy.md"]
BLOCKS = [block for guide in GUIDES for block in SHELL if block.document == guide]
COMMANDS = [
    re.sub(r"^([A-Z_0-9]+=\S+ )+", "", line.removesuffix("&").strip())
    for block in BLOCKS
    for line in _lines(block.text)
]
REFERENCE = yaml.safe_load((ROOT / "tests/project/cli_flags.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Step:
    """What a command needs, and what is there after it."""

    pattern: str
    needs: frozenset[str] = frozenset()
    makes: frozenset[str] = frozenset()


def _step(pattern: str, needs: str = "", makes: str = "") -> Step:
    return Step(pattern, frozenset(needs.split()), frozenset(makes.split()))


# The first one that matches. `gcloud` needs a login, Google's libraries and Pulumi the application default credentials.
STEPS = [
    _step(r"python -m serving plan dev$", makes="cost"),
    _step(r"gcloud auth login$", makes="login"),
    _step(r"gcloud auth application-default login$", "login project", "credentials"),
    _step(r"gcloud config set project PROJECT$", "login", "project"),
    _step(r"gcloud services enable ", "login project", "apis"),
    _step(r"python -m serving preflight dev$", "credentials apis cost", "preflight"),
    _step(r"python -m tools.ci.state bucket dev ", "login project", "state stack bucket"),
    _step(r"pulumi preview --stack dev ", "credentials state stack preflight", "preview"),
    _step(r"pulumi up --stack dev ", "credentials state stack preview cost", "deployment"),
    _step(r"pulumi stack output --stack dev --json > outputs.json$", "state deployment", "outputs"),
    _step(r"gcloud container clusters get-credentials ", "login deployment outputs", "kubeconfig"),
    _step(r"python -m serving verify dev .*--url http://localhost:8080", "outputs kubeconfig tunnel"),
    _step(
        r"python -m serving verify dev --outputs outputs.json --kubeconfig ",
        "outputs kubeconfig credentials",
        "verified",
    ),
    _step(r"kubectl run curl ", "kubeconfig outputs"),
    _step(r"gcloud compute ssh VM ", "login outputs", "tunnel"),
    _step(r"pulumi destroy --stack dev$", "credentials state deployment", "destroyed"),
    _step(r"pulumi stack rm dev$", "state destroyed", "removed"),
    _step(r"python -m serving leftovers dev$", "credentials destroyed", "leftovers"),
    _step(r"python -m serving leftovers dev --delete$", "credentials deployment"),
    _step(r"gcloud compute \S+ list --filter", "login project"),
    _step(r"gcloud storage rm --recursive gs://BUCKET$", "bucket removed"),
    _step(r"gcloud kms keys versions destroy ", "removed"),
]
ENDS_WITH = {"cost", "preflight", "deployment", "verified", "destroyed", "leftovers", "removed"}


def missing_before(commands: list[str]) -> list[str]:
    """Each command with what it needs and no command before it made."""
    made: set[str] = set()
    found = []
    for command in commands:
        step = next((step for step in STEPS if re.match(step.pattern, command)), None)
        assert step is not None, f"no step is known for: {command}"
        found += [f"{command}: {need}" for need in sorted(step.needs - made)]
        made |= step.makes
    return found + [f"no step makes: {wanted}" for wanted in sorted(ENDS_WITH - made)]


def test_each_step_needs_only_what_a_step_before_it_made() -> None:
    assert missing_before(COMMANDS) == []


# Nothing after these needs them.
LAST = ("gcloud compute", "gcloud storage rm", "gcloud kms", "kubectl run", "python -m serving verify dev --outputs")
LEFT_OUT = [c for c in COMMANDS if (not c.startswith(LAST) or " ssh " in c) and not c.endswith(" --delete")]


@pytest.mark.parametrize("command", LEFT_OUT)
def test_a_step_that_is_left_out_is_missed(command: str) -> None:
    assert missing_before([other for other in COMMANDS if other != command]) != []


def _parsed(words: list[str]) -> None:
    """A command of ours by its own parser, without running it; raises where it is none."""
    if words[2] == "serving":
        commands = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
        commands[words[3]].make_context(words[3], words[4:])
    else:
        done = run(words[2], *words[3:], "--dry-run")
        assert done.code == 0, done.text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_one_that_its_tool_takes(command: str) -> None:
    words = shlex.split(command.split(" > ")[0].replace("BUCKET", "example-bucket"))
    if words[0] == "python":
        _parsed(words)
        return
    [name] = [name for name in REFERENCE if words[: len(name.split())] == name.split()]
    rest = words[len(name.split()) :]
    rest = rest[: rest.index("--")] if "--" in rest else rest
    flags = [word.split("=")[0] for word in rest if word.startswith("-")]
    assert set(flags) <= set(REFERENCE[name]["flags"]), command
    values = {"--stack", "--policy-pack", "--location", "--zone", "--key", "--keyring"}
    plain = [
        word for at, word in enumerate(rest) if not word.startswith("-") and (at == 0 or rest[at - 1] not in values)
    ]
    arguments = REFERENCE[name].get("arguments", 0)
    assert arguments == "many" or len(plain) == arguments, (command, plain)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("pulumi ")])
def test_the_real_pulumi_takes_the_flags(command: str) -> None:
    program = find(["pulumi"]).get("pulumi")
    if program is None:
        pytest.skip("the Pulumi CLI is not here")
    words = [*shlex.split(command.split(" > ")[0])[1:], "--help"]
    done = subprocess.run([program.path, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "unknown flag" not in done.stderr, done.stderr


def test_the_table_of_roles_has_every_role_of_the_permissions() -> None:
    text = GUIDES[0].read_text(encoding="utf-8")
    for role in roles():
        assert f"| `{role}` |" in text, role
    assert set(permissions_for(("always",)).values()) <= set(roles())


def test_the_guides_show_the_cost_before_the_first_up() -> None:
    text = GUIDES[0].read_text(encoding="utf-8")
    assert text.index("per month") < text.index("pulumi up")
