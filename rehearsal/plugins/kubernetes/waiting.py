"""Wait: look at an object until it is what is asked for, the time is over, or the user cancels."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from providers.kubernetes import overrides
from providers.kubernetes.values import at
from rehearsal.plugins.frame import Engine, ProviderError, Resource
from rehearsal.plugins.kubernetes import readiness
from rehearsal.plugins.kubernetes.api import Api, ApiError, UnreachableError
from rehearsal.plugins.kubernetes.readiness import Awaiter, Verdict

KubeObject = dict[str, Any]
# The first look comes at once, then ever later: seconds.
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.1, 1.0, 1.5


class NotReadyError(ProviderError):
    """The object exists, but is not what was waited for. `live` is its last state."""

    def __init__(self, message: str, live: KubeObject, reasons: list[str]) -> None:
        super().__init__(message)
        self.live = live
        self.reasons = reasons


class Waiter:
    """Waits for the object of one resource, and says at that resource what it sees."""

    def __init__(self, api: Api, engine: Engine, cancelled: threading.Event, resource: Resource) -> None:
        self._api, self._engine, self._cancelled, self._urn = api, engine, cancelled, resource.urn
        self._said = ""

    def until_ready(self, inputs: KubeObject, live: KubeObject, seconds: float) -> KubeObject:
        """The live object once it is ready by its annotations or, without any, by its kind.

        Raises:
            NotReadyError: it failed, time is over, or the user cancelled.
        """
        if overrides.is_true(inputs, overrides.SKIP_AWAIT):
            return live
        expressions = overrides.wait_for(live)
        awaiter = self._annotated(expressions) if expressions else awaiter_of(live)
        if awaiter is None:
            return live
        generation = at(live, "metadata", "generation") or 0
        name = str(at(live, "metadata", "name"))
        # Go's own words for a context that ends, where an annotation is waited for.
        late = "timed out waiting for the condition" if expressions else f"'{name}' timed out waiting to be Ready"
        limit = min(seconds, awaiter.limit) if awaiter.limit else seconds
        verdict, ready_since = Verdict(False), None
        for now in self._looks(limit):
            live, verdict = self._look(live, awaiter, generation)
            if verdict.failed:
                raise NotReadyError(f"Resource '{name}' was created but failed to initialize", live, verdict.reasons)
            ready_since = (ready_since or now) if verdict.ready else None
            if ready_since is not None and now - ready_since >= awaiter.settle:
                self._engine.log("info", "", self._urn, status=True)
                return live
            self._say(verdict.message)
        if verdict.ready:
            return live
        reasons = verdict.reasons or ([verdict.message] if verdict.message else [])
        if self._cancelled.is_set():
            raise NotReadyError(f'Resource operation was cancelled for "{name}"', live, reasons)
        raise NotReadyError(late, live, reasons)

    def check_once(self, inputs: KubeObject, live: KubeObject) -> list[str] | None:
        """On a refresh: why an object of a kind that is looked at is not ready; None where all is well."""
        awaiter = readiness.AWAITERS.get(f"{live['apiVersion']}/{live['kind']}")
        if awaiter is None or not awaiter.on_read or overrides.is_true(inputs, overrides.SKIP_AWAIT):
            return None
        verdict = awaiter.check(live, self._related(live))
        return None if verdict.ready else verdict.reasons or [verdict.message]

    def until_gone(self, live: KubeObject, seconds: float) -> None:
        """Return once the object is no more; another one of the same name does not count.

        Raises:
            NotReadyError: it is still there; the message names its finalizers.
        """
        uid = at(live, "metadata", "uid")
        for _ in self._looks(seconds):
            try:
                found = self._api.get(live)
            except ApiError as error:
                if error.code == 404:
                    return
                raise
            if uid and at(found, "metadata", "uid") != uid:
                return
            live = found
            self._say(_deletion_message(live))
        finalizers = ", ".join(at(live, "metadata", "finalizers") or [])
        why = f"finalizers might be preventing deletion ({finalizers})"
        if finalizers:
            self._engine.log("warning", why, self._urn)
        words = "cancelled" if self._cancelled.is_set() else "timed out waiting for the condition"
        raise NotReadyError(f"{words}: {why}" if finalizers else words, live, [_deletion_message(live)])

    def _looks(self, seconds: float) -> Any:
        """The times of the looks: at once, then with growing pauses, one last time at the end."""
        end = time.monotonic() + seconds
        pause = _FIRST_PAUSE
        while True:
            now = time.monotonic()
            yield now
            if now >= end or self._cancelled.wait(min(pause, max(0.0, end - now))):
                return
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    def _look(self, live: KubeObject, awaiter: Awaiter, generation: int) -> tuple[KubeObject, Verdict]:
        try:
            found = self._api.get(live)
        except UnreachableError as error:  # it may come back
            return live, Verdict(False, str(error))
        except ApiError as error:
            if error.code == 404:
                return live, Verdict(False, "it was deleted meanwhile")
            raise
        if (at(found, "metadata", "generation") or 0) < generation:
            return live, Verdict(False)
        return found, awaiter.check(found, self._related(found))

    def _related(self, obj: KubeObject) -> Callable[[str, str], list[KubeObject]]:
        namespace = at(obj, "metadata", "namespace") or ""
        return lambda api_version, kind: self._api.list(api_version, kind, namespace)

    def _annotated(self, expressions: list[overrides.Expression]) -> Awaiter:
        def check(obj: KubeObject, _related: Any) -> Verdict:
            missing = [w.message for e in expressions if not (w := e(obj)).met]
            return Verdict(not missing, "; ".join(missing), missing)

        return Awaiter(check)

    def _say(self, message: str) -> None:
        if message and message != self._said:
            self._said = message
            self._engine.log("info", message, self._urn, status=True)


def awaiter_of(obj: KubeObject) -> Awaiter | None:
    """How a kind is waited for; None where it is not."""
    found = readiness.AWAITERS.get(f"{obj['apiVersion']}/{obj['kind']}")
    if found is None and os.environ.get("PULUMI_K8S_AWAIT_ALL") == "true":
        return Awaiter(readiness.heuristic)
    return found


def _deletion_message(live: KubeObject) -> str:
    finalizers = at(live, "metadata", "finalizers")
    return (
        f"Resource scheduled for deletion (finalizers: {', '.join(finalizers)})"
        if finalizers
        else ("Resource scheduled for deletion")
    )
