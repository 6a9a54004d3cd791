"""Rules about replicas that follow load or clock (AS)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from checks.registry import Found, models, number_wanted, rule, served_models
from settings.derive import Deployment
from settings.scaling import Scaling
from settings.schedule import Span, earlier, joined, out_of_turn, spans
from settings.scheduled import YEAR
from settings.start import lead


@rule("AS01")
def one_way(deployment: Deployment) -> Iterator[Found]:
    """A number, two limits, or a schedule; each complete."""
    for path, model in models(deployment):
        scaling, here = model.scaling, (*path, "scaling")
        if scaling is None:
            continue
        if "replicas" in model.model_fields_set:
            said = "`replicas` and `scaling` both say how many replicas run."
            yield Found((*path, "replicas"), model.replicas, said, "Remove `replicas`, or `scaling`.")
        limits = {"min": scaling.min, "max": scaling.max}
        if scaling.schedule:
            given = scaling.model_fields_set & {"min", "max", "queue_per_replica", "running_per_replica"}
            if given:
                said = "A schedule says how many replicas run; limits and load are for scaling by load."
                yield Found(here, sorted(given), said, "Remove min, max, queuePerReplica and runningPerReplica.")
            if scaling.otherwise is None:
                said = "A schedule says what holds at all other times."
                yield Found((*here, "otherwise"), None, said, "Write otherwise: 0, or another number.")
            continue
        if scaling.otherwise is not None:
            said = "`otherwise` belongs to a schedule, and there is none."
            yield Found((*here, "otherwise"), scaling.otherwise, said, "Remove it, or write a schedule.")
        for key, value in limits.items():
            if value is None:
                said = f"`{key}` is missing: by load replicas run between `min` and `max`."
                yield Found(
                    (*here, key), None, said, f"Write {key}: {scaling.least if key == 'min' else scaling.most}."
                )
        if scaling.min is not None and scaling.max is not None and scaling.min > scaling.max:
            said = f"`min` {scaling.min} is above `max` {scaling.max}."
            yield Found((*here, "min"), scaling.min, said, f"Write min: {scaling.max} or less.")


@rule("AS02")
def one_is_left(deployment: Deployment) -> Iterator[Found]:
    """Nothing holds a request for the minutes that a first replica needs."""
    for path, model in models(deployment):
        if model.scaling is not None and model.scaling.min == 0 and not model.scaling.by_clock:
            said = "By load no replica would be left."
            fix = "Write min: 1; for nights and weekends without any, a schedule with otherwise: 0."
            yield Found((*path, "scaling", "min"), 0, said, fix)


@rule("AS03")
def times(deployment: Deployment) -> Iterator[Found]:
    """Each time comes, and no two overlap."""
    for path, model in models(deployment):
        taken: list[Span] = []
        for index, window in enumerate(model.scaling.schedule if model.scaling else ()):
            here = (*path, "scaling", "schedule", index)
            if window.from_ == window.to:
                said = "`from` and `to` are the same time."
                yield Found((*here, "to"), window.to, said, "Write another time in `to`.")
                continue
            found = spans(window.from_, window.to, window.timezone, *YEAR)
            if not found:
                yield Found((*here, "from"), window.from_, "This time never comes.", "Write days that exist.")
            clash = next((b for (_, b), (c, _) in pairwise(sorted([*taken, *found])) if c < b), None)
            if clash is not None:
                said = f"It overlaps with another time of the schedule (until {clash:%a %d %b %H:%M} UTC)."
                yield Found(here, window.from_, said, "Let one begin where the other ends.")
            taken = joined([*taken, *found])


@rule("AS04")
def before_the_hour(deployment: Deployment) -> Iterator[Found]:
    """A time just after midnight of a day of the month can't be moved to the day before, and none before its last `to`."""
    for here, model in served_models(deployment):
        scaling: Scaling | None = model.settings.scaling
        minutes = round(lead(model).total_seconds() / 60)
        for index, window in enumerate(scaling.schedule if scaling else ()):
            path = (*here, "scaling", "schedule", index, "from")
            if earlier(window.from_, lead(model)) is None:
                said = f"Chips are asked for {minutes} min earlier, on the day before; cron has no such day of a month."
                fix = f"Write a time at least {minutes} min after midnight, or days of the week."
                yield Found(path, window.from_, said, fix)
            elif wrong := out_of_turn(window.from_, window.to, window.timezone, *YEAR, lead(model)):
                said = (
                    f"Chips are asked for {minutes} min earlier, and on {wrong:%a %d %b %H:%M} UTC `from` and `to` do not "
                    "alternate: KEDA would be on or off at other times."
                )
                fix = f"Write one `to` for each `from`, and at least {minutes} min from a `to` to the next `from`."
                yield Found(path, window.from_, said, fix)


@rule("AS05")
def metrics(deployment: Deployment) -> Iterator[Found]:
    """The picker's metrics are collected, and KEDA's account may read them."""
    if not deployment.scales_by_load:
        return
    if not deployment.settings.platform.monitoring:
        said = "Scaling by load reads the pickers' metrics, which are not collected."
        yield Found(("platform", "monitoring"), False, said, "Write monitoring: true, or leave it out.")
    if deployment.settings.project.number is None:
        yield number_wanted(deployment, "The role for KEDA's account to read metrics needs the project's number.")
