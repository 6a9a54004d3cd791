"""The provider: the calls of the engine, answered from the rehearsal's cloud."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from typing import Any

from catalog.durations import seconds_of
from providers.google.differences import difference, observed
from providers.google.facts import facts, name_pattern
from providers.google.trees import get
from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.frame import (
    CheckFailure,
    DiffResult,
    Provider,
    ProviderError,
    ReadResult,
    Resource,
    Values,
    contains_unknown,
)
from rehearsal.plugins.gcp import address, cluster, google, identity, network, node_pool
from rehearsal.plugins.gcp.kind import Kind
from rehearsal.plugins.gcp.world import SUBNETWORK, World

_KINDS: tuple[type[Kind], ...] = (
    identity.Service,
    identity.ProjectMember,
    identity.Account,
    identity.SecretMember,
    network.Network,
    network.Subnetwork,
    network.Firewall,
    network.Router,
    network.RouterNat,
    address.Address,
    address.ResourcePolicy,
    cluster.Cluster,
    node_pool.NodePool,
)


class GcpProvider(Provider):
    """The gcp plugin of one rehearsal."""

    name = "gcp"

    def __init__(self, directory: RehearsalDirectory) -> None:
        super().__init__()
        self.version = metadata.version("pulumi-gcp")
        self._world = World(directory)
        self._kinds = {kind.token: kind() for kind in _KINDS}
        self._config: Values = {}

    def configure(self, inputs: Values) -> None:
        self._config = inputs

    def _kind(self, resource: Resource) -> Kind:
        facts(resource.type)  # an unknown type is an error that names it
        return self._kinds[resource.type]

    def check(self, resource: Resource, old: Values, new: Values, seed: bytes) -> tuple[Values, list[CheckFailure]]:
        kind = self._kind(resource)
        inputs = {**kind.facts.defaults, **{k: v for k, v in new.items() if v is not None}}
        for key in kind.facts.fill:
            configured = self._configured(key)
            if key not in inputs and configured is not None:
                inputs[key] = configured
        return inputs, list(_failures(kind, inputs))

    def _configured(self, key: str) -> Any:
        """A value of the provider's own configuration; a location is its region, else its zone (GetLocation)."""
        if key == "location":
            return self._config.get("region") or self._config.get("zone")
        return self._config.get(key)

    def diff(
        self, resource: Resource, resource_id: str, old_inputs: Values, state: Values, new: Values, ignore: list[str]
    ) -> DiffResult:
        kind = self._kind(resource)
        replaced = frozenset({"ipCidrRange"} if kind.token == SUBNETWORK and _shrinks(old_inputs, new) else ())
        return difference(kind.facts, old_inputs, new, replaced)

    def create(self, resource: Resource, inputs: Values, timeout: float, preview: bool) -> tuple[str, Values]:
        kind = self._kind(resource)
        if preview:
            return "", kind.foreseen(inputs)
        resource_id = kind.id(inputs)
        seconds = seconds_of(resource.type, inputs) * self._world.directory.load_record().time_scale
        with cloud.exclusive(self._world.folder):
            self._require_service(kind, inputs)
            if not kind.idempotent and self._world.find(kind.token, resource_id) is not None:
                raise _prefixed(kind.create_error, kind, inputs, kind.taken(resource_id, inputs))
            try:
                kind.refuse(inputs, self._world, None)
            except google.CloudError as error:
                raise _prefixed(kind.create_error, kind, inputs, error) from None
            made = self._write(kind, resource_id, inputs, kind.state(inputs, self._world), time.time() + seconds)
        # A cancel ends the wait only: the cloud completes what it began, and the engine's state keeps it.
        self.cancelled.wait(seconds)
        return resource_id, made.state

    def update(
        self,
        resource: Resource,
        resource_id: str,
        old_inputs: Values,
        state: Values,
        new: Values,
        timeout: float,
        preview: bool,
    ) -> Values:
        kind = self._kind(resource)
        if preview:
            return kind.foreseen(new, old_inputs, state)
        with cloud.exclusive(self._world.folder):
            found = self._world.find(kind.token, resource_id)
            if found is None:
                raise _updating(kind, resource_id, google.not_found(resource_id))
            try:
                kind.refuse(new, self._world, found)
            except google.CloudError as error:
                raise _updating(kind, resource_id, error) from None
            changed = kind.state(new, self._world, found.state)
            return self._write(kind, resource_id, new, changed, found.ready_at).state

    def read(self, resource: Resource, resource_id: str, inputs: Values, state: Values) -> ReadResult | None:
        kind = self._kind(resource)
        found = self._world.find(kind.token, resource_id)
        if found is None:
            return None
        if inputs:
            return ReadResult(resource_id, found.state, observed(kind.facts, inputs, found.state))
        only_outputs = set(kind.facts.decided) - set(kind.facts.computed)
        settable = {k: v for k, v in found.state.items() if k not in only_outputs and v is not None}
        return ReadResult(resource_id, found.state, settable)

    def delete(self, resource: Resource, resource_id: str, inputs: Values, state: Values, timeout: float) -> None:
        kind = self._kind(resource)
        with cloud.exclusive(self._world.folder):
            found = self._world.find(kind.token, resource_id)
            if found is None or kind.stays(found.state):
                return
            try:
                # The provider asks its own state: deletion protection is no field of Google's API.
                kind.refuse_delete(replace(found, state={**found.state, **state}), self._world)
            except ProviderError as error:
                raise _prefixed(kind.delete_error, kind, found.state, error) from None
            cloud.remove(self._world.folder, kind.token, resource_id)
            kind.deleted(found, self._world)

    def _require_service(self, kind: Kind, inputs: Values) -> None:
        service = kind.facts.service
        if service is not None and not self._world.enabled(service, inputs["project"]):
            raise _prefixed(kind.create_error, kind, inputs, google.service_disabled(service, inputs["project"]))

    def _write(self, kind: Kind, resource_id: str, inputs: Values, state: Values, ready_at: float) -> CloudResource:
        name = str(inputs[kind.facts.name])
        resource = CloudResource(
            kind.token, name, resource_id, inputs["project"], kind.location(inputs), state, ready_at
        )
        cloud.write(self._world.folder, resource)
        return resource


