"""What goes between the command and the load generator's process: an order down, events up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from serving.bench.workload import Workload

# One event; `kind` says which keys it has.
Event = dict[str, Any]


@dataclass(frozen=True)
class LoadOrder:
    """What the load generator is to do.

    `url` is the model's base URL; `request_seconds` what one request may take; `step_seconds` the length of a step's
    window; `seconds` what the whole run may take; `host` the name to ask for where it is not the URL's.
    """

    url: str
    workload: Workload
    max_concurrency: int
    step_seconds: float
    request_seconds: float
    seconds: float
    token: str | None = None
    ca_file: str | None = None
    host: str | None = None
    client_certificate: str | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> LoadOrder:
        """The order as `text` wrote it."""
        return cls(**{**data, "workload": Workload(**data["workload"])})

    def text(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    def limits(self) -> dict[str, float]:
        """What bounds the run, for its file."""
        return {
            "maxConcurrency": self.max_concurrency,
            "stepSeconds": self.step_seconds,
            "requestSeconds": self.request_seconds,
            "seconds": self.seconds,
        }


def line(kind: str, data: Mapping[str, Any]) -> str:
    """One event, without its end of line."""
    return json.dumps({"kind": kind, **data}, separators=(",", ":"))
