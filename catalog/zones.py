"""Zones that are listed for a TPU generation. Lists change: they warn, they never reject. Data: `data/zones.yaml`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from catalog.files import read_yaml


def listed_on() -> str:
    """The day of the lists."""
    return str(read_yaml("zones.yaml")["date"])


def is_for_ai(zone: str) -> bool:
    """True for a zone for AI workloads, which a project has to switch on: `us-central1-ai1a`."""
    return zone.rpartition("-")[2].startswith("ai")


def listed_zones(generation: str) -> tuple[str, ...]:
    """Zones that may be proposed for a generation, empty where no list is known."""
    return _zones(generation, "zones")


def is_listed(zone: str, generation: str) -> bool:
    """True for a zone that a list has for a generation, a zone for AI workloads among them."""
    return zone in _zones(generation, "zones") or zone in _zones(generation, "aiZones")


def _zones(generation: str, kind: str) -> tuple[str, ...]:
    facts = read_yaml("zones.yaml")["generations"].get(generation) or {}
    return tuple(row["zone"] for row in facts.get(kind, ()))


def zones_of(region: str) -> list[str]:
    """Zones of a region that are listed for any generation."""
    every = (zone for generation in read_yaml("zones.yaml")["generations"] for zone in listed_zones(generation))
    return sorted({zone for zone in every if zone.rsplit("-", 1)[0] == region})


def nearest_zones(zone: str, generation: str, count: int = 3) -> list[str]:
    """Listed zones by distance from a zone's region; in list order where that region's place is not known."""
    return by_distance(zone, listed_zones(generation))[:count]


def by_distance(zone: str, others: Iterable[str]) -> list[str]:
    """Zones by distance from a zone's region; those of places that are not known last, in their order."""
    places = read_yaml("regions.yaml")["regions"]
    here = places.get(zone.rsplit("-", 1)[0])

    def distance(other: str) -> float:
        there = places.get(other.rsplit("-", 1)[0])
        if here is None or there is None:
            return math.inf
        latitude_1, latitude_2 = math.radians(here["latitude"]), math.radians(there["latitude"])
        turn = math.radians(here["longitude"] - there["longitude"])
        cosine = math.sin(latitude_1) * math.sin(latitude_2) + math.cos(latitude_1) * math.cos(latitude_2) * math.cos(
            turn
        )
        return math.acos(max(-1.0, min(1.0, cosine)))

    return sorted(others, key=distance)
