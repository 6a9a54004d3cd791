"""What a Prometheus says of the alerts: which conditions hold now, and whether for as long as they must."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from manifests.alerts.alerts import Alert, Condition

_SECONDS = 10.0
# As often as the program's PodMonitorings scrape.
_STEP = 15


class PrometheusError(Exception):
    """Prometheus could not be asked, or does not understand an expression; the message says which."""


@dataclass(frozen=True)
class ActiveAlert:
    """A condition that holds for the series with these labels; `pending` until it has held for as long as it must."""

    alert: Alert
    condition: Condition
    labels: dict[str, str]
    value: float
    state: Literal["firing", "pending"]

    def as_json(self) -> dict[str, Any]:
        """The documented shape (`serving alerts --format json`)."""
        return {
            "alert": self.alert.id,
            "severity": self.alert.severity,
            "state": self.state,
            "title": self.alert.title,
            "condition": self.condition.title,
            "labels": self.labels,
            "value": self.value,
            "runbook": self.alert.runbook,
        }


def evaluate(url: str, alerts: Iterable[Alert], now: float) -> list[ActiveAlert]:
    """Ask a Prometheus, by its URL, for every condition of the alerts at `now` (seconds since 1970).

    Raises:
        PrometheusError: it does not answer, or rejects an expression.
    """
    with httpx.Client(base_url=url, timeout=_SECONDS, trust_env=False) as client:
        return [
            ActiveAlert(alert, condition, *found)
            for alert in alerts
            for condition in alert.conditions
            for found in _series(client, condition, now)
        ]


def _series(
    client: httpx.Client, condition: Condition, now: float
) -> Iterator[tuple[dict[str, str], float, Literal["firing", "pending"]]]:
    step = max(1, min(_STEP, condition.hold_seconds // 4))
    points = condition.hold_seconds // step + 1
    asked = {"query": condition.query, "start": now - (points - 1) * step, "end": now, "step": step}
    for series in _answer(client, asked):
        values = series["values"]
        if values[-1][0] < now - step / 2:
            continue  # it held before, and holds no more
        labels = {key: value for key, value in series["metric"].items() if key != "__name__"}
        yield labels, float(values[-1][1]), "firing" if len(values) == points else "pending"


def _answer(client: httpx.Client, asked: dict[str, Any]) -> list[Any]:
    try:
        answer = client.post("/api/v1/query_range", data=asked)
        document = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise PrometheusError(f"Prometheus does not answer: {error}") from None
    if document.get("status") != "success":
        raise PrometheusError(f"Prometheus rejects an expression: {document.get('error')}: {asked['query']}")
    found: list[Any] = document["data"]["result"]
    return found
