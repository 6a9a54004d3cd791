"""The undos by the id of the rule whose fix they take away. Data: `catalogue.yaml`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from catalog.rules import Rule, find_rule
from rehearsal.undo.edits import EDITS
from settings.derive import Deployment


class UndoError(Exception):
    """There is no such undo, or it shows nothing in this environment; the message says which there are."""


@dataclass(frozen=True)
class Undo:
    """One fix that can be taken away.

    `undoes` says what is changed, `symptom` what happens then, `look` is a command that shows it. `check` and `failure`
    are those that verify names. `fresh`: it shows at a first `up` only, so the rehearsal starts from nothing.
    """

    id: str
    undoes: str
    symptom: str
    look: str
    check: str
    failure: str
    fresh: bool = False

    @property
    def rule(self) -> Rule:
        """The rule that asks for the fix."""
        rule = find_rule(self.id)
        assert rule is not None  # a test holds every id
        return rule


@cache
def load_undos() -> dict[str, Undo]:
    """All undos by id, in the order of the catalogue."""
    rows: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "catalogue.yaml").read_text("utf-8"))
    return {key: Undo(key, **row) for key, row in rows.items()}


def find_undos(ids: Iterable[str], deployment: Deployment) -> list[Undo]:
    """The undos of these ids, each once.

    Raises:
        UndoError: an unknown id, or one that would show nothing in this environment.
    """
    keys = list(dict.fromkeys(text.upper() for text in ids))
    for key in keys:
        if key not in load_undos():
            raise UndoError(f"There is no undo {key}.")
        words, holds = EDITS[key].needs
        if not holds(deployment):
            raise UndoError(f"{key} shows nothing in {deployment.name}: it needs {words}.")
    return [load_undos()[key] for key in keys]
