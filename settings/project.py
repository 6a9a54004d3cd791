"""The Google Cloud project and where in it the environment lives."""

from __future__ import annotations

from pydantic import Field

from settings.base import ProjectId, Section


class Project(Section):
    """The project that pays and holds every resource."""

    id: ProjectId = Field(description="Project id, not its display name.")
    number: str | None = Field(
        None,
        pattern=r"^\d+$",
        description="Project number; needed only for secrets of Secret Manager and for a weights bucket.",
    )
    enable_apis: bool = Field(
        True, description="Enable the Google APIs that the environment uses (never disabled again)."
    )


class Location(Section):
    """Region of the cluster and the one zone of the TPU pools."""

    zone: str = Field(
        pattern=r"^[a-z]+-[a-z]+\d+-[a-z0-9]+$", description="Zone of the TPU node pools, for example europe-west4-a."
    )
    region: str | None = Field(None, description="Region of network and cluster; derived from the zone when left out.")
