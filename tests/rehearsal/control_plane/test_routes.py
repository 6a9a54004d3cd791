"""Which pods stand behind an address of a Service, a name or a pod."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.pods import PORTS_ANNOTATION
from rehearsal.control_plane.routes import Routes, build, service_name

API = ("127.0.0.1", 6443)


def pod(name: str, ip: str = "127.65.0.1", *, ready: bool = True, **extra: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    metadata = {"name": name, "namespace": "models", "labels": {"app": "a"}, **extra}
    container = {"name": "c", "ports": [{"name": "web", "containerPort": 8000}]}
    status = {"podIP": ip, "phase": "Running", "conditions": conditions}
    return {"metadata": metadata, "spec": {"containers": [container]}, "status": status}


def service(ip: str = "127.64.0.9", **spec: Any) -> dict[str, Any]:
    ports = [{"port": 443, "targetPort": 9443}]
    return {
        "metadata": {"name": "svc", "namespace": "models"},
        "spec": {"clusterIP": ip, "selector": {"app": "a"}, "ports": ports, **spec},
    }


def backends(routes: Routes, host: str = "127.64.0.9", port: int = 443) -> list[tuple[str, int]]:
    found = routes.find(host, port)
    assert found is not None
    return list(found.backends)


def test_the_address_and_both_names_lead_to_the_target_port_of_ready_pods() -> None:
    routes = build([service()], [pod("b", "127.65.0.2"), pod("a"), pod("c", ready=False)], API)
    expected = [("127.65.0.1", 9443), ("127.65.0.2", 9443)]
    for host in ("127.64.0.9", "svc.models.svc", "svc.models.svc.cluster.local", "svc.models.svc.cluster.local."):
        assert backends(routes, host) == expected


def test_a_named_target_port_is_looked_up_in_each_pod_and_its_sidecars() -> None:
    by_name = service(ports=[{"port": 80, "targetPort": "web"}])
    sidecar = pod("b", "127.65.0.2")
    sidecar["spec"] = {
        "containers": [{"name": "c"}],
        "initContainers": [
            {"name": "once", "ports": [{"name": "web", "containerPort": 1}]},
            {"name": "s", "restartPolicy": "Always", "ports": [{"name": "web", "containerPort": 8001}]},
        ],
    }
    nameless = pod("c", "127.65.0.3")
    nameless["spec"] = {"containers": [{"name": "c"}]}
    routes = build([by_name], [pod("a"), sidecar, nameless], API)
    assert backends(routes, port=80) == [("127.65.0.1", 8000), ("127.65.0.2", 8001)]


def test_a_missing_target_port_is_the_port_itself() -> None:
    assert backends(build([service(ports=[{"port": 8080}])], [pod("a")], API), port=8080) == [("127.65.0.1", 8080)]


def test_the_annotation_says_where_a_container_port_really_is() -> None:
    moved = pod("a", annotations={PORTS_ANNOTATION: json.dumps({"9443": "127.0.0.1:41234"})})
    routes = build([service()], [moved], API)
    assert backends(routes) == [("127.0.0.1", 41234)]
    assert routes.pod("127.65.0.1", 9443) == ("127.0.0.1", 41234)
    assert routes.pod("127.65.0.1", 8081) == ("127.65.0.1", 8081)
    assert routes.pod("127.65.0.7", 8081) is None


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"9443": 5}', '{"9443": "nothing"}', "null"])
def test_an_annotation_that_says_nothing_is_as_none(text: str) -> None:
    assert backends(build([service()], [pod("a", annotations={PORTS_ANNOTATION: text})], API)) == [("127.65.0.1", 9443)]


def test_only_pods_of_the_namespace_with_every_label_that_are_not_going() -> None:
    others = [
        pod("other-namespace", namespace="x"),
        pod("other-label", labels={"app": "b"}),
        pod("no-label", labels=None),
        pod("going", deletionTimestamp="2026-01-01T00:00:00Z"),
        {**pod("no-address"), "status": {"phase": "Pending"}},
    ]
    assert backends(build([service()], others, API)) == []


def test_not_ready_pods_count_where_the_service_says_so() -> None:
    routes = build([service(publishNotReadyAddresses=True)], [pod("a", ready=False)], API)
    assert backends(routes) == [("127.65.0.1", 9443)]


def test_a_headless_service_is_found_by_name_with_the_pods_own_port() -> None:
    routes = build([service("None")], [pod("a")], API)
    assert backends(routes, "svc.models.svc", 8000) == [("127.65.0.1", 8000)]
    assert routes.by_address == {}


def test_the_service_kubernetes_is_the_api_server() -> None:
    kubernetes = {
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "spec": {"clusterIP": "127.64.0.1", "ports": [{"port": 443, "targetPort": 6443}]},
    }
    routes = build([kubernetes], [], API)
    assert backends(routes, "kubernetes.default.svc") == backends(routes, "127.64.0.1") == [API]


def test_a_service_without_selector_udp_and_external_names_have_no_pods() -> None:
    bare = service()
    del bare["spec"]["selector"]
    assert backends(build([bare], [pod("a")], API)) == []
    assert build([service(ports=[{"port": 53, "protocol": "UDP"}])], [pod("a")], API).by_address == {}
    external = service("", type="ExternalName", externalName="example.com")
    assert build([external], [pod("a")], API) == build([], [pod("a")], API)


@pytest.mark.parametrize("host", ["svc", "svc.models", "example.com", "a.b.c.svc", "127.64.0.1", "svc.models.pod"])
def test_other_names_are_no_services(host: str) -> None:
    assert service_name(host) is None
