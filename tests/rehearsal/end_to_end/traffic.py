"""Traffic of clients through a rehearsal's Gateway, and what servers and picker counted of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families

import cluster as kube
from cluster.pods import PORTS_ANNOTATION
from tests.rehearsal.end_to_end.command import Rehearsal
from tests.rehearsal.load_balancer.harness import read_record
from tests.rehearsal.plane import HANGS

NAMESPACE = "llm-serving"
# Tokens of an answer that fit beside a short prompt into the context of 2048 tokens of dev and prod: 0.75 s here.
LONG = 1970


@dataclass
class Streamed:
    """What a client saw of a streamed answer. `status` is None where no answer began, `error` says how it broke off."""

    status: int | None = None
    tokens: int = 0
    done: bool = False
    error: str = ""


@dataclass(frozen=True)
class Client:
    """A client of the first model of a rehearsal. It does not try again."""

    url: str
    model: str

    def body(self, prompt: str, tokens: int = 5, *, stream: bool = False) -> dict[str, Any]:
        """A chat whose answer has exactly so many tokens."""
        messages = [{"role": "user", "content": prompt}]
        return {"model": self.model, "messages": messages, "max_tokens": tokens, "ignore_eos": True, "stream": stream}

    def chat(self, prompt: str, tokens: int = 5) -> httpx.Response:
        """A whole answer."""
        body, url = self.body(prompt, tokens), f"{self.url}/v1/chat/completions"
        return httpx.post(url, trust_env=False, timeout=HANGS, json=body)

    def answers(self) -> bool:
        """Whether a short chat is answered."""
        return self.chat("Are you there?").status_code == 200

    def streams(self, prompts: list[str], tokens: int = LONG) -> list[Streamed]:
        """One stream for each prompt, all at once."""
        return asyncio.run(self._streams(prompts, tokens))

    async def _streams(self, prompts: list[str], tokens: int) -> list[Streamed]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(trust_env=False, timeout=HANGS, limits=limits) as http:
            bodies = (self.body(prompt, tokens, stream=True) for prompt in prompts)
            return await asyncio.gather(*(self.stream(http, body) for body in bodies))

    async def stream(self, http: httpx.AsyncClient, body: dict[str, Any]) -> Streamed:
        """One stream, to its end."""
        seen = Streamed()
        try:
            async with http.stream("POST", f"{self.url}/v1/chat/completions", json=body) as answer:
                seen.status = answer.status_code
                async for line in answer.aiter_lines():
                    _take(seen, line)
        except httpx.TransportError as error:
            seen.error = f"{type(error).__name__}: {error}"
        return seen


class Streaming:
    """So many streams at any time within a block, each followed by the next; the last ones end after it. `seen` are those
    that ended."""

    def __init__(self, client: Client, at_once: int, tokens: int) -> None:
        self.seen: list[Streamed] = []
        self._client, self._at_once, self._tokens, self._over = client, at_once, tokens, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def _all(self) -> None:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(trust_env=False, timeout=HANGS, limits=limits) as http:
            await asyncio.gather(*(self._one(http, number) for number in range(self._at_once)))

    async def _one(self, http: httpx.AsyncClient, number: int) -> None:
        while not self._over.is_set():
            body = self._client.body(f"{number} of {len(self.seen)}", self._tokens, stream=True)
            self.seen.append(await self._client.stream(http, body))


def _take(seen: Streamed, line: str) -> None:
    if line == "data: [DONE]":
        seen.done = True
    elif line.startswith("data: "):
        choices = json.loads(line.removeprefix("data: "))["choices"]
        # The emulator's answer is words; the role's event has none.
        seen.tokens += sum(len(choice["delta"].get("content", "").split()) for choice in choices)


def client_of(rehearsal: Rehearsal) -> Client:
    """A client of what runs."""
    model = rehearsal.last["outputs"]["models"][0]
    base = read_record(rehearsal.directory)["gateway"]["url"]
    return Client(base + urlsplit(model["url"]).path, model["servedNames"][0])


def servers(rehearsal: Rehearsal) -> dict[str, dict[str, Any]]:
    """The pool's endpoints by pod, as the load balancer reports them."""
    rows = read_record(rehearsal.directory)["backends"]
    return {row["pod"]: row for row in rows if row["kind"] == "InferencePool"}


def counted(rehearsal: Rehearsal, name: str) -> dict[str, float]:
    """A metric of vLLM's, of every server by its pod."""
    found = {}
    for pod, row in servers(rehearsal).items():
        text = httpx.get(f"http://{row['endpoint']}/metrics", trust_env=False, timeout=HANGS).text
        found[pod] = sum(samples(text, name))
    return found


def samples(text: str, name: str) -> Iterator[float]:
    """The values of a sample in Prometheus's text format."""
    for family in text_string_to_metric_families(text):
        yield from (sample.value for sample in family.samples if sample.name == name)


def pod_address(rehearsal: Rehearsal, pod: str, port: int) -> str:
    """`host:port` at which a port of a pod is reached on this machine."""
    found = kube.get(rehearsal.client, "v1", "Pod", pod, NAMESPACE)
    assert found is not None
    mapped = json.loads(found["metadata"].get("annotations", {}).get(PORTS_ANNOTATION, "{}"))
    return str(mapped.get(str(port), f"{found['status']['podIP']}:{port}"))
