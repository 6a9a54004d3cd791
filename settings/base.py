"""What all sections share, and all data for others: pydantic models, camelCase outside and snake_case in Python."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from settings.names import RESOURCE_NAME


class Section(BaseModel):
    """A part of the environment file: unknown keys are refused, nothing is converted silently."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        validate_default=True,
        populate_by_name=False,
        defer_build=True,  # one schema for the whole file instead of one more for each section
    )


class Contract(BaseModel):
    """Data that others read: exactly these keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def as_json(self) -> dict[str, Any]:
        """The shape that is printed and documented."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def schema_for(cls, title: str) -> dict[str, Any]:
        """JSON Schema, draft 2020-12."""
        schema = cls.model_json_schema(by_alias=True, mode="serialization")
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


Cidr = Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$", examples=["10.0.0.0/20"])]
ResourceName = Annotated[str, Field(pattern=RESOURCE_NAME)]
# What Kubernetes takes for a Secret's name: RFC 1123, with dots, and a digit may come first.
SecretName = Annotated[
    str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
]
# Of Certificate Manager: capitals and underscores too.
CertificateName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
# RFC 1123, in small letters as Kubernetes writes them: no scheme, no port, no path, no wildcard. Addresses: rule GW13.
HostName = Annotated[
    str,
    Field(
        max_length=253,
        pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
    ),
]
ProjectId = Annotated[str, Field(pattern=r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$")]
MachineType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$")]
# Ten characters or more that are no blanks at either end.
Reason = Annotated[str, Field(pattern=r"^\s*\S[\s\S]{8,}\S\s*$")]
Provision = Literal["create", "existing"]
Install = Literal["install", "existing"]
