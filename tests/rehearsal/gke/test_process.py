"""The process in a real cluster: features, nodes and statuses follow the cloud and the objects."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import cluster as kube
from rehearsal import assets, cloud
from rehearsal.cloud import CloudResource
from tests.rehearsal.gke.objects import GATEWAY_API, conditions, gateway, pool, route, service
from tests.rehearsal.gke.plane import Plane, becomes, running, settled, until
from tests.rehearsal.gke.pools import CLUSTER_TYPE, Obj, pod, pool_resource

POOL_API = "inference.networking.k8s.io/v1"
NETWORK = "projects/p/global/networks/net"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    for name in ("gateway-api", "inference-extension"):
        try:
            assets.module_dir(name)
        except assets.AssetError as error:
            pytest.skip(f"{error}; `python -m serving rehearse --prepare` gets it")
    with running(tmp_path_factory.mktemp("gke"), ("rehearsal.gke",)) as made:
        kube.apply(made.client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}, manager="test")
        yield made


def cluster(**state: Any) -> CloudResource:
    base = {
        "network": NETWORK,
        "gatewayApiConfig": {"channel": "CHANNEL_STANDARD"},
        "addonsConfig": {"httpLoadBalancing": {"disabled": False}},
        "monitoringConfig": {"managedPrometheus": {"enabled": True}},
        **state,
    }
    return CloudResource(CLUSTER_TYPE, "serving", "cluster-id", "p", "us-east5", base)


def put(plane: Plane, *resources: CloudResource) -> None:
    for resource in resources:
        cloud.write(plane.directory.cloud, resource)


def apply(plane: Plane, *objects: Obj) -> None:
    for item in objects:
        metadata = {key: item["metadata"][key] for key in ("name", "namespace")}
        spec = {key: value for key, value in item["spec"].items() if key != "clusterIP"}
        body = {key: value for key, value in item.items() if key != "status"}
        kube.apply(plane.client, {**body, "metadata": metadata, "spec": spec}, manager="test")


def get(plane: Plane, api: str, kind: str, name: str) -> Obj | None:
    return kube.get(plane.client, api, kind, name, "ns")


def programmed(plane: Plane) -> tuple[str, str] | None:
    found = get(plane, GATEWAY_API, "Gateway", "gw")
    return conditions(((found or {}).get("status") or {}).get("conditions") or []).get("Programmed")


def parent_conditions(plane: Plane, api: str, kind: str, name: str) -> dict[str, tuple[str, str]]:
    status = (get(plane, api, kind, name) or {}).get("status") or {}
    return conditions([item for parent in status.get("parents") or () for item in parent["conditions"]])


def nodes(plane: Plane) -> list[str]:
    return [item["metadata"]["name"] for item in kube.list_objects(plane.client, "v1", "Node")]


def events(plane: Plane) -> dict[str, str]:
    return {item["reason"]: item["message"] for item in kube.list_objects(plane.client, "v1", "Event", "ns")}


def definitions(plane: Plane) -> list[tuple[str, Any]]:
    found = kube.list_objects(plane.client, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    return [(item["metadata"]["name"], item["status"]["conditions"][-1]) for item in found]


def proxy_only() -> CloudResource:
    state = {"network": NETWORK, "purpose": "REGIONAL_MANAGED_PROXY", "role": "ACTIVE"}
    return CloudResource("gcp:compute/subnetwork:Subnetwork", "proxies", "proxies", "p", "us-east5", state)


def test_definitions_and_classes_come_with_the_gateway_channel(plane: Plane) -> None:
    put(plane, cluster(gatewayApiConfig={"channel": "CHANNEL_DISABLED"}))
    until(partial(kube.serves, plane.client, "podmonitorings.monitoring.googleapis.com"))
    assert not kube.serves(plane.client, "gateways.gateway.networking.k8s.io")
    put(plane, cluster())
    for name in (
        "gateways.gateway.networking.k8s.io",
        "httproutes.gateway.networking.k8s.io",
        "inferencepools.inference.networking.k8s.io",
        "healthcheckpolicies.networking.gke.io",
        "gcpbackendpolicies.networking.gke.io",
        "gcpgatewaypolicies.networking.gke.io",
    ):
        until(partial(kube.serves, plane.client, name))
    assert not kube.serves(plane.client, "secretsyncs.secret-sync.gke.io")

    def accepted() -> bool:
        found = kube.get(plane.client, GATEWAY_API, "GatewayClass", "gke-l7-rilb")
        return conditions(((found or {}).get("status") or {}).get("conditions") or []).get("Accepted") == (
            "True",
            "Accepted",
        )

    until(accepted)
    found = {item["metadata"]["name"] for item in kube.list_objects(plane.client, GATEWAY_API, "GatewayClass")}
    assert {"gke-l7-rilb", "gke-l7-regional-external-managed", "gke-l7-global-external-managed"} <= found


def test_statuses_follow_objects_and_cloud_and_settle(plane: Plane) -> None:
    apply(plane, service("pool-epp", 9002), pool(), gateway(), route())
    until(lambda: programmed(plane) == ("False", "Invalid"))
    put(plane, proxy_only())
    until(lambda: programmed(plane) == ("True", "Programmed"))
    until(lambda: (get(plane, GATEWAY_API, "HTTPRoute", "route") or {}).get("status"))
    until(lambda: events(plane).get("SYNC"))
    bad = route()
    bad["spec"]["rules"][0]["timeouts"] = {"request": "0s"}
    apply(plane, bad)
    until(lambda: programmed(plane) == ("False", "Invalid"))
    until(lambda: parent_conditions(plane, POOL_API, "InferencePool", "pool").get("Accepted", ("",))[0] == "False")
    apply(plane, route())
    until(lambda: programmed(plane) == ("True", "Programmed"))
    until(lambda: parent_conditions(plane, GATEWAY_API, "HTTPRoute", "route")["Reconciled"][0] == "True")
    until(lambda: parent_conditions(plane, POOL_API, "InferencePool", "pool")["Accepted"][0] == "True")
    kinds = ((GATEWAY_API, "Gateway"), (GATEWAY_API, "HTTPRoute"), (POOL_API, "InferencePool"))

    def versions() -> list[str]:
        items = [item for api, kind in kinds for item in kube.list_objects(plane.client, api, kind)]
        return [item["metadata"]["resourceVersion"] for item in items]

    before = settled(versions)
    # A change that is none: the process looks at everything again and writes nothing.
    kube.apply(plane.client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "seen"}}, manager="test")
    put(plane, pool_resource("probe", "e2-small", initialNodeCount=1, autoscaling=None))
    until(lambda: any("probe" in name for name in nodes(plane)))
    assert versions() == before


def test_a_pending_pod_gets_a_node_from_zero_and_a_deleted_pool_takes_its_nodes(plane: Plane) -> None:
    stock = plane.directory.root / "stockout.txt"
    stock.write_text("us-east5-a\n")
    put(plane, pool_resource())
    bare = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "ns"}}
    kube.apply(plane.client, bare, manager="test")
    wanted = pod("server", chips=4)
    container = wanted["spec"]["containers"][0]
    container |= {"image": "example.com/server", "resources": {"limits": {"google.com/tpu": "4"}}}
    apply(plane, wanted)
    until(lambda: "FailedScaleUp" in events(plane))
    assert not [name for name in nodes(plane) if "tpu" in name]
    stock.unlink()

    def bound() -> str | None:
        found = get(plane, "v1", "Pod", "server")
        return str(found["spec"]["nodeName"]) if found and found["spec"].get("nodeName") else None

    name = until(bound)
    node = kube.get(plane.client, "v1", "Node", str(name))
    assert node is not None
    assert node["status"]["allocatable"]["google.com/tpu"] == "4"
    assert "TriggeredScaleUp" in events(plane)
    cloud.remove(plane.directory.cloud, pool_resource().type, pool_resource().id)
    until(lambda: (kube.get(plane.client, "v1", "Node", str(name)) or {"spec": {}})["spec"].get("unschedulable"))
    until(lambda: (get(plane, "v1", "Pod", "server") or {"metadata": {"deletionTimestamp": "gone"}})["metadata"].get("deletionTimestamp"))  # fmt: skip
    # No kubelet runs in this test: what it would do when the pod has ended.
    kube.delete(plane.client, "v1", "Pod", "server", "ns", grace_seconds=0)
    until(lambda: str(name) not in nodes(plane))


def test_without_the_cluster_nothing_of_gke_is_left(plane: Plane) -> None:
    until(lambda: nodes(plane))
    cloud.remove(plane.directory.cloud, CLUSTER_TYPE, "cluster-id")
    becomes(lambda: nodes(plane), [])
    becomes(lambda: definitions(plane), [])
