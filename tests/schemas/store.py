"""Finds the published schemas and loads them; parsed schemas are kept on disk, named by the hash of their file.

The two KServe CRDs are 2 MB of YAML each and take seconds to parse; their JSON without descriptions takes milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .issues import Schema
from .structural import require_known_keywords

LOCATION_VARIABLE = "TPU_SERVING_SCHEMAS"
_PROJECT_ROOT = Path(__file__).resolve().parents[2]
_FORMAT = b"3"  # part of the cache key: change it when what is stored changes

# The dumps from live clusters carry neither group, version nor scope. The groups are those of the catalog's folders.
_LIVE = {
    "computeclass_v1": ("cloud.google.com/v1", "ComputeClass", "Cluster"),
    "gcpbackendpolicy_v1": ("networking.gke.io/v1", "GCPBackendPolicy", "Namespaced"),
    "gcpgatewaypolicy_v1": ("networking.gke.io/v1", "GCPGatewayPolicy", "Namespaced"),
    "gcproutingextension_v1": ("networking.gke.io/v1", "GCPRoutingExtension", "Namespaced"),
    "gcptrafficextension_v1": ("networking.gke.io/v1", "GCPTrafficExtension", "Namespaced"),
    "healthcheckpolicy_v1": ("networking.gke.io/v1", "HealthCheckPolicy", "Namespaced"),
    "podmonitoring_v1": ("monitoring.googleapis.com/v1", "PodMonitoring", "Namespaced"),
    "rules_v1": ("monitoring.googleapis.com/v1", "Rules", "Namespaced"),
    "secretproviderclass_v1": ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", "Namespaced"),
    "secretsync_v1": ("secret-sync.gke.io/v1", "SecretSync", "Namespaced"),
}


class SchemaError(Exception):
    """A schema file that cannot be used as it is."""


@dataclass(frozen=True)
class Entry:
    """One served version of one kind in one variant. `scope` is `Namespaced` or `Cluster`."""

    variant: str
    api_version: str
    kind: str
    scope: str
    file: Path

    def schema(self) -> Schema:
        """The structural schema, without descriptions."""
        return _load(self.file)


@cache
def _load(file: Path) -> Schema:
    schema: Schema = json.loads(file.read_bytes())
    return schema


def location() -> Path:
    """The schema folder: `TPU_SERVING_SCHEMAS`, or `shared/crds` beside the project."""
    override = os.environ.get(LOCATION_VARIABLE)
    return Path(override) if override else _PROJECT_ROOT.parent / "shared" / "crds"


def entries() -> dict[tuple[str, str], tuple[Entry, ...]]:
    """All schemas by (apiVersion, kind). Empty where the folder is absent.

    Raises SchemaError on a file that is no CRD, no known dump, or holds a keyword that the validator does not know.
    """
    return _entries(location(), _cache_folder())


@cache
def _entries(folder: Path, cache_folder: Path) -> dict[tuple[str, str], tuple[Entry, ...]]:
    found: dict[tuple[str, str], tuple[Entry, ...]] = {}
    for path in sorted([*folder.glob("*/*.yaml"), *folder.glob("*/*.json")]):
        for entry in _file_entries(path, cache_folder):
            key = entry.api_version, entry.kind
            found[key] = (*found.get(key, ()), entry)
    return found


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tpu-serving" / "schemas"


def _file_entries(path: Path, cache_folder: Path) -> list[Entry]:
    """The file's entries, from the cache or parsed now."""
    variant = path.parent.name
    content = path.read_bytes()
    # A dump's kind comes from its file name, so the name is part of the key.
    key = hashlib.sha256(b"\0".join([_FORMAT, path.name.encode(), content])).hexdigest()[:32]
    listing = cache_folder / f"{key}.json"
    if not listing.exists():
        cache_folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for number, (api_version, kind, scope, schema) in enumerate(_parse(path, content.decode())):
            name = f"{key}-{number}.json"
            _write(cache_folder / name, schema)
            rows.append([api_version, kind, scope, name])
        _write(listing, rows)  # last: whoever sees the listing can read its schemas
    return [
        Entry(variant, api_version, kind, scope, cache_folder / name)
        for api_version, kind, scope, name in json.loads(listing.read_bytes())
    ]


def _write(path: Path, data: Any) -> None:
    """Writes at once, because several test processes fill the cache together."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        json.dump(data, file, separators=(",", ":"), ensure_ascii=False)
    os.replace(file.name, path)


def _parse(path: Path, text: str) -> Iterator[tuple[str, str, str, Schema]]:
    """(apiVersion, kind, scope, schema) of each served version in the file."""
    if path.suffix == ".json":
        if path.stem not in _LIVE:
            raise SchemaError(f"{path}: the group and kind of this dump are not known")
        yield *_LIVE[path.stem], _stripped(json.loads(text), path)
        return
    # cert-manager publishes its CRDs as chart templates.
    plain = "\n".join(line for line in text.splitlines() if "{{" not in line)
    for document in yaml.load_all(plain, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        # The Gateway API folder also holds the admission policy for its own CRDs.
        if not document or document["kind"] != "CustomResourceDefinition":
            continue
        spec = document["spec"]
        for version in spec["versions"]:
            if version["served"]:
                schema = _stripped(version["schema"]["openAPIV3Schema"], path)
                yield f"{spec['group']}/{version['name']}", spec["names"]["kind"], spec["scope"], schema


def _stripped(schema: Schema, path: Path) -> Schema:
    """A checked copy without descriptions."""
    try:
        require_known_keywords(schema)
    except ValueError as error:
        raise SchemaError(f"{path}: {error}") from error
    return _without_descriptions(schema)


def _without_descriptions(schema: Schema) -> Schema:
    result = {key: value for key, value in schema.items() if key != "description"}
    for key in ("items", "additionalProperties", "not"):
        if isinstance(result.get(key), dict):
            result[key] = _without_descriptions(result[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if key in result:
            result[key] = [_without_descriptions(branch) for branch in result[key]]
    if "properties" in result:
        result["properties"] = {name: _without_descriptions(value) for name, value in result["properties"].items()}
    return result
