"""Routes over real HTTP: the OpenAI interface, its errors, the key, the metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.rehearsal.model_server.conftest import Server, Start

CHAT = "/v1/chat/completions"


def error(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["code"] == response.status_code
    return body["error"]  # type: ignore[no-any-return]


def test_the_official_client_lists_chats_completes_and_streams(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    assert [model.id for model in client.models.list()] == ["qwen", "publishers/ns/models/qwen"]
    chat = client.chat.completions.create(model="qwen", messages=[{"role": "user", "content": "hello there"}])
    answer = chat.choices[0].message.content
    assert answer is not None and answer.startswith("[synthetic answer of rehearsal model server]")
    assert chat.choices[0].finish_reason == "stop"
    assert chat.usage is not None
    assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens
    completion = client.completions.create(model="publishers/ns/models/qwen", prompt="one two three")
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 3
    assert completion.usage.completion_tokens == 16  # the default of this route
    assert completion.choices[0].finish_reason == "length"
    chunks = list(
        client.chat.completions.create(
            model="qwen",
            messages=[{"role": "user", "content": "hello there"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == answer
    assert chunks[-1].usage == chat.usage
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody", messages=[{"role": "user", "content": "hello"}])


def test_models_have_their_length_and_where_they_come_from(server: Server) -> None:
    models = server.client.get("/v1/models").json()
    assert [(m["id"], m["root"], m["max_model_len"]) for m in models["data"]] == [
        ("qwen", "/mnt/models", 2048),
        ("publishers/ns/models/qwen", "/mnt/models", 2048),
    ]
    assert server.client.get("/version").json() == {"version": "0.27.0"}
    for method, path in (("GET", "/health"), ("GET", "/ping"), ("POST", "/ping")):
        answer = server.client.request(method, path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_a_path_as_the_only_name(start: Start) -> None:
    server = start("--served-model-name", "/mnt/models")
    assert server.chat(model="/mnt/models").status_code == 200
    assert server.chat(model="qwen").status_code == 404


def test_an_unknown_model_is_404_with_paths_taken_out(server: Server) -> None:
    found = error(server.chat(model="gpt"))
    assert (found["message"], found["type"]) == ("The model `gpt` does not exist.", "NotFoundError")
    assert (found["code"], found["param"]) == (404, "model")
    assert error(server.chat(model="/mnt/models"))["message"] == "The model `<path>` does not exist."
    assert server.chat().status_code == 200  # no name means the model


@pytest.mark.parametrize(
    ("text", "more", "words", "param"),
    [
        ("x " * 3000, {}, "maximum context length is 2048 tokens", "input_tokens"),
        ("x " * 2000, {"max_tokens": 100}, "you requested 100 output tokens", "input_tokens"),
        ("x", {"max_tokens": 3000}, "max_tokens=3000 cannot be greater than max_model_len", "max_tokens"),
        ("x", {"max_completion_tokens": 3000}, "max_completion_tokens=3000 cannot", "max_completion_tokens"),
        ("x", {"max_tokens": 0}, "max_tokens must be at least 1, got 0.", "max_tokens"),
        ("x", {"temperature": 3}, "temperature must be in [0, 2]", "temperature"),
    ],
)
def test_a_request_beyond_the_limits_is_400(
    server: Server, text: str, more: dict[str, object], words: str, param: str
) -> None:
    found = error(server.chat(text, **more))
    assert words in found["message"]
    assert (found["code"], found["type"], found["param"]) == (400, "BadRequestError", param)


def test_an_answer_fills_the_context_and_not_more(server: Server) -> None:
    body = server.chat("x " * 2000, ignore_eos=True).json()
    assert body["usage"]["total_tokens"] == 2048
    assert body["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("name", ["n", "logprobs", "tools", "echo", "response_format"])
def test_what_is_not_offered_is_refused_and_named(server: Server, name: str) -> None:
    value = {"n": 2, "tools": [{"type": "function"}], "response_format": {"type": "json_object"}}.get(name, True)
    found = error(server.chat("hello", **{name: value}))
    assert (found["code"], found["param"]) == (400, name)
    assert "not offered by the rehearsal's model server" in found["message"]


@pytest.mark.parametrize(
    ("content", "words", "param"),
    [
        (b"{", "JSON decode error", "body.1"),
        (b"", "Field required", "body"),
        (b"[]", "valid dictionary", "body"),
        (b'{"model": "qwen"}', "Field required", "body.messages"),
        (b'{"messages": "hello"}', "valid list", "body.messages"),
        (b'{"messages": [], "max_tokens": "many"}', "valid integer", "body.max_tokens"),
        (b'{"messages": [], "stream_options": {"include_usage": true}}', "Stream options can only", "stream_options"),
        (b'"\xff"', "error parsing the body", None),
    ],
)
def test_a_malformed_body_is_400_and_the_next_request_is_answered(
    server: Server, content: bytes, words: str, param: str | None
) -> None:
    answer = server.client.post(CHAT, content=content, headers={"Content-Type": "application/json"})
    found = error(answer)
    assert words in found["message"]
    assert (found["code"], found["type"], found["param"]) == (400, "Bad Request", param)
    assert server.chat().status_code == 200


def test_another_content_type_is_400(server: Server) -> None:
    answer = server.client.post(CHAT, content=b"{}", headers={"Content-Type": "text/plain"})
    assert "Unsupported Media Type" in error(answer)["message"]


def test_an_unknown_route_is_404_and_a_wrong_method_405(server: Server) -> None:
    unknown, wrong = server.client.get("/v1/nothing"), server.client.post("/health")
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Not Found"})
    assert (wrong.status_code, wrong.json(), wrong.headers["Allow"]) == (405, {"detail": "Method Not Allowed"}, "GET")


def test_a_chunked_body_of_4_mb_is_read_and_answered(start: Start) -> None:
    server = start("--max-model-len=1M")
    text = "word " * 800_000
    raw = json.dumps({"messages": [{"role": "user", "content": text}], "max_tokens": 3}).encode()
    assert len(raw) > 4_000_000

    def pieces() -> Iterator[bytes]:
        for index in range(0, len(raw), 65536):
            yield raw[index : index + 65536]

    answer = server.client.post(CHAT, content=pieces(), headers={"Content-Type": "application/json"})
    assert answer.request.headers["Transfer-Encoding"] == "chunked"
    assert answer.json()["usage"] == {"prompt_tokens": 800_002, "total_tokens": 800_005, "completion_tokens": 3}


def test_a_stop_string_ends_the_answer_and_is_named(server: Server) -> None:
    choice = server.chat(stop=["rehearsal"]).json()["choices"][0]
    assert choice["message"]["content"] == "[synthetic answer of "
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "rehearsal")


def test_a_key_guards_v1_and_nothing_else(start: Start) -> None:
    server = start("--api-key", "secret", "other")
    refused = server.client.get("/v1/models")
    assert (refused.status_code, refused.json()) == (401, {"error": "Unauthorized"})
    for key in ("secret", "other"):
        assert server.client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert server.client.get("/v1/models", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert server.client.get("/health").status_code == server.client.get("/metrics").status_code == 200


def test_metrics_have_vllms_names_and_move_with_requests(start: Start) -> None:
    server = start("--enable-lora", "--block-size=32", "--num-gpu-blocks-override=1000", "--max-model-len=2048")
    server.chat("one two three", max_tokens=10)
    page = server.client.get("/metrics")
    assert page.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    info = next(line for line in page.text.splitlines() if line.startswith("vllm:cache_config_info{"))
    assert 'block_size="32"' in info
    assert 'num_gpu_blocks="1000"' in info
    assert 'vllm:num_requests_running{engine="0",model_name="qwen"} 0.0' in page.text
    assert 'vllm:lora_requests_info{max_lora="1",running_lora_adapters="",waiting_lora_adapters=""}' in page.text
    assert server.metric("vllm:prompt_tokens_total") == 5
    assert server.metric("vllm:generation_tokens_total") == 10
    assert 'vllm:request_success_total{engine="0",finished_reason="length",model_name="qwen"} 1.0' in page.text
    for name in ("time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds"):
        assert server.metric(f"vllm:{name}_count") == 1


def test_the_metric_of_adapters_is_there_with_adapters_only(server: Server) -> None:
    assert "vllm:lora_requests_info" not in server.client.get("/metrics").text


def test_the_access_log_leaves_out_the_paths_it_is_told_to(start: Start) -> None:
    server = start("--disable-access-log-for-endpoints=/health,/metrics")
    server.client.get("/metrics")
    server.client.get("/v1/models")
    server.until(lambda: '"GET /v1/models HTTP/1.1" 200' in server.log)
    assert "/health" not in server.log
    assert "/metrics" not in server.log
