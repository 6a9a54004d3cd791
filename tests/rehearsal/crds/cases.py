"""The corpus: objects of GKE's own kinds, and what a real cluster does with each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Case:
    """An object, and whether a real cluster takes it."""

    kind: str
    name: str
    accepted: bool
    object: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def corpus() -> list[Case]:
    """Every case of every file."""
    found = []
    for path in sorted((Path(__file__).parent / "corpus").glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for row in document["cases"]:
            obj = {"apiVersion": document["apiVersion"], "kind": document["kind"]}
            obj["metadata"] = {"name": "case", "namespace": "default"}
            if row["spec"] is not None:
                obj["spec"] = row["spec"]
            found.append(Case(document["kind"], row["name"], row["accepted"], obj))
    return found
