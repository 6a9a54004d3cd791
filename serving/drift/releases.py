"""Helm releases as Helm keeps them (a Secret for each revision), against the plan; and the objects they made."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from cluster.reading import Cluster
from providers.kubernetes.values import same
from serving.drift.compare import HIDDEN, Difference, differences
from serving.drift.findings import Action, Drift, Kind, drifted
from serving.drift.ownership import Path, Writer, last_writer, owners
from serving.drift.planned import PlannedRelease

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CRD = "CustomResourceDefinition"
_DEPLOYED = "deployed"


@dataclass(frozen=True)
class Deployed:
    """The newest revision of a release, as Helm recorded it, and who wrote the record."""

    status: str
    revision: int
    version: str
    values: dict[str, Any]
    manifest: str
    writer: Writer | None

    def objects(self) -> Iterator[dict[str, Any]]:
        """What its chart made. Of a definition of a kind, which is long, only what names it."""
        for document in re.split(r"^---.*$", self.manifest, flags=re.MULTILINE):
            crd = re.search(rf"^kind: *\"?{_CRD}\"?\s*$", document, re.MULTILINE)
            obj = yaml.load(_head_of(document) if crd else document, Loader=_Loader)  # noqa: S506 - a safe loader
            if isinstance(obj, dict) and "kind" in obj:
                yield obj


def newest(cluster: Cluster, release: PlannedRelease) -> Deployed | None:
    """What Helm knows of a release; None where there is none.

    Raises:
        CannotAskError: its Secrets can't be read.
    """
    labels = {"owner": "helm", "name": release.name}
    found = cluster.labelled("v1", "Secret", labels, release.namespace)
    last = max(found, key=lambda item: int(item["metadata"]["labels"].get("version", 0)), default=None)
    if last is None:
        return None
    data = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(last["data"]["release"]))))
    return Deployed(
        data["info"]["status"],
        int(data["version"]),
        data["chart"]["metadata"]["version"],
        data.get("config") or {},
        data.get("manifest") or "",
        last_writer(owners(last)),
    )


def release_drift(release: PlannedRelease, found: Deployed | None) -> Iterator[Drift]:
    """Whether it is there, deployed, of the planned version and with the planned values."""
    if found is None:
        yield drifted(Kind.MISSING, release.title, Action.NOTHING, Action.CREATE)
        return
    for path, wanted, value in _wrong(release, found):
        yield drifted(
            Kind.RELEASE,
            release.title,
            Action.DEPENDS,
            Action.DEPENDS,
            path,
            wanted,
            value,
            found.writer,
            f"revision {found.revision}",
        )


def _wrong(release: PlannedRelease, found: Deployed) -> Iterator[tuple[Path, Any, Any]]:
    if found.status != _DEPLOYED:
        yield ("status",), _DEPLOYED, found.status
    if release.version not in HIDDEN and _bare(release.version) != _bare(found.version):
        yield ("version",), release.version, found.version
    for difference in (*differences(release.values, found.values), *_beyond(release.values, found.values)):
        yield ("values", *difference.path), difference.wanted, difference.found


def _beyond(planned: Any, found: Any, path: Path = ()) -> Iterator[Difference]:
    """Values that a release has and the plan does not."""
    if isinstance(found, dict) and isinstance(planned, dict):
        for key, value in found.items():
            if key in planned:
                yield from _beyond(planned[key], value, (*path, key))
            elif not same(value, None):
                yield Difference((*path, key), None, value)


def _head_of(document: str) -> str:
    """The part of a YAML object that names it: KServe's definitions are 4 MB, which take seconds to parse."""
    if not re.search(r"^kind:", document, re.MULTILINE):
        return document
    kept, keep = [], False
    for line in document.splitlines():
        if line and line[0] not in " \t#-":
            keep = line.startswith(("apiVersion:", "kind:", "metadata:"))
        if keep:
            kept.append(line)
    return "\n".join(kept)


def _bare(version: str) -> str:
    """A chart's version with or without its `v`."""
    return version.removeprefix("v")
