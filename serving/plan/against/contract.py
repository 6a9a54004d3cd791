"""The difference of two environments as data: what `--against --format json` prints, and all renderers read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from settings.base import Contract


class Against(Contract):
    """The other side: what the environment is compared with."""

    kind: Literal["ref", "file", "outputs"]
    name: str = Field(description="As it was named, with the file it means.")
    environment: str


class Count(Contract):
    """A number before and after."""

    before: int
    after: int


class Money(Contract):
    """An estimate with all replicas running."""

    per_hour: float
    per_day: float = Field(description="24 hours.")
    per_month: float = Field(description="730 hours.")


class CostChange(Contract):
    """Cost before and after."""

    currency: str
    before: Money
    after: Money
    change: Money
    unpriced: list[str] = Field(description="What has no known price on either side, and so is not in the sums.")


class ChipChange(Contract):
    """Chips of one kind in one place."""

    generation: str | None = Field(description="null where the other side does not say.")
    purchase: str | None
    location: str = Field(description="Zone, or region where the other side does not say more.")
    before: int
    after: int


class QuotaChange(Contract):
    """Quota of one TPU family that has to be there."""

    metric: str
    region: str
    family: str
    before: int
    after: int
    during_update_before: int
    during_update_after: int


class ModelChange(Contract):
    """A model that differs. `restarted`: its servers are replaced; `changed`: they are not."""

    name: str
    change: Literal["added", "removed", "restarted", "changed"]
    replicas: Count
    chips: Count
    url: str | None = Field(description="Base URL afterwards; null where the model is removed.")
    restart_because: list[str] = Field(description="What restarts its servers.")
    without_restart: list[str] = Field(description="What changes while its servers go on.")
    breaks_clients: list[str] = Field(description="What clients use today and will get an error for.")


class GatewayChange(Contract):
    """Something about the way in."""

    what: str
    before: str
    after: str
    loud: bool = Field(description="Clients notice it, or more people get in.")


class Loss(Contract):
    """Something that holds an address, data or TPU capacity, and is replaced or deleted."""

    action: Literal["replaced", "deleted"]
    kind: str
    name: str
    holds: str
    because: list[str]


class RuleChange(Contract):
    """A rule that speaks now, or no longer."""

    rule: str
    path: str
    change: Literal["warned", "settled", "overridden", "overrideEnded"]
    message: str


class Update(Contract):
    """A resource that is added, deleted, replaced or changes in place."""

    action: Literal["added", "deleted", "replaced", "updated"]
    kind: str
    name: str
    properties: list[str] = Field(description="What changes in it: `path: before -> after`.")


class Difference(Contract):
    """What becomes of an environment."""

    environment: str
    against: Against
    headline: str = Field(description="All of it in one line.")
    changed: bool
    safe: bool = Field(
        description="Nothing restarts, is replaced or stays undone, no model, URL or protection is lost, nothing is opened."
    )
    complete: bool = Field(description="False against outputs: they don't hold pod templates and resources.")
    models: list[ModelChange]
    chips: Count
    chips_by_kind: list[ChipChange]
    cost: CostChange
    quota: list[QuotaChange]
    gateway: list[GatewayChange]
    losses: list[Loss]
    not_done: list[str] = Field(
        description="What is declared no more and stays in the cloud as it is: pulumi up does not change it."
    )
    rules: list[RuleChange]
    resources: list[Update]
    notes: list[str]
