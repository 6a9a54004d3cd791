"""Base class of the resource types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from providers.google.facts import TypeFacts, facts
from providers.google.trees import COMPUTE, get, merge, put, unknown_at
from rehearsal.cloud import CloudResource
from rehearsal.plugins.frame import ProviderError, Values
from rehearsal.plugins.gcp import google
from rehearsal.plugins.gcp.world import World


class Kind:
    """One resource type. `create_error` and `delete_error` go before what the API answers."""

    token: ClassVar[str]
    create_error: ClassVar[str] = "Error creating {title}: "
    delete_error: ClassVar[str] = "Error waiting for Deleting {title}: "
    # Creating what is there already is no error: adding a member to a role, enabling an API.
    idempotent: ClassVar[bool] = False
    # Of what the cloud decides, what follows the inputs through updates; the rest stays as it was at creation.
    follows: ClassVar[tuple[str, ...]] = ()

    @property
    def facts(self) -> TypeFacts:
        """What the schema says of the type."""
        return facts(self.token)

    def id(self, inputs: Values) -> str:
        """The id the provider gives it."""
        return self.facts.id.format_map(inputs)

    def location(self, inputs: Values) -> str | None:
        """Region or zone; None for a global resource."""
        for key in ("region", "location"):
            if inputs.get(key):
                return str(inputs[key])
        return None

    def outputs(self, inputs: Values, world: World) -> Values:
        """What the cloud adds: everything of the state that is not an input."""
        return {}

    def state(self, inputs: Values, world: World, old: Values | None = None) -> Values:
        """The whole state, at creation or (with the `old` one) at an update."""
        state = merge(self.outputs(inputs, world), inputs)
        if old:
            _keep(state, inputs, old, set(self.facts.decided) - set(self.follows))
        return self.normal(state)

    def foreseen(self, inputs: Values, old_inputs: Values | None = None, old: Values | None = None) -> Values:
        """The state in a preview: what the cloud has yet to decide is unknown, what it has decided is not."""
        state = merge({k: v for k, v in (old or {}).items() if k not in (old_inputs or {})}, inputs)
        _keep(state, inputs, old or {}, self.facts.decided)
        return unknown_at(state, self.facts.decided)

    def normal(self, state: Values) -> Values:
        """The state with references as the API writes them."""
        return state

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        """Raise what the cloud would answer to such a creation or update (`old` is there)."""

    def refuse_delete(self, resource: CloudResource, world: World) -> None:
        """Raise what the cloud would answer to its deletion."""

    def deleted(self, resource: CloudResource, world: World) -> None:
        """What goes with it."""

    def stays(self, state: Values) -> bool:
        """Whether the resource outlives its deletion by Pulumi."""
        return False

    def taken(self, resource_id: str, inputs: Values) -> ProviderError:
        """The error of creating it a second time."""
        return google.exists(resource_id)


def _keep(state: Values, inputs: Values, old: Values, paths: Iterable[str]) -> None:
    """Values that the cloud decided earlier, where the program does not say otherwise."""
    for path in paths:
        known, block = get(old, path), path.rpartition(".")[0]
        if known is not None and get(inputs, path) is None and (not block or isinstance(get(state, block), dict)):
            put(state, path, known)


def self_link(resource_id: str) -> dict[str, str]:
    """The compute API's self link."""
    return {"selfLink": COMPUTE + resource_id}


def full(link: str) -> str:
    """A path as a self link; a self link or a bare name as it is."""
    return COMPUTE + link if link.startswith("projects/") else link
