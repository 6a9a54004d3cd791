"""The plan as data: what `plan --format json` prints, and what it prints of a rejected file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, TypeAdapter

from catalog.models import Task
from settings.base import Contract
from settings.outputs import Outputs
from settings.purchases import Kind

Span = tuple[NonNegativeInt, NonNegativeInt]


class Resource(Contract):
    """One resource of the graph."""

    name: str
    type: str = Field(description="Pulumi type token.")
    parent: str | None = Field(description="Name of the component it belongs to.")
    depends_on: list[str] = Field(description="Names of what is created before it, sorted.")
    provider: str | None = Field(description="Name of its provider.")
    protect: bool
    inputs: dict[str, Any] = Field(description="What the program asks for.")


class ScheduledReplicas(Contract):
    """Replicas from one time to another, cron."""

    from_: str = Field(alias="from")
    to: str
    timezone: str
    replicas: NonNegativeInt
    asked_for: str = Field(description="Cron at which chips are asked for: a slow start before `from`.")


class Scaling(Contract):
    """Replicas that follow load or clock."""

    by: Literal["load", "clock"]
    fewest: NonNegativeInt
    most: NonNegativeInt
    start_seconds: Span = Field(description="Of a further replica, fast and slow.")
    burst_seconds: Span | None = Field(
        description="What a burst waits for a further replica, fast and slow; null by the clock."
    )
    times: list[ScheduledReplicas]


class Model(Contract):
    """A model that is served."""

    name: str
    served_names: list[str] = Field(min_length=1)
    url: str = Field(description="Base URL; an address that is not known yet stands in angle brackets.")
    replicas: PositiveInt = Field(description="The most, where they are scaled.")
    scaling: Scaling | None
    chips: NonNegativeInt = Field(description="Chips of all replicas.")
    machine_type: str
    topology: str
    hosts: PositiveInt = Field(description="Hosts of one slice.")
    devices: PositiveInt = Field(
        description="Devices of one slice, over which the server spreads the model; two a chip of a TPU7x."
    )
    task: Task
    request_path: str = Field(description="Where clients ask, below the base URL.")
    backend: Literal["flax_nnx", "vllm"] | None = Field(
        description="The runtime's backend that serves it; null where its architecture is not known."
    )
    weights_bytes: NonNegativeInt | None = Field(description="Null where not known.")
    revision: str = Field(description="Of the Hub, as the source names it; empty where it names none.")
    weights: str = Field(description="gs:// address that weights are read from; empty where there is none.")
    memory_gib: PositiveInt | None = Field(description="Host memory of a server.")
    start_seconds: Span | None = Field(
        description="From an empty pool to Ready: as fast as measured, as slow as reported; null for unknown size."
    )
    later_start_seconds: Span | None = Field(
        description="The same with compiled programs in the bucket; equal where there is none."
    )
    startup_budget_seconds: NonNegativeInt


class Quota(Contract):
    """Quota of one TPU family."""

    metric: str
    region: str
    family: str = Field(description="TPU family as Google's quota names it.")
    needed: NonNegativeInt = Field(description="Chips of all replicas.")
    during_update: NonNegativeInt = Field(description="Chips during rolling updates of every model.")


class Entry(Contract):
    """A way of buying chips, in order of preference; one without `capacity.order`."""

    purchase: Kind
    zone: str
    reservation: str | None
    max_run_hours: int | None = Field(description="Flex-start: how long a node may run.")
    keep: NonNegativeInt = Field(description="Slices that are always on.")
    per_hour: float | None = Field(
        description="Cost of the environment with all replicas on it; null where a price is missing."
    )
    unlisted_generations: list[str] = Field(description="TPU generations that no list has in this zone.")


class CostItem(Contract):
    """One line of the estimate."""

    name: str
    quantity: NonNegativeInt
    unit: str
    unit_price: NonNegativeFloat | None = Field(description="Per hour; null where no price is known.")
    per_hour: NonNegativeFloat | None
    source: str


class Cost(Contract):
    """Estimate with all replicas running; traffic is not in it."""

    currency: str
    per_hour: NonNegativeFloat = Field(description="Sum of what has a price.")
    per_month: NonNegativeFloat = Field(description="730 hours.")
    budget_per_month: NonNegativeFloat | None = Field(description="monitoring.budgetPerMonth; null where none is set.")
    per_month_range: tuple[NonNegativeFloat, NonNegativeFloat] | None = Field(
        description="With the fewest and the most replicas, schedules by their hours; null where none scale."
    )
    items: list[CostItem]
    prices_as_of: str = Field(json_schema_extra={"format": "date"})


class Time(Contract):
    """Estimated time of the first `pulumi up`."""

    critical_path_seconds: NonNegativeInt = Field(description="A model of unknown size counts without its weights.")
    slowest_seconds: NonNegativeInt = Field(description="The same with everything as slow as reported.")
    serial_seconds: NonNegativeInt = Field(description="All steps one after the other.")
    chips_wait_seconds: NonNegativeInt = Field(description="Until GKE gives up on TPU nodes without an error.")
    path: list[str] = Field(description="Names of the resources on the critical path, in order.")


class Figure(Contract):
    """A published figure that starts are estimated from; none was measured on this environment."""

    name: str = Field(description="What takes so long, and the unit.")
    value: NonNegativeFloat = Field(description="As fast as measured.")
    most: NonNegativeFloat = Field(description="As slow as reported.")
    measured: bool = Field(description="Measured by the source; false for an estimate.")
    date: str = Field(json_schema_extra={"format": "date"})
    source: str


class Window(Contract):
    """When GKE may upgrade."""

    start: str = Field(json_schema_extra={"format": "date-time"})
    end: str = Field(json_schema_extra={"format": "date-time"})
    recurrence: str = Field(description="RFC 5545, days in UTC.")


class Exclusion(Contract):
    """A time without upgrades."""

    name: str
    start: str
    end: str
    scope: str


class Maintenance(Contract):
    """When GKE may upgrade control plane and nodes by itself."""

    window: Window | None = Field(description="Null where GKE may upgrade at any time.")
    exclusions: list[Exclusion]


class Warned(Contract):
    """A warning does not reject the environment."""

    rule: str
    path: str
    message: str


class Refusal(Contract):
    """Why the environment is rejected."""

    rule: str
    path: str = Field(description="Path in the user's file.")
    value: Any = Field(description="What stands there.")
    message: str = Field(description="What is wrong.")
    consequence: str = Field(description="What happens otherwise.")
    fix: str = Field(description="What to write; lines after the first one are to be pasted.")
    source: str = Field(description="Where the fact is from, with dates.")
    line: PositiveInt | None


class Planned(Contract):
    """A planned environment (exit code 0)."""

    environment: str
    resources: list[Resource]
    models: list[Model] = Field(min_length=1)
    chips: NonNegativeInt
    quota: list[Quota]
    order: list[Entry] = Field(min_length=1)
    cost: Cost
    time: Time
    start_figures: list[Figure]
    maintenance: Maintenance
    outputs: Outputs
    warnings: list[Warned]
    refusals: list[Refusal] = Field(max_length=0)


class Refused(Contract):
    """A rejected environment (exit code 2)."""

    environment: None
    warnings: list[Warned]
    refusals: list[Refusal] = Field(min_length=1)


def plan_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of both."""
    schema = TypeAdapter(Planned | Refused).json_schema(by_alias=True, mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "serving plan --format json",
        **schema,
    }
