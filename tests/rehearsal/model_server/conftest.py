"""Model servers as processes on loopback, each ended with its test."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from rehearsal.ports import Claim, claim
from tests.rehearsal.end_to_end.command import ROOT, wait_until
from tests.rehearsal.plane import HANGS

# A start of a quarter of a second; the token rate is then given for this machine, see `rate`.
SPEED = 500.0


class Server:
    """A running model server with a client for it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process = process
        self._log = log
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=HANGS, trust_env=False)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def until_ready(self) -> Server:
        def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return self.client.get("/health").status_code == 200
            return False

        self.until(answers)
        return self

    def chat(self, text: str = "hello", **more: object) -> httpx.Response:
        messages = [{"role": "user", "content": text}]
        return self.client.post("/v1/chat/completions", json={"messages": messages, **more})

    def until(self, condition: Callable[[], bool]) -> None:
        wait_until(condition, lambda: self.process.poll() is None, lambda: self.log)


Start = Callable[..., Server]


@contextlib.contextmanager
def servers_in(folder: Path) -> Iterator[Start]:
    """Starts servers: arguments of vLLM, `rate` in tokens a second on this machine, `speed` of the start."""
    servers: list[Server] = []
    claims: list[Claim] = []

    def one(*arguments: str, rate: float = 5000.0, speed: float = SPEED, ready: bool = True) -> Server:
        claims.append(claim())
        port = claims[-1].port
        log = folder / f"server-{len(servers)}.log"
        given = {"REHEARSAL_SPEED": str(speed), "REHEARSAL_TOKENS_PER_SECOND": str(rate / speed)}
        command = [sys.executable, "-m", "rehearsal.model_server", "serve", "/mnt/models", f"--port={port}"]
        command += ["--served-model-name", "qwen", "--shutdown-timeout=45000", *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **given}, stdout=output, stderr=output, start_new_session=True
            )
        servers.append(Server(process, f"http://127.0.0.1:{port}", log))
        return servers[-1].until_ready() if ready else servers[-1]

    try:
        yield one
    finally:
        for server in servers:
            server.client.close()
            server.process.kill()
            server.process.wait()
        for item in claims:
            item.release()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with servers_in(tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module that leave nothing behind in it."""
    with servers_in(tmp_path_factory.mktemp("server")) as one:
        yield one("--max-model-len=2048")
