"""Look at everything that the plan has in the cluster, side by side, and put the findings together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from cluster.errors import CannotAskError
from cluster.reading import Cluster
from cluster.target import Target
from manifests.base import MANAGED_BY
from manifests.gateway import API as _GATEWAY_API
from serving.checking.side_by_side import ask_all
from serving.drift.compare import hidden
from serving.drift.findings import Action, Designed, Finding, Kind, Report, Unasked
from serving.drift.google import compare_google
from serving.drift.judge import Policy, judge
from serving.drift.ownership import owners
from serving.drift.planned import Planned, PlannedObject, PlannedRelease, is_ours, title
from serving.drift.releases import judge_release, newest
from serving.google.asking import Google
from serving.live.google_backends import clients

Progress = Callable[[str], None]
_ATONCE = 8
_TELL_SECONDS = 2.0
# A cluster that answers nothing within this time, seconds, is not asked further.
_ANSWER_SECONDS = 30.0
_CRD = "CustomResourceDefinition"


@dataclass
class _Part:
    """What one question found."""

    found: list[Finding | Designed] = field(default_factory=list)
    unasked: list[Unasked] = field(default_factory=list)
    chart_objects: list[tuple[PlannedRelease, dict[str, Any]]] = field(default_factory=list)


def look(
    environment: str,
    planned: Planned,
    target: Target,
    progress: Progress = lambda _text: None,
    google: Callable[[], Google] | None = None,
) -> Report:
    """Everything in the cluster, and what Google's load balancer has in force, against the plan.

    Args:
        progress: gets a line now and then while it takes long.
        google: makes a client of Google's APIs in place of one with application default credentials.
    """
    started = time.monotonic()
    cluster = Cluster(target.kubeconfig)
    report = Report(environment, target.where)
    silent = _silence(cluster, progress)
    if silent is not None:
        report.unasked.append(silent)
        report.seconds = time.monotonic() - started
        return report
    report.objects, report.releases = len(planned.objects), len(planned.releases)
    first = [
        *(_question(_object, cluster, item) for item in planned.objects),
        *(_question(_release, cluster, item) for item in planned.releases),
        *(_question(_extra, cluster, planned, *kind) for kind in planned.kinds),
    ]
    if not target.rehearsal:
        first.append(_question(_google, cluster, planned, target, google or clients(target.outputs.project)))
    parts = _ask(first, progress)
    charts = [item for part in parts for item in part.chart_objects]
    parts += _ask([_question(_chart_object, cluster, *item) for item in charts], progress)
    report.chart_objects = len(charts)
    for part in parts:
        report.findings += [item for item in part.found if isinstance(item, Finding)]
        report.designed += [item for item in part.found if isinstance(item, Designed)]
        report.unasked += part.unasked
    report.not_looked_at = list(_not_looked_at(planned, target))
    report.seconds = time.monotonic() - started
    return report


def _silence(cluster: Cluster, progress: Progress) -> Unasked | None:
    """Why the cluster does not answer at all; None where it does, be it with a refusal. Discovery has no time limit."""

    def ask(name: str) -> Unasked | None:
        try:
            cluster.one("v1", "Namespace", "default")
        except CannotAskError as error:
            if error.failure != "not-allowed-to-read":
                return Unasked(name, error.failure, error.message)
        return None

    def late(name: str, seconds: float) -> Unasked:
        return Unasked(name, "time-is-up", f"no answer after {seconds:.0f} s")

    return ask_all({"the cluster": _ANSWER_SECONDS}, ask, late, progress)["the cluster"]


def _question(ask: Callable[..., _Part], *arguments: Any) -> Callable[[], _Part]:
    return lambda: ask(*arguments)


def _ask(questions: list[Callable[[], _Part]], progress: Progress) -> list[_Part]:
    """All questions side by side; the answers in the order of the questions."""
    told, done = time.monotonic(), 0
    with ThreadPoolExecutor(_ATONCE, thread_name_prefix="drift") as pool:
        asked = [pool.submit(question) for question in questions]
        for _ in as_completed(asked):
            done += 1
            if time.monotonic() - told >= _TELL_SECONDS:
                told = time.monotonic()
                progress(f"asked {done} of {len(questions)}")
    return [answer.result() for answer in asked]


def _object(cluster: Cluster, item: PlannedObject) -> _Part:
    return _judged(cluster, item.title, item.manifest, item.policy)


def _chart_object(cluster: Cluster, release: PlannedRelease, manifest: dict[str, Any]) -> _Part:
    named = {**manifest, "metadata": {"namespace": release.namespace, **(manifest.get("metadata") or {})}}
    return _judged(cluster, f"{_chart_title(manifest)} of {release.title}", named, Policy(chart=True))


def _chart_title(manifest: dict[str, Any]) -> str:
    return title({"kind": manifest["kind"], "metadata": manifest.get("metadata") or {"name": "?"}})


def _judged(cluster: Cluster, name: str, manifest: dict[str, Any], policy: Policy) -> _Part:
    metadata = manifest["metadata"]
    definition = manifest["kind"] == _CRD
    place = (manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))
    try:
        live = cluster.one(*place, metadata_only=definition)
    except CannotAskError as error:
        if error.failure == "kind-not-served":
            return _Part([_missing(name, policy, error.message)])
        return _Part(unasked=[Unasked(name, error.failure, error.message)])
    if live is None:
        return _Part([_missing(name, policy)])
    # Whoever writes a chart leaves the namespace out where the release has one.
    wanted = {**manifest, "metadata": {k: v for k, v in metadata.items() if k != "namespace"}}
    return _Part(list(judge(name, {"kind": manifest["kind"]} if definition else wanted, live, policy)))


def _missing(name: str, policy: Policy, message: str = "") -> Finding:
    refreshed = Action.NOTHING if policy.chart else Action.CREATE
    return Finding(Kind.MISSING, name, Action.NOTHING, refreshed, message=message)


def _release(cluster: Cluster, release: PlannedRelease) -> _Part:
    try:
        found = newest(cluster, release)
    except CannotAskError as error:
        return _Part(unasked=[Unasked(release.title, error.failure, error.message)])
    except (ValueError, KeyError, TypeError, OSError) as error:
        text = f"its record is not one of Helm 3: {type(error).__name__}: {error}"
        return _Part(unasked=[Unasked(release.title, "unexpected", text)])
    objects = [] if found is None else [(release, obj) for obj in found.objects()]
    return _Part(list(judge_release(release, found)), chart_objects=objects)


def _extra(cluster: Cluster, planned: Planned, api_version: str, kind: str) -> _Part:
    """Objects that bear our label and are not in the plan."""
    try:
        found = cluster.labelled(api_version, kind, MANAGED_BY)
    except CannotAskError as error:
        if error.failure == "kind-not-served":
            return _Part()
        return _Part(unasked=[Unasked(f"{kind}s with our label", error.failure, error.message, decides=False)])
    strangers = [live for live in found if is_ours(live) and title(live) not in planned.titles]
    return _Part([_extra_object(live) for live in strangers])


def _extra_object(live: dict[str, Any]) -> Finding:
    writers = [owner.writer for owner in owners(live)]
    # In the state of some stack: of this one where it was removed from the environment's file since.
    engine = any(writer.engine for writer in writers)
    action = Action.DELETE if engine else Action.NOTHING
    last = max(writers, key=lambda writer: writer.time, default=None)
    return Finding(Kind.EXTRA, title(live), action, action, writer=last)


def _google(cluster: Cluster, planned: Planned, target: Target, google: Callable[[], Google]) -> _Part:
    declared = target.outputs.gateway
    try:
        gateway = cluster.one(_GATEWAY_API, "Gateway", declared.name, declared.namespace)
    except CannotAskError as error:
        return _Part(unasked=[Unasked("load balancer", error.failure, error.message, decides=False)])
    found = list(compare_google(planned, gateway, google))
    return _Part(
        [item for item in found if isinstance(item, Finding)], [item for item in found if isinstance(item, Unasked)]
    )


def _not_looked_at(planned: Planned, target: Target) -> Iterator[str]:
    if target.rehearsal:
        yield "Google's load balancer: a rehearsal has none"
    yield f"{planned.elsewhere} Google Cloud resources of the plan: `pulumi preview --refresh` compares them"
    yield "what controllers make of the objects (Deployments, Services, InferencePools, Pods): they keep it as it is"
    yield "defaults of the API server, the hooks of charts, and the content of CustomResourceDefinitions of charts"
    if count := sum(hidden(item.manifest) for item in planned.objects):
        yield f"{count} values that the plan does not know: secret, or known after up"
