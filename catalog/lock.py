"""The lock: one place for every chart version, image tag and digest, and for the sets of versions that fit together."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from catalog.files import DATA_DIR, read_yaml
from catalog.records import record

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_MOVING_WORDS = frozenset(
    {"latest", "main", "master", "nightly", "edge", "stable", "dev", "devel", "head", "trunk", "tip"}
)
_FIXED_WORD = re.compile(r"v?\d+\.\d+\.\d+.*|20\d{6}.*|[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Chart:
    """A Helm chart: where it lies, its exact version, and where it is installed.

    `repository` is the chart repository that has it by name; empty where `chart` is its address.
    """

    chart: str
    version: str
    namespace: str
    verified: bool
    source: str
    date: datetime.date
    repository: str = ""

    @property
    def address(self) -> str:
        """What Helm installs: an OCI address, or that of the archive in the chart repository."""
        return f"{self.repository}/{self.chart}-{self.version}.tgz" if self.repository else self.chart


@dataclass(frozen=True)
class Image:
    """A container image. `digest` is None until a registry has been asked."""

    repository: str
    tag: str
    digest: str | None
    used_by: str
    source: str
    date: datetime.date

    def reference(self) -> str:
        """`repository:tag@sha256:...`, or `repository:tag` while no digest is known."""
        return f"{self.repository}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True)
class Combination:
    """A set of versions that fit together (rule SC02): of each part those that belong to it, the one we install first."""

    name: str
    components: dict[str, tuple[str, ...]]
    floors: dict[str, str]
    evidence: tuple[dict[str, Any], ...]
    source: str
    date: datetime.date

    def misfits(self, versions: Mapping[str, str]) -> tuple[str, ...]:
        """Names of the parts in `versions` that this combination does not list; with `v` or without."""
        listed = {name: {one.removeprefix("v") for one in ours} for name, ours in self.components.items()}
        return tuple(
            name for name, version in versions.items() if version.removeprefix("v") not in listed.get(name, ())
        )


@dataclass(frozen=True)
class Lock:
    """The whole lock file."""

    date: datetime.date
    charts: dict[str, Chart]
    images: dict[str, Image]
    combinations: tuple[Combination, ...]

    def versions(self) -> dict[str, str]:
        """The pinned version of every part of a combination."""
        return {
            "kserve": self.charts["kserve-llmisvc-resources"].version,
            "epp": self.images["epp"].tag,
            "lws": self.charts["lws"].version,
            "cert-manager": self.charts["cert-manager"].version,
            "vllm-tpu": self.images["vllm-tpu"].tag,
        }

    def combination_for(self, versions: Mapping[str, str]) -> Combination | None:
        """The first combination that lists every given version (`{"kserve": "v0.20.0", ...}`); None if none does."""
        return next((c for c in self.combinations if not c.misfits(versions)), None)

    def without_digest(self) -> tuple[str, ...]:
        """Keys of the images whose digest is not known yet."""
        return tuple(key for key, image in self.images.items() if image.digest is None)


class ImageReference(NamedTuple):
    """An image as a user writes it, taken apart."""

    repository: str
    tag: str | None
    digest: str | None


@cache
def load_lock() -> Lock:
    """The lock, read and checked once a process.

    Raises:
        ValueError: the data file is damaged.
    """
    return lock_of(read_yaml("lock.yaml"))


@cache
def runtime_version(image: str | None = None) -> str:
    """Version, without `v`, of the model server in an image whose tables are here; of the pinned one for any other."""
    locked = load_lock().images["vllm-tpu"].tag.removeprefix("v")
    if image is None:
        return locked
    try:
        parsed = parse_image(image)
    except ValueError:
        return locked
    version = (parsed.tag or "").removeprefix("v")
    known = {path.stem for path in (DATA_DIR / "runtimes").glob("*.json")}
    return version if parsed.repository.endswith("/vllm-tpu") and version in known else locked


def lock_of(data: dict[str, Any]) -> Lock:
    """The lock from the content of its file.

    Raises:
        ValueError: an unknown key, a missing one, or a value of the wrong type.
    """
    return record(
        Lock,
        data,
        charts={key: record(Chart, row) for key, row in data["charts"].items()},
        images={key: record(Image, row) for key, row in data["images"].items()},
        combinations=tuple(
            record(Combination, row, components={part: tuple(versions) for part, versions in row["components"].items()})
            for row in data["combinations"]
        ),
    )


def is_moving_tag(tag: str) -> bool:
    """True if the tag may name another image tomorrow (rule SC01).

    Moving are: no tag at all (a registry reads it as `latest`); `latest`, `main`, `master`, `nightly`, `edge` and their
    kin, alone, as the last word (`v0.15-latest`, `cuda-nightly`) or as the first one (`latest-gpu`); a bare major
    version (`v1`). A tag that carries a full version, a date or a commit (`nightly-20260820-1a2b3c4`) stays put. A
    two-part version (`3.10`) is taken as a release: some projects move it, others release it, only a digest tells.
    """
    words = re.split(r"[-_]", tag.strip().lower())
    if words[-1] in _MOVING_WORDS or words == [""]:
        return True
    if any(_FIXED_WORD.fullmatch(word) for word in words):
        return False
    return words[0] in _MOVING_WORDS or re.fullmatch(r"v?\d{1,2}", words[0]) is not None


def parse_image(ref: str) -> ImageReference:
    """Take `[registry[:port]/]path[:tag][@sha256:...]` apart.

    Raises:
        ValueError: the text is no image reference; the message says which part is wrong.
    """
    rest, at, digest = ref.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{ref!r}: the digest after @ must be sha256: and 64 hexadecimal digits")
    slash = rest.rfind("/")
    colon = rest.rfind(":")
    repository, tag = (rest[:colon], rest[colon + 1 :]) if colon > slash else (rest, None)
    if tag is not None and not _TAG.fullmatch(tag):
        raise ValueError(f"{ref!r}: {tag!r} is not a tag (letters, digits, _, . and -, at most 128)")
    parts = repository.split("/")
    path = parts[1:] if len(parts) > 1 and _is_registry(parts[0]) else parts
    if not path or not all(_NAME.fullmatch(part) for part in path):
        raise ValueError(f"{ref!r}: {repository!r} is not a repository name (lower case, parts separated by /)")
    return ImageReference(repository, tag, digest or None)


def _is_registry(part: str) -> bool:
    """The first part of a repository is a host if it has a dot or a port, or is `localhost`."""
    looks_like_host = "." in part or ":" in part or part == "localhost"
    return looks_like_host and _REGISTRY.fullmatch(part) is not None
