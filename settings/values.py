"""Sections as they are read: plain frozen objects with the attributes that the pydantic models of this folder declare.

Importing pydantic's model machinery and building its validator takes longer than all the rest of reading a file, and a
refused file needs neither (docs/adr/0015-settings-are-read-by-a-compiled-validator.md). So nothing here imports pydantic.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from catalog.gke import GatewayClass
from catalog.records import camel

# What the engine puts behind a date that stands in a file without quotes (seen with the CLI 3.259.0).
GO_MIDNIGHT = " 00:00:00 +0000 UTC"


class Values:
    """A section. pydantic-core fills these four slots, as it does for its own models."""

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name}: settings are not changed")


class GatewayFacts:
    """What follows from the gateway's own keys."""

    @property
    def external(self: Any) -> bool:
        """True where the class exposes the models to the internet."""
        return bool(self.gateway_class_name == GatewayClass.EXTERNAL)

    @property
    def scheme(self: Any) -> str:
        """Scheme of the URLs clients use."""
        return "https" if self.tls else "http"

    @property
    def port(self: Any) -> int:
        """Port of the listener that serves the models."""
        return 443 if self.tls else 80


class LocationFacts:
    """What follows from the zone."""

    @property
    def region_name(self: Any) -> str:
        """The region, given or derived from the zone."""
        return str(self.region or self.zone.rsplit("-", 1)[0])


class ModelFacts:
    """What follows from a model's own keys."""

    @property
    def names_for_clients(self: Any) -> list[str]:
        """What a client may put into `model`."""
        return self.served_names or [self.name]


class GatewayValues(Values, GatewayFacts):
    """The gateway's section."""


class LocationValues(Values, LocationFacts):
    """The location's section."""


class ModelValues(Values, ModelFacts):
    """A model's section."""


CLASSES: dict[str, type[Values]] = {"Gateway": GatewayValues, "Location": LocationValues, "Model": ModelValues}


def own_defaults() -> Any:
    """Default of a section: empty, so that the schema of the whole file fills it in."""
    return {}


def iso_date(value: Any) -> Any:
    """A date from text: YAML reads 2027-01-31 as a date; the engine hands the same value over as Go writes a time."""
    return datetime.date.fromisoformat(value.removesuffix(GO_MIDNIGHT)) if isinstance(value, str) else value


def as_go(value: datetime.date) -> str:
    """A date or time as the engine hands it over: Go's way to write it."""
    if not isinstance(value, datetime.datetime):
        return f"{value}{GO_MIDNIGHT}"
    zone = f"{value:%z}" or "+0000"
    return f"{value:%Y-%m-%d %H:%M:%S} {zone} {'UTC' if zone == '+0000' else zone}"


def iso_time(value: Any) -> Any:
    """A time from text, also as Go writes it: 2026-12-19 00:00:00 +0000 UTC."""
    if not isinstance(value, str):
        return value
    return datetime.datetime.fromisoformat(re.sub(r" ([-+]\d\d)(\d\d) \S+$", r"\1:\2", value))


def is_written(section: Any, name: str) -> bool:
    """True where the file gives the attribute, False where it is a default."""
    return name in section.__pydantic_fields_set__


def as_data(value: Any) -> Any:
    """A section, or a list of some, as the file would say it: camelCase, defaults written out, nothing for none."""
    if isinstance(value, Values):
        return {camel(name): as_data(inner) for name, inner in vars(value).items() if inner is not None}
    if isinstance(value, list):
        return [as_data(inner) for inner in value]
    return dict(value) if isinstance(value, dict) else value
