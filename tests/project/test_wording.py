"""Words that readers stumbled over do not come back: in documents, texts of data files, `--help`, and messages of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings.document import ROOT
from tests.commands import run
from tests.project.test_commands_of_the_docs import DOCUMENTS, SUBCOMMANDS

# Pattern -> the word of the field.
TERMS = {
    r"stand-ins?": "emulator",
    r"answer limit": "request timeout",
    r"start(-?up)? budget": "startup timeout",
    r"in a row": "sequential",
    r"(un)?locked": "pinned",
    r"refus(e|es|ed|al|als)": "rejected",
    r"can(not|'t)? be felt": "inject a known failure",
    r"mend(s|ed|ing)?": "fix",
    r"takes no": "does not support",
    r"stands twice": "duplicate key",
    r"its own defaults": "see below",
    r"set aside": "exception",
    r"a last day": "expiry date",
    r"for ever": "crash-loops, forever",
    r"looks? whether": "checks",
    r"least nodes": "minimum nodes",
    r"stumbles?": "blockers",
    r"by turns": "round robin",
    r"(?<!here )is no [A-Z][\w-]*": "is not a valid",
    r"can't be told": "is invalid",
    r"careful to be": "tier",
    r"never come": "are never provisioned",
    r"is said so": "is reported",
}
# A text that a term may stand in, with the reason.
ALLOWED = (
    r"connections? (is |are )?refused|refused connection|refused or broken connection",  # TCP's own word
    r"refuses? to start",  # plain English, of a server
    r"[\w./-]*(stand-in|refus)[\w./-]*[-_./:][\w./-]+|[\w./-]+[-_./:][\w.-]*(refus|stand-in)[\w./-]*",  # names of files, checks
    r"(state is|stack is currently) locked",  # Pulumi's state has a lock
    r"rules set aside, with reason and last day",  # of a released contract (docs/contract)
)
PACKAGES = (
    "catalog",
    "checks",
    "cluster",
    "components",
    "manifests",
    "policy",
    "providers",
    "rehearsal",
    "serving",
    "settings",
)
# Keys of data files whose values people read.
TEXTS = {"title", "consequence", "fix", "unverified", "message", "looks", "why", "do", "behaviour", "undoes", "symptom"}
_ALLOWED = re.compile("|".join(ALLOWED), re.IGNORECASE)
_TERM = re.compile("|".join(rf"\b(?:{term})\b" if "A-Z" in term else rf"\b(?i:{term})\b" for term in TERMS))


def found(text: str) -> list[str]:
    """The terms in a text."""
    return [match[0] for match in _TERM.finditer(_ALLOWED.sub(" ", " ".join(text.split())))]


def messages(path: Path) -> Iterator[str]:
    """The texts of a module that are no documentation of code: strings with a blank, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield from [node.value] if " " in node.value else []


def texts(data: Any, read: bool = False) -> Iterator[str]:
    """Values of a data file below the keys that people read."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from texts(value, read or key in TEXTS)
    elif isinstance(data, list):
        for value in data:
            yield from texts(value, read)
    elif read and isinstance(data, str):
        yield data


@cache
def _modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_the_check_finds_each_term_and_passes_over_what_is_allowed() -> None:
    assert found("GKE refuses it") == ["refuses"] and found("A stand-in,\nlocked") == ["stand-in", "locked"]
    assert found("X is no DNS-1035 label") and not found("the Connection refused at once; see credentials-refused")


def test_documents() -> None:
    assert {str(d): terms for d in DOCUMENTS if (terms := found(d.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize("command", [[], *([name] for name in SUBCOMMANDS)], ids=" ".join)
def test_help(command: list[str]) -> None:
    assert found(run("serving", *command, "--help").out) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_data_files(package: str) -> None:
    own = (
        path for path in sorted((ROOT / package).rglob("*.yaml")) if path.parent.name != "crds"
    )  # there are Google's
    for path in own:
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            wrong = [(word, text) for text in texts(document) for word in found(text)]
            assert wrong == [], path


def test_messages_of_the_code() -> None:
    wrong = [(path.name, word, text) for path in _modules() for text in messages(path) for word in found(text)]
    assert wrong == []
