"""prod, three replicas: the picker keeps a prompt's beginning on one of them, and what happens when one is killed;
and a `down` that is killed."""

from __future__ import annotations

import asyncio
import base64
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

import cluster as kube
from manifests.monitoring import READER
from rehearsal.control_plane.processes import marked
from rehearsal.model_server.options import POD_IP_VARIABLE
from tests.rehearsal.end_to_end.command import Rehearsal, begun, wait_until
from tests.rehearsal.end_to_end.traffic import (
    LONG,
    NAMESPACE,
    Client,
    Streamed,
    client_of,
    counted,
    pod_address,
    samples,
    servers,
)
from tests.rehearsal.plane import HANGS

_REPLICAS = 3
_HITS, _STARTED = "vllm:prefix_cache_hits_total", "vllm:request_success_total"
_PICKER = "app.kubernetes.io/component=llminferenceservice-router-scheduler"


@pytest.fixture(scope="module", autouse=True)
def _one_model(prod: Rehearsal) -> None:
    prod.change(lambda config: config.update({"tpu-serving:models": config["tpu-serving:models"][:1]}))
    prod.running()


@pytest.fixture
def client(prod: Rehearsal) -> Client:
    """With every replica healthy, also those that a test before has killed."""

    def all_healthy() -> bool:
        return [row["healthy"] for row in servers(prod).values()] == [True] * _REPLICAS

    wait_until(all_healthy, lambda: True, lambda: str(servers(prod)))
    return client_of(prod)


def beginning(seed: int) -> str:
    """Some hundred words that no other seed gives: several blocks of the prefix cache."""
    chosen = random.Random(seed)  # noqa: S311
    return " ".join(f"w{chosen.randrange(10**6)}" for _ in range(600))


def grown(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {pod: after[pod] - before[pod] for pod in after if after[pod] > before[pod]}


def picker_hits(prod: Rehearsal) -> float:
    """Bytes of prompts that the picker found to be on a replica already, read with the token of the metrics collector."""
    (pod,) = kube.list_objects(prod.client, "v1", "Pod", NAMESPACE, label_selector=_PICKER)
    secret = kube.get(prod.client, "v1", "Secret", READER, NAMESPACE)
    assert secret is not None
    answer = httpx.get(
        f"http://{pod_address(prod, pod['metadata']['name'], 9090)}/metrics",
        headers={"Authorization": f"Bearer {base64.b64decode(secret['data']['token']).decode()}"},
        trust_env=False,
        timeout=HANGS,
    )
    assert answer.status_code == 200, answer.text
    return sum(samples(answer.text, "inference_extension_prefix_indexer_hit_bytes_sum"))


def test_one_beginning_stays_on_one_replica_with_hits_counted_and_others_spread(
    prod: Rehearsal, client: Client
) -> None:
    assert len(servers(prod)) == _REPLICAS
    asked, hits, known = counted(prod, _STARTED), counted(prod, _HITS), picker_hits(prod)
    same = [client.chat(f"{beginning(1)} {number}") for number in range(8)]
    assert {answer.status_code for answer in same} == {200}
    took, hit = grown(asked, counted(prod, _STARTED)), grown(hits, counted(prod, _HITS))
    assert list(took.values()) == [8], took
    assert hit.keys() == took.keys()
    # All but the first find the beginning, 600 words of it, in the cache.
    tokens = same[-1].json()["usage"]["prompt_tokens"]
    assert 7 * 0.8 * tokens < sum(hit.values()) < 7 * tokens
    assert picker_hits(prod) - known > 6 * len(beginning(1)) * 0.8
    asked = counted(prod, _STARTED)
    assert {client.chat(beginning(number)).status_code for number in range(100, 130)} == {200}
    spread = grown(asked, counted(prod, _STARTED))
    assert len(spread) == _REPLICAS, spread


def server_process(prod: Rehearsal, pod: str) -> psutil.Process:
    """The process of a pod's model server."""
    address = servers(prod)[pod]["endpoint"].partition(":")[0]
    (found,) = [
        process
        for process in marked(prod.directory)
        if "rehearsal.model_server" in process.cmdline() and process.environ().get(POD_IP_VARIABLE) == address
    ]
    return found


async def fifty_streams(client: Client, seen: list[Streamed]) -> None:
    """50 streams at once of the official client, which tries again what has not begun."""
    # Tries enough for a machine that takes its time to find the replica dead.
    official = openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key="none", max_retries=10)

    async def ask(number: int, one: Streamed) -> None:
        body: Any = client.body(f"{number} of fifty", LONG, stream=True)
        del body["ignore_eos"]
        try:
            stream = await official.chat.completions.create(**body, extra_body={"ignore_eos": True})
            one.status = 200
            async for chunk in stream:
                one.tokens += sum(len((choice.delta.content or "").split()) for choice in chunk.choices)
        except (openai.APIError, httpx.TransportError) as error:
            one.error = f"{type(error).__name__}: {error}"

    async with official:
        await asyncio.gather(*(ask(number, one) for number, one in enumerate(seen)))


def test_a_killed_replica_costs_only_what_it_was_streaming(
    prod: Rehearsal, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a GKE Gateway a POST is not tried again; the client does so, for what has not begun."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    seen = [Streamed() for _ in range(50)]
    victim = sorted(servers(prod))[0]
    process, url = server_process(prod, victim), f"http://{servers(prod)[victim]['endpoint']}/metrics"

    def streams() -> float:
        return sum(samples(httpx.get(url, trust_env=False, timeout=HANGS).text, "vllm:num_requests_running"))

    with ThreadPoolExecutor(1) as pool:
        all_of_them = pool.submit(lambda: asyncio.run(fifty_streams(client, seen)))
        wait_until(lambda: streams() >= 3, lambda: not all_of_them.done(), lambda: str(seen), pause=0)
        process.kill()
        all_of_them.result()
    lost = [one for one in seen if one.error]
    assert [one for one in lost if one.status != 200] == [], "what had not begun was lost"
    assert 0 < len(lost) < 50, seen
    assert {one.tokens for one in seen if not one.error} == {LONG}


def test_a_drained_node_of_three_replicas_loses_no_request(prod: Rehearsal, client: Client) -> None:
    done = prod.rehearse("--drain", client_model(prod)).succeeded()
    assert done["drain"]["requests"] > 20
    assert (done["drain"]["failed"], done["drain"]["secondsWithoutAnswer"]) == ({}, 0)
    assert len(done["drain"]["nodes"]) == 1 and done["verify"]["verdict"] == "serves"


def client_model(prod: Rehearsal) -> str:
    """The name of prod's model."""
    (model,) = prod.last["outputs"]["models"]
    return str(model["name"])


def test_down_that_was_killed_is_finished_by_the_next(prod: Rehearsal, tmp_path: Path) -> None:
    log, ports = tmp_path / "log", prod.ports()
    with begun(log, "down", str(prod.file)) as process:
        wait_until(
            lambda: " deleted " in log.read_text(encoding="utf-8"),
            lambda: process.poll() is None,
            lambda: log.read_text(encoding="utf-8"),
        )
    done = prod.down()
    [note] = done.succeeded()["notes"]
    assert note.startswith("the rehearsal was cut off before")
    prod.assert_gone(ports)
