"""The process in a real cluster: definitions, nodes, statuses and traffic follow the cloud and the objects."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

import cluster as kube
from rehearsal import assets, cloud
from rehearsal.cloud import CloudResource
from rehearsal.control_plane import processes, stop
from tests.rehearsal.gke.objects import (
    GATEWAY_API,
    POOL_API,
    Obj,
    conditions,
    gateway,
    health_policy,
    pool,
    route,
    service,
)
from tests.rehearsal.gke.test_nodes import CPU, pod, resource
from tests.rehearsal.load_balancer import objects as served
from tests.rehearsal.load_balancer.harness import envoy, read_record, routes_in_force
from tests.rehearsal.load_balancer.servers import serving
from tests.rehearsal.plane import Plane, running, settled, until

NETWORK, ZONE = "projects/p/global/networks/net", "us-east5-a"
GOOD, BAD = ("True", "Programmed"), ("False", "Invalid")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    envoy()
    for name in ("gateway-api", "inference-extension"):
        try:
            assets.module_dir(name)
        except assets.AssetError as error:
            pytest.skip(f"{error}; `python -m serving rehearse --prepare` gets it")
    with running(tmp_path_factory.mktemp("gke"), ("rehearsal.gke",)) as made:
        for kind, metadata in (
            ("Namespace", {"name": "ns"}),
            ("ServiceAccount", {"name": "default", "namespace": "ns"}),
        ):
            kube.apply(made.client, {"apiVersion": "v1", "kind": kind, "metadata": metadata}, manager="test")
        yield made


def put(plane: Plane, token: str, **state: Any) -> None:
    """Into the cloud."""
    name = token.rpartition(":")[2]
    cloud.write(plane.directory.cloud, CloudResource(token, name, name, "p", "us-east5", {"network": NETWORK, **state}))


def put_cluster(plane: Plane, channel: str) -> None:
    monitoring = {"managedPrometheus": {"enabled": True}}
    token = "gcp:container/cluster:Cluster"
    put(plane, token, gatewayApiConfig={"channel": channel}, monitoringConfig=monitoring)


def apply(plane: Plane, *items: Obj) -> None:
    for item in items:
        metadata = {k: v for k, v in item["metadata"].items() if k in ("name", "namespace", "labels", "annotations")}
        spec = {key: value for key, value in item["spec"].items() if key != "clusterIP"}
        body = {"apiVersion": "v1", "kind": "Pod", **{k: v for k, v in item.items() if k != "status"}}
        kube.apply(plane.client, {**body, "metadata": metadata, "spec": spec}, manager="test")


def get(plane: Plane, api: str, kind: str, name: str) -> Obj:
    return kube.get(plane.client, api, kind, name, "ns") or {"spec": {}, "metadata": {}}


def status(plane: Plane, api: str, kind: str, name: str, condition: str) -> tuple[str, str] | None:
    """A condition of an object, or of its parents."""
    found = get(plane, api, kind, name).get("status") or {}
    of_parents = [item for parent in found.get("parents") or () for item in parent["conditions"]]
    return conditions([*(found.get("conditions") or ()), *of_parents]).get(condition)


def nodes(plane: Plane) -> list[str]:
    return [item["metadata"]["name"] for item in kube.list_objects(plane.client, "v1", "Node")]


def events(plane: Plane) -> set[str]:
    return {item["reason"] for item in kube.list_objects(plane.client, "v1", "Event", "ns")}


def test_definitions_and_classes_come_with_the_gateway_channel(plane: Plane) -> None:
    put_cluster(plane, "CHANNEL_DISABLED")
    until(partial(kube.serves, plane.client, "podmonitorings.monitoring.googleapis.com"))
    assert not kube.serves(plane.client, "gateways.gateway.networking.k8s.io")
    put_cluster(plane, "CHANNEL_STANDARD")
    of_gke = (
        f"{name}.networking.gke.io" for name in ("healthcheckpolicies", "gcpbackendpolicies", "gcpgatewaypolicies")
    )
    for name in ("gateways.gateway.networking.k8s.io", "inferencepools.inference.networking.k8s.io", *of_gke):
        until(partial(kube.serves, plane.client, name))
    assert not kube.serves(plane.client, "secretsyncs.secret-sync.gke.io")
    for name in ("gke-l7-rilb", "gke-l7-regional-external-managed", "gke-l7-global-external-managed"):
        accepted = partial(status, plane, GATEWAY_API, "GatewayClass", name, "Accepted")
        until(lambda found=accepted: found() == ("True", "Accepted"))  # type: ignore[misc]


def test_statuses_follow_objects_and_cloud_and_settle(plane: Plane) -> None:
    programmed = partial(status, plane, GATEWAY_API, "Gateway", "gw", "Programmed")
    accepted = partial(status, plane, POOL_API, "InferencePool", "pool", "Accepted")
    apply(plane, service("pool-epp", 9002), pool(), gateway(), route())
    until(lambda: programmed() == BAD)
    put(plane, "gcp:compute/subnetwork:Subnetwork", purpose="REGIONAL_MANAGED_PROXY", role="ACTIVE")
    until(lambda: programmed() == GOOD)
    until(lambda: "SYNC" in events(plane))
    bad = route()
    bad["spec"]["rules"][0]["timeouts"] = {"request": "0s"}
    apply(plane, bad)
    until(lambda: programmed() == BAD and accepted() == ("False", "HTTPRouteNotAccepted"))
    apply(plane, route())
    until(lambda: programmed() == GOOD and accepted() == ("True", "Accepted"))
    reconciled = partial(status, plane, GATEWAY_API, "HTTPRoute", "route", "Reconciled")
    until(lambda: reconciled() == ("True", "ReconciliationSucceeded"))
    kinds = ((GATEWAY_API, "Gateway"), (GATEWAY_API, "HTTPRoute"), (POOL_API, "InferencePool"))

    def versions() -> list[str]:
        items = [item for api, kind in kinds for item in kube.list_objects(plane.client, api, kind)]
        return [item["metadata"]["resourceVersion"] for item in items]

    before = settled(versions)
    # The process looks at everything again, and writes nothing.
    cloud.write(plane.directory.cloud, resource("cpu", **CPU, initialNodeCount=1))
    until(lambda: any("cpu" in name for name in nodes(plane)))
    assert versions() == before


def test_what_is_in_the_cluster_is_served_with_the_limits_of_its_policies_scaled(plane: Plane) -> None:
    (plane.directory.root / "backend-time-scale.txt").write_text("0.1\n")

    def answer() -> str:
        base = read_record(plane.directory)["gateway"] or {"url": "http://127.0.0.1:9"}
        try:
            return httpx.get(f"{base['url']}/web/x", trust_env=False).text
        except httpx.TransportError:
            return ""

    with serving("one") as server:
        there = served.pod("one", server.address)
        there["spec"]["nodeName"] = nodes(plane)[0]
        apply(plane, served.web(), served.web_route("/web", name="web"), health_policy("web"), there)
        kube.patch_status(plane.client, there, there["status"], manager="test")
        until(lambda: answer() == "one /x")
        rows = until(lambda: [row for row in read_record(plane.directory)["backends"] if row["healthy"]])
        assert [(row["kind"], row["name"], row["pod"]) for row in rows] == [("Service", "web", "one")]
        until(lambda: '"timeout": "3s"' in routes_in_force(plane.directory))
        kube.delete(plane.client, GATEWAY_API, "Gateway", "gw", "ns")
        until(lambda: read_record(plane.directory)["gateway"] is None)


def test_a_pending_pod_gets_a_node_from_zero_and_a_deleted_pool_takes_its_nodes(plane: Plane) -> None:
    stock = plane.directory.root / "stockout.txt"
    stock.write_text(f"{ZONE}\n")
    cloud.write(plane.directory.cloud, resource())
    wanted = pod("server", chips=4)
    wanted["spec"]["containers"][0] |= {"image": "example.com/server", "resources": {"limits": {"google.com/tpu": "4"}}}
    apply(plane, wanted)
    until(lambda: "FailedScaleUp" in events(plane))
    assert not [name for name in nodes(plane) if "tpu" in name]
    stock.unlink()
    [name] = until(lambda: [name for name in nodes(plane) if "tpu" in name])
    assert "TriggeredScaleUp" in events(plane)
    # No kubelet runs in this test: this and the pod's end are what it would do.
    ready: Any = [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2126-01-01T00:00:00Z"}]
    kube.patch_status(plane.client, get(plane, "v1", "Node", name), {"conditions": ready}, manager="test")
    until(lambda: get(plane, "v1", "Pod", "server")["spec"].get("nodeName") == name)
    cloud.remove(plane.directory.cloud, resource().type, resource().id)
    until(lambda: get(plane, "v1", "Node", name)["spec"].get("unschedulable"))
    until(lambda: "deletionTimestamp" in get(plane, "v1", "Pod", "server")["metadata"])
    kube.delete(plane.client, "v1", "Pod", "server", "ns", grace_seconds=0)
    until(lambda: name not in nodes(plane))


def test_nothing_is_left_after_the_end(plane: Plane) -> None:
    stop(plane.directory)
    assert list(processes.marked(plane.directory)) == []
