"""NetworkPolicies of the models' namespace: nothing in, nothing out, but for what serving needs.

A pod's own node reaches it whatever a policy says (kubelet's probes, Google's agents). GKE Dataplane V2, which a cluster of
ours has, enforces them; on another cluster they have an effect only where its network plugin does.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from catalog.gke import facts
from manifests.base import Manifest, manifest
from manifests.monitoring import COLLECTOR_NAMESPACE, PICKER
from manifests.scheduler import PART_OF
from settings.derive import SERVER_PORT, Deployment

# KServe 0.20 config-llm-scheduler.yaml: container port `metrics`.
_PICKER_METRICS = 9090
_DNS, _HTTPS = 53, 443
# Google "Control communication between Pods and Services using network policies": workload identity's metadata server with
# Dataplane V2, and without it (read 2026-11-24).
_METADATA = (("169.254.169.254/32", 80), ("169.254.169.252/32", 988))
_DEFAULT_PORTS = {"http": 80, "https": _HTTPS}


def network_policies(deployment: Deployment) -> tuple[Manifest, ...]:
    """The policies, the one for every pod last: it takes away what the others allow.

    None where they are off, or where nobody said which addresses the load balancer's proxies have (NP01).
    """
    proxies = deployment.proxy_range
    if proxies is None or not deployment.settings.platform.network_policies:
        return ()
    balancer = [_block(proxies), *map(_block, facts()["healthCheckRanges"])]
    picker, servers = {"matchLabels": {**PART_OF, **PICKER}}, _servers()
    collector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": COLLECTOR_NAMESPACE}}}
    made: dict[str, tuple[dict[str, Any], Any, Any]] = {
        "servers": (
            servers,
            [{"from": [*balancer, {"podSelector": picker}, collector], "ports": [_port(SERVER_PORT)]}],
            None,
        ),
        "pickers": (
            picker,
            [
                {"from": balancer, "ports": list(map(_port, facts()["pickerPorts"]))},
                {"from": [collector], "ports": [_port(_PICKER_METRICS)]},
            ],
            [{"to": [{"podSelector": servers}], "ports": [_port(SERVER_PORT)]}],
        ),
    }
    for model in deployment.models:
        if model.shape.multi_host:
            # Ray and the TPU runtime choose ports of their own.
            hosts = _servers(model.name)
            made[f"{model.name}-slice"] = (
                hosts,
                [{"from": [{"podSelector": hosts}]}],
                [{"to": [{"podSelector": hosts}]}],
            )
    # Weights, adapters and Kubernetes' API come over HTTPS from addresses that nobody can list.
    outbound = [
        {"ports": [_port(_DNS, "UDP"), _port(_DNS), *map(_port, _outbound(deployment))]},
        *({"to": [_block(block)], "ports": [_port(port)]} for block, port in _METADATA),
    ]
    made["default"] = {}, [], outbound
    return tuple(_policy(deployment.namespace, name, *parts) for name, parts in made.items())


def _policy(namespace: str, name: str, selector: Any, ingress: Any, egress: Any) -> Manifest:
    """`ingress` and `egress`: None where the policy is silent about that direction."""
    directions = {"Ingress": ingress, "Egress": egress}
    spec: dict[str, Any] = {
        "podSelector": selector,
        "policyTypes": [way for way, rules in directions.items() if rules is not None],
    }
    spec |= {way.lower(): rules for way, rules in directions.items() if rules}
    return manifest("networking.k8s.io/v1", "NetworkPolicy", name, namespace, spec=spec)


def _servers(model: str | None = None) -> dict[str, Any]:
    """Every host of every model, or of one: KServe labels workers of a slice otherwise than leaders."""
    labels = PART_OF | ({"app.kubernetes.io/name": model} if model else {})
    ((key, value),) = PICKER.items()
    return {"matchLabels": labels, "matchExpressions": [{"key": key, "operator": "NotIn", "values": [value]}]}


def _outbound(deployment: Deployment) -> list[int]:
    """Ports of addresses outside: HTTPS, and those in URLs of the models' variables, such as a proxy or a mirror of the Hub."""
    ports = {_HTTPS}
    for model in deployment.models:
        for value in model.variables.values():
            try:
                url = urlsplit(value)
                port = url.port or (_DEFAULT_PORTS.get(url.scheme) if url.netloc else None)
            except ValueError:
                continue
            if url.netloc and port:
                ports.add(port)
    return sorted(ports)


def _block(cidr: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr}}


def _port(number: int, protocol: str = "TCP") -> dict[str, Any]:
    return {"protocol": protocol, "port": number}
