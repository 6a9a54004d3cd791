"""The rehearsal's "Google Cloud": one JSON file for each resource that exists, in the rehearsal's `cloud` folder.

The gcp plugin writes it; the emulators (nodes, Gateway controller) read it, most simply by polling `read_all`. Every
write is atomic, so a reader sees a resource whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rehearsal.directory import write_private


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
    def status(self) -> Literal["PROVISIONING", "RUNNING"]:
        """PROVISIONING until `ready_at`, then RUNNING."""
        return "RUNNING" if time.time() >= self.ready_at else "PROVISIONING"


def write(folder: Path, resource: CloudResource) -> None:
    """Add or replace a resource. `folder` is the rehearsal's `cloud` folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(_path(folder, resource.type, resource.id), json.dumps(asdict(resource), indent=1, sort_keys=True))


def remove(folder: Path, type_token: str, resource_id: str) -> None:
    """Forget a resource; nothing happens where it is not there."""
    _path(folder, type_token, resource_id).unlink(missing_ok=True)


def find(folder: Path, type_token: str, resource_id: str) -> CloudResource | None:
    """The resource of this id, whatever its status; None where there is none."""
    return _read(_path(folder, type_token, resource_id))


def read_all(folder: Path, type_token: str | None = None, *, provisioning: bool = False) -> list[CloudResource]:
    """The resources of one type, or all, by type and name; those not yet RUNNING only where asked for."""
    paths = folder.glob(f"{_kind(type_token) if type_token else '*'}.*.json")
    found = [resource for path in paths if (resource := _read(path)) is not None]
    return sorted((r for r in found if provisioning or r.status == "RUNNING"), key=lambda r: (r.type, r.name, r.id))


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the cloud's lock: nobody else decides about names or ranges meanwhile."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _kind(type_token: str) -> str:
    """`gcp:container/nodePool:NodePool` -> `NodePool`."""
    return type_token.rsplit(":", 1)[-1]


def _path(folder: Path, type_token: str, resource_id: str) -> Path:
    """Ids contain slashes and may be longer than a file name."""
    return folder / f"{_kind(type_token)}.{hashlib.sha256(resource_id.encode()).hexdigest()[:12]}.json"


def _read(path: Path) -> CloudResource | None:
    try:
        return CloudResource(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:  # removed since it was listed
        return None
