"""Where the ready pods of a Service are reached: what kube-proxy knows, computed from Services and Pods.

EndpointSlices are not used: they may not hold loopback addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cluster.pods import pod_address

Address = tuple[str, int]


def endpoints(service: Mapping[str, Any], port: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> list[Address]:
    """Where a Service's ready pods take what comes to one of its ports (an entry of `spec.ports`), by the pods' names."""
    selector = (service["spec"].get("selector") or {}).items()
    namespace, target = service["metadata"]["namespace"], port.get("targetPort") or port["port"]
    found = [
        (str(pod["metadata"]["name"]), pod_address(pod, number))
        for pod in pods
        if selector
        and pod["metadata"]["namespace"] == namespace
        and selector <= (pod["metadata"].get("labels") or {}).items()
        and is_ready(pod)
        and (number := target if isinstance(target, int) else _named_port(pod, target)) is not None
    ]
    return [address for _, address in sorted(found)]


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod takes traffic: it has an address, condition Ready, and is not being deleted."""
    status = pod.get("status") or {}
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions") or ())
    return bool(ready and status.get("podIP")) and not pod["metadata"].get("deletionTimestamp")


def _named_port(pod: Mapping[str, Any], name: str) -> int | None:
    """The number of a container port by its name; None where this pod has none of that name."""
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    return None
