"""When GKE may maintain the cluster by itself: one window that recurs, and times in which it may not."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from settings.base import Section
from settings.dates import iso_time

Moment = Annotated[AwareDatetime, BeforeValidator(iso_time)]


_DAY = r"([-+]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)"
_NUMBER = r"[-+]?[1-9]\d*"
# RFC 5545, 3.3.10, of what a window of hours can be repeated by.
_PARTS = {
    "BYDAY": rf"{_DAY}(,{_DAY})*",
    "INTERVAL": r"0*[1-9]\d*",
    "COUNT": r"0*[1-9]\d*",
    "UNTIL": r"\d{8}(T\d{6}Z?)?",
    "WKST": r"MO|TU|WE|TH|FR|SA|SU",
    **dict.fromkeys(("BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"), rf"{_NUMBER}(,{_NUMBER})*"),
    **dict.fromkeys(("BYHOUR", "BYMINUTE", "BYSECOND"), r"\d{1,2}(,\d{1,2})*"),
}


def _recurrence(text: str) -> str:
    """Its parts are those of RFC 5545, each once; it has an end by date or by count, not both."""
    parts = [part.split("=", 1) for part in text.split(";")[1:]]
    names = [name for name, _ in parts]
    for name, value in parts:
        if names.count(name) > 1 or name == "FREQ":
            raise ValueError(f"{name} is there twice")
        if not re.fullmatch(_PARTS.get(name, "(?!)"), value):
            raise ValueError(f"RFC 5545 has no {name}={value}")
    if {"COUNT", "UNTIL"} <= set(names):
        raise ValueError("COUNT and UNTIL exclude each other")
    return text


class MaintenanceWindow(Section):
    """When automatic upgrades may run; days and times are UTC."""

    start: Moment = Field(description="When it opens first, such as 2026-01-03T01:00:00Z.")
    end: Moment = Field(
        description="When it closes that first time; this gives its length, which counts from 4 hours on."
    )
    recurrence: Annotated[str, AfterValidator(_recurrence)] = Field(
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
