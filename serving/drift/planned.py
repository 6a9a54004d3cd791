"""What an environment's plan has in the cluster: its objects and its Helm releases, from the recorded program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from manifests.base import MANAGED_BY
from serving.drift.object_drift import Policy, policy_of
from serving.live.context import title
from serving.program.record import Recording, Resource

_RELEASE = "kubernetes:helm.sh/v3:Release"
# Kinds that an environment has only with some settings: one that is left over is found all the same.
_OPTIONAL_KINDS = (
    ("networking.gke.io/v1", "GCPGatewayPolicy"),
    ("networking.gke.io/v1", "GCPAuthzPolicy"),
    ("v1", "Secret"),
)


@dataclass(frozen=True)
class PlannedObject:
    """An object as the program asks for it, and how the provider writes it."""

    manifest: dict[str, Any]
    policy: Policy

    @property
    def title(self) -> str:
        """`Kind namespace/name`."""
        return title(self.manifest)


@dataclass(frozen=True)
class PlannedRelease:
    """A Helm release as the program asks for it."""

    name: str
    namespace: str
    version: str
    values: dict[str, Any]

    @property
    def title(self) -> str:
        """`Release namespace/name`."""
        return f"Release {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Planned:
    """Everything in the cluster that the program makes itself. `elsewhere`: how many resources are Google's."""

    objects: tuple[PlannedObject, ...]
    releases: tuple[PlannedRelease, ...]
    elsewhere: int

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """(apiVersion, kind) of everything that can bear the program's label."""
        own = [(item.manifest["apiVersion"], item.manifest["kind"]) for item in self.objects]
        return list(dict.fromkeys((*own, *_OPTIONAL_KINDS)))

    @property
    def titles(self) -> set[str]:
        """Titles of all planned objects."""
        return {item.title for item in self.objects}


def planned(recording: Recording) -> Planned:
    """Objects and releases of a recorded run of the program, by their titles: it registers them in no fixed order."""
    releases = (
        PlannedRelease(r.inputs["name"], r.inputs["namespace"], r.inputs["version"], r.inputs.get("values") or {})
        for r in recording.resources
        if r.type == _RELEASE
    )
    return Planned(
        tuple(sorted(_objects(recording), key=lambda item: item.title)),
        tuple(sorted(releases, key=lambda item: item.title)),
        sum(r.type.startswith("gcp:") for r in recording.resources),
    )


def is_ours(live: dict[str, Any]) -> bool:
    """Whether an object bears the program's label and no controller made it from another object."""
    metadata = live["metadata"]
    made = any(reference.get("controller") for reference in metadata.get("ownerReferences") or ())
    return MANAGED_BY.items() <= (metadata.get("labels") or {}).items() and not made


def _objects(recording: Recording) -> Iterator[PlannedObject]:
    everything = recording.by_urn()
    for resource in recording.resources:
        if resource.type.startswith("kubernetes:") and "apiVersion" in resource.inputs:
            manifest = {key: value for key, value in resource.inputs.items() if key != "__defaults"}
            forced = _forces(everything.get(resource.provider or ""))
            yield PlannedObject(manifest, policy_of(manifest, provider_force=forced))


def _forces(provider: Resource | None) -> bool:
    return str((provider.inputs if provider else {}).get("enablePatchForce", "")).lower() == "true"
