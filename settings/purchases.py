"""Purchase models in order: what each node pool is bought by, where, and what its pool is called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from catalog.gke import LONGEST_RUN_HOURS
from settings.capacity import Capacity, Entry

Kind = Literal["onDemand", "spot", "flexStart", "reservation"]
_TAGS: dict[Kind, str] = {"onDemand": "od", "spot": "spot", "flexStart": "flex", "reservation": "res"}


@dataclass(frozen=True)
class Purchase:
    """One way of buying chips in one zone.

    Attributes:
        hours: flex-start: how long a node may run.
        keep: slices that are always on.
        grace_seconds: of spot: from the notice to the end of a node, where it is not GKE's default.
        tag: what tells its pools apart from those of other entries and zones, whatever their order; empty for the only one.
    """

    kind: Kind
    zone: str
    reservation: str | None = None
    hours: int | None = None
    keep: int = 0
    grace_seconds: int | None = None
    tag: str = ""


def kinds_of(entry: Entry) -> list[Kind]:
    """The purchase models that an entry names: one, unless TP20 refuses it."""
    named = {
        "reservation": entry.reservation,
        "onDemand": entry.on_demand,
        "flexStart": entry.flex_start,
        "spot": entry.spot,
    }
    return [kind for kind in _TAGS if named[kind] is not None]


def purchases(capacity: Capacity, zone: str) -> tuple[Purchase, ...]:
    """Purchases in order of preference: the one of the short form, or each entry of `order` zone by zone."""
    if not capacity.order:
        hours = capacity.max_run_hours or LONGEST_RUN_HOURS if capacity.purchase == "flexStart" else None
        grace = capacity.spot_grace_seconds if capacity.purchase == "spot" else None
        return (Purchase(capacity.purchase, zone, capacity.reservation, hours, grace_seconds=grace),)
    zones = tuple(dict.fromkeys((zone, *capacity.zones)))
    return tuple(bought for entry in capacity.order for bought in _bought(entry, zones, capacity.spot_grace_seconds))


def _bought(entry: Entry, zones: tuple[str, ...], spot_grace: int | None) -> Iterator[Purchase]:
    """A reservation lies in one zone; the minimum of an entry in the first of its zones."""
    kinds = kinds_of(entry)
    if len(kinds) != 1:
        return
    kind = kinds[0]
    if kind == "reservation":
        place = entry.zone or zones[0]
        short = hashlib.sha256(str(entry.reservation).encode()).hexdigest()[:4]
        yield Purchase(kind, place, entry.reservation, keep=entry.keep, tag=f"{_TAGS[kind]}{short}-{_letter(place)}")
        return
    hours = entry.flex_start.max_run_hours or LONGEST_RUN_HOURS if entry.flex_start else None
    keep = entry.on_demand.keep if entry.on_demand else 0
    for index, place in enumerate(zones):
        tag = f"{_TAGS[kind]}-{_letter(place)}"
        grace = spot_grace if kind == "spot" else None
        yield Purchase(kind, place, hours=hours, keep=0 if index else keep, grace_seconds=grace, tag=tag)


def _letter(zone: str) -> str:
    return zone.rsplit("-", 1)[-1]
