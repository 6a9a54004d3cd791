"""From a backend to Envoy: a cluster that takes traffic, and one that is only asked for its health.

There are two because the policy `override_host` takes the picker's choice even where Envoy's own health check says no:
the first cluster holds the healthy endpoints only, the second all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from rehearsal.control_plane.services import Address
from rehearsal.load_balancer.discovery import SOURCE
from rehearsal.load_balancer.model import Backend, CheckType, HealthCheck, Protocol

PICKED = "x-gateway-destination-endpoint"

_POLICIES = "type.googleapis.com/envoy.extensions.load_balancing_policies"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_NO_LIMIT = 1_000_000
_CONNECT_SECONDS = 5


def check_name(backend: str) -> str:
    """The cluster that is asked for a backend's health."""
    return f"check_{backend}"


def clusters(backend: Backend) -> Iterator[dict[str, Any]]:
    """Both clusters of a backend."""
    yield {
        **_cluster(backend.id, backend.protocol),
        "load_balancing_policy": _policy(picked=backend.picker is not None),
        "circuit_breakers": {
            "thresholds": [{"max_connections": _NO_LIMIT, "max_pending_requests": _NO_LIMIT, "max_requests": _NO_LIMIT}]
        },
    }
    protocols: Mapping[CheckType, Protocol] = {"HTTPS": "HTTPS", "HTTP2": "HTTP2", "GRPC": "H2C"}
    asked = _cluster(check_name(backend.id), protocols.get(backend.check.type, "HTTP"))
    yield {**asked, "health_checks": [_health_check(backend.check)]}


def endpoints(backend: Backend, healthy: Collection[Address]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and endpoints of both clusters."""
    traffic = [_endpoint(item.address) for item in backend.endpoints if item.address in healthy]
    yield backend.id, _assignment(backend.id, traffic)
    asked = []
    for address in dict.fromkeys(item.probe for item in backend.endpoints):
        endpoint = _endpoint(address)
        if not backend.check.host:
            endpoint["endpoint"]["health_check_config"] = {"hostname": address[0]}
        asked.append(endpoint)
    yield check_name(backend.id), _assignment(check_name(backend.id), asked)


def _cluster(name: str, protocol: Protocol) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": SOURCE},
        "connect_timeout": seconds(_CONNECT_SECONDS),
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }
    if protocol in ("HTTP2", "H2C"):
        cluster["typed_extension_protocol_options"] = {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    if protocol in ("HTTPS", "HTTP2"):
        # GKE does not verify a backend's certificate unless a BackendTLSPolicy asks for it.
        context = {"alpn_protocols": ["h2"]} if protocol == "HTTP2" else {}
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "common_tls_context": context,
            },
        }
    return cluster


def _policy(*, picked: bool) -> dict[str, Any]:
    robin: dict[str, Any] = {"policies": [_extension("round_robin", "RoundRobin", {})]}
    if not picked:
        return robin
    sources = {"override_host_sources": [{"header": PICKED}], "fallback_policy": robin}
    return {"policies": [_extension("override_host", "OverrideHost", sources)]}


def _extension(name: str, message: str, config: Mapping[str, Any]) -> dict[str, Any]:
    typed = {"@type": f"{_POLICIES}.{name}.v3.{message}", **config}
    return {"typed_extension_config": {"name": f"envoy.load_balancing_policies.{name}", "typed_config": typed}}


def _health_check(check: HealthCheck) -> dict[str, Any]:
    result: dict[str, Any] = {
        "timeout": seconds(check.timeout),
        "interval": seconds(check.interval),
        # Envoy asks a cluster without traffic once a minute; this one never has traffic.
        "no_traffic_interval": seconds(check.interval),
        "healthy_threshold": check.healthy,
        "unhealthy_threshold": check.unhealthy,
        "reuse_connection": False,
    }
    if check.type == "TCP":
        request = {"send": {"text": check.request.encode("latin-1").hex()}} if check.request else {}
        return {**result, "tcp_health_check": {**request, "receive": _text(check.response)}}
    if check.type == "GRPC":
        return {**result, "grpc_health_check": {"service_name": check.grpc_service}}
    http: dict[str, Any] = {
        "path": check.path,
        # Only 200 is healthy. The others count towards the threshold; Envoy would give up at the first one.
        "retriable_statuses": [{"start": 100, "end": 200}, {"start": 201, "end": 600}],
        "codec_client_type": "HTTP2" if check.type == "HTTP2" else "HTTP1",
        "receive": _text(check.response),
    }
    if check.host:
        http["host"] = check.host
    return {**result, "http_health_check": http}


def _text(text: str) -> list[dict[str, str]]:
    return [{"text": text.encode("latin-1").hex()}] if text else []


def _endpoint(address: Address) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": address[0], "port_value": address[1]}}}}


def _assignment(name: str, lb_endpoints: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": lb_endpoints}] if lb_endpoints else [],
    }


def seconds(value: float) -> str:
    """A duration in protobuf's JSON."""
    return f"{value:g}s"
