"""A bucket near the chips: for weights, and for compiled programs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.base import Section

# Google "About Cloud Storage buckets", names without dots: 3 to 63 small letters, digits, dashes and underscores.
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$")]


class Weights(Section):
    """A bucket in the environment's region that replicas start from."""

    bucket: BucketName | None = Field(
        None,
        description="create, or the name of an existing bucket in the region with uniform bucket-level access; none when left out.",
    )
    compile_cache: bool = Field(
        True, description="Keep compiled programs there, so that later starts and other replicas read them."
    )
    delete_bucket: bool = Field(
        False, description="Delete a created bucket with everything in it on destroy; it is left when false."
    )
