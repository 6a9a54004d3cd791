"""A rehearsal's record of its load balancer: where its Gateway is reached, and the health of its backends."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Listener(_Record):
    """The listener that clients use. `hostname` is the one it is declared for, `url` where it is reached here."""

    url: str
    hostname: str | None = None


class BackendHealth(_Record):
    """One endpoint of one backend, as the load balancer's health checks see it."""

    kind: str
    name: str
    endpoint: str
    healthy: bool
    since: str = "unknown"


class LoadBalancerRecord(_Record):
    """What the load balancer last wrote; no listener where no Gateway was programmed yet."""

    gateway: Listener | None = None
    backends: tuple[BackendHealth, ...] = ()


class RecordError(Exception):
    """The record can't be read; the message says why."""


def read_record(path: Path) -> LoadBalancerRecord:
    """The record as last written.

    Raises:
        RecordError: it is not there (no Gateway was programmed yet), or is not such a record.
    """
    try:
        return LoadBalancerRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RecordError(f"{path.name} is not there: the load balancer has no backend to send traffic to") from None
    except OSError as error:
        raise RecordError(f"{path} can't be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RecordError(f"{path} is not a record of the load balancer: {place}: {first['msg']}") from None
