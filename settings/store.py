"""What lies where in an environment's bucket. Every path is decided here; folders end with a slash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from catalog.tpu import SliceShape
from settings.environment import Environment
from settings.names import shortened

CREATE = "create"  # in place of a name
_LONGEST_NAME = 63
# What the filling Jobs write, and what the servers write; IAM conditions keep each account to its own.
WEIGHTS, PROGRAMS = "weights/", "xla-cache/"
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Revision(NamedTuple):
    """A repository of the Hugging Face Hub at a revision; `name` is empty where the source names none."""

    repository: str
    name: str

    @property
    def fixed(self) -> bool:
        """True for a commit: branches and tags move."""
        return _COMMIT.fullmatch(self.name) is not None


def revision_of(source: str) -> Revision | None:
    """The revision that an `hf://ORG/NAME:REVISION` source names; None for any other source."""
    scheme, _, rest = source.partition("://")
    repository, _, name = rest.partition(":")
    return Revision(repository, name) if scheme == "hf" else None


@dataclass(frozen=True)
class Store:
    """The bucket. `created`: it is ours. `programs`: servers keep compiled programs in it."""

    bucket: str
    created: bool
    programs: bool
    environment: str

    @property
    def programs_folder(self) -> str:
        """Below it this environment's servers write compiled programs; what they write runs in those who read it."""
        return f"{PROGRAMS}{self.environment}/"

    def programs_of(self, runtime: str, shape: SliceShape) -> str:
        """Programs of one runtime and slice: no other could use them, and each can be removed by itself."""
        return f"{self.programs_folder}{runtime}/{shape.generation}-{shape.topology}/"

    @staticmethod
    def weights_of(revision: Revision) -> str:
        """The files of a revision, so that the one before it stays for a rollback."""
        return f"{WEIGHTS}files/{revision.repository}/{revision.name}/"

    @staticmethod
    def marker_of(revision: Revision) -> str:
        """The object that says that they are whole, outside of their folder: a server reads everything in there."""
        return f"{WEIGHTS}whole/{revision.repository}/{revision.name}.json"

    def address(self, path: str) -> str:
        """`gs://BUCKET/PATH` without a slash at its end."""
        return f"gs://{self.bucket}/{path}".rstrip("/")


def store_of(name: str, settings: Environment, cluster: str) -> Store | None:
    """The store of an environment; None where it has no bucket."""
    weights = settings.weights
    if weights.bucket is None:
        return None
    created = weights.bucket == CREATE
    # Names are global: the project's id, which is too, and the cluster's.
    bucket = shortened(f"{settings.project.id}-{cluster}-weights", _LONGEST_NAME) if created else weights.bucket
    return Store(bucket, created, weights.compile_cache, name)
