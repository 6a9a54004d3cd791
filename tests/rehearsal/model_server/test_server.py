"""Over real HTTP: the OpenAI interface as official client, verify and bench use it, and start and end of the process."""

from __future__ import annotations

import json
import signal
from typing import Any

import httpx
import openai
import pytest

from serving.bench.workload import Workload
from tests.rehearsal.model_server.conftest import Server, Start
from tests.rehearsal.plane import HANGS

CHAT = "/v1/chat/completions"


def body(tokens: int) -> dict[str, Any]:
    return Workload("qwen", 20, tokens, shared_prefix=0.5, seed=1).body(0)


def events(response: httpx.Response) -> list[Any]:
    found = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    return [json.loads(line) if line != "[DONE]" else line for line in found]


def test_the_official_client_lists_chats_completes_and_streams(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    assert [model.id for model in client.models.list()] == ["qwen"]
    question: Any = {"model": "qwen", "messages": [{"role": "user", "content": "hello there"}]}
    chat = client.chat.completions.create(**question)
    answer = chat.choices[0].message.content
    assert answer is not None and answer.startswith("[synthetic answer of rehearsal model server]")
    completion = client.completions.create(model="qwen", prompt="one two three")
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (3, 16)
    chunks = list(client.chat.completions.create(**question, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == answer
    first, *_, last, usage = chunks
    assert (first.choices[0].delta.role, last.choices[0].finish_reason) == ("assistant", "stop")
    assert (usage.choices, usage.usage) == ([], chat.usage)
    with pytest.raises(openai.NotFoundError, match="The model `nobody` does not exist"):
        client.chat.completions.create(**{**question, "model": "nobody"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "Invalid JSON"),
        (b"[]", "EmulatedRequest"),
        (b"{}", "a chat has messages"),
        (b'{"messages": "hello"}', "valid array"),
        (b'{"messages": [{"role": "user", "content": "x"}], "tools": [1]}', "EmulatedRequest\ntools\n  Extra inputs"),
        (json.dumps({"messages": [{"role": "u", "content": "x " * 3000}]}).encode(), "maximum context length is 2048"),
    ],
)
def test_what_is_wrong_or_not_emulated_is_400_and_named(server: Server, content: bytes, words: str) -> None:
    answer = server.client.post(CHAT, content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)
    assert words in answer.json()["error"]["message"]
    assert server.chat().status_code == 200


def test_connections_are_refused_until_it_is_ready_and_each_phase_is_logged(start: Start) -> None:
    slow = start(speed=0.001, ready=False)
    slow.until(lambda: "times are 0.001 times shorter" in slow.log)
    with pytest.raises(httpx.ConnectError):
        slow.client.get("/health")
    slow.process.send_signal(signal.SIGTERM)
    assert slow.process.wait(HANGS) == 0
    server = start(speed=60)
    texts = [
        "serving model /mnt/models",
        "init engine (profile, create kv cache, warmup model) took 1.52 s",
        "Application startup complete.",
    ]
    places = [server.log.index(text) for text in texts]
    assert places == sorted(places)


def test_sigterm_lets_running_requests_finish_and_aborts_new_ones(start: Start) -> None:
    server = start(rate=100)
    with server.client.stream("POST", CHAT, json=body(300)) as running:
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: "mode=drain" in server.log)
        late = server.chat().json()
        assert late["choices"][0]["finish_reason"] == "abort"
        assert late["usage"]["completion_tokens"] == 0
        with server.client.stream("POST", CHAT, json=body(10)) as aborted:
            *_, end, _, done = events(aborted)
        assert (end["choices"][0]["finish_reason"], done) == ("abort", "[DONE]")
        *_, last, _, done = events(running)
    assert (last["choices"][0]["finish_reason"], done) == ("length", "[DONE]")
    server.client.close()
    assert server.process.wait(HANGS) == 0


def test_what_is_not_done_when_the_time_is_up_is_cut(start: Start) -> None:
    server = start("--shutdown-timeout=100", rate=1)
    with server.client.stream("POST", CHAT, json=body(3000)) as running:
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(httpx.RemoteProtocolError):
            events(running)
    assert server.process.wait(HANGS) == 0
