"""Which plugins an endpoint picker (EPP) version knows, what its configuration accepts, what its loader adds by itself.

Source and date: `data/epp_plugins.yaml`.
"""

from __future__ import annotations

import datetime
import difflib
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from catalog.files import UnknownVersionError, read_yaml

PluginKind = Literal[
    "admitter",
    "data-producer",
    "data-source",
    "decider",
    "discovery",
    "extractor",
    "fairness-policy",
    "filter",
    "ordering-policy",
    "parser",
    "picker",
    "pre-admitter",
    "pre-request",
    "profile-handler",
    "reporter",
    "saturation-detector",
    "scorer",
    "test",
    "usage-limit-policy",
]


class _Fact(BaseModel):
    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class PluginParameter(_Fact):
    """One parameter of a plugin; `default` is the picker's own."""

    type: Literal["bool", "int", "float", "str"]
    default: bool | int | float | str
    deprecated: bool = False
    note: str = ""


class Plugin(_Fact):
    """One plugin type. `parameters` is None where they were not read, `{}` where the plugin takes none."""

    kind: PluginKind
    also_in_gie150: bool = Field(alias="alsoInGie150")
    deprecated: bool = False
    replaced_by: str | None = None
    auto_created: bool = False
    parameters: dict[str, PluginParameter] | None = None
    file: str


class ConfigFormat(_Fact):
    """The configuration document the picker accepts. `api_version_for_both`: also read by the upstream picker 1.5.0."""

    kind: str
    api_versions: tuple[str, ...]
    deprecated_api_versions: tuple[str, ...]
    api_version_for_both: str
    strict: bool
    feature_gates: tuple[str, ...]
    top_level_keys: tuple[str, ...]
    deprecated_keys: dict[str, str]
    files: tuple[str, ...]


class LoaderDefault(_Fact):
    """Something the picker's loader adds when the configuration leaves it out."""

    when: str
    adds: str
    file: str


class KserveRewrite(_Fact):
    """A change KServe makes to a configuration before the picker reads it."""

    what: str
    file: str


class KserveDefault(_Fact):
    """The configuration KServe writes when a service states none."""

    kserve: str
    file: str
    config: dict[str, Any]


class EppPlugins(_Fact):
    """Everything known about one picker version."""

    source: str
    also_source: str
    date: datetime.date
    config: ConfigFormat
    added_when_omitted: tuple[LoaderDefault, ...]
    kserve_default: KserveDefault
    kserve_rewrites: tuple[KserveRewrite, ...]
    plugins: dict[str, Plugin]

    def nearest(self, name: str, n: int = 3) -> list[str]:
        """Known plugin types that look most like `name`, best first."""
        return difflib.get_close_matches(name, self.plugins, n=n, cutoff=0.5)


def epp_versions() -> tuple[str, ...]:
    """The picker versions that are described, as image tags."""
    return tuple(read_yaml("epp_plugins.yaml")["versions"])


@cache
def load_epp_plugins(version: str) -> EppPlugins:
    """The plugin table of the picker image with the tag `version` (`v0.9.0`).

    Raises:
        UnknownVersionError: no table for that version; the message lists the versions there are.
    """
    versions = read_yaml("epp_plugins.yaml")["versions"]
    if version not in versions:
        raise UnknownVersionError(
            f"no plugin table for endpoint picker {version!r}; there is one for: {', '.join(versions)}"
        )
    return EppPlugins.model_validate(versions[version])
