"""Whether managed Prometheus is told to scrape servers and picker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serving.checking.findings import Finding, passed, warned
from serving.live.context import NONE_NOW, Context, scaled_to_zero, title
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings.text import count

_API = "monitoring.googleapis.com/v1"


@check(
    "metrics-scraped",
    "Metrics scraped",
    "PodMonitoring of servers and picker of every model, and the pods it selects",
    (*KUBERNETES_FAILURES, "metrics-not-scraped"),
)
def metrics_scraped(context: Context) -> Iterator[Finding]:
    """There is a PodMonitoring for the servers and one for the picker, and each selects pods."""
    found = context.by_name(_API, "PodMonitoring")
    for model in context.models:
        for name in (f"{model.name}-server", f"{model.name}-picker"):
            monitoring = found.get(name)
            if monitoring is None:
                yield warned("metrics-not-scraped", f"PodMonitoring {context.namespace}/{name}", "not there")
                continue
            pods = [pod for pod in context.objects("v1", "Pod") if _selects(monitoring, pod)]
            if scaled_to_zero(context, model) and name.endswith("-server"):
                yield passed(title(monitoring), NONE_NOW)
            elif pods:
                yield passed(title(monitoring), count(len(pods), "pod"))
            else:
                yield warned("metrics-not-scraped", title(monitoring), "its selector matches no running pod")


def _selects(monitoring: dict[str, Any], pod: dict[str, Any]) -> bool:
    wanted = (monitoring["spec"].get("selector") or {}).get("matchLabels") or {}
    labels = pod["metadata"].get("labels") or {}
    return wanted.items() <= labels.items() and (pod.get("status") or {}).get("phase") == "Running"
