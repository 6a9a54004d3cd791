"""What starts of servers took, by their pods, beside what the plan said in the outputs."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.reading import KubeObject
from serving.live.context import Context
from serving.live.servers import belongs
from settings.outputs import ModelOutput

LOOKING = "weights"  # the init container that looks at the bucket (manifests/weights.py)
_WARM = ": warm, "


@dataclass(frozen=True)
class Start:
    """From a pod's creation until it was Ready, in seconds; `without_node` of them it had no node.

    `later`: programs were there that an earlier start had compiled. `planned`: from the outputs; None where unknown.
    """

    pod: str
    seconds: float
    without_node: float
    later: bool
    planned: Sequence[float] | None

    @property
    def text(self) -> str:
        """One line for people."""
        said = f"{self.pod}: ready after {self.seconds:.0f} s, {self.without_node:.0f} s of it without a node"
        if self.planned is None:
            return f"{said}; nothing was planned"
        fast, slow = self.planned
        judged = "faster" if self.seconds < fast else "slower" if self.seconds > slow else "as planned"
        kind = "later" if self.later else "first"
        return f"{said}; planned for a {kind} start: {fast:.0f} to {slow:.0f} s ({judged})"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "pod": self.pod,
            "seconds": self.seconds,
            "withoutNodeSeconds": self.without_node,
            "later": self.later,
            "plannedSeconds": self.planned and list(self.planned),
            "text": self.text,
        }


def starts(context: Context, models: list[ModelOutput]) -> Iterator[Start]:
    """Of every server that is Ready and whose container was never started again: then Ready is not of its first start.

    Raises:
        CannotAskError: the API server does not answer.
    """
    for model in models:
        for pod in context.objects("v1", "Pod"):
            if belongs(pod, model) and (found := _start(pod, model)) is not None:
                yield found


def last_words(pod: KubeObject) -> tuple[bool, str] | None:
    """Whether the look at the bucket ended well, and what it said; None where it has not ended, or is not there."""
    for container in (pod.get("status") or {}).get("initContainerStatuses") or []:
        states = [container.get("state") or {}, container.get("lastState") or {}]
        ended = next((state["terminated"] for state in states if state.get("terminated")), None)
        if container["name"] == LOOKING and ended is not None:
            return ended["exitCode"] == 0, " ".join(str(ended.get("message", "")).split())
    return None


def _start(pod: KubeObject, model: ModelOutput) -> Start | None:
    status = pod.get("status") or {}
    times = {c["type"]: c.get("lastTransitionTime") for c in status.get("conditions") or [] if c["status"] == "True"}
    created, placed, ready = pod["metadata"].get("creationTimestamp"), times.get("PodScheduled"), times.get("Ready")
    again = any(container.get("restartCount") for container in status.get("containerStatuses") or [])
    if not (created and placed and ready) or again:
        return None
    begin, node, end = (
        datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (created, placed, ready)
    )
    later = _WARM in (last_words(pod) or (True, ""))[1]
    planned = model.later_start_seconds if later else model.start_seconds
    seconds, without_node = (end - begin).total_seconds(), (node - begin).total_seconds()
    return Start(pod["metadata"]["name"], seconds, without_node, later, planned)
