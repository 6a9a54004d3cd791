"""Health-check and backend policies: there, attached, and saying what the servers and the longest answer need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from manifests.gateway import API as GATEWAY_API
from serving.checking.findings import Finding, failed, passed
from serving.live.context import Context, title
from serving.verify.backends import backends_of, not_made
from serving.verify.conditions import NOT_WRITTEN, generation_of, judge, says
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings.consumers import tag_set
from settings.derive import HEALTH_PATH, SERVER_PORT, SERVER_SCHEME
from settings.names import base_path
from settings.outputs import ModelOutput

API = "networking.gke.io/v1"
KINDS = ("HealthCheckPolicy", "GCPBackendPolicy")
# Google's limit where no policy sets one (CRD's field text, gke.md 1.7), seconds.
DEFAULT_TIMEOUT = 30


@check(
    "policies-attached",
    "Every policy there and attached",
    "HealthCheckPolicy and GCPBackendPolicy of every pool and Service, GCPGatewayPolicy; condition Attached; GCPAuthzPolicy",
    (
        *KUBERNETES_FAILURES,
        "policy-missing",
        "policy-not-attached",
        "policy-without-target",
        "consumers-not-checked",
        NOT_WRITTEN,
    ),
)
def policies_attached(context: Context) -> Iterator[Finding]:
    """Without them GKE probes `/` and cuts every answer after 30 s."""
    for kind in KINDS:
        policies = context.objects(API, kind)
        for model in context.models:
            for backend in backends_of(model):
                if not any(_target(policy) == backend for policy in policies):
                    text = f"no {kind} has it as its target"
                    yield failed("policy-missing", f"{backend[1]} {context.namespace}/{backend[2]}", text)
    missing = not_made(context)
    for kind in (*KINDS, "GCPGatewayPolicy"):
        for policy in context.objects(API, kind):
            conditions = (policy.get("status") or {}).get("conditions")
            failure = "policy-without-target" if _target(policy) in missing else "policy-not-attached"
            yield from judge(title(policy), conditions, {"Attached": failure}, generation_of(policy))
    yield from _consumers(context)
    if any(consumer.known_by == "certificate" for consumer in context.target.outputs.consumers):
        yield from _client_certificates(context)


def _consumers(context: Context) -> Iterator[Finding]:
    """With consumers the Gateway denies by default, and lets in whom the outputs name, each to its models."""
    declared = context.target.outputs
    if not declared.consumers:
        return
    gateway, found = declared.gateway, context.objects(API, "GCPAuthzPolicy", declared.gateway.namespace)
    own = [
        policy for policy in found if gateway.name in [t.get("name") for t in policy["spec"].get("targetRefs") or ()]
    ]
    name = f"Gateway {gateway.namespace}/{gateway.name}"
    rules = [rule for policy in own if _action(policy) == "ALLOW" for rule in policy["spec"].get("rules") or ()]
    let_in = {(who, path) for rule in rules for who in _sources(rule) for path in _paths(rule)}
    wanted = {(c.identity, f"{base_path(declared.namespace, m)}/") for c in declared.consumers for m in c.models}
    if not any(_action(policy) == "DENY_BY_DEFAULT" for policy in own):
        yield failed("consumers-not-checked", name, "no GCPAuthzPolicy denies by default")
    elif more := sorted(let_in - wanted):
        who, path = more[0]
        yield failed("consumers-not-checked", name, f"{who} is let in to {path}, which the outputs do not say")
    elif lacking := sorted(wanted - let_in):
        who, path = lacking[0]
        yield failed("consumers-not-checked", name, f"{who} is not let in to {path}")
    else:
        yield passed(name, f"{len(declared.consumers)} consumers, all others denied")
    for policy in own:
        # Which types of conditions GKE writes is not documented: none may be False.
        for ancestor in (policy.get("status") or {}).get("ancestors") or ():
            for item in ancestor.get("conditions") or ():
                if item["status"] == "False":
                    yield failed("policy-not-attached", title(policy), says(item))


def _client_certificates(context: Context) -> Iterator[Finding]:
    """Consumers by certificate are known only where the Gateway asks for one."""
    declared = context.target.outputs.gateway
    for gateway in context.objects(GATEWAY_API, "Gateway", declared.namespace):
        if gateway["metadata"]["name"] == declared.name:
            frontend = (gateway["spec"].get("tls") or {}).get("frontend") or {}
            validation = (frontend.get("default") or {}).get("validation")
            if not validation:
                yield failed("consumers-not-checked", title(gateway), "clients are asked for no certificate")
            elif (mode := validation.get("mode", "AllowValidOnly")) != "AllowValidOnly":
                yield failed("consumers-not-checked", title(gateway), f"certificates are asked for in mode {mode}")


def _action(policy: dict[str, Any]) -> str:
    return str(policy["spec"].get("action") or "ALLOW")


def _sources(rule: dict[str, Any]) -> Iterator[str]:
    """Who a rule is for: "everybody" where it names nobody."""
    sources = (rule.get("from") or {}).get("sources")
    for source in sources or ():
        yield from (item["principal"]["value"] for item in source.get("principals") or ())
        for item in source.get("resources") or ():
            account = (item.get("iamServiceAccount") or {}).get("value")
            yield str(account or tag_set(item.get("tagValueIdSet") or ()))
    if not sources:
        yield "everybody"


def _paths(rule: dict[str, Any]) -> Iterator[str]:
    operations = (rule.get("to") or {}).get("operations")
    for operation in operations or ():
        yield from (item["value"] for item in operation.get("paths") or ())
    if not operations:
        yield "/"


@check(
    "health-check",
    "Health checks ask what the servers answer",
    "HealthCheckPolicy of every pool: type, port and path",
    (*KUBERNETES_FAILURES, "health-check-differs", "policy-missing"),
)
def health_check(context: Context) -> Iterator[Finding]:
    """Type, port and path are those of the servers' own probes."""
    for model in context.models:
        policy = policy_of(context, "HealthCheckPolicy", model)
        if policy is None:
            yield _no_policy(context, "HealthCheckPolicy", model)
            continue
        config = _default(policy).get("config") or {}
        kind = config.get("type", "HTTP")
        block = config.get(f"{kind.lower()}HealthCheck") or {}
        found = (kind, block.get("port", SERVER_PORT), block.get("requestPath", "/"))
        wanted = (SERVER_SCHEME, SERVER_PORT, HEALTH_PATH)
        said = "{} :{} {}".format(*found)
        if found == wanted:
            yield passed(title(policy), said)
        else:
            text = "asks {}, the servers answer {}".format(said, "{} :{} {}".format(*wanted))
            yield failed("health-check-differs", title(policy), text)


