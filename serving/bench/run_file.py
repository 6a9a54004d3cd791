"""The file of a run: JSON lines, each written when it happened, so that whatever ends a run leaves what was measured.

The first line describes everything: environment and its outputs, workload, limits, versions, time. Then come steps,
windows, every request with its times, the servers' counters around each window, and the end.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cluster.outputs import OutputsError, parse_outputs
from cluster.target import Target
from serving.bench.counters import Reading
from serving.bench.events import LoadOrder, line
from serving.bench.measure import RequestTiming, Window
from serving.bench.verdict import Ending
from serving.bench.workload import Workload
from serving.live.starts import Start
from settings.outputs import ModelOutput, Outputs

FORMAT = 1
_VERSIONS = ("tpu-serving", "locust", "geventhttpclient", "gevent")


class RunError(Exception):
    """A file that is no run; the message is for the user."""


@dataclass(frozen=True)
class Run:
    """A run as its file tells it. `readings`: by level, the servers' counters at both edges of the window; `starts`: what
    the servers' starts took (`serving.live.starts`)."""

    path: Path
    environment: str
    where: str
    url: str
    rehearsal: bool
    started: datetime
    outputs: Outputs
    model: ModelOutput
    workload: Workload
    limits: Mapping[str, float]
    versions: Mapping[str, str]
    machine: str
    requests: list[RequestTiming] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    readings: dict[int, list[Reading]] = field(default_factory=dict)
    starts: list[dict[str, Any]] = field(default_factory=list)
    ending: Ending = Ending.INTERRUPTED
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """What it is called in a report."""
        return self.path.stem


class RunFile:
    """Writes a run."""

    def __init__(self, path: Path, target: Target, model: ModelOutput, order: LoadOrder) -> None:
        self._file = path.open("x", encoding="utf-8", buffering=1)
        head = {
            "format": FORMAT,
            "environment": target.outputs.environment,
            "where": target.where,
            "url": without_password(order.url),
            "rehearsal": target.rehearsal,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "model": model.name,
            "workload": order.workload.__dict__,
            "limits": order.limits(),
            "versions": {name: version(name) for name in _VERSIONS} | {"python": platform.python_version()},
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
            "outputs": target.outputs.model_dump(by_alias=True),
        }
        self.write(line("run", head))

    def write(self, text: str) -> None:
        """One event, as one line."""
        self._file.write(text + "\n")

    def starts(self, found: list[Start]) -> None:
        """What the servers' starts took."""
        self.write(line("starts", {"starts": [start.as_json() for start in found]}))

    def reading(self, level: int, reading: Reading) -> None:
        """The servers' counters at an edge of a window."""
        self.write(line("servers", {"level": level, **reading.as_json()}))

    def close(self) -> None:
        """No more events."""
        self._file.close()


def without_password(url: str) -> str:
    """The URL without what may stand before the host."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def read_run(path: Path) -> Run:
    """A run from its file; a last line that was cut by a kill is passed over.

    Raises:
        RunError: no such file, or not of this format.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise RunError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    events = [event for number, text in enumerate(lines) if (event := _event(path, text, number, len(lines)))]
    if not events or events[0].get("kind") != "run":
        raise RunError(f"{path} is not the file of a run (its first line describes none)")
    if events[0].get("format") != FORMAT:
        raise RunError(f"{path}: format {events[0].get('format')!r}; this program reads {FORMAT}")
    try:
        run = _head(path, events[0])
        for event in events[1:]:
            run = _with(run, event)
    except (LookupError, TypeError, ValueError, OutputsError) as error:
        raise RunError(f"{path} is not the file of a run: {type(error).__name__}: {error}") from None
    return run


def _event(path: Path, text: str, number: int, count: int) -> dict[str, Any] | None:
    try:
        event = json.loads(text)
    except ValueError:
        if number and number == count - 1:
            return None
        raise RunError(f"{path}: line {number + 1} is not JSON; give the .jsonl file of a run") from None
    if not isinstance(event, dict):
        raise RunError(f"{path}: line {number + 1} is not an event of a run")
    return event


def _head(path: Path, head: Mapping[str, Any]) -> Run:
    outputs = parse_outputs(head["outputs"], str(path))
    return Run(
        path=path,
        environment=head["environment"],
        where=head["where"],
        url=head["url"],
        rehearsal=head["rehearsal"],
        started=datetime.fromisoformat(head["started"]),
        outputs=outputs,
        model=next(model for model in outputs.models if model.name == head["model"]),
        workload=Workload(**head["workload"]),
        limits=head["limits"],
        versions=head["versions"],
        machine=head["machine"],
    )


def _with(run: Run, event: Mapping[str, Any]) -> Run:
    """The run with one more event."""
    match event.get("kind"):
        case "request":
            run.requests.append(asked_of(event))
        case "step":
            run.windows.append(window_of(event))
        case "starts":
            run.starts.extend(event["starts"])
        case "servers":
            run.readings.setdefault(int(event["level"]), []).append(Reading.parse(dict(event)))
        case "end":
            return replace(run, ending=Ending(event["ending"]), seconds=float(event["at"]))
    return run


def asked_of(event: Mapping[str, Any]) -> RequestTiming:
    """The request of an event."""
    return RequestTiming(**_known(RequestTiming, event))


def window_of(event: Mapping[str, Any]) -> Window:
    """The window of the event of a step."""
    return Window(**_known(Window, event))


def _known(kind: type[Any], event: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    return {key: value for key, value in event.items() if key in names}
