"""Pools: the endpoint picker decides, and what happens without it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import cluster as kube
from manifests.scheduler import picker_config
from rehearsal import assets
from rehearsal.die_with_parent import wrap
from rehearsal.ports import claim
from tests.rehearsal.gke.objects import Obj, health_policy, pool, route
from tests.rehearsal.load_balancer.harness import LoadBalancer, load_balancer
from tests.rehearsal.load_balancer.objects import PICKER, gateway, pod
from tests.rehearsal.load_balancer.servers import Server, serving
from tests.rehearsal.plane import Plane, until

LONG = "The beginning of a prompt that many requests have in common. " * 40
# Namespace, an account for pods, and a node for them: pods of a node that does not exist are deleted after a minute.
BARE = (
    ("Namespace", {"name": "ns"}),
    ("ServiceAccount", {"name": "default", "namespace": "ns"}),
    ("Node", {"name": "none"}),
)


@pytest.fixture
def lb(tmp_path: Path) -> Iterator[LoadBalancer]:
    with load_balancer(tmp_path / "lb") as made:
        yield made


def base(*servers: Server, failure_mode: str = "FailClose") -> list[Obj]:
    pods = [pod(item.name, item.address) for item in servers]
    return [gateway(), route(), pool(failure_mode=failure_mode), PICKER, health_policy(), *pods]


def chat(lb: LoadBalancer, prompt: str, **options: Any) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
    return lb.get("/ns/m/v1/chat/completions", method="POST", json=body, **options)


def test_without_its_picker_a_pool_that_fails_open_is_served_by_turns(lb: LoadBalancer) -> None:
    with serving("one") as one, serving("two") as two:
        lb.serve(*base(one, two, failure_mode="FailOpen"))
        lb.until(lambda: lb.healthy("pool") == [True, True])
        lb.says("/ns/m/v1/models", 200, "one")
        lb.says("/ns/m/v1/models", 200, "two")
        assert {chat(lb, LONG).status_code for _ in range(4)} == {200}


def test_without_its_picker_a_pool_that_fails_closed_is_not_served(lb: LoadBalancer) -> None:
    with serving("one") as one:
        lb.serve(*base(one))
        lb.until(lambda: lb.healthy("pool") == [True])
        assert [chat(lb, LONG).status_code, lb.get("/ns/m/v1/models").status_code] == [500, 500]
        assert one.requests() == []


def test_an_endpoint_that_is_named_but_unhealthy_gets_nothing(lb: LoadBalancer) -> None:
    """Envoy's override_host would take it at its word."""
    with serving("one") as one, serving("two") as two:
        one.statuses["/health"] = 503
        lb.serve(*base(one, two, failure_mode="FailOpen"))
        lb.until(lambda: lb.healthy("pool") == [False, True])
        lb.says("/ns/m/v1/models", 200, "two")
        named = {"x-gateway-destination-endpoint": f"{one.address[0]}:{one.address[1]}"}
        assert {chat(lb, "x", headers=named).text for _ in range(4)} == {"two /v1/chat/completions"}
        one.statuses["/health"] = 200
        lb.until(lambda: chat(lb, "x", headers=named).text == "one /v1/chat/completions")
        assert {chat(lb, "x", headers=named).text for _ in range(4)} == {"one /v1/chat/completions"}


@pytest.fixture
def plane(api_server: Plane) -> Plane:
    """The control plane, with the definitions that the picker asks for."""
    if "epp" not in assets.find(["epp"]):
        pytest.skip("epp not found; `python -m serving rehearse --prepare` gets it")
    folder = assets.module_dir("inference-extension") / "config" / "crd" / "bases"
    for path in folder.glob("*.yaml"):
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))
        kube.apply(api_server.client, definition, manager="test")
        until(partial(kube.serves, api_server.client, definition["metadata"]["name"]))
    return api_server


@contextmanager
def picker(plane: Plane, folder: Path, ports: list[int]) -> Iterator[subprocess.Popen[bytes]]:
    """The real one, on three ports, for the pool `ns/pool`."""
    config = folder / "picker.yaml"
    config.write_text(yaml.safe_dump(picker_config("prefixCache")), encoding="utf-8")
    flags = dict(zip(("grpc-port", "grpc-health-port", "metrics-port"), map(str, ports), strict=True))
    flags |= {"pool-name": "pool", "pool-namespace": "ns", "config-file": str(config)}
    flags |= {"metrics-endpoint-auth": "false", "tracing": "false"}
    command = [str(assets.find(["epp"])["epp"].path), *(f"--{name}={value}" for name, value in flags.items())]
    with (folder / "picker.log").open("wb") as log:
        environment = {"KUBECONFIG": str(plane.directory.kubeconfig)}
        process = subprocess.Popen(wrap(command), env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def put(plane: Plane, *items: Obj) -> None:
    """Into the API server, status and all."""
    for kind, metadata in BARE:
        kube.apply(plane.client, {"apiVersion": "v1", "kind": kind, "metadata": metadata}, manager="test")
    for item in items:
        metadata = {key: item["metadata"][key] for key in ("name", "namespace", "labels") if key in item["metadata"]}
        spec = {**item["spec"], **({"nodeName": "none"} if item["kind"] == "Pod" else {})}
        kube.apply(plane.client, {**item, "metadata": metadata, "spec": spec, "status": {}}, manager="test")
        kube.patch_status(plane.client, item, item.get("status", {}), manager="test")


def test_the_real_picker_keeps_a_prompts_beginning_on_one_server(
    lb: LoadBalancer, plane: Plane, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(f"s{n}", f"127.90.7.{n}", 8000)) for n in (1, 2, 3)]
        everything = base(*servers)
        put(plane, *(item for item in everything if item["kind"] in ("Pod", "InferencePool")))
        claims = [claim() for _ in range(3)]
        for item in claims:
            stack.callback(item.release)
        real: Any = {f"p{9002 + number}": f"127.0.0.1:{item.port}" for number, item in enumerate(claims)}
        everything.append(pod("epp", ("127.90.7.9", 8000), "picker", **real))
        process = stack.enter_context(picker(plane, tmp_path, [item.port for item in claims]))
        lb.serve(*everything)
        lb.until(lambda: lb.healthy("pool") == [True, True, True] and lb.healthy("pool-epp") == [True])
        lb.until(lambda: chat(lb, LONG).status_code == 200)
        assert len({chat(lb, f"{LONG} {number}").text for number in range(6)}) == 1
        assert len({chat(lb, f"{number} {LONG}").text for number in range(30)}) > 1
        assert {lb.get("/ns/m/v1/models").status_code for _ in range(4)} == {200}
        assert chat(lb, "x" * 4_000_000).status_code == 200
        process.kill()
        lb.until(lambda: chat(lb, LONG).status_code == 500)
        lb.until(lambda: lb.healthy("pool-epp") == [False])
        everything[2] = pool(failure_mode="FailOpen")
        lb.serve(*everything)
        lb.until(lambda: chat(lb, LONG).status_code == 200)
