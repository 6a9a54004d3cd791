"""Who is told of what goes wrong, and what was promised to clients."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.base import Section

Channel = Annotated[str, Field(pattern=r"^projects/[a-z0-9][-a-z0-9.:]*/notificationChannels/[0-9]+$")]


class Objectives(Section):
    """Objectives of each model over 30 days. What burns their budget too fast is told."""

    # A burn of 14.4 times the budget must be less than all requests: no alert could tell it of less than 93.1 %.
    availability: float | None = Field(
        None, ge=95, le=99.99, allow_inf_nan=False, description="Percent of requests that the service does not fail."
    )
    time_to_first_token_p95_ms: int | None = Field(
        None,
        ge=1,
        le=2_560_000,
        alias="timeToFirstTokenP95Ms",
        description="Milliseconds within which a server has the first token of 95 percent of requests (MN02).",
    )


class Monitoring(Section):
    """Alerts and a dashboard in Cloud Monitoring; none without `notify` or `objectives`."""

    notify: list[Channel] = Field(
        default_factory=list,
        max_length=16,
        description="Notification channels that are told: projects/PROJECT/notificationChannels/NUMBER.",
    )
    objectives: Objectives = Field(default_factory=Objectives)
    budget_per_month: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="USD that the environment may cost in a month; plan warns above it.",
    )
