"""Everything that the plan has in the cluster is looked at: objects, releases, what charts made, what is left over."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from cluster.target import Target
from manifests.backend import backend_policy, backends, health_check_policy
from manifests.base import MANAGED_BY
from manifests.namespace import namespace
from serving.checking.findings import Report, Verdict
from serving.checking.render import print_report, render_markdown
from serving.drift import run
from serving.drift.findings import Action, Drift, Kind
from serving.drift.planned import Planned, PlannedObject, PlannedRelease, planned
from serving.drift.run import find_drift
from serving.program.record import UNKNOWN, Recording, Resource
from tests.serving.drift.objects import PERSON, Obj, drifts, edit, findings_of, healthy, policy, unasked
from tests.serving.verify import deployed
from tests.serving.verify.api_server import ApiServer, config
from tests.serving.verify.conftest import no_credentials
from tests.serving.verify.web import Server, connection

PATH = ("spec", "default", "config", "httpHealthCheck", "requestPath")
CHART: list[Obj] = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "controller"},
        "spec": {
            "replicas": 1,
            "template": {"spec": {"containers": [{"name": "m", "resources": {"limits": {"cpu": "1000m"}}}]}},
        },
    },
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "x.y.io"},
        "spec": {"group": "y.io"},
    },
]
RELEASE = PlannedRelease("kserve", "kserve", "v0.20.0", {"tag": "v0.20.0", "secret": UNKNOWN})


def helm_record(**changes: Any) -> Obj:
    """The Secret in which Helm keeps a revision."""
    data = {
        "name": "kserve",
        "version": 9,
        "info": {"status": "deployed"},
        "chart": {"metadata": {"version": "0.20.0"}},
        "config": {"tag": "v0.20.0", "secret": "known only later"},
        "manifest": "".join(f"---\n# Source: x\n{yaml.safe_dump(item)}" for item in CHART),
        **changes,
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(data).encode()))).decode()
    labels = {"owner": "helm", "name": "kserve", "status": data["info"]["status"], "version": str(data["version"])}
    metadata: Obj = {"name": f"sh.helm.release.v1.kserve.v{data['version']}", "namespace": "kserve", "labels": labels}
    metadata["managedFields"] = [
        {"manager": "helm", "operation": "Update", "time": "2026-11-27T09:00:00Z", "fieldsV1": {"f:data": {}}}
    ]
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"release": packed}}


@dataclass
class Scene:
    """A plan, and a cluster that is as planned until a test spoils it."""

    folder: Path
    stack: ExitStack
    plan: Planned
    api: ApiServer = field(init=False)

    def __post_init__(self) -> None:
        made = [healthy(item.manifest) for item in self.plan.objects]
        chart = [copy.deepcopy(item) for item in CHART]
        chart[0]["metadata"]["namespace"] = "kserve"
        chart[0]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1"
        self.api = ApiServer([*made, *(healthy(item, "helm") for item in chart), helm_record()])

    def find(self, kind: str, end: str = "") -> Obj:
        found = (item for item in self.api.objects if item["kind"] == kind and item["metadata"]["name"].endswith(end))
        return next(found)

    def report(self, *, cloud: bool = False) -> Report:
        made = deployed.deployment("dev")
        load_balancer = None if cloud else self.folder / "load-balancer.json"
        kubeconfig = self.stack.enter_context(self.api.running(self.folder))
        target = Target("a test", deployed.outputs(made, "http://127.0.0.1:1"), kubeconfig, load_balancer)
        return find_drift("dev", self.plan, target, google=no_credentials)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = deployed.deployment("dev")
    [model] = made.models
    objects = [namespace(made.namespace)]
    for backend in backends(model):
        objects += [health_check_policy(made.namespace, backend), backend_policy(made.namespace, backend)]
    with ExitStack() as stack:
        own = tuple(PlannedObject(item, policy(item)) for item in objects)
        yield Scene(tmp_path, stack, Planned(own, (RELEASE,), 7))


def only(report: Report) -> Drift:
    assert report.exit_code == 1
    found = findings_of(report)
    assert unasked(found) == []
    [finding] = drifts(found)
    return finding


def test_a_cluster_that_is_as_planned_has_no_drift(scene: Scene) -> None:
    report = scene.report()
    assert {finding.verdict for finding in findings_of(report)} == {Verdict.PASS}
    assert (report.exit_code, report.line) == (0, "no drift")
    assert [len(outcome.findings) for outcome in report.outcomes] == [5, 1, 2, 1]


def test_an_edited_field_is_found_with_its_writer(scene: Scene) -> None:
    edit(scene.find("HealthCheckPolicy", "-pool"), PATH, "/")
    finding = only(scene.report())
    assert (finding.failure, finding.object) == (Kind.CHANGED, "HealthCheckPolicy llm-serving/qwen2-5-3b-pool")
    assert (finding.wanted, finding.found) == ("/health", "/")
    assert finding.writer is not None
    assert finding.writer.manager == PERSON


def test_a_deleted_object_is_missing_and_made_again_by_a_refresh_only(scene: Scene) -> None:
    scene.api.objects.remove(scene.find("GCPBackendPolicy", "-service"))
    finding = only(scene.report())
    assert (finding.failure, finding.object) == (Kind.MISSING, "GCPBackendPolicy llm-serving/qwen2-5-3b-service")
    assert (finding.next_up, finding.refreshed) == (Action.NOTHING, Action.CREATE)


def test_objects_of_a_kind_that_the_cluster_no_longer_serves_are_missing(scene: Scene) -> None:
    scene.api.absent.add("HealthCheckPolicy")
    report = scene.report()
    found = drifts(findings_of(report))
    assert {finding.failure for finding in found} == {Kind.MISSING}
    assert "does not serve the kind HealthCheckPolicy" in found[0].message


@pytest.mark.parametrize(("manager", "action"), [("pulumi-kubernetes", Action.DELETE), (PERSON, Action.NOTHING)])
def test_an_object_with_our_label_that_is_not_planned_is_extra(scene: Scene, manager: str, action: Action) -> None:
    left = healthy(
        {
            **scene.find("HealthCheckPolicy"),
            "metadata": {"name": "old", "namespace": "elsewhere", "labels": MANAGED_BY},
        },
        manager,
    )
    scene.api.objects.append(left)
    finding = only(scene.report())
    assert (finding.failure, finding.object, finding.next_up) == (Kind.EXTRA, "HealthCheckPolicy elsewhere/old", action)
    assert finding.writer is not None
    assert finding.writer.manager == manager


def test_what_a_controller_made_of_ours_and_labelled_like_it_is_not_extra(scene: Scene) -> None:
    owner = {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "name": "q",
        "uid": "u",
        "controller": True,
    }
    child = {"name": "child", "namespace": "llm-serving", "labels": MANAGED_BY, "ownerReferences": [owner]}
    scene.api.objects.append({"apiVersion": "networking.gke.io/v1", "kind": "HealthCheckPolicy", "metadata": child})
    assert drifts(findings_of(scene.report())) == []


RELEASES: list[tuple[Obj, str, Any, Any]] = [
    ({"chart": {"metadata": {"version": "v0.19.0"}}}, "version", "v0.20.0", "v0.19.0"),
    ({"info": {"status": "pending-upgrade"}}, "status", "deployed", "pending-upgrade"),
    ({"config": {"tag": "latest"}}, "values.tag", "v0.20.0", "latest"),
    ({"config": {"tag": "v0.20.0", "debug": True}}, "values.debug", None, True),
]


@pytest.mark.parametrize(("changes", "place", "wanted", "found"), RELEASES)
def test_the_newest_revision_of_a_release_is_compared(
    scene: Scene, changes: Obj, place: str, wanted: Any, found: Any
) -> None:
    scene.api.objects.append(helm_record(version=10, **changes))
    finding = only(scene.report())
    assert (finding.failure, finding.object, finding.message) == (Kind.RELEASE, "Release kserve/kserve", "revision 10")
    assert (finding.place, finding.wanted, finding.found) == (place, wanted, found)


def test_a_release_that_is_gone_is_missing(scene: Scene) -> None:
    scene.api.objects.remove(scene.find("Secret"))
    scene.api.objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "x"}})
    assert only(scene.report()).failure == Kind.MISSING


def test_a_scaled_controller_of_a_chart_is_found_and_no_up_heals_it(scene: Scene) -> None:
    edit(scene.find("Deployment"), ("spec", "replicas"), 0, manager="kubectl")
    finding = only(scene.report())
    assert (finding.failure, finding.object) == (Kind.CHART, "Deployment controller of Release kserve/kserve")
    assert (finding.wanted, finding.found, finding.next_up, finding.refreshed) == (1, 0, Action.NOTHING, Action.NOTHING)


def test_a_definition_of_a_chart_is_asked_for_and_its_content_is_not_compared(scene: Scene) -> None:
    crd = scene.find("CustomResourceDefinition")
    crd["spec"]["group"] = "other"
    assert drifts(findings_of(scene.report())) == []
    scene.api.objects.remove(crd)
    scene.api.objects.append({**crd, "metadata": {"name": "other"}})
    assert only(scene.report()).object == "CustomResourceDefinition x.y.io of Release kserve/kserve"


def test_a_kind_that_may_not_be_read_is_no_drift_and_not_its_absence_either(scene: Scene) -> None:
    scene.api.refused.add("HealthCheckPolicy")
    report = scene.report()
    found = findings_of(report)
    assert drifts(found) == []
    assert report.exit_code == 1
    assert {item.failure for item in unasked(found)} == {"not-allowed-to-read"}
    assert report.line.startswith(
        "not known whether there is drift: objects: not-allowed-to-read: HealthCheckPolicy llm-serving/"
    )


def test_a_record_that_is_not_helms_is_said_so(scene: Scene) -> None:
    scene.find("Secret")["data"]["release"] = "bm90IGd6aXA="
    [item] = unasked(findings_of(scene.report()))
    assert (item.object, item.failure) == ("Release kserve/kserve", "unexpected")


def test_a_server_that_is_gone_is_no_drift_and_no_traceback(scene: Scene, tmp_path: Path) -> None:
    target = Target("a test", deployed.outputs(deployed.deployment("dev"), "http://127.0.0.1:1"), None)
    report = find_drift("dev", scene.plan, target, google=no_credentials)
    assert report.exit_code == 1
    assert {(item.object, item.failure) for item in findings_of(report)} == {("the cluster", "kubernetes-not-asked")}


def test_a_server_that_takes_connections_and_says_nothing_costs_its_time_only(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def say_nothing(_taken: socket.socket, over: threading.Event) -> None:
        over.wait()

    monkeypatch.setattr(run, "_BUDGET", 1.0)
    with connection(say_nothing) as url:
        kubeconfig = tmp_path / "hanging"
        kubeconfig.write_text(yaml.safe_dump(config(Server(url, [], threading.Event()))))
        target = Target("a test", deployed.outputs(deployed.deployment("dev"), "http://127.0.0.1:1"), kubeconfig)
        report = find_drift("dev", scene.plan, target, google=no_credentials)
    assert report.exit_code == 1
    assert {(item.object, item.failure) for item in findings_of(report)} == {("the cluster", "time-is-up")}


def test_on_the_cloud_google_is_asked_and_what_it_does_not_answer_decides_nothing(scene: Scene) -> None:
    made = deployed.deployment("dev").settings.gateway
    gateway = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "spec": {}}
    scene.api.objects.append({**gateway, "metadata": {"name": made.name, "namespace": "llm-serving"}})
    report = scene.report(cloud=True)
    assert (report.exit_code, report.line) == (0, "no drift; 1 of 5 checks could not ask")
    assert [item.failure for item in unasked(findings_of(report))] == ["backends-not-asked"] * 2


def test_every_format_says_the_same(scene: Scene) -> None:
    live = scene.find("HealthCheckPolicy", "-pool")
    edit(live, PATH, "/|<b>[red]")
    edit(live, ("metadata", "annotations", "note"), "x" * 400, manager="Lens")
    report = scene.report()
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as captured:
        print_report(console, report)
    text, markdown, data = captured.get(), render_markdown(report), report.as_json()
    assert max(map(len, text.splitlines()[:-1])) <= 100
    for part in (
        "requestPath",
        "kubectl-edit (Update), 2026-11-27T11:00:00Z",
        "docs/runbook/drift.md#field-changed",
        "Lens",
    ):
        assert part in text
        assert part in markdown
    assert text.strip().splitlines()[-1] == data["verdict"] == report.line
    assert "/|<b>[red]" in text
    assert "|<b>" not in markdown
    [found] = [check["results"] for check in data["checks"] if check["check"] == "objects"]
    [first, second] = [item for item in found if item["verdict"] == "fail"]
    assert {first["nextUp"], second["nextUp"]} == {"nothing"}
    assert first["lastWriter"] == {
        "manager": PERSON,
        "operation": "Update",
        "time": "2026-11-27T11:00:00Z",
    }


def _resource(kind: str, name: str, inputs: Obj, **more: Any) -> Resource:
    return Resource(f"urn::{name}", name, kind, None, [], "urn::provider", True, False, inputs, **more)


def test_a_plan_is_what_the_program_registers() -> None:
    made = namespace("llm-serving")
    release = {"name": "lws", "namespace": "lws-system", "version": "v0.8.0", "chart": "oci://x/lws"}
    recording = Recording(
        [
            _resource("pulumi:providers:kubernetes", "provider", {"enablePatchForce": "true"}),
            _resource("gcp:container/cluster:Cluster", "cluster", {}),
            _resource("kubernetes:core/v1:Namespace", "ns", {**made, "__defaults": []}),
            _resource("kubernetes:helm.sh/v3:Release", "lws", release),
        ],
        {},
    )
    found = planned(recording)
    assert [item.manifest for item in found.objects] == [made]
    assert found.objects[0].policy.force
    assert found.releases == (PlannedRelease("lws", "lws-system", "v0.8.0", {}),)
    assert found.elsewhere == 1


def test_the_order_in_which_the_program_registers_is_not_that_of_the_findings() -> None:
    registered = [
        *(_resource("kubernetes:core/v1:Namespace", name, namespace(name)) for name in ("b", "a")),
        *(
            _resource("kubernetes:helm.sh/v3:Release", name, {"name": name, "namespace": "ns", "version": "1"})
            for name in ("d", "c")
        ),
    ]
    assert planned(Recording(registered, {})) == planned(Recording(registered[::-1], {}))
