"""The review as data: what `review --format json` prints, and both renderers read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from serving.plan.against.contract import Difference


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Refusal(_Shape):
    """Why a file is refused."""

    rule: str
    path: str
    message: str
    fix: str


class EnvironmentReview(_Shape):
    """One environment. `refused`: the file as it is now; `incomparable`: the other side can't be read or is refused."""

    environment: str
    file: str
    state: Literal["unchanged", "changed", "new", "removed", "refused", "incomparable"]
    difference: Difference | None = Field(description="Where the state is changed.")
    plan: str | None = Field(description="Markdown, where there is nothing to compare with.")
    refusals: list[Refusal]


class Review(_Shape):
    """Every environment of the checkout, and those that only the other side has."""

    against: str
    environments: list[EnvironmentReview]

    @property
    def refused(self) -> bool:
        """Whether a file is refused as it is now."""
        return any(e.state == "refused" for e in self.environments)

    def as_json(self) -> dict[str, Any]:
        """The documented shape (docs/review-schema.json)."""
        return self.model_dump(mode="json", by_alias=True)


def review_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of a review."""
    schema = Review.model_json_schema(by_alias=True, mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "serving review --format json",
    }
