"""The one table of what is real in a rehearsal and what is an emulator; `docs/rehearsal.md` is generated from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from settings.derive import Deployment

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Part:
    """`asset` is a binary's name, `package` the folder of an emulator below `rehearsal/`; exactly one is set.

    `note` says what is true of a program only as it is here: built otherwise than upstream, or of another version;
    `{epp}` in it stands for the picker's version that is deployed.
    """

    part: str
    kind: str
    asset: str = ""
    package: str = ""
    needs: str = ""
    note: str = ""

    def behaviour(self) -> list[dict[str, Any]]:
        """Rows of an emulator: what it does, from which source, and the test that holds it."""
        path = _HERE / self.package / "behaviour.yaml"
        return yaml.safe_load(path.read_text("utf-8")) if self.package else []


def all_parts() -> list[Part]:
    """In the order of the table."""
    return [Part(**row) for row in yaml.safe_load((_HERE / "parts.yaml").read_text(encoding="utf-8"))]


def parts_of(deployment: Deployment, *, metrics: bool = False) -> list[Part]:
    """The parts that an environment needs: no LeaderWorkerSet where it is off, metrics where asked for or scaled by."""
    there = {
        "leaderWorkerSet": deployment.settings.platform.leader_worker_set != "off",
        "metrics": metrics or deployment.scales,
        "scaling": deployment.scales,
        "": True,
    }
    return [part for part in all_parts() if there[part.needs]]


def assets_of(deployment: Deployment, *, metrics: bool = False) -> list[str]:
    """Names of the binaries that an environment needs."""
    return [part.asset for part in parts_of(deployment, metrics=metrics) if part.asset]
