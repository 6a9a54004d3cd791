"""The provider: the engine's calls, answered from the rehearsal's cloud."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from catalog.durations import seconds_of
from providers.base import DiffResult, Values
from providers.google.differences import difference
from providers.google.facts import facts
from providers.google.trees import merge
from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.gcp import state as states
from rehearsal.plugins.gcp.refusals import refuse_create, refuse_delete


class GcpProvider:
    """The gcp plugin of one rehearsal. Values are plain Python; an unknown one is `UNKNOWN` (only in previews).

    `cancelled` is set when the user cancels.
    """

    def __init__(self, directory: RehearsalDirectory) -> None:
        self.cancelled = threading.Event()
        self._directory = directory

    def check(self, token: str, inputs: Values) -> Values:
        """The inputs with the schema's defaults.

        Raises:
            ProviderError: the program does not use this type.
        """
        return {**facts(token).defaults, **{key: value for key, value in inputs.items() if value is not None}}

    def diff(self, token: str, state: Values, inputs: Values, ignore: list[str]) -> DiffResult:
        """What an `up` would change, `ignore_changes` left out."""
        return difference(facts(token), state, inputs, ignore)

    def create(self, token: str, inputs: Values, preview: bool) -> tuple[str, Values]:
        """Make it, and wait until it is usable: id and state. A preview makes nothing and knows no id.

        Raises:
            ProviderError: Google refuses it.
        """
        if preview:
            return "", states.foreseen(token, inputs)
        known, folder = facts(token), self._directory.cloud
        resource_id = states.identifier(known, inputs)
        seconds = seconds_of(token, inputs) * self._directory.load_record().time_scale
        with cloud.exclusive(folder):
            refuse_create(token, resource_id, inputs, self._directory)
            state = states.made(token, resource_id, inputs, self._directory)
            place = inputs.get("region") or inputs.get("location")
            ready = time.time() + seconds
            name = str(inputs[known.name])
            cloud.write(folder, CloudResource(token, name, resource_id, inputs.get("project", ""), place, state, ready))
        # A cancel ends the wait only: the cloud completes what it began, and the engine's state keeps it.
        self.cancelled.wait(seconds)
        return resource_id, state

    def read(self, token: str, resource_id: str, inputs: Values) -> tuple[Values, Values] | None:
        """State and inputs of the live resource; None where there is none."""
        found = cloud.find(self._directory.cloud, token, resource_id)
        return None if found is None else (found.state, states.observed(inputs, found.state))

    def update(self, token: str, resource_id: str, state: Values, old: Values, new: Values, preview: bool) -> Values:
        """Change it in place: the new state."""
        if preview:
            return merge(state, new)
        with cloud.exclusive(self._directory.cloud):
            found = cloud.find(self._directory.cloud, token, resource_id)
            assert found is not None  # nothing but this plugin takes a resource away
            changed = states.changed(token, resource_id, found.state, old, new, self._directory)
            cloud.write(self._directory.cloud, replace(found, state=changed))
        return changed

    def delete(self, token: str, resource_id: str, state: Values) -> None:
        """Delete it; one that is gone already is no error.

        Raises:
            ProviderError: a cluster is protected. The provider asks its own state, for this is no field of the API.
        """
        refuse_delete(token, state)
        if not token.endswith(":Service"):  # disable_on_destroy is off: an API stays on
            cloud.remove(self._directory.cloud, token, resource_id)
        if token.endswith(":Cluster"):
            self._directory.cluster_deleted.touch()
