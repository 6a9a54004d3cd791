"""Rules about what interrupts: maintenance by GKE (CL17 to CL19)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from checks.registry import Found, rule, served_models
from checks.shared.maintenance import (
    LEAST,
    LONGEST_WITHOUT_UPGRADES,
    MOST_EXCLUSIONS,
    MOST_WITHOUT_UPGRADES,
    ROLLING,
    least_availability,
)
from settings.derive import Deployment
from settings.windows import PRODUCTION, Window, utc, written

_PATH = ("cluster", "maintenance")


@rule("CL17")
def window(deployment: Deployment) -> Iterator[Found]:
    """It closes after it opened, and leaves GKE enough time in spite of the exclusions."""
    found, exclusions = deployment.maintenance_window, deployment.settings.cluster.maintenance.exclusions
    if found is None:
        if exclusions:
            said, fix = "Exclusions need a window beside them.", f"Write window: {written(PRODUCTION)}"
            yield Found((*_PATH, "window"), None, said, fix)
        return
    if found.length <= timedelta():
        fix = f"Write end: {utc(found.start + PRODUCTION.length)}."
        yield Found((*_PATH, "window", "end"), utc(found.end), "The window closes before it opens.", fix)
        return
    # Of those that another finding is about, nothing is concluded.
    whole = [(e.start, e.end) for e in exclusions if e.scope == "NO_UPGRADES"]
    without = [span for span in whole if timedelta() < span[1] - span[0] <= LONGEST_WITHOUT_UPGRADES]
    least = least_availability(found, without)
    if least is not None and least < LEAST:
        beside = " beside the exclusions" if least_availability(found, ()) != least else ""
        said = f"It leaves {_hours(least)} of {ROLLING.days} days{beside}; GKE wants {_hours(LEAST)}, in pieces of 4 or more."
        wider = Window(found.start, found.start + PRODUCTION.length, PRODUCTION.recurrence)
        fits = (least_availability(wider, without) or timedelta()) >= LEAST
        fix = f"Write window: {written(wider)}" if fits else "Shorten the exclusions, or open the window more often."
        yield Found((*_PATH, "window"), found.recurrence, said, fix)


def _hours(time: timedelta) -> str:
    return f"{time.total_seconds() / 3600:g} h"


@rule("CL17")
def exclusions(deployment: Deployment) -> Iterator[Found]:
    """Each ends after it began, is not too long for its scope, and has a name of its own; there are not too many."""
    found, path = deployment.settings.cluster.maintenance.exclusions, (*_PATH, "exclusions")
    for index, exclusion in enumerate(found):
        if exclusion.end <= exclusion.start:
            fix = f"Write end: {utc(exclusion.start + timedelta(days=14))}."
            yield Found((*path, index, "end"), utc(exclusion.end), "The exclusion ends before it begins.", fix)
        if exclusion.scope == "NO_UPGRADES" and exclusion.end - exclusion.start > LONGEST_WITHOUT_UPGRADES:
            longest = LONGEST_WITHOUT_UPGRADES
            said = f"Without any upgrade a cluster stays for {longest.days} days at most."
            fix = f"Write end: {utc(exclusion.start + longest)}, or scope: NO_MINOR_OR_NODE_UPGRADES."
            yield Found((*path, index, "end"), utc(exclusion.end), said, fix)
        if exclusion.name in [other.name for other in found[:index]]:
            said = "Another exclusion has this name; GKE keeps one of the two."
            fix = f"Write name: {exclusion.name}-of-{exclusion.start.year}."
            yield Found((*path, index, "name"), exclusion.name, said, fix)
    whole = sum(exclusion.scope == "NO_UPGRADES" for exclusion in found)
    for count, most, of in ((len(found), MOST_EXCLUSIONS, ""), (whole, MOST_WITHOUT_UPGRADES, " of NO_UPGRADES")):
        if count > most:
            said = f"A cluster has at most {most} exclusions{of}, and these are {count}."
            yield Found(path, count, said, "Remove those that are over, or make one of two.")


@rule("CL18")
def any_time(deployment: Deployment) -> Iterator[Found]:
    """Outside of development GKE is told when it may upgrade."""
    if deployment.settings.tier != "dev" and deployment.maintenance_window is None:
        said = "No maintenance window is set: GKE upgrades control plane and nodes at any time of day."
        yield Found((*_PATH, "window"), None, said, f"Write window: {written(PRODUCTION)}")


@rule("CL19")
def one_replica(deployment: Deployment) -> Iterator[Found]:
    """A model in production is served by more than one replica."""
    for here, model in served_models(deployment):
        scaling = model.settings.scaling
        if deployment.settings.tier == "production" and model.least_replicas == 1:
            said = "One replica serves production: whatever ends its node interrupts it."
            key = "replicas" if scaling is None else "min"
            path = (*here, *([] if scaling is None else ["scaling"]), key)
            fix = "Write 2 replicas or more in its schedule." if scaling and scaling.by_clock else f"Write {key}: 2."
            yield Found(path, 1, said, fix)
