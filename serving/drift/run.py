"""Look at everything that the plan has in the cluster, side by side, and put the findings together."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from cluster.errors import CannotAskError
from cluster.reading import Cluster
from cluster.target import Target
from manifests.base import MANAGED_BY
from manifests.gateway import API as _GATEWAY_API
from serving.checking.findings import Check, Finding, Outcome, Report, Verdict, VerdictTexts, passed, unknown
from serving.checking.runner import Progress, run_checks
from serving.drift.compare import hidden
from serving.drift.findings import Action, Drift, Kind, drifted
from serving.drift.google import compare_google
from serving.drift.object_drift import Policy, object_drift
from serving.drift.ownership import last_writer, owners
from serving.drift.planned import Planned, PlannedRelease, is_ours
from serving.drift.releases import Deployed, newest, release_drift
from serving.google.client import GoogleClient
from serving.live.context import title
from serving.live.google_backends import clients
from settings.text import count

_ATONCE = 8
# What a check may take, seconds: many questions, each with its own limit.
_BUDGET = 300.0
_TELL_SECONDS = 2.0
_CRD = "CustomResourceDefinition"
_WORDS = VerdictTexts("no drift", "drift", "not known whether there is drift")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Context:
    """What a check gets: the plan, the cluster, and a way to make clients of Google's APIs."""

    planned: Planned
    target: Target
    cluster: Cluster
    google: Callable[[], GoogleClient]


def find_drift(
    environment: str,
    planned: Planned,
    target: Target,
    progress: Progress = lambda _text: None,
    google: Callable[[], GoogleClient] | None = None,
) -> Report:
    """Everything in the cluster, and what Google's load balancer has in force, against the plan.

    Args:
        progress: gets a line now and then while it takes long.
        google: makes a client of Google's APIs in place of one with application default credentials.
    """
    started = time.monotonic()
    context = Context(planned, target, Cluster(target.kubeconfig), google or clients(target.outputs.project))
    asked = [check for check in CHECKS if check.name != _GOOGLE or not target.rehearsal]
    outcomes = run_checks(
        asked, context, lambda _: _BUDGET, progress, subject="the cluster", tell_seconds=_TELL_SECONDS
    )
    return Report(
        environment=environment,
        where=target.where,
        words=_WORDS,
        outcomes=tuple(outcomes.values()),
        seconds=time.monotonic() - started,
        proofs=frozenset(check.name for check in asked if check.proof),
        notes=(
            ("As designed, no drift", tuple(_designed(outcomes.values()))),
            ("Not looked at", tuple(_not_looked_at(planned, target))),
        ),
    )


def _objects(context: Context) -> Iterator[Finding]:
    _knock(context.cluster)
    yield from _each(
        context.planned.objects, lambda item: _judged(context.cluster, item.title, item.manifest, item.policy)
    )


def _releases(context: Context) -> Iterator[Finding]:
    _knock(context.cluster)
    for release in context.planned.releases:
        found = _record(context.cluster, release)
        yield from [found] if isinstance(found, Finding) else _or_passed(release.title, release_drift(release, found))


def _chart_objects(context: Context) -> Iterator[Finding]:
    _knock(context.cluster)
    for release in context.planned.releases:
        found = _record(context.cluster, release)
        if isinstance(found, Deployed):
            yield from _each(list(found.objects()), lambda obj: _chart_object(context.cluster, release, obj))  # noqa: B023


def _extras(context: Context) -> Iterator[Finding]:
    _knock(context.cluster)
    found = list(_each(context.planned.kinds, lambda kind: _extra(context.cluster, context.planned, *kind)))
    yield from found or [passed("objects with the program's label", "none beside the plan")]


def _google(context: Context) -> Iterator[Finding]:
    declared = context.target.outputs.gateway
    gateway = context.cluster.one(_GATEWAY_API, "Gateway", declared.name, declared.namespace)
    yield from compare_google(context.planned, gateway, context.google)


_GOOGLE = "load-balancer"
# Where the Gateway API is not served, the Gateway is among the missing objects.
CHECKS = (
    Check("objects", "Objects of the plan", "every object that the program makes", (), _objects, proof=True),
    Check("releases", "Helm releases", "Helm's newest record of every release", (), _releases, proof=True),
    Check("chart-objects", "Objects of charts", "every object in a release's record", (), _chart_objects, proof=True),
    Check("extra-objects", "Nothing left over", "objects with the program's label", (), _extras),
    Check(_GOOGLE, "Load balancer as the policies say", "backend services and health checks", (), _google),
)


