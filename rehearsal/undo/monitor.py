"""Between the program and the engine: the engine's resource monitor, with the fixes of some undos taken away.

It stands where the SDK's own test monitor stands, and speaks the engine's protocol (pulumirpc.ResourceMonitor), so that
an object can be changed or left out whoever registers it. A transform of the SDK could change but not leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from google.protobuf import json_format

from rehearsal.undo.edits import EDITS, LEFT_OUT, MODEL

# How long the engine waits for what an undo may keep from ever being ready; the program's own budgets are hours.
PATIENCE_SECONDS = 20


def undone(program: Callable[[], None], undos: Iterable[str], *, stockout: bool = False) -> Callable[[], None]:
    """The program as the engine will see it: without the fixes of these undos, and without the long waits in vain.

    In a stock-out no model is ever ready, whatever is undone.
    """
    rules = tuple(undos)

    def run() -> None:
        from pulumi.runtime import settings

        # Belongs to this run of the program only: the SDK keeps its settings in the run's own context.
        settings.SETTINGS.monitor = Undoing(settings.get_monitor(), rules, stockout=stockout)
        program()

    return run


class Undoing:
    """A resource monitor that edits registrations and passes everything on to the real one."""

    def __init__(self, monitor: Any, undos: Sequence[str], *, stockout: bool) -> None:
        self._monitor = monitor
        self._edits = [EDITS[rule] for rule in undos]
        self._never_ready = {edit.never_ready for edit in self._edits} | ({MODEL} if stockout else set())
        self._left_out: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._monitor, name)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        """Register a resource as the undos leave it; what they leave out is answered as if it were there."""
        self._forget_left_out(request)
        if edits := [edit for edit in self._edits if edit.type == request.type]:
            inputs = json_format.MessageToDict(request.object)
            if LEFT_OUT in [edit.change(inputs) for edit in edits]:
                return self._answer_for_left_out(request)
            request.object.Clear()
            json_format.ParseDict(inputs, request.object)
        if not self._never_ready.isdisjoint((request.name, request.type)):
            request.customTimeouts.create = request.customTimeouts.update = f"{PATIENCE_SECONDS}s"
        return self._monitor.RegisterResource(request)

    def _answer_for_left_out(self, request: Any) -> Any:
        from pulumi.runtime.proto import resource_pb2

        urn = f"urn:pulumi:left-out::tpu-serving::{request.type}::{request.name}"
        self._left_out.add(urn)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=request.name, object=request.object)

    def _forget_left_out(self, request: Any) -> None:
        """Nothing may depend on what the engine does not know."""
        for urns in (request.dependencies, *(found.urns for found in request.propertyDependencies.values())):
            kept = [urn for urn in urns if urn not in self._left_out]
            del urns[:]
            urns.extend(kept)
