"""The server as the kubelet runs it: the real image and command, in pods of a real control plane."""

from __future__ import annotations

from typing import Any

import httpx

from catalog.lock import load_lock
from checks.environment import require
from manifests.llm_inference_service import probes
from manifests.server import command, leader_script, server_args, worker_script
from settings.derive import ServedModel
from settings.document import ROOT, read_document
from tests.rehearsal.kubelet.conftest import Namespace, client, container, namespace, rehearsal, wait_for

__all__ = ["client", "namespace", "rehearsal"]  # fixtures
SPEED = {"name": "REHEARSAL_SPEED", "value": "25"}


def served(name: str) -> ServedModel:
    deployment, _ = require(read_document(ROOT / name))
    return deployment.models[0]


def server_container(**fields: Any) -> dict[str, Any]:
    image = load_lock().images["vllm-tpu"].reference()
    return {"name": "c0", "image": image, "env": [SPEED], **fields}


def test_a_pod_of_the_locked_image_is_ready_when_the_server_is_and_answers(
    namespace: Namespace,
) -> None:
    model = served("Pulumi.dev.yaml")
    fields = {"command": command(), "args": server_args(model), **probes(model)}
    fields["startupProbe"]["periodSeconds"] = 1
    namespace.pod("server", server_container(**fields))
    pod = namespace.wait_ready("server")
    assert container(pod)["restartCount"] == 0
    body = {"model": model.settings.names_for_clients[0], "messages": [{"role": "user", "content": "hello"}]}
    answer = httpx.post(f"http://{pod['status']['podIP']}:8000/v1/chat/completions", json=body, trust_env=False)
    assert answer.json()["choices"][0]["message"]["content"].startswith("[synthetic answer")
    assert "/health" not in namespace.log("server")


def test_a_wrong_flag_lets_the_container_end_with_2_again_and_again(namespace: Namespace) -> None:
    arguments = [*server_args(served("Pulumi.dev.yaml")), "--prefix-cache-block-size=16"]
    namespace.pod("server", server_container(command=command(), args=arguments))
    pod = namespace.wait_pod("server", lambda found: container(found).get("restartCount", 0) >= 1)
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 2
    assert "error: unrecognized arguments: --prefix-cache-block-size=16" in namespace.log("server")


def test_a_worker_finds_its_leader_by_name_and_the_leader_answers(namespace: Namespace) -> None:
    model = served("examples/multi-host.yaml")
    shell = ["/bin/bash", "-c"]
    # The worker first: LeaderWorkerSet's name of the leader, and no pod behind it yet.
    leader_address = {"name": "LWS_LEADER_ADDRESS", "value": f"m-0.m.{namespace.name}"}
    worker = worker_script().replace("sleep 5", "sleep 0.2")
    namespace.pod("m-0-1", server_container(command=shell, args=[worker], env=[leader_address]))
    namespace.wait_log("m-0-1", "waiting for the leader")
    backend = {"name": "TPU_MULTIHOST_BACKEND", "value": "ray"}
    namespace.pod("m-0", server_container(command=shell, args=[leader_script(model)], env=[SPEED, backend]))
    namespace.wait_log("m-0-1", "Ray runtime started, joined")
    namespace.wait_log("m-0", "Application startup complete.")
    address = (namespace.get("m-0") or {})["status"]["podIP"]
    models = httpx.get(f"http://{address}:8000/v1/models", trust_env=False).json()
    assert models["data"][0]["id"] == model.settings.names_for_clients[0]
    namespace.delete("m-0-1")
    died = "RayWorkerProc died unexpectedly"
    wait_for("the leader's end", lambda: died in namespace.log("m-0"), lambda: namespace.log("m-0"))
