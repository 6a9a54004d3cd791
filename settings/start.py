"""How long a replica takes until it serves."""

from __future__ import annotations

import math
from datetime import timedelta

from catalog.durations import model_start_seconds
from settings.served import GIB, ServedModel

LONGEST_WINDOW = 3600  # of a HorizontalPodAutoscaler (autoscaling/v2)


def start_seconds(model: ServedModel, *, later: bool = False) -> tuple[float, float] | None:
    """From nothing to Ready: as fast as measured, and as slow as reported; None for a model of unknown size.

    `later`: with programs that an earlier start compiled, where they are kept.
    """
    if model.weights_bytes is None:
        return None
    warm = later and model.programs_folder is not None
    return model_start_seconds(model.weights_bytes / GIB, streamed=model.streamed is not None, warm=warm)


def added_seconds(model: ServedModel) -> tuple[int, int]:
    """How long a further replica takes, fast and slow; of a model of unknown size without its weights."""
    fast, slow = start_seconds(model, later=True) or model_start_seconds(0)
    return math.ceil(fast), math.ceil(slow)


def lead(model: ServedModel) -> timedelta:
    """How long before the hour a schedule asks for chips: a slow start, in whole minutes."""
    return timedelta(minutes=math.ceil(added_seconds(model)[1] / 60))


def up_window(model: ServedModel) -> int:
    """Seconds that the load has to last before a replica is added: as long as one takes to serve (llm-d's advice)."""
    return min(added_seconds(model)[0], LONGEST_WINDOW)


def down_window(model: ServedModel) -> int:
    """Seconds without load before a replica is taken away: as long as another one might take to come."""
    return min(added_seconds(model)[1], LONGEST_WINDOW)


def burst_seconds(model: ServedModel) -> tuple[int, int]:
    """How long a burst waits for a further replica, fast and slow."""
    fast, slow = added_seconds(model)
    return up_window(model) + fast, up_window(model) + slow
