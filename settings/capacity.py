"""How TPU chips are bought."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from catalog.gke import LONGEST_RUN_HOURS
from settings.base import Section


class Capacity(Section):
    """Purchase model of the TPU node pools, and room for updates."""

    purchase: Literal["onDemand", "spot", "flexStart", "reservation"] = Field(
        "onDemand", description="onDemand, spot (preemptible), flexStart (DWS, at most 7 days) or reservation."
    )
    reservation: str | None = Field(
        None,
        pattern=r"^(projects/[-a-z0-9:.]+/reservations/)?[a-z]([-a-z0-9]{0,61}[a-z0-9])?(/reservationBlocks/[-a-z0-9]+)?$",
        description="Reservation name, or projects/P/reservations/R where another project owns it.",
    )
    max_run_hours: int | None = Field(
        None, ge=1, description=f"flexStart: how long a node may run, in hours (at most {LONGEST_RUN_HOURS})."
    )
    spare_slices: int | None = Field(
        None,
        ge=0,
        le=64,
        description="Slices above the replicas that a pool may grow by during an update; derived when left out.",
    )
