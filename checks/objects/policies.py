"""Rules on HealthCheckPolicy and GCPBackendPolicy (HC01 to HC07, BP01 to BP04)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from catalog.gke import POOL_GROUP
from checks.objects.backends import Target, key_of, own_backends, reachable, serves_models
from checks.objects.check import Context, Found, Scope, on_each, on_whole
from checks.objects.pods import Probe, probes_of, server_of
from checks.objects.resource import REGION_SECURITY_POLICY, SECURITY_POLICY, Resource
from checks.objects.values import get, mapping, number, text
from settings.names import RESOURCE_NAME
from settings.refusal import Path

_HEALTH, _BACKEND = "HealthCheckPolicy", "GCPBackendPolicy"
_CONFIG: Path = ("spec", "default", "config")
# The group each kind of target has; a Service's is written out as "" (Google "Configure Gateway resources").
_GROUPS = {
    "Service": "",
    "InferencePool": POOL_GROUP,
    "ServiceImport": "net.gke.io",
    "GCPInferencePoolImport": "networking.gke.io",
}
_BLOCKS = {
    "TCP": "tcpHealthCheck",
    "HTTP": "httpHealthCheck",
    "HTTPS": "httpsHealthCheck",
    "HTTP2": "http2HealthCheck",
    "GRPC": "grpcHealthCheck",
}
# GKE's own Service behind a pool: `<pool>-inference-pool-ip-<hash>` (field issue 13); the pool's name may end likewise.
_SHADOW = re.compile(r".*-ip-[0-9a-f]{4,}")
_DEFAULT_GRACE_SECONDS = 30  # Kubernetes' own


def _written(target: Target) -> str:
    group = f'"{target.group}"' if not target.group else target.group
    return f"targetRef: {{group: {group}, kind: {target.kind}, name: {target.name}}}"


def _attached(scope: Scope, kind: str) -> dict[Target, list[Resource]]:
    found: dict[Target, list[Resource]] = {}
    for policy in scope.of(kind):
        target = key_of(policy)
        # A missing group is HC02's business.
        found.setdefault(target._replace(group=_GROUPS.get(target.kind, target.group)), []).append(policy)
    return found


@on_whole("HC01")
def one_health_check_each(scope: Scope) -> Iterator[Found]:
    """Every backend of a model that a route can reach has exactly one HealthCheckPolicy."""
    attached = _attached(scope, _HEALTH)
    for target, (route, path) in reachable(scope).items():
        if target not in attached and serves_models(target):
            yield Found(
                route,
                path,
                target.name,
                f"{target.kind} {target.name} has no HealthCheckPolicy.",
                f"Add a HealthCheckPolicy in {target.namespace} with {_written(target)}.",
            )
    yield from _only_one(attached)


def _only_one(attached: dict[Target, list[Resource]]) -> Iterator[Found]:
    """Of two policies of a kind on one target the older wins; the other one is Conflicted."""
    for target, policies in attached.items():
        for policy in policies[1:] if serves_models(target) else ():
            said = f"{policies[0].label} is attached to the same target; the older one wins."
            yield Found(policy, ("spec", "targetRef"), target.name, said, f"Keep one of it and {policy.label}.")


@on_each("HC02", _HEALTH, _BACKEND)
def group_is_written(policy: Resource, _: Context) -> Iterator[Found]:
    """`targetRef.group` is there, also for a Service, and is the one of the kind."""
    reference = mapping(policy.inputs, "spec", "targetRef")
    kind, group = text(reference, "kind"), get(reference, "group")
    wanted = _GROUPS.get(kind)
    if group is None or (wanted is not None and group != wanted):
        said = "targetRef has no group." if group is None else f"{kind} is not in the group {group!r}."
        fix = f'Write group: "{wanted or ""}".'
        yield Found(policy, ("spec", "targetRef", "group"), group, said, fix)


def _block(policy: Resource) -> tuple[Path, Any]:
    """The block with port and path, whichever type it is of."""
    config = mapping(policy.inputs, *_CONFIG)
    name = next((key for key in _BLOCKS.values() if key in config), None)
    return ((*_CONFIG, name), get(config, name)) if name else (_CONFIG, None)


@on_each("HC03", _HEALTH)
def fixed_port(policy: Resource, _: Context) -> Iterator[Found]:
    """The port of a model's check is given in the one form that every published schema accepts."""
    if not serves_models(key_of(policy)):
        return
    path, block = _block(policy)
    form, port = get(block, "portSpecification"), number(block, "port")
    if form != "USE_FIXED_PORT" or port is None or get(block, "portName") is not None:
        said = f"portSpecification is {form}." if form else "portSpecification is missing."
        said = "There is no port." if form == "USE_FIXED_PORT" and port is None else said
        fix = f"Write portSpecification: USE_FIXED_PORT and port: {port or 8000}."
        yield Found(policy, (*path, "portSpecification"), form, said, fix)


