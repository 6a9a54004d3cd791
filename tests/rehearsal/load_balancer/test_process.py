"""The process in a real cluster, with the Gateway controller's status half."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

import cluster as kube
from rehearsal import assets, cloud
from rehearsal.control_plane import processes, stop
from rehearsal.load_balancer import report
from tests.rehearsal.gke.plane import Plane, running, until
from tests.rehearsal.gke.test_process import cluster, proxy_only
from tests.rehearsal.load_balancer.objects import (
    Obj,
    backend_policy,
    gateway,
    health_policy,
    pod,
    service,
    service_route,
)
from tests.rehearsal.load_balancer.rig import envoy, routes_in_force
from tests.rehearsal.load_balancer.servers import Server, serving


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    envoy()
    for name in ("gateway-api", "inference-extension"):
        try:
            assets.module_dir(name)
        except assets.AssetError as error:
            pytest.skip(f"{error}; `python -m serving rehearse --prepare` gets it")
    with running(tmp_path_factory.mktemp("lb"), ("rehearsal.gke", "rehearsal.load_balancer")) as made:
        (made.directory.root / "backend-time-scale.txt").write_text("0.1\n")
        for resource in (cluster(), proxy_only()):
            cloud.write(made.directory.cloud, resource)
        yield made


def put(plane: Plane, *items: Obj) -> None:
    # Pods of a node that does not exist are deleted after a minute.
    kube.apply(plane.client, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "none"}}, manager="test")
    for item in items:
        metadata = {k: v for k, v in item["metadata"].items() if k in ("name", "namespace", "labels", "annotations")}
        spec = {key: value for key, value in item["spec"].items() if key != "clusterIP"}
        if item["kind"] == "Pod":
            spec = {"nodeName": "none", "containers": [{"name": "server", "image": "example.com/server"}]}
        body = {key: value for key, value in item.items() if key != "status"}
        made = kube.apply(plane.client, {**body, "metadata": metadata, "spec": spec}, manager="test")
        if item["kind"] == "Pod":
            kube.patch_status(plane.client, made, item["status"], manager="test")


def fill(plane: Plane, server: Server) -> None:
    for kind, name, more in (("Namespace", "ns", {}), ("ServiceAccount", "default", {"namespace": "ns"})):
        bare = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **more}}
        kube.apply(plane.client, bare, manager="test")
    until(lambda: kube.get(plane.client, "gateway.networking.k8s.io/v1", "GatewayClass", "gke-l7-rilb"))
    policies = (health_policy("web", "Service"), backend_policy("web", "Service", timeoutSec=15))
    put(plane, gateway(), service_route(), service(), *policies, pod("one", server.address))


def url(plane: Plane) -> str | None:
    row = report.read(plane.directory)["gateway"]
    return str(row["url"]) if row else None


def answer(plane: Plane) -> str:
    base = url(plane)
    try:
        return httpx.get(f"{base}/ns/m/x", trust_env=False).text if base else ""
    except httpx.TransportError:
        return ""


def test_what_is_in_the_cluster_is_served_and_reported(plane: Plane) -> None:
    with serving("one") as server:
        fill(plane, server)
        until(lambda: answer(plane) == "one /x")
        # Envoy is told first.
        [row] = until(lambda: [row for row in report.read(plane.directory)["backends"] if row["healthy"]])
        assert (row["route"], row["kind"], row["name"], row["healthy"]) == ("ns/route", "Service", "web", True)
        assert row["since"]
        # The scaled limit of 15 seconds.
        assert '"timeout": "1.500s"' in routes_in_force(plane.directory)
        kube.delete(plane.client, "gateway.networking.k8s.io/v1", "Gateway", "gw", "ns")
        until(lambda: url(plane) is None)
        assert answer(plane) == ""


def test_nothing_is_left_after_the_end(plane: Plane) -> None:
    stop(plane.directory)
    assert processes.marked(plane.directory) == []
