"""Streams under load: many at once, long ones, clients that leave or stop reading, the queue, the prefix cache."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import aiohttp
import httpx
import psutil

from tests.rehearsal.model_server.conftest import Server, Start

CHAT = "/v1/chat/completions"
RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"


def body(tokens: int, text: str = "hello", **more: object) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "stream": True, "ignore_eos": True, "max_tokens": tokens, **more}


def events(response: httpx.Response) -> list[str]:
    return [line.removeprefix("data: ") for line in response.iter_lines() if line]


def test_a_stream_has_the_role_the_tokens_the_end_the_usage_and_done(server: Server) -> None:
    request = body(40, stream_options={"include_usage": True})
    with server.client.stream("POST", CHAT, json=request) as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        *chunks, done = events(response)
    assert done == "[DONE]"
    first, *middle, last = [json.loads(chunk) for chunk in chunks]
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len("".join(chunk["choices"][0]["delta"]["content"] for chunk in middle).split()) == 40
    assert [chunk["choices"][0]["finish_reason"] for chunk in middle] == [None] * (len(middle) - 1) + ["length"]
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 40
    assert {chunk["object"] for chunk in (first, *middle, last)} == {"chat.completion.chunk"}


def test_a_completion_streams_text_and_no_usage_that_was_not_asked_for(server: Server) -> None:
    request = {"prompt": "hello", "stream": True, "max_tokens": 5}
    with server.client.stream("POST", "/v1/completions", json=request) as response:
        *raw, done = events(response)
    chunks = [json.loads(event) for event in raw]
    assert done == "[DONE]"
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks).startswith("[synthetic answer")
    assert all(chunk["object"] == "text_completion" and "usage" not in chunk for chunk in chunks)


def test_tokens_come_at_the_given_rate(start: Start) -> None:
    # Slow enough that a server which stands still for a while does not give most of them at once.
    server = start(rate=25)
    begun = time.monotonic()
    with server.client.stream("POST", CHAT, json=body(100)) as response:
        assert len(events(response)) > 20
    # 99 tokens after the first one, at 25 a second; the machine may be slower, the server never faster.
    assert time.monotonic() - begun > 3.9


def test_an_answer_of_45_scaled_seconds_streams_to_its_end(start: Start) -> None:
    speed, rate = 50.0, 105.0
    server = start("--max-model-len=8192", rate=rate * speed, speed=speed)
    tokens = int(45 * rate)
    begun = time.monotonic()
    with server.client.stream("POST", CHAT, json=body(tokens, stream_options={"include_usage": True})) as response:
        *_, usage, done = events(response)
    assert time.monotonic() - begun > 45 / speed * 0.95
    assert json.loads(usage)["usage"]["completion_tokens"] == tokens
    assert done == "[DONE]"


def test_a_client_that_leaves_frees_its_place(start: Start) -> None:
    server = start("--max-num-seqs=1", rate=50)
    with server.client.stream("POST", CHAT, json=body(3000)) as response:
        lines = response.iter_lines()
        next(lines)
        assert server.metric(RUNNING) == 1
    server.until(lambda: server.metric(RUNNING) == 0)
    assert server.metric("vllm:kv_cache_usage_perc") == 0
    assert server.chat(max_tokens=1).status_code == 200


def test_requests_beyond_the_batch_wait_in_order_with_their_headers_sent(start: Start) -> None:
    server = start("--max-num-seqs=2", rate=50)
    streams = [server.client.stream("POST", CHAT, json=body(1000)) for _ in range(3)]
    responses = [stream.__enter__() for stream in streams]
    # The third has its status before it has a token.
    assert [response.status_code for response in responses] == [200] * 3
    assert (server.metric(RUNNING), server.metric(WAITING)) == (2, 1)
    assert 0 < server.metric("vllm:kv_cache_usage_perc") < 1
    streams[0].__exit__(None, None, None)
    lines = responses[2].iter_lines()
    assert next(lines).startswith("data: ")
    assert (server.metric(RUNNING), server.metric(WAITING)) == (2, 0)
    for stream in streams[1:]:
        stream.__exit__(None, None, None)


def test_a_client_that_waits_and_leaves_is_no_longer_in_the_queue(start: Start) -> None:
    server = start("--max-num-seqs=1", rate=50)
    with server.client.stream("POST", CHAT, json=body(3000)):
        with server.client.stream("POST", CHAT, json=body(10)):
            assert server.metric(WAITING) == 1
        server.until(lambda: server.metric(WAITING) == 0)
        assert server.metric(RUNNING) == 1


def test_a_request_waits_for_room_in_the_cache(start: Start) -> None:
    server = start("--max-model-len=1024", "--block-size=16", "--num-gpu-blocks-override=64", rate=10)
    with server.client.stream("POST", CHAT, json=body(900)), server.client.stream("POST", CHAT, json=body(900)):
        assert (server.metric(RUNNING), server.metric(WAITING)) == (1, 1)


def test_a_client_that_stops_reading_holds_up_nobody(start: Start) -> None:
    server = start("--max-model-len=100k", rate=200_000)
    request = json.dumps(body(90_000)).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(request)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        lazy.sendall(head.encode() + request)
        # The engine goes on without it, and others are answered.
        server.until(lambda: server.metric("vllm:generation_tokens_total") >= 90_000)
        assert server.chat(max_tokens=5).json()["usage"]["completion_tokens"] == 5
        assert server.metric(RUNNING) == 0
        received = b""
        while b"[DONE]" not in received[-100:]:
            received += lazy.recv(65536)
    assert received.startswith(b"HTTP/1.1 200 OK")


async def _stream(session: aiohttp.ClientSession, url: str, tokens: int) -> int:
    async with session.post(url, json=body(tokens, stream_options={"include_usage": True})) as response:
        lines = [line async for line in response.content if line.startswith(b"data: {")]
    return int(json.loads(lines[-1].removeprefix(b"data: "))["usage"]["completion_tokens"])


async def _streams(url: str, count: int, tokens: int) -> list[int]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        return list(await asyncio.gather(*(_stream(session, url, tokens) for _ in range(count))))


def test_200_streams_at_once_leave_most_of_a_core_free(start: Start) -> None:
    server = start(rate=100)
    process = psutil.Process(server.process.pid)
    before, begun = sum(process.cpu_times()[:2]), time.monotonic()
    assert asyncio.run(_streams(server.url + CHAT, count=200, tokens=300)) == [300] * 200
    used, took = sum(process.cpu_times()[:2]) - before, time.monotonic() - begun
    assert used / took < 0.5, f"{used:.2f} s of a core in {took:.2f} s"
    assert server.metric(RUNNING) == 0
    assert server.chat().status_code == 200


def test_prefix_hits_are_counted_and_shorten_the_time_to_the_first_token(start: Start) -> None:
    # Slow enough that computing the prompt is seen.
    server = start("--max-model-len=32768", "--block-size=16", speed=40)
    prefix = " ".join(f"w{index}" for index in range(8000))
    name = "vllm:time_to_first_token_seconds_sum"
    times = []
    for last in ("one", "two"):
        before = server.metric(name)
        server.chat(f"{prefix} {last}", max_tokens=1)
        times.append(server.metric(name) - before)
    cold, warm = times
    assert warm < cold / 10
    # `<user>`, the words, the last one and `<assistant>`; full blocks of 16 tokens are found.
    assert server.metric("vllm:prefix_cache_queries_total") == 2 * 8003
    assert server.metric("vllm:prefix_cache_hits_total") == 8001 // 16 * 16


def test_without_prefix_caching_there_are_no_hits(start: Start) -> None:
    server = start("--no-enable-prefix-caching", "--block-size=16")
    for _ in range(2):
        server.chat("word " * 100)
    assert server.metric("vllm:prefix_cache_queries_total") == server.metric("vllm:prefix_cache_hits_total") == 0
    assert 'enable_prefix_caching="False"' in server.client.get("/metrics").text