@on_each("HC04", _HEALTH)
def times_fit(policy: Resource, _: Context) -> Iterator[Found]:
    """1 <= timeout <= interval <= 300, thresholds from 1 to 10; both times written for a model's check."""
    default: Path = ("spec", "default")
    interval = number(policy.inputs, *default, "checkIntervalSec")
    timeout = number(policy.inputs, *default, "timeoutSec")
    written = interval is not None and timeout is not None
    # An interval or a timeout that is left out is 5 s (descriptions of the definition).
    default_seconds = [5 if seconds is None else seconds for seconds in (timeout, interval)]
    in_range = 1 <= default_seconds[0] <= default_seconds[1] <= 300
    if not in_range or (serves_models(key_of(policy)) and not written):
        at = "timeoutSec" if interval is not None else "checkIntervalSec"
        said = f"checkIntervalSec is {interval}, timeoutSec is {timeout}."
        said = said.replace("None", "not written")
        yield Found(
            policy,
            (*default, at),
            timeout if at == "timeoutSec" else interval,
            said,
            "Write checkIntervalSec: 10 and timeoutSec: 5.",
        )
    for key in ("healthyThreshold", "unhealthyThreshold"):
        count = number(policy.inputs, *default, key)
        if get(policy.inputs, *default, key) is not None and (count is None or not 1 <= count <= 10):
            at_key = (*default, key)
            yield Found(policy, at_key, get(policy.inputs, *at_key), f"{key} is not from 1 to 10.", f"Write {key}: 2.")


@on_whole("HC05")
def asks_what_the_kubelet_asks(scope: Scope) -> Iterator[Found]:
    """Scheme, port and path of the load balancer's check are those of the server's own probes."""
    attached = _attached(scope, _HEALTH)
    for service in scope.of("LLMInferenceService"):
        container = server_of(service)
        probes = probes_of(container) if container is not None else []
        for target in own_backends(service):
            for policy in attached.get(target, []):
                if probes and (probe := _asked(policy)) is not None and probe not in probes:
                    yield _differs(policy, probe, probes[0], service)


def _asked(policy: Resource) -> Probe | None:
    _, block = _block(policy)
    kind, port = text(policy.inputs, *_CONFIG, "type"), number(block, "port")
    if kind not in {"HTTP", "HTTPS"} or port is None:
        return None
    return Probe(kind, port, text(block, "requestPath") or "/")


def _differs(policy: Resource, asked: Probe, own: Probe, service: Resource) -> Found:
    path, _ = _block(policy)
    keys = {"scheme": "type", "port": "port", "path": "requestPath"}
    wrong = next(key for key in keys if getattr(asked, key) != getattr(own, key))
    at = (*_CONFIG, "type") if wrong == "scheme" else (*path, keys[wrong])
    block = _BLOCKS[own.scheme]
    return Found(
        policy,
        at,
        getattr(asked, wrong),
        f"{service.label} answers probes at {own.scheme} :{own.port}{own.path}.",
        f"Write type: {own.scheme} and {block}: {{portSpecification: USE_FIXED_PORT, port: {own.port}, "
        f"requestPath: {own.path}}}.",
    )


@on_each("HC06", _HEALTH)
def type_and_block(policy: Resource, _: Context) -> Iterator[Found]:
    """The type has its own block and no other."""
    config = mapping(policy.inputs, *_CONFIG)
    if not config and not serves_models(key_of(policy)):
        return  # what GKE asks by default
    kind = text(config, "type")
    blocks = [key for key in config if key in _BLOCKS.values()]
    wanted = _BLOCKS.get(kind)
    if wanted is None or blocks != [wanted]:
        said = f"type: {kind or '(missing)'} stands beside {', '.join(blocks) or 'no block'}."
        near = next((k for k, b in _BLOCKS.items() if blocks and b == blocks[0]), "HTTP")
        fix = f"Write {wanted}: ..." if wanted and not blocks else f"Write type: {near} with {_BLOCKS[near]}."
        yield Found(policy, (*_CONFIG, "type"), kind or None, said, fix)


