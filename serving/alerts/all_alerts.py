"""Every alert that there is, whatever an environment has; for the runbook and for tests."""

from __future__ import annotations

from functools import cache
from typing import Any

from manifests.alerts.alerts import Alert, alerts
from settings.derive import Deployment
from settings.document import Document
from settings.load import parse

# Of a multi-host slice of TPU7x, which has the alerts of every other one beside its own, and a certificate.
_EVERYTHING: dict[str, Any] = {
    "project": {"id": "my-project"},
    "location": {"zone": "us-central1-c"},
    "gateway": {"hostname": "llm.example.com", "tls": {"certificateManagerCerts": ["llm"]}},
    "monitoring": {"objectives": {"availability": 99.5, "timeToFirstTokenP95Ms": 1000}},
    "models": [
        {"name": "qwen", "source": "hf://Qwen/Qwen3-32B", "tpu": {"generation": "tpu7x", "topology": "2x2x2"}},
    ],
}


@cache
def deployment_with_all_alerts() -> Deployment:
    """An environment that has all of them."""
    settings, _, _ = parse(Document("every", "every.yaml", _EVERYTHING))
    assert settings is not None
    return Deployment("every", settings)


@cache
def all_alerts() -> tuple[Alert, ...]:
    """All of them."""
    return alerts(deployment_with_all_alerts())


def leading_to(section: str) -> list[Alert]:
    """The alerts that name a section of the runbook, `PART#ID`."""
    return [alert for alert in all_alerts() if alert.section == section]
