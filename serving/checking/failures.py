"""Every failure that has a section in the runbook: how it looks, why, what to do. Printed as docs/runbook/PART.md.

Data: the folder `data/` of each command that names failures, and of this package what Pulumi and Google print.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict

RUNBOOK = "docs/runbook"
_FOLDER = Path(__file__).parent.parent
# The parts of the runbook, each with its files, in the order of its sections.
PARTS = {
    "preflight": tuple(f"preflight/data/{name}" for name in ("asking", "project", "capacity", "network", "weights")),
    "verify": ("verify/data/kubernetes", "verify/data/asking"),
    "requests": ("verify/data/traffic",),
    "alerts": ("alerts/data/alerts",),
    "drift": ("drift/data/findings",),
    "up-refresh-destroy": ("checking/data/pulumi",),
}


# Folded over several lines in the files, one line everywhere else.
Line = Annotated[str, AfterValidator(lambda text: " ".join(text.split()))]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorText(_Entry):
    """Words that a tool prints, as they stand in its message; `source` is a document, a record, or the test that prints them."""

    text: Line
    source: Line


class Failure(_Entry):
    """One failure. `why` is a sentence or two, also printed as the likely cause; `do` are steps; `rules` are rule ids.

    `consequence`: usually something else that is also reported is the cause. `words`: what Pulumi or Google print of it.
    """

    id: str
    part: str
    looks: Line
    why: Line
    do: tuple[Line, ...]
    rules: tuple[str, ...] = ()
    consequence: bool = False
    words: tuple[ErrorText, ...] = ()

    @property
    def anchor(self) -> str:
        """Its section of the runbook."""
        return f"{RUNBOOK}/{self.part}.md#{self.id}"


@cache
def load_failures() -> dict[str, Failure]:
    """All failures by id, in the order of the runbook."""
    return {
        key: Failure(id=key, part=part, **entry)
        for part, names in PARTS.items()
        for name in names
        for key, entry in yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")).items()
    }


def find_failure(name: str) -> Failure:
    """The failure of an id.

    Raises:
        KeyError: there is none: a check named something that the runbook does not know.
    """
    return load_failures()[name]