@check(
    "request-timeout",
    "Request timeout admits the longest answer",
    "GCPBackendPolicy of every pool: timeoutSec, against the longest answer of the stack outputs",
    (*KUBERNETES_FAILURES, "request-timeout-too-short", "policy-missing"),
)
def request_timeout(context: Context) -> Iterator[Finding]:
    """Proof by configuration; a streamed answer that is longer than the default needs its time."""
    for model in context.models:
        policy = policy_of(context, "GCPBackendPolicy", model)
        if policy is None:
            yield _no_policy(context, "GCPBackendPolicy", model)
            continue
        limit, needed = _default(policy).get("timeoutSec", DEFAULT_TIMEOUT), model.answer_timeout_seconds
        if limit >= needed:
            yield passed(title(policy), f"{limit} s, the longest answer may take {needed} s")
        else:
            text = f"timeoutSec is {limit} s, the longest answer may take {needed} s"
            yield failed("request-timeout-too-short", title(policy), text)


def policy_of(context: Context, kind: str, model: ModelOutput) -> dict[str, Any] | None:
    """The policy in force on a model's pool: of several the oldest."""
    pool, _ = backends_of(model)
    found = [policy for policy in context.objects(API, kind) if _target(policy) == pool]
    return min(found, key=lambda policy: str(policy["metadata"].get("creationTimestamp", "")), default=None)


def _no_policy(context: Context, kind: str, model: ModelOutput) -> Finding:
    name = f"InferencePool {context.namespace}/{model.inference_pool}"
    return failed("policy-missing", name, f"no {kind} has it as its target")


def _target(policy: dict[str, Any]) -> tuple[str, str | None, str | None]:
    reference = policy["spec"].get("targetRef") or {}
    return reference.get("group", ""), reference.get("kind"), reference.get("name")


def _default(policy: dict[str, Any]) -> dict[str, Any]:
    return dict(policy["spec"].get("default") or {})
