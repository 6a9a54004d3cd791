"""How TPU chips are bought."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticKnownError

from catalog.gke import LONGEST_RUN_HOURS
from settings.base import Section

Reservation = Annotated[
    str,
    Field(
        pattern=r"^(projects/[-a-z0-9:.]+/reservations/)?[a-z]([-a-z0-9]{0,61}[a-z0-9])?(/reservationBlocks/[-a-z0-9]+(/reservationSubBlocks/[-a-z0-9]+)?)?$"
    ),
]
Zone = Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+\d+-[a-z0-9]+$")]
_HOURS = f"How long a node may run, in hours (at most {LONGEST_RUN_HOURS})."
# Google "Spot VMs" in GKE: 30 seconds from the notice on, of which pods have the first 15, and system pods the rest.
_SPOT_SECONDS, CRITICAL_PODS_SECONDS = 30, 15
LONGEST_SPOT_ANSWER = 120 - CRITICAL_PODS_SECONDS  # with spotGraceSeconds
_WORDS = ("onDemand", "flexStart", "spot")
Keep = Annotated[int, Field(ge=0, le=1000)]


class OnDemandEntry(Section):
    """On-demand chips."""

    keep: Keep = Field(0, description="Slices that are always on, and always paid for.")


class FlexStartEntry(Section):
    """Flex-start chips (DWS)."""

    max_run_hours: int | None = Field(None, ge=1, description=_HOURS)


class SpotEntry(Section):
    """Spot chips, which Google may take back at any time."""


class Entry(Section):
    """One way of buying chips; exactly one of reservation, onDemand, flexStart and spot (TP20)."""

    reservation: Reservation | None = Field(None, description="Reservation name, or projects/P/reservations/R.")
    zone: Zone | None = Field(None, description="Zone of the reservation, where it is not the first zone.")
    keep: Keep = Field(0, description="Slices of the reservation that are always on.")
    on_demand: OnDemandEntry | None = Field(None, description="On-demand chips; `onDemand` alone is enough.")
    flex_start: FlexStartEntry | None = Field(None, description="Flex-start chips; `flexStart` alone is enough.")
    spot: SpotEntry | None = Field(None, description="Spot chips; `spot` alone is enough.")


def short_entry(value: Any) -> Any:
    """An entry that is a word, or a key without a value: `spot` and `spot:` mean `{spot: {}}`.

    Raises:
        PydanticKnownError: it is another word.
    """
    if isinstance(value, dict):
        return {key: {} if key in _WORDS and below is None else below for key, below in value.items()}
    if not isinstance(value, str):
        return value
    if value not in _WORDS:
        expected = "'onDemand', 'flexStart', 'spot' or a mapping such as {reservation: my-reservation}"
        raise PydanticKnownError("literal_error", {"expected": expected})
    return {value: {}}


class Capacity(Section):
    """Purchase model of the TPU node pools, or several in order, and room for updates."""

    purchase: Literal["onDemand", "spot", "flexStart", "reservation"] = Field(
        "onDemand", description="onDemand, spot (preemptible), flexStart (DWS, at most 7 days) or reservation."
    )
    reservation: Reservation | None = Field(
        None, description="Reservation name, or projects/P/reservations/R where another project owns it."
    )
    max_run_hours: int | None = Field(None, ge=1, description=f"flexStart: {_HOURS}")
    spot_grace_seconds: Literal[120] | None = Field(
        None,
        description="Seconds from Google's notice to the end of a spot node, the last 15 for system pods; 30 when left out.",
    )
    order: list[Annotated[Entry, BeforeValidator(short_entry)]] = Field(
        default_factory=list,
        max_length=8,
        description="Purchase models in order of preference: a GKE ComputeClass falls back from one to the next.",
    )
    zones: list[Zone] = Field(
        default_factory=list,
        max_length=8,
        description="With `order`: zones of the region to try for every entry; the first is location.zone.",
    )
    migrate_back: bool = Field(
        False,
        description="With `order`, single-host slices: move replicas back to a better entry when it has chips again.",
    )
    chip_budget: int | None = Field(
        None, ge=1, description="Chips that all replicas of the environment may use together."
    )
    spare_slices: int | None = Field(
        None,
        ge=0,
        le=64,
        description="Slices above the replicas that a pool may grow by during an update; derived when left out.",
    )

    @property
    def spot_answer_seconds(self) -> int:
        """What a server on a spot node has to end its answers."""
        return (self.spot_grace_seconds or _SPOT_SECONDS) - CRITICAL_PODS_SECONDS
