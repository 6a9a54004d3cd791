"""The one table of what is real in a rehearsal and what is a stand-in; `docs/rehearsal.md` is generated from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from settings.derive import Deployment

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Part:
    """`asset` is a binary's name, `package` the folder of a stand-in below `rehearsal/`; exactly one is set.

    `note` says what is true of a program only as it is here: built otherwise than upstream, or of another version.
    """

    part: str
    kind: str
    asset: str = ""
    package: str = ""
    needs: str = ""
    note: str = ""

    def behaviour(self) -> list[dict[str, Any]]:
        """Rows of a stand-in: what it does, from which source, and the test that holds it."""
        if not self.package:
            return []
        rows: list[dict[str, Any]] = yaml.safe_load((_HERE / self.package / "behaviour.yaml").read_text("utf-8"))
        return rows


def all_parts() -> list[Part]:
    """In the order of the table."""
    return [Part(**row) for row in yaml.safe_load((_HERE / "parts.yaml").read_text(encoding="utf-8"))]


def parts_of(deployment: Deployment) -> Iterator[Part]:
    """The parts that an environment needs: no LeaderWorkerSet where it is off."""
    platform = deployment.settings.platform
    absent = {"leaderWorkerSet"} if platform.leader_worker_set == "off" else set()
    return (part for part in all_parts() if part.needs not in absent)


def assets_of(deployment: Deployment) -> list[str]:
    """Names of the binaries that an environment needs."""
    return [part.asset for part in parts_of(deployment) if part.asset]
