"""The review as data: what `review --format json` prints, and both renderers read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from serving.plan.against.contract import Difference
from settings.base import Contract


class Refusal(Contract):
    """Why a file is refused."""

    rule: str
    path: str
    message: str
    fix: str


class EnvironmentReview(Contract):
    """One environment. `refused`: the file as it is now; `incomparable`: the other side can't be read or is refused."""

    environment: str
    file: str
    state: Literal["unchanged", "changed", "new", "removed", "refused", "incomparable"]
    difference: Difference | None = Field(description="Where the state is changed.")
    plan: str | None = Field(description="Markdown, where there is nothing to compare with.")
    refusals: list[Refusal]


class Review(Contract):
    """Every environment of the checkout, and those that only the other side has."""

    against: str
    environments: list[EnvironmentReview]

    @property
    def refused(self) -> bool:
        """Whether a file is refused as it is now."""
        return any(e.state == "refused" for e in self.environments)