def _prefixed(prefix: str, kind: Kind, values: Values, error: ProviderError) -> ProviderError:
    """The error as the provider reports it; a message that begins with the provider's own words stays."""
    return ProviderError(prefix.format_map({"title": kind.facts.title, **values}) + str(error))


def _updating(kind: Kind, resource_id: str, error: ProviderError) -> ProviderError:
    return ProviderError(f'Error updating {kind.facts.title} "{resource_id}": {error}')


def _failures(kind: Kind, inputs: Values) -> Iterator[CheckFailure]:
    """What the provider's schema refuses, in a preview too. Unknown values pass."""
    known = kind.facts
    for key in {**dict.fromkeys(known.required), **dict.fromkeys(known.fill)}:
        if key not in inputs:
            yield CheckFailure(key, f"Missing required property '{key}'")
    for key, rule in known.patterns.items():
        value, pattern = inputs.get(key), name_pattern(rule)
        if isinstance(value, str) and not re.search(pattern, value):
            yield CheckFailure(key, f'"{key}" ("{value}") doesn\'t match regexp "{pattern}"')
    for path, allowed in known.enums.items():
        value = get(inputs, path)
        if isinstance(value, str) and value and value not in allowed:
            listed = " ".join(f'"{a}"' for a in allowed)
            yield CheckFailure(path, f"expected {path} to be one of [{listed}], got {value}")
    if kind.token == SUBNETWORK:
        yield from _bad_ranges(inputs)


def _bad_ranges(inputs: Values) -> Iterator[CheckFailure]:
    named = [("ipCidrRange", inputs.get("ipCidrRange"))]
    secondary = inputs.get("secondaryIpRanges")
    if isinstance(secondary, list):
        named += [(f"secondaryIpRanges[{i}].ipCidrRange", get(r, "ipCidrRange")) for i, r in enumerate(secondary)]
    for path, text in named:
        if not isinstance(text, str):
            continue
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            yield CheckFailure(path, f'"{path}" is not a valid IP CIDR range: invalid CIDR address: {text}')


def _shrinks(old: Values, new: Values) -> bool:
    """A primary range grows in place; anything else is another subnetwork (IsShrinkageIpCidr)."""
    before, after = old.get("ipCidrRange"), new.get("ipCidrRange")
    if before is None or after is None or contains_unknown(after):
        return False
    one, other = ipaddress.ip_network(before), ipaddress.ip_network(after)
    return one != other and not (one.version == other.version and one.subnet_of(other))  # type: ignore[arg-type]
