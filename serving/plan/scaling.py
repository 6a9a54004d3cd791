"""Replicas that follow load or clock: what a burst waits, when nobody is served, and what the range costs."""

from __future__ import annotations

from collections.abc import Iterator

from settings.cost import CostRange
from settings.schedule import words
from settings.scheduled import asked_for
from settings.served import ServedModel
from settings.start import burst_seconds, up_window
from settings.text import count


def replicas(model: ServedModel) -> str:
    """`2 replicas`, or `1 to 4 replicas`."""
    least, most = model.least_replicas, model.most_replicas
    return count(most, "replica") if least == most else f"{least} to {count(most, 'replica')}"


def lines(model: ServedModel) -> Iterator[str]:
    """What there is to know of a model's scaling; nothing where the number of replicas is fixed."""
    scaling = model.settings.scaling
    if scaling is None:
        return
    if not scaling.by_clock:
        queue = f", or {scaling.queue_per_replica} queued," if model.picker_queue else ""
        yield f"scaling by load: one more at {scaling.running_per_replica} running{queue} requests a replica"
        window, (fast, slow) = up_window(model), burst_seconds(model)
        yield f"a burst waits {fast // 60} to {slow // 60} min for another replica, {window // 60} min of it to be sure"
        return
    for one in scaling.schedule:
        when = f"from {words(one.from_)} until {words(one.to)}"
        yield f"{count(one.replicas, 'replica')} {when} {one.timezone}"
        yield f"    chips are asked for at {words(asked_for(model, one.from_))}"
    if scaling.otherwise:
        yield f"otherwise {count(scaling.otherwise, 'replica')}"
    else:
        yield "at all other times none: clients get 503"


def cost_line(found: CostRange, currency: str) -> str:
    """What a month costs at least and at most."""
    if found.least == found.most:
        return f"{found.most:,.0f} {currency} a month, replicas by the clock"
    return f"{found.least:,.0f} to {found.most:,.0f} {currency} a month: by load from fewest to most replicas, by the clock as scheduled"
