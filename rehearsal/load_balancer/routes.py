"""From HTTPRoutes to Envoy's routes: hosts, matches in the Gateway API's order, filters, backends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rehearsal.gke.gateway.world import KubeObject, title
from rehearsal.load_balancer.clusters import seconds
from rehearsal.load_balancer.model import Backend

EXT_PROC = "envoy.filters.http.ext_proc"
FAULT = "envoy.filters.http.fault"

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_ANY = "*"
# What the load balancer answers where no route matches or a backend is broken: 404 "fault filter abort".
_ABORT = {
    FAULT: {
        "@type": f"{_FILTERS}.fault.v3.HTTPFault",
        "abort": {"http_status": 404, "percentage": {"numerator": 100}},
    }
}

FindBackend = Callable[[KubeObject, Mapping[str, Any]], Backend | None]


@dataclass(frozen=True)
class _Rule:
    """One match of one rule. `order` puts what comes first at the front."""

    host: str
    order: tuple[Any, ...]
    envoy: Mapping[str, Any]


def route_configuration(
    name: str, listener: Mapping[str, Any], routes: Sequence[KubeObject], find: FindBackend, https_port: int | None
) -> dict[str, Any]:
    """The routes of one listener. `https_port` is the port that a redirect to https leads to."""
    rules = [item for route in routes for item in _rules(listener, route, find, https_port)]
    hosts = sorted({item.host for item in rules} | {listener.get("hostname") or _ANY})
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            {
                "name": host,
                "domains": [host],
                "routes": [item.envoy for item in _covering(rules, host)] + [_nothing({"prefix": "/"})],
            }
            for host in hosts
        ],
    }


def _covering(rules: Sequence[_Rule], host: str) -> list[_Rule]:
    """The rules for a host, those of the longest host name first."""
    found = [item for item in rules if _covers(item.host, host)]
    return sorted(found, key=lambda item: (item.host == _ANY, -len(item.host.lstrip("*")), item.order))


def _covers(pattern: str, host: str) -> bool:
    return pattern in (_ANY, host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _hosts(listener: Mapping[str, Any], route: KubeObject) -> list[str]:
    own, wanted = listener.get("hostname"), route["spec"].get("hostnames") or []
    if not own or not wanted:
        return wanted or [own or _ANY]
    # Of two names that meet, the one without the (wider) wildcard is what both allow.
    return [own if _covers(name, own) else name for name in wanted if _covers(name, own) or _covers(own, name)]


def _rules(
    listener: Mapping[str, Any], route: KubeObject, find: FindBackend, https_port: int | None
) -> Iterator[_Rule]:
    created = route["metadata"].get("creationTimestamp", "")
    for number, rule in enumerate(route["spec"].get("rules") or ()):
        for match in rule.get("matches") or [{}]:
            path = match.get("path") or {"type": "PathPrefix", "value": "/"}
            action = _action(route, rule, path, find, https_port)
            for host in _hosts(listener, route):
                order = (
                    path["type"] != "Exact",
                    -len(path["value"].rstrip("/")),
                    -len(match.get("headers") or ()),
                    -len(match.get("queryParams") or ()),
                    created,
                    title(route),
                    number,
                )
                yield _Rule(host, order, {"match": _match(match, path), **action})


def _match(match: Mapping[str, Any], path: Mapping[str, Any]) -> dict[str, Any]:
    value = path["value"].rstrip("/")
    if path["type"] == "Exact":
        result: dict[str, Any] = {"path": path["value"]}
    else:
        result = {"path_separated_prefix": value} if value else {"prefix": "/"}
    if match.get("headers"):
        result["headers"] = [
            {"name": item["name"], "string_match": {"exact": item["value"]}} for item in match["headers"]
        ]
    if match.get("queryParams"):
        result["query_parameters"] = [
            {"name": item["name"], "string_match": {"exact": item["value"]}} for item in match["queryParams"]
        ]
    return result


def _action(
    route: KubeObject, rule: Mapping[str, Any], path: Mapping[str, Any], find: FindBackend, https_port: int | None
) -> dict[str, Any]:
    filters = {item["type"]: item for item in rule.get("filters") or ()}
    headers = _headers(filters)
    if "RequestRedirect" in filters:
        return {"redirect": _redirect(filters["RequestRedirect"]["requestRedirect"], path, https_port), **headers}
    weighted = [(find(route, item), int(item.get("weight", 1))) for item in rule.get("backendRefs") or ()]
    backends = [(backend, weight) for backend, weight in weighted if weight]
    reached = [(backend, weight) for backend, weight in backends if backend is not None]
    if not reached or len(reached) < len(backends):
        action = _nothing({})
        del action["match"]
        return action
    # Of several backends the largest limit holds for the route (Compute API, HttpRouteAction.timeout).
    target: dict[str, Any] = {"timeout": seconds(max(backend.time_limit for backend, _ in reached))}
    result: dict[str, Any] = {"route": target, **headers}
    if len(reached) == 1:
        backend = reached[0][0]
        target["cluster"] = backend.id
        result |= _picking(backend)
    else:
        target["weighted_clusters"] = {
            "clusters": [{"name": backend.id, "weight": weight, **_picking(backend)} for backend, weight in reached]
        }
    if "URLRewrite" in filters:
        target |= _rewrite(filters["URLRewrite"]["urlRewrite"], path)
    return result


def _picking(backend: Backend) -> dict[str, Any]:
    """The picker decides on the whole request; body and answer pass through it as they come."""
    if backend.picker is None:
        return {}
    modes = {
        "request_header_mode": "SEND",
        "response_header_mode": "SEND",
        "request_body_mode": "FULL_DUPLEX_STREAMED",
        "response_body_mode": "FULL_DUPLEX_STREAMED",
        "request_trailer_mode": "SEND",
        "response_trailer_mode": "SEND",
    }
    overrides = {
        "processing_mode": modes,
        "grpc_service": {"envoy_grpc": {"cluster_name": backend.picker.backend}},
        "failure_mode_allow": backend.picker.fail_open,
    }
    config = {"@type": f"{_FILTERS}.ext_proc.v3.ExtProcPerRoute", "overrides": overrides}
    return {"typed_per_filter_config": {EXT_PROC: config}}


def _rewrite(rewrite: Mapping[str, Any], path: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if rewrite.get("hostname"):
        result["host_rewrite_literal"] = rewrite["hostname"]
    replaced = rewrite.get("path") or {}
    if replaced.get("type") == "ReplacePrefixMatch":
        pattern, substitution = _prefix(path["value"], replaced["replacePrefixMatch"])
        result["regex_rewrite"] = {"pattern": {"regex": pattern}, "substitution": substitution}
    return result


def _prefix(matched: str, replacement: str) -> tuple[str, str]:
    """Pattern and substitution for a prefix: whole path elements, never two slashes in a row, never an empty path."""
    prefix, new = re.escape(matched.rstrip("/")), replacement.rstrip("/")
    return (f"^{prefix}", new) if new else (f"^{prefix}/*", "/")


def _redirect(redirect: Mapping[str, Any], path: Mapping[str, Any], https_port: int | None) -> dict[str, Any]:
    code = {301: "MOVED_PERMANENTLY", 302: "FOUND"}[redirect.get("statusCode", 302)]
    result: dict[str, Any] = {"response_code": code}
    if redirect.get("scheme"):
        result["scheme_redirect"] = redirect["scheme"]
    if redirect.get("scheme") == "https" and https_port:
        result["port_redirect"] = https_port
    if redirect.get("hostname"):
        result["host_redirect"] = redirect["hostname"]
    replaced = redirect.get("path") or {}
    if replaced.get("type") == "ReplacePrefixMatch":
        pattern, substitution = _prefix(path["value"], replaced["replacePrefixMatch"])
        result["regex_rewrite"] = {"pattern": {"regex": pattern}, "substitution": substitution}
    return result


def _headers(filters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for kind, block, way in (
        ("RequestHeaderModifier", "requestHeaderModifier", "request"),
        ("ResponseHeaderModifier", "responseHeaderModifier", "response"),
    ):
        changes = (filters.get(kind) or {}).get(block) or {}
        added = [
            {"header": {"key": item["name"], "value": item["value"]}, "append_action": action}
            for field, action in (("set", "OVERWRITE_IF_EXISTS_OR_ADD"), ("add", "APPEND_IF_EXISTS_OR_ADD"))
            for item in changes.get(field) or ()
        ]
        if added:
            result[f"{way}_headers_to_add"] = added
        if changes.get("remove"):
            result[f"{way}_headers_to_remove"] = list(changes["remove"])
    return result


def _nothing(match: Mapping[str, Any]) -> dict[str, Any]:
    """Aborted by the fault filter; the status is never seen."""
    return {"match": match, "direct_response": {"status": 404}, "typed_per_filter_config": _ABORT}
