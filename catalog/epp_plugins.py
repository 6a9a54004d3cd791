"""Which plugins an endpoint picker (EPP) version knows, what its configuration accepts, what its loader adds by itself."""

from __future__ import annotations

from typing import Any

from catalog.files import UnknownVersionError, read_yaml


def epp_versions() -> tuple[str, ...]:
    """The picker versions that are described, as image tags."""
    return tuple(read_yaml("epp_plugins.yaml")["versions"])


def load_epp_plugins(version: str) -> dict[str, Any]:
    """The table of the picker image with the tag `version` (`v0.9.0`), as `data/epp_plugins.yaml` has and explains it.

    Raises:
        UnknownVersionError: no table for that version; the message lists the versions there are.
    """
    versions: dict[str, dict[str, Any]] = read_yaml("epp_plugins.yaml")["versions"]
    if version not in versions:
        raise UnknownVersionError(
            f"no plugin table for endpoint picker {version!r}; there is one for: {', '.join(versions)}"
        )
    return versions[version]
