"""From a Gateway's listeners to Envoy's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.load_balancer.discovery import SOURCE
from rehearsal.load_balancer.routes import EXT_PROC, FAULT

_TYPE = "type.googleapis.com/envoy.extensions"
_FILTERS = f"{_TYPE}.filters.http"
# Longest time that a callout may take (GCPTrafficExtension, timeout), seconds.
_CALLOUT_SECONDS = 10


@dataclass(frozen=True)
class Certificate:
    """A server certificate with its key, PEM."""

    chain: str
    key: str


def listener(
    name: str, port: int, certificates: tuple[Certificate, ...], own: tuple[str, int] | None = None
) -> dict[str, Any]:
    """A listener on 127.0.0.1, and on the Gateway's own address and port where `own` names them.

    Its routes have the same name. With certificates it speaks TLS.
    """
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "rds": {"route_config_name": name, "config_source": SOURCE},
        # The only limit on an answer is the backend's.
        "stream_idle_timeout": "0s",
        "use_remote_address": True,
        "access_log": [
            {
                "name": "envoy.access_loggers.stdout",
                "typed_config": {"@type": f"{_TYPE}.access_loggers.stream.v3.StdoutAccessLog"},
            }
        ],
        "http_filters": [
            _ext_proc(),
            _filter(FAULT, "fault.v3.HTTPFault"),
            _filter("envoy.filters.http.router", "router.v3.Router"),
        ],
    }
    chain: dict[str, Any] = {
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    }
    if certificates:
        chain["transport_socket"] = _tls(certificates)
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "additional_addresses": [
            {"address": {"socket_address": {"address": address, "port_value": number}}}
            for address, number in ([own] if own else [])
        ],
        "filter_chains": [chain],
    }


def _filter(name: str, message: str) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_FILTERS}.{message}"}}


def _ext_proc() -> dict[str, Any]:
    """Off; a route to a pool turns it on and names its picker."""
    config = {
        "@type": f"{_FILTERS}.ext_proc.v3.ExternalProcessor",
        "grpc_service": {"envoy_grpc": {"cluster_name": "none"}},
        "message_timeout": f"{_CALLOUT_SECONDS}s",
    }
    return {"name": EXT_PROC, "typed_config": config, "disabled": True}


def _tls(certificates: tuple[Certificate, ...]) -> Mapping[str, Any]:
    pairs = [
        {"certificate_chain": {"inline_string": item.chain}, "private_key": {"inline_string": item.key}}
        for item in certificates
    ]
    context = {"tls_certificates": pairs, "alpn_protocols": ["h2", "http/1.1"]}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": context,
        },
    }
