"""How many replicas of a model run: by load between two limits, or by the clock."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from settings.base import Section
from settings.schedule import cron, timezone

Cron = Annotated[str, AfterValidator(cron)]
Timezone = Annotated[str, AfterValidator(timezone)]


class ScheduledReplicas(Section):
    """Replicas from one time to another, again and again."""

    from_: Cron = Field(
        alias="from",
        description='When clients are served from, as cron in quotes: "0 7 * * 1-5"; minute and hour fixed.',
    )
    to: Cron = Field(description="Until when, likewise.")
    timezone: Timezone = Field(description="Time zone of both, such as Europe/Berlin, or UTC.")
    replicas: int = Field(ge=1, le=1000, description="Replicas in that time.")


class Scaling(Section):
    """Replicas that follow the load (`min` and `max`), or the clock (`schedule` and `otherwise`) (AS01)."""

    min: int | None = Field(None, ge=0, le=1000, description="By load: fewest replicas, 1 or more (AS02).")
    max: int | None = Field(None, ge=1, le=1000, description="By load: most replicas; pools and quota follow it.")
    queue_per_replica: int = Field(
        1,
        ge=0,
        le=10_000,
        description="By load: requests that wait in the endpoint picker for each replica; 0: no queue.",
    )
    running_per_replica: int = Field(
        16, ge=1, le=10_000, description="By load: requests that run on each replica before another one is added."
    )
    schedule: list[ScheduledReplicas] = Field(
        default_factory=list,
        max_length=16,
        description="By the clock: times with their replicas, none of which overlap.",
    )
    otherwise: int | None = Field(
        None, ge=0, le=1000, description="By the clock: replicas at all other times; 0 is allowed."
    )

    @property
    def by_clock(self) -> bool:
        """Whether a schedule decides."""
        return bool(self.schedule)

    @property
    def most(self) -> int:
        """The most replicas that may run."""
        if self.by_clock:
            return max(1, self.otherwise or 0, *(window.replicas for window in self.schedule))
        return max(self.max or 1, self.min or 1)

    @property
    def least(self) -> int:
        """The fewest."""
        if self.by_clock:
            return min(self.otherwise or 0, *(window.replicas for window in self.schedule))
        return self.min if self.min is not None else 1
