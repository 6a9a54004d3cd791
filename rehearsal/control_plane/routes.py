"""Which pods stand behind an address: what kube-proxy and the cluster's DNS know, computed from Services and Pods.

Pure functions of the objects. EndpointSlices are not used: they may not hold loopback addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.pods import pod_address

_CLUSTER_DOMAIN = "cluster.local"

Address = tuple[str, int]


@dataclass(frozen=True)
class ServicePort:
    """One port of one Service: where it is reached, and the addresses of its ready pods."""

    namespace: str
    service: str
    port: int
    cluster_ip: str
    backends: tuple[Address, ...]

    @property
    def name(self) -> str:
        """`namespace/service:port`, for messages."""
        return f"{self.namespace}/{self.service}:{self.port}"


@dataclass(frozen=True)
class Routes:
    """All Service ports by cluster address and by name, headless Services' pods, and pods' own addresses."""

    by_address: Mapping[Address, ServicePort] = field(default_factory=dict)
    by_name: Mapping[tuple[str, str, int], ServicePort] = field(default_factory=dict)
    headless: Mapping[tuple[str, str], tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    pods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def find(self, host: str, port: int) -> ServicePort | None:
        """The Service port that `host:port` means; None where it is no Service's. `host` is an address or
        `name.namespace.svc`, with or without the cluster's domain."""
        if (host, port) in self.by_address:
            return self.by_address[host, port]
        parsed = service_name(host)
        if parsed is None:
            return None
        name, namespace = parsed
        if (namespace, name) in self.headless:
            # The name of a headless Service gives its pods; the port is the pods' own.
            backends = tuple(pod_address(pod, port) for pod in self.headless[namespace, name])
            return ServicePort(namespace, name, port, "", backends)
        return self.by_name.get((namespace, name, port))

    def pod(self, host: str, port: int) -> Address | None:
        """Where the process of the pod with the address `host` really listens; None where it is no pod's address."""
        pod = self.pods.get(host)
        return pod_address(pod, port) if pod is not None else None


def service_name(host: str) -> tuple[str, str] | None:
    """(`name`, `namespace`) of `name.namespace.svc[.cluster.local]`, or None for any other host."""
    labels = host.rstrip(".").removesuffix(f".{_CLUSTER_DOMAIN}").split(".")
    return (labels[0], labels[1]) if len(labels) == 3 and labels[2] == "svc" else None


def build(services: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]], api_server: Address) -> Routes:
    """The routes for these objects. The Service `default/kubernetes` has no selector: it means `api_server`."""
    all_pods = [pod for pod in pods if pod.get("status", {}).get("podIP")]
    by_address: dict[Address, ServicePort] = {}
    by_name: dict[tuple[str, str, int], ServicePort] = {}
    headless: dict[tuple[str, str], tuple[Mapping[str, Any], ...]] = {}
    for service in services:
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        spec = service["spec"]
        selected = _selected(service, all_pods)
        cluster_ip = spec.get("clusterIP") or ""
        if spec.get("type") == "ExternalName":
            continue
        if cluster_ip in ("", "None"):
            headless[namespace, name] = tuple(selected)
            continue
        for port in spec.get("ports") or ():
            if port.get("protocol", "TCP") != "TCP":
                continue
            is_api_server = (namespace, name) == ("default", "kubernetes")
            backends = (api_server,) if is_api_server else _backends(port, selected)
            entry = ServicePort(namespace, name, port["port"], cluster_ip, backends)
            by_address[cluster_ip, port["port"]] = by_name[namespace, name, port["port"]] = entry
    running = (pod for pod in all_pods if pod["status"].get("phase") not in ("Succeeded", "Failed"))
    return Routes(by_address, by_name, headless, {pod["status"]["podIP"]: pod for pod in running})


def _selected(service: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The pods of a Service that take traffic, in the order of their names."""
    spec = service["spec"]
    selector, namespace = spec.get("selector") or {}, service["metadata"]["namespace"]
    if not selector:
        return []
    found = [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == namespace
        and selector.items() <= (pod["metadata"].get("labels") or {}).items()
        and (spec.get("publishNotReadyAddresses") or is_ready(pod))
    ]
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod takes traffic: condition Ready, and not being deleted."""
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _backends(port: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> tuple[Address, ...]:
    target = port.get("targetPort", port["port"])
    numbers = ((pod, target if isinstance(target, int) else _named_port(pod, target)) for pod in pods)
    return tuple(pod_address(pod, number) for pod, number in numbers if number is not None)


def _named_port(pod: Mapping[str, Any], name: str) -> int | None:
    """The number of a container port by its name; None where this pod has none of that name."""
    spec = pod["spec"]
    sidecars = [item for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"]
    for container in (*spec["containers"], *sidecars):
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    return None
