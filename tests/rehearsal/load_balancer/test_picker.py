"""Pools: the endpoint picker decides, and what happens without it."""

from __future__ import annotations

import json
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
from rehearsal.load_balancer.clusters import PICKED
from rehearsal.ports import claim
from tests.rehearsal.gke.plane import Plane, running, until
from tests.rehearsal.load_balancer.objects import Obj, bare_route, gateway, health_policy, pod, pool, service
from tests.rehearsal.load_balancer.rig import Rig, rig
from tests.rehearsal.load_balancer.servers import Server, serving

PICKER = service("pool-epp", 9002, 9002, "picker")
LONG = "The beginning of a prompt that many requests have in common. " * 40


@pytest.fixture
def lb(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path / "lb") as made:
        yield made


def base(*servers: Server, failure_mode: str = "FailClose") -> list[Obj]:
    pods = [pod(item.name, item.address) for item in servers]
    return [gateway(), bare_route(), pool(failure_mode), PICKER, health_policy(), *pods]


def chat(lb: Rig, prompt: str, **options: Any) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
    return lb.get("/ns/m/v1/chat/completions", method="POST", json=body, **options)


def test_without_its_picker_a_pool_that_fails_open_is_served_by_turns(lb: Rig) -> None:
    with serving("one") as one, serving("two") as two:
        lb.serve(*base(one, two, failure_mode="FailOpen"))
        lb.until(lambda: lb.healthy() == [True, True])
        lb.says("/ns/m/v1/models", 200, "one")
        lb.says("/ns/m/v1/models", 200, "two")
        assert {chat(lb, LONG).status_code for _ in range(4)} == {200}


def test_without_its_picker_a_pool_that_fails_closed_is_not_served(lb: Rig) -> None:
    with serving("one") as one:
        lb.serve(*base(one))
        lb.until(lambda: lb.healthy() == [True])
        assert [chat(lb, LONG).status_code, lb.get("/ns/m/v1/models").status_code] == [500, 500]
        assert one.requests() == []


def test_an_endpoint_that_is_named_but_unhealthy_gets_nothing(lb: Rig) -> None:
    """Envoy's override_host would take it at its word."""
    with serving("one") as one, serving("two") as two:
        one.statuses["/health"] = 503
        lb.serve(*base(one, two, failure_mode="FailOpen"))
        lb.until(lambda: lb.healthy() == [False, True])
        lb.says("/ns/m/v1/models", 200, "two")
        headers = {PICKED: f"{one.address[0]}:{one.address[1]}"}
        assert {chat(lb, "x", headers=headers).text for _ in range(4)} == {"two /v1/chat/completions"}
        one.statuses["/health"] = 200
        lb.until(lambda: lb.healthy() == [True, True])
        lb.until(lambda: chat(lb, "x", headers=headers).text == "one /v1/chat/completions")
        assert {chat(lb, "x", headers=headers).text for _ in range(4)} == {"one /v1/chat/completions"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    try:
        folder = assets.module_dir("inference-extension") / "config" / "crd" / "bases"
    except assets.AssetError as error:
        pytest.skip(f"{error}; `python -m serving rehearse --prepare` gets it")
    if "epp" not in assets.find(["epp"]):
        pytest.skip("epp not found; `python -m serving rehearse --prepare` gets it")
    with running(tmp_path_factory.mktemp("picker"), ()) as made:
        for path in folder.glob("*.yaml"):
            definition = yaml.safe_load(path.read_text(encoding="utf-8"))
            kube.apply(made.client, definition, manager="test")
            until(partial(kube.serves, made.client, definition["metadata"]["name"]))
        yield made


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
        process = subprocess.Popen(
            wrap(command), env={"KUBECONFIG": str(plane.directory.kubeconfig)}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def put(plane: Plane, *items: Obj) -> None:
    """Into the API server, status and all."""
    # Pods of a node that does not exist are deleted after a minute.
    kube.apply(plane.client, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "none"}}, manager="test")
    kube.apply(plane.client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}, manager="test")
    for item in items:
        metadata = {key: item["metadata"][key] for key in ("name", "namespace", "labels") if key in item["metadata"]}
        spec = item["spec"]
        if item["kind"] == "Pod":
            spec = {"nodeName": "none", "containers": [{"name": "server", "image": "example.com/server"}]}
        made = kube.apply(plane.client, {**item, "metadata": metadata, "spec": spec, "status": {}}, manager="test")
        if "status" in item:
            kube.patch_status(plane.client, made, item["status"], manager="test")


def test_the_real_picker_keeps_a_prompts_beginning_on_one_server(lb: Rig, plane: Plane, tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(f"s{n}", f"127.90.7.{n}", 8000)) for n in (1, 2, 3)]
        service_account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        kube.apply(plane.client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}, manager="test")
        metadata = {"name": "default", "namespace": "ns"}
        kube.apply(plane.client, {**service_account, "metadata": metadata}, manager="test")
        everything = base(*servers)
        put(plane, *(item for item in everything if item["kind"] in ("Pod", "InferencePool")))
        claims = [claim() for _ in range(3)]
        for item in claims:
            stack.callback(item.release)
        ports = [item.port for item in claims]
        real = {9002 + number: f"127.0.0.1:{port}" for number, port in enumerate(ports)}
        everything.append(pod("epp", ("127.90.7.9", 8000), "picker", ports=real))
        process = stack.enter_context(picker(plane, tmp_path, ports))
        lb.serve(*everything)
        lb.until(lambda: lb.healthy() == [True, True, True] and lb.healthy("pool-epp") == [True])
        lb.until(lambda: chat(lb, LONG).status_code == 200)
        assert len({chat(lb, f"{LONG} {number}").text for number in range(6)}) == 1
        others = {chat(lb, f"{number} {LONG}").text for number in range(30)}
        assert len(others) > 1
        assert {lb.get("/ns/m/v1/models").status_code for _ in range(4)} == {200}
        assert chat(lb, "x" * 4_000_000).status_code == 200
        process.kill()
        lb.until(lambda: chat(lb, LONG).status_code == 500)
        lb.until(lambda: lb.healthy("pool-epp") == [False])
        everything[2] = pool("FailOpen")
        lb.serve(*everything)
        lb.until(lambda: chat(lb, LONG).status_code == 200)
        assert "ERROR" not in json.dumps((tmp_path / "lb" / "logs" / "envoy.log").read_text())