@on_each("HC07", _HEALTH, _BACKEND)
def not_on_a_shadow(policy: Resource, _: Context) -> Iterator[Found]:
    """No policy is attached to the Service that GKE makes behind a pool."""
    target = key_of(policy)
    if target.kind == "Service" and _SHADOW.fullmatch(target.name):
        pool = target.name.rpartition("-ip-")[0]
        wanted = Target(target.namespace, POOL_GROUP, "InferencePool", pool)
        yield Found(
            policy,
            ("spec", "targetRef", "name"),
            target.name,
            f"{target.name} is GKE's own Service behind the pool.",
            f"Write {_written(wanted)}.",
        )


@on_whole("BP01")
def time_for_the_longest_answer(scope: Scope) -> Iterator[Found]:
    """Every pool a route reaches has a backend policy that leaves time for its longest answer."""
    attached = _attached(scope, _BACKEND)
    for target, (route, path) in reachable(scope).items():
        if target.kind == "InferencePool" and target not in attached:
            seconds = scope.context.answer_seconds.get(target.name, 3600)
            yield Found(
                route,
                path,
                target.name,
                f"InferencePool {target.name} has no GCPBackendPolicy.",
                f"Add a GCPBackendPolicy with {_written(target)} and default: {{timeoutSec: {seconds}}}.",
            )


@on_whole("BP05")
def one_backend_policy_each(scope: Scope) -> Iterator[Found]:
    """No backend of a model has two GCPBackendPolicies."""
    yield from _only_one(_attached(scope, _BACKEND))


@on_each("BP01", _BACKEND)
def time_limit_is_written(policy: Resource, context: Context) -> Iterator[Found]:
    """The policy of a pool has a time limit, not shorter than the longest answer where that is known."""
    target = key_of(policy)
    if target.kind != "InferencePool":
        return
    seconds, longest = number(policy.inputs, "spec", "default", "timeoutSec"), context.answer_seconds.get(target.name)
    if seconds is None or (longest is not None and seconds < longest):
        said = "timeoutSec is not written." if seconds is None else f"The longest answer takes {longest} s."
        yield Found(policy, ("spec", "default", "timeoutSec"), seconds, said, f"Write timeoutSec: {longest or 3600}.")


@on_each("BP02", _BACKEND, "GCPTrafficDistributionPolicy")
def no_affinity(policy: Resource, _: Context) -> Iterator[Found]:
    """No session affinity on a pool: the picker chooses."""
    affinity = get(policy.inputs, "spec", "default", "sessionAffinity")
    if affinity is not None and key_of(policy).kind in {"InferencePool", "GCPInferencePoolImport"}:
        at = ("spec", "default", "sessionAffinity")
        yield Found(
            policy, at, affinity, "An InferencePool does not support session affinity.", "Remove sessionAffinity."
        )


@on_whole("BP03")
def draining_ends_in_time(scope: Scope) -> Iterator[Found]:
    """A backend is drained before its pods are killed."""
    attached = _attached(scope, _BACKEND)
    for service in scope.of("LLMInferenceService"):
        grace = number(service.inputs, "spec", "template", "terminationGracePeriodSeconds") or _DEFAULT_GRACE_SECONDS
        for target in own_backends(service):
            for policy in attached.get(target, []):
                at = ("spec", "default", "connectionDraining", "drainingTimeoutSec")
                seconds = number(policy.inputs, *at) or 0
                if seconds > grace:
                    said = f"The pods of {service.label} are killed after {grace} s."
                    yield Found(policy, at, seconds, said, f"Write drainingTimeoutSec: {grace}, or less.")


@on_each("BP04", _BACKEND)
def armor_by_name(policy: Resource, _: Context) -> Iterator[Found]:
    """A security policy is named, and not a global one's path."""
    name = text(policy.inputs, "spec", "default", "securityPolicy")
    at = ("spec", "default", "securityPolicy")
    if "global/" in name:
        yield Found(policy, at, name, "This security policy is global.", "Name a regional one.")
    elif name and not re.fullmatch(RESOURCE_NAME, name):
        yield Found(policy, at, name, "This is not the name of a security policy.", "Name one made with --region.")


@on_whole("BP04", graph=True)
def armor_is_regional(scope: Scope) -> Iterator[Found]:
    """A security policy of the same stack is regional, as the load balancer is."""
    everywhere = {p.name for p in scope.of(SECURITY_POLICY)} - {p.name for p in scope.of(REGION_SECURITY_POLICY)}
    for policy in scope.of(_BACKEND):
        name = text(policy.inputs, "spec", "default", "securityPolicy")
        if name and name in everywhere:
            at = ("spec", "default", "securityPolicy")
            yield Found(policy, at, name, f"{name} is global.", "Make it a gcp.compute.RegionSecurityPolicy.")
