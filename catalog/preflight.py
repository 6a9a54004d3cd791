"""What Google's side must have before anything is created, with a dated source each. Data: `data/preflight.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from catalog.files import read_yaml
from catalog.records import record
from catalog.rules import Source, source_of
from catalog.tpu import generations

QUOTA_SERVICE = "compute.googleapis.com"


@dataclass(frozen=True)
class Expectation:
    """Where the expectation of a check is from. `unverified`: what about it nobody has seen; empty where all is known."""

    sources: tuple[Source, ...]
    unverified: str = ""

    @property
    def source(self) -> str:
        """All sources with their dates, in one line."""
        return "; ".join(map(str, self.sources))


@dataclass(frozen=True)
class QuotaId:
    """A quota of compute.googleapis.com in the Cloud Quotas API; it counts chips of one region.

    `family` is the value of its dimension `tpu_family`, empty where it has none.
    """

    id: str
    verified: bool
    family: str = ""

    def dimensions(self, region: str) -> dict[str, str]:
        """The dimensions to look for."""
        return {"region": region, **({"tpu_family": self.family} if self.family else {})}


@cache
def expectations() -> dict[str, Expectation]:
    """By name of the check."""
    return {
        name: record(Expectation, row, sources=tuple(map(source_of, row["sources"])))
        for name, row in read_yaml("preflight.yaml")["checks"].items()
    }


def quotas_of(generation: str, purchase: str) -> tuple[QuotaId, ...]:
    """The quotas that a purchase of chips draws on, the first one first; empty where it needs none."""
    kinds = read_yaml("preflight.yaml")["purchases"][purchase]
    return tuple(record(QuotaId, read_yaml("preflight.yaml")["quotas"][generation][kind]) for kind in kinds)


def quota_metric(family: str, purchase: str) -> str:
    """`compute.googleapis.com/ID` of the quota that a purchase of a TPU family's chips draws on first."""
    generation = next(name for name, facts in generations().items() if facts.quota_family == family)
    return f"{QUOTA_SERVICE}/{quotas_of(generation, purchase)[0].id}"


def disk_quota(disk_type: str) -> str:
    """Id of the quota that boot disks of a type draw on, in GB."""
    return str(read_yaml("preflight.yaml")["diskQuotas"][disk_type])


def permissions_for(reasons: tuple[str, ...]) -> dict[str, str]:
    """Permission -> role that brings it, for everything in `reasons` (keys of the data file)."""
    found: dict[str, str] = {}
    for reason in reasons:
        for role, permissions in read_yaml("preflight.yaml")["permissions"][reason].items():
            found |= dict.fromkeys(permissions, role)
    return found


def roles() -> dict[str, dict[str, Any]]:
    """Role -> `why`, `reads` (the role that only reads, where there is one), and the `reasons` that make it necessary."""
    by_role: dict[str, list[str]] = {}
    for reason, granted in read_yaml("preflight.yaml")["permissions"].items():
        for role in granted:
            by_role.setdefault(role, []).append(reason)
    return {
        role: {**read_yaml("preflight.yaml")["roles"][role], "reasons": reasons} for role, reasons in by_role.items()
    }
