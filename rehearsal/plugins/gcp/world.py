"""The cloud as one call sees it: what exists, what is enabled, where things are."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from catalog.files import read_yaml
from catalog.tpu import generations
from providers.google.trees import relative
from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.directory import RehearsalDirectory

SERVICE = "gcp:projects/service:Service"
ACCOUNT = "gcp:serviceaccount/account:Account"
NETWORK = "gcp:compute/network:Network"
SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
ROUTER = "gcp:compute/router:Router"
ADDRESS = "gcp:compute/address:Address"
RESOURCE_POLICY = "gcp:compute/resourcePolicy:ResourcePolicy"
CLUSTER = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"

# Ids that the provider has as numbers: a property value is a double, which keeps 15 digits.
NUMBER_DIGITS = 15


@dataclass(frozen=True)
class World:
    """The rehearsal's cloud, and the directory it lies in."""

    directory: RehearsalDirectory

    @property
    def folder(self) -> Path:
        return self.directory.cloud

    def all(self, token: str | None = None) -> list[CloudResource]:
        """Every resource of a type, those still being made included."""
        return cloud.read_all(self.folder, token, provisioning=True)

    def find(self, token: str, resource_id: str) -> CloudResource | None:
        """A resource by its id."""
        return cloud.find(self.folder, token, resource_id)

    def linked(self, token: str, link: str) -> CloudResource | None:
        """The resource a self link or path names; a bare name finds any of that name."""
        path = relative(link)
        found = self.find(token, path)
        if found is not None or "/" in path:
            return found
        return next((r for r in self.all(token) if r.name == path), None)

    def users(self, resource_id: str) -> Iterator[CloudResource]:
        """Resources that name another one as their network or subnetwork."""
        for resource in self.all():
            state = resource.state
            if resource_id in (relative(str(state.get("network"))), relative(str(state.get("subnetwork")))):
                yield resource

    def enabled(self, service: str, project: str) -> bool:
        """Whether an API is on."""
        return self.find(SERVICE, f"{project}/{service}") is not None


def region_of(location: str) -> str:
    """The region of a zone; a region is its own."""
    return location.rsplit("-", 1)[0] if location.count("-") == 2 else location


def known_region(region: str) -> bool:
    """Whether the catalogue has the region."""
    return region in read_yaml("regions.yaml")["regions"]


def zones_of(region: str) -> list[str]:
    """The three zones in which GKE makes a pool where no zones are named.

    us-east1 and europe-west1 have no zone a. Which three GKE takes elsewhere is not verified.
    """
    letters = "bcd" if region in ("us-east1", "europe-west1") else "abc"
    return [f"{region}-{letter}" for letter in letters]


def tpu_zones(machine_type: str) -> set[str] | None:
    """The zones listed for a TPU machine type, those for AI workloads included; None for any other machine type."""
    for name, generation in generations().items():
        if machine_type in generation.machines:
            rows = read_yaml("zones.yaml")["generations"].get(name, {})
            return {row["zone"] for key in ("zones", "aiZones") for row in rows.get(key, [])}
    return None


def now() -> str:
    """A timestamp as the compute API writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def number_for(resource_id: str, digits: int = 19) -> str:
    """A number as Google gives to each resource, another one at every creation."""
    digest = hashlib.sha256(f"{resource_id} {time.time_ns()}".encode()).digest()
    smallest = 10 ** (digits - 1)
    return str(smallest + int.from_bytes(digest, "big") % (9 * smallest))


def fingerprint(*parts: object) -> str:
    """A short hash of a resource's content."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
