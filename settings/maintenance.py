"""When GKE may maintain the cluster by itself: one window that recurs, and times in which it may not."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

from settings.base import Section
from settings.dates import iso_time

Moment = Annotated[AwareDatetime, BeforeValidator(iso_time)]


class MaintenanceWindow(Section):
    """When automatic upgrades may run; days and times are UTC."""

    start: Moment = Field(description="When it opens first, such as 2026-01-03T01:00:00Z.")
    end: Moment = Field(
        description="When it closes that first time; this gives its length, which counts from 4 hours on."
    )
    recurrence: str = Field(
        "FREQ=DAILY",
        pattern=r"^FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;[A-Z]+=[-+,0-9A-Z]+)*$",
        description='How it recurs (RFC 5545), in quotes: "FREQ=WEEKLY;BYDAY=SA,SU".',
    )


class MaintenanceExclusion(Section):
    """A time without automatic upgrades."""

    name: str = Field(min_length=1, description="Name, unique in the cluster.")
    start: Moment = Field(description="From when on, such as 2026-12-19T00:00:00Z.")
    end: Moment = Field(description="Until when.")
    scope: Literal["NO_UPGRADES", "NO_MINOR_UPGRADES", "NO_MINOR_OR_NODE_UPGRADES"] = Field(
        "NO_UPGRADES",
        description="What it keeps from happening; without NO_UPGRADES patches of the control plane go on.",
    )


class Maintenance(Section):
    """When GKE may upgrade control plane and nodes by itself (CL17)."""

    window: MaintenanceWindow | None = Field(
        None,
        description="One window; in production Saturday and Sunday 01:00 to 09:00 UTC when left out, else any time.",
    )
    exclusions: list[MaintenanceExclusion] = Field(
        default_factory=list, description="Times without upgrades; they need a window beside them."
    )
