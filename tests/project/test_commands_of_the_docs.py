"""Every command that README and documentation show is run here, or says which test runs it, or that it needs a cloud.

A shell block (`sh`) is run as it stands. A comment above it says otherwise: `<!-- needs a cloud -->`, or
`<!-- run by tests/... -->`. `<!-- part of the output of: COMMAND -->` stands above an excerpt: its lines, in their order,
are what the command prints; a line `...` leaves some out.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import typer.main

from serving.cli import application
from tests.commands import OFFLINE, Done, run

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
CLOUD = "needs a cloud"
RUN_BY = "run by "
PART_OF = "part of the output of: "
# The comment, the fence (with its indentation), its language, its text.
_BLOCK = re.compile(r"(?:<!-- ([^>]*?) -->\n+)?^( *)```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: Path
    number: int
    note: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}-{self.number}"


def _blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [Block(document, n, m[1] or "", m[3], m[4]) for n, m in enumerate(_BLOCK.finditer(text))]


BLOCKS = [block for document in DOCUMENTS for block in _blocks(document)]
SHELL = [block for block in BLOCKS if block.language == "sh"]
RUN_HERE = [block for block in SHELL if not block.note.startswith((CLOUD, RUN_BY))]


def _lines(text: str) -> Iterator[str]:
    """The commands of a shell block; one may go over several lines."""
    for line in text.replace("\\\n", " ").splitlines():
        if shlex.split(line, comments=True):
            yield line.strip()


@cache
def _run(line: str) -> Done:
    """A command as documented, run once: a target of make in a process, a command of ours in this one."""
    words = shlex.split(line, comments=True)
    variables = {}
    while "=" in words[0]:
        name, _, variables[name] = words.pop(0).partition("=")
    if words[:2] == ["python", "-m"]:
        return run(*words[2:], variables={**OFFLINE, **variables})
    assert words[0] == "make", f"only commands of ours and targets of make are run here: {line}"
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def test_every_block_says_what_it_is() -> None:
    assert [str(block) for block in BLOCKS if block.language not in {"sh", "yaml", "text", "json"}] == []


def test_no_command_hides_in_another_kind_of_block() -> None:
    command = re.compile(r"^ {0,3}(python -m|make|pulumi|uv run|gcloud|kubectl) ", re.MULTILINE)
    hidden = [block for block in BLOCKS if block.language == "text" and command.search(block.text)]
    assert [str(block) for block in hidden] == []


@pytest.mark.parametrize("block", RUN_HERE, ids=str)
def test_a_command_of_the_documents_works(block: Block) -> None:
    for line in _lines(block.text):
        assert _run(line).code == 0, _run(line).text


@pytest.mark.parametrize("block", [block for block in SHELL if block.note.startswith(RUN_BY)], ids=str)
def test_a_command_that_another_test_runs_is_run_by_it(block: Block) -> None:
    place = ROOT / block.note.removeprefix(RUN_BY)
    tests = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    assert tests
    text = "".join(path.read_text(encoding="utf-8") for path in tests)
    # The subcommand of ours, the target of make, or the name of a script.
    run_here = {line for other in RUN_HERE for line in _lines(other.text)}
    for words in (shlex.split(line) for line in _lines(block.text) if line not in run_here):
        wanted = words[3] if words[:3] == ["python", "-m", "serving"] else Path(words[1]).name
        assert re.search(rf"\b{wanted}\b", text), words


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.note.startswith(PART_OF)], ids=str)
def test_an_excerpt_is_what_the_command_prints(block: Block) -> None:
    done = _run(block.note.removeprefix(PART_OF))
    printed = iter(done.text.splitlines())
    for line in block.text.splitlines():
        if line.strip() != "...":
            assert any(line.rstrip() == other.rstrip() for other in printed), line


SUBCOMMANDS = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
_RULES = re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
TARGETS = {target for rule in _RULES for target in rule.split()}


def _options(command: str) -> set[str]:
    return {name for parameter in SUBCOMMANDS[command].params for name in parameter.opts} | {"--help"}


def test_commands_named_in_the_text_exist_with_their_options() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    for called in re.findall(r"python -m serving ((?:(?!-->)[^`\n|])+)", text):
        command, *words = called.split()
        if command.isupper() or command.startswith("-"):
            continue  # COMMAND stands for any; options of all commands
        assert command in SUBCOMMANDS, called
        given = {word.split("=")[0].rstrip(".,;)") for word in words if word.startswith("--")}
        assert given <= _options(command), called
    for target in re.findall(r"(?:`|^)make ([a-z-]+)", text, flags=re.MULTILINE):
        assert target in TARGETS, target


# Of these a document is not for those who use the program: how it is developed, what changed, what pipelines call.
_OTHERS = {"CONTRIBUTING.md", "CHANGELOG.md", "ci.md"}


def test_there_is_one_way_to_call_the_program() -> None:
    """`python -m serving COMMAND`; `make` is for the checkout, and for pipelines (CONTRIBUTING.md)."""
    read = (d for d in DOCUMENTS if d.name not in _OTHERS and d.parent.name != "adr")
    text = "\n".join(document.read_text(encoding="utf-8") for document in read)
    assert [name for name in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE) if name in SUBCOMMANDS] == []
    assert re.findall(r"\.venv/bin/python", text) == []
