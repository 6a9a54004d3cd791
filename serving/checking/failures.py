"""Every failure that a check can name: how it looks, why, what to do. Printed as docs/runbook.md.

Data: the folder `data/` of each command that names failures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RUNBOOK = "docs/runbook.md"
_FOLDER = Path(__file__).parent.parent
# In the order of the runbook.
FILES = (
    *(f"preflight/data/{name}" for name in ("asking", "project", "capacity", "network")),
    *(f"verify/data/{name}" for name in ("kubernetes", "traffic")),
    "drift/data/findings",
    "verify/data/asking",
)


@dataclass(frozen=True)
class Failure:
    """One failure. `why` is a sentence or two, also printed as the likely cause; `do` are steps; `rules` are rule ids.

    `consequence`: usually something else that is also reported is the cause.
    """

    id: str
    looks: str
    why: str
    do: tuple[str, ...]
    rules: tuple[str, ...] = ()
    consequence: bool = False

    @property
    def anchor(self) -> str:
        """Its section of the runbook."""
        return f"{RUNBOOK}#{self.id}"


@cache
def load_failures() -> dict[str, Failure]:
    """All failures by id, in the order of the runbook."""
    found: dict[str, Failure] = {}
    for name in FILES:
        entries: dict[str, dict[str, Any]] = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        for key, entry in entries.items():
            texts = {field: " ".join(entry[field].split()) for field in ("looks", "why")}
            steps = tuple(" ".join(step.split()) for step in entry["do"])
            found[key] = Failure(
                key, texts["looks"], texts["why"], steps, tuple(entry.get("rules", ())), entry.get("consequence", False)
            )
    return found


def find_failure(name: str) -> Failure:
    """The failure of an id.

    Raises:
        KeyError: there is none: a check named something that the runbook does not know.
    """
    return load_failures()[name]
