"""Traffic through dev's Gateway: the time limit of an answer, and requests that are not nice."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import cluster as kube
from tests.rehearsal.end_to_end.command import Rehearsal, wait_until
from tests.rehearsal.end_to_end.traffic import LONG, NAMESPACE, Client, client_of
from tests.rehearsal.load_balancer.harness import routes_in_force
from tests.rehearsal.plane import HANGS

# Time limits of backends are so many times shorter; LONG tokens take 45 s of such time, and 30 s are the default limit.
_SCALE = 60


@pytest.fixture
def client(dev: Rehearsal) -> Client:
    return client_of(dev)


def limits_of_the_pool(dev: Rehearsal) -> set[float]:
    """Time limits in seconds of Envoy's routes to the InferencePool; those to the Service have a policy of their own."""
    configs = json.loads(routes_in_force(dev.directory))["configs"]
    hosts = [host for config in configs for host in config["route_config"]["virtual_hosts"]]
    targets = [route["route"] for host in hosts for route in host["routes"] if "route" in route]
    return {float(t["timeout"].rstrip("s")) for t in targets if t.get("cluster", "").startswith("inferencepool_")}


@contextlib.contextmanager
def limits_scaled(dev: Rehearsal) -> Iterator[Any]:
    """Every time limit of a backend, a sixtieth; gives the function that sets the pool's policy and waits for Envoy."""
    scale = dev.directory.root / "backend-time-scale.txt"
    scale.write_text(f"{1 / _SCALE}\n", encoding="utf-8")
    (model,) = dev.up["outputs"]["models"]
    kind = "networking.gke.io/v1", "GCPBackendPolicy", f"{model['name']}-pool"
    path = kube.path_of(dev.client, *kind[:2], NAMESPACE, kind[2])

    def limit(seconds: int | None, manager: str = "kubectl-edit", shorter: int = _SCALE) -> None:
        """As somebody with kubectl would do it."""
        body = {"spec": {"default": {"timeoutSec": seconds}}}
        merge = {"content_type": "application/merge-patch+json", "field_manager": manager}
        dev.client.request("patch", path, body=body, **merge)
        scaled = {round((seconds or 30) / shorter, 3)}
        wait_until(lambda: limits_of_the_pool(dev) == scaled, lambda: True, lambda: str(scaled))

    try:
        yield limit
    finally:
        # The field is the engine's again: who writes a value that is there does not become its owner.
        limit(None)
        # The scale is read when an object changes.
        scale.unlink()
        limit(model["answerTimeoutSeconds"], "pulumi-kubernetes", shorter=1)


def test_a_stream_of_45_seconds_dies_of_the_default_limit_and_survives_with_our_policy(
    dev: Rehearsal, client: Client
) -> None:
    with limits_scaled(dev) as limit:
        limit(None)
        # The limit counts before the first token too, which a busy machine may not give within it.
        cut = next(one for _ in range(20) for one in client.streams(["A long answer, please"]) if one.tokens)
        assert cut.status == 200
        assert 0 < cut.tokens < LONG
        assert (cut.done, cut.error[:19]) == (False, "RemoteProtocolError")
        limit(dev.up["outputs"]["models"][0]["answerTimeoutSeconds"])
        [whole] = client.streams(["A long answer, please"])
        assert (whole.status, whole.tokens, whole.done, whole.error) == (200, LONG, True, "")


def test_a_prompt_of_4_mb_is_refused_by_the_server_in_its_words(client: Client) -> None:
    answer = client.chat("word " * 800_000)
    assert answer.status_code == 400
    assert "maximum context length" in answer.json()["error"]["message"]
    assert client.answers()


def test_paths_that_no_parser_of_the_picker_claims_are_answered_by_a_server(client: Client) -> None:
    """The real picker answers 400 for them; a rule of the route leads past it (ADR 49)."""
    body = {"model": client.model, "prompt": "one two three"}
    answer = httpx.post(f"{client.url}/tokenize", json=body, trust_env=False, timeout=HANGS)
    assert (answer.status_code, answer.json()["count"] > 0) == (200, True), answer.text
    unread = {"model": client.model, "text": "one two three"}
    unclaimed = httpx.post(f"{client.url}/v1/no-such-path", json=unread, trust_env=False, timeout=HANGS)
    assert unclaimed.status_code == 400, "the picker lets everything through"


def test_a_client_that_stops_reading_holds_up_nobody_and_gets_its_answer_later(client: Client) -> None:
    where = urlsplit(client.url)
    body = json.dumps(client.body("Read me later", LONG, stream=True)).encode()
    head = f"POST {where.path}/v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((where.hostname, where.port))
        slow.sendall(head.encode() + body)
        assert slow.recv(15).startswith(b"HTTP/1.1 200")
        assert all(client.answers() for _ in range(5))
        [other] = client.streams(["Meanwhile"])
        assert other.done
        rest = b"".join(iter(lambda: slow.recv(65536), b""))
    assert b"data: [DONE]" in rest


def test_200_streams_at_once_all_end_and_the_next_request_is_answered(client: Client) -> None:
    seen = client.streams([f"{number} of many" for number in range(200)], tokens=200)
    assert [(one.status, one.tokens, one.done, one.error) for one in seen] == [(200, 200, True, "")] * 200
    assert client.answers()
