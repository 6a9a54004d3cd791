"""The rehearsal's "Google Cloud": one JSON file for each resource that exists, in the rehearsal's `cloud` folder.

The gcp plugin writes it; the stand-ins (nodes, Gateway controller) read it, most simply by polling `read_all`. Every
write is atomic, so a reader sees a resource whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rehearsal.directory import write_private

Status = Literal["PROVISIONING", "RUNNING"]


@dataclass(frozen=True)
class CloudResource:
    """A resource as the cloud holds it.

    Attributes:
        type: Pulumi's type token, e.g. `gcp:container/nodePool:NodePool`.
        name: its name in the cloud.
        id: the id Pulumi gives it, unique within its type.
        location: region or zone, None for a global one.
        state: its outputs, in the provider's camelCase.
        ready_at: when it becomes usable, in seconds since 1970. It exists from the moment its creation began, and it is
            completed by the cloud whether or not somebody still waits for it.
    """

    type: str
    name: str
    id: str
    project: str
    location: str | None
    state: dict[str, Any]
    ready_at: float = 0.0

    @property
    def status(self) -> Status:
        """PROVISIONING until `ready_at`, then RUNNING."""
        return "RUNNING" if time.time() >= self.ready_at else "PROVISIONING"


def write(folder: Path, resource: CloudResource) -> None:
    """Add or replace a resource. `folder` is the rehearsal's `cloud` folder."""
    path = _path(folder, resource.type, resource.id, resource.name)
    _make(folder)
    _make(path.parent)
    content = json.dumps(asdict(resource), indent=1, sort_keys=True)
    for old in _files(folder, resource.type, resource.id):
        if old != path:
            old.unlink(missing_ok=True)
    write_private(path, content)


def remove(folder: Path, type_token: str, resource_id: str) -> None:
    """Forget a resource; nothing happens where it is not there."""
    for path in _files(folder, type_token, resource_id):
        path.unlink(missing_ok=True)


def find(folder: Path, type_token: str, resource_id: str) -> CloudResource | None:
    """The resource of this id, whatever its status; None where there is none."""
    for path in _files(folder, type_token, resource_id):
        resource = _read(path)
        if resource is not None:
            return resource
    return None


def read_all(folder: Path, type_token: str | None = None, *, provisioning: bool = False) -> list[CloudResource]:
    """The resources of one type, or all, by type and name; those not yet RUNNING only where asked for."""
    pattern = f"{_folder(type_token)}/*.json" if type_token else "*/*.json"
    found = [resource for path in sorted(folder.glob(pattern)) if (resource := _read(path)) is not None]
    return [r for r in found if provisioning or r.status == "RUNNING"]


def chip_limit(folder: Path, region: str, family: str) -> int | None:
    """The quota of TPU chips of a family (`CT6E`) in a region; None where there is no limit.

    Limits are kept in the file `quota.json` of the folder: `{region: {family: chips}}`. Without it there are none.
    """
    try:
        limits = json.loads((folder / "quota.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    limit = limits.get(region, {}).get(family)
    return None if limit is None else int(limit)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the cloud's lock: nobody else decides about names, ranges or quota meanwhile."""
    _make(folder)
    with open(folder / ".lock", "w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _folder(type_token: str) -> str:
    """`gcp:container/nodePool:NodePool` -> `container.NodePool`."""
    _, module, name = type_token.split(":")
    return f"{module.split('/')[0]}.{name}"


def _path(folder: Path, type_token: str, resource_id: str, name: str) -> Path:
    return folder / _folder(type_token) / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)[:100]}.{_digest(resource_id)}.json"


def _files(folder: Path, type_token: str, resource_id: str) -> list[Path]:
    return list((folder / _folder(type_token)).glob(f"*.{_digest(resource_id)}.json"))


def _digest(resource_id: str) -> str:
    """Ids contain slashes and may be longer than a file name."""
    return hashlib.sha256(resource_id.encode()).hexdigest()[:12]


def _read(path: Path) -> CloudResource | None:
    try:
        return CloudResource(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:  # removed since it was listed
        return None