def _knock(cluster: Cluster) -> None:
    """Ask once for what is everywhere: where nobody answers, that is said once and not of every object.

    Raises:
        CannotAskError: there is no answer. A refusal is one.
    """
    try:
        cluster.one("v1", "Namespace", "default")
    except CannotAskError as error:
        if error.failure != "not-allowed-to-read":
            raise


def _each(items: Iterable[_Item], ask: Callable[[_Item], list[Finding]]) -> Iterator[Finding]:
    """All items side by side; the findings in the order of the items."""
    with ThreadPoolExecutor(_ATONCE, thread_name_prefix="drift") as pool:
        yield from chain.from_iterable(pool.map(ask, items))


def _or_passed(name: str, findings: Iterable[Finding]) -> list[Finding]:
    return list(findings) or [passed(name)]


def _chart_object(cluster: Cluster, release: PlannedRelease, manifest: dict[str, Any]) -> list[Finding]:
    named = {**manifest, "metadata": {"namespace": release.namespace, **(manifest.get("metadata") or {})}}
    shown = title({"kind": manifest["kind"], "metadata": manifest.get("metadata") or {"name": "?"}})
    return _judged(cluster, f"{shown} of {release.title}", named, Policy(chart=True))


def _judged(cluster: Cluster, name: str, manifest: dict[str, Any], policy: Policy) -> list[Finding]:
    metadata = manifest["metadata"]
    definition = manifest["kind"] == _CRD
    place = (manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))
    try:
        live = cluster.one(*place, metadata_only=definition)
    except CannotAskError as error:
        if error.failure == "kind-not-served":
            return [_missing(name, policy, error.message)]
        return [unknown(error.failure, name, error.message)]
    if live is None:
        return [_missing(name, policy)]
    # Whoever writes a chart leaves the namespace out where the release has one.
    wanted = {**manifest, "metadata": {k: v for k, v in metadata.items() if k != "namespace"}}
    return _or_passed(name, object_drift(name, {"kind": manifest["kind"]} if definition else wanted, live, policy))


def _missing(name: str, policy: Policy, message: str = "") -> Drift:
    refreshed = Action.NOTHING if policy.chart else Action.CREATE
    return drifted(Kind.MISSING, name, Action.NOTHING, refreshed, message=message)


def _record(cluster: Cluster, release: PlannedRelease) -> Deployed | Finding | None:
    try:
        return newest(cluster, release)
    except CannotAskError as error:
        return unknown(error.failure, release.title, error.message)
    except (ValueError, KeyError, TypeError, OSError) as error:
        text = f"its record is not one of Helm 3: {type(error).__name__}: {error}"
        return unknown("unexpected", release.title, text)


def _extra(cluster: Cluster, planned: Planned, api_version: str, kind: str) -> list[Finding]:
    """Objects that bear our label and are not in the plan."""
    try:
        found = cluster.labelled(api_version, kind, MANAGED_BY)
    except CannotAskError as error:
        if error.failure == "kind-not-served":
            return []
        return [unknown(error.failure, f"{kind}s with our label", error.message)]
    strangers = [live for live in found if is_ours(live) and title(live) not in planned.titles]
    return [_extra_object(live) for live in strangers]


def _extra_object(live: dict[str, Any]) -> Drift:
    found = owners(live)
    # In the state of some stack: of this one where it was removed from the environment's file since.
    action = Action.DELETE if any(owner.writer.engine for owner in found) else Action.NOTHING
    return drifted(Kind.EXTRA, title(live), action, action, writer=last_writer(found))


def _designed(outcomes: Iterable[Outcome]) -> Iterator[str]:
    own = (f for outcome in outcomes for f in outcome.findings if isinstance(f, Drift) and f.verdict is Verdict.PASS)
    for (manager, why), number in Counter((f.writer.manager if f.writer else "", f.message) for f in own).items():
        yield f"{count(number, 'field')} of {manager}: {why}"


def _not_looked_at(planned: Planned, target: Target) -> Iterator[str]:
    if target.rehearsal:
        yield "Google's load balancer: a rehearsal has none"
    yield f"{planned.elsewhere} Google Cloud resources of the plan: `pulumi preview --refresh` compares them"
    yield "what controllers make of the objects (Deployments, Services, InferencePools, Pods): they keep it as it is"
    yield "defaults of the API server, the hooks of charts, and the content of CustomResourceDefinitions of charts"
    if number := sum(hidden(item.manifest) for item in planned.objects):
        yield f"{number} values that the plan does not know: secret, or known after up"
