"""Model servers as processes on loopback, each ended with its test."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from rehearsal.ports import Claim, claim

ROOT = Path(__file__).resolve().parents[3]
# A start of a quarter of a second; the token rate is then given for this machine, see `rate`.
SPEED = 500.0
# A test that waits longer than this hangs, seconds.
HANGS = 120.0


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(condition: Callable[[], bool], alive: Callable[[], bool], show: Callable[[], str]) -> None:
    """Wait for a condition; fails, with what `show` says, where it can't come any more."""
    deadline = time.monotonic() + HANGS
    while not condition():
        assert alive(), show()
        assert time.monotonic() < deadline, show()
        time.sleep(0.01)


class Server:
    """A running model server with a client for it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path, scheme: str = "http") -> None:
        self.process = process
        self.port = port
        self._log = log
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False, verify=False)  # noqa: S501

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(encoding="utf-8")

    def until_ready(self) -> Server:
        """Wait until it answers."""
        self.until(self._answers)
        return self

    def _answers(self) -> bool:
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def chat(self, text: str = "hello", **more: object) -> httpx.Response:
        """A chat answer in one piece."""
        messages = [{"role": "user", "content": text}]
        return self.client.post("/v1/chat/completions", json={"messages": messages, **more})

    def metric(self, name: str) -> float:
        """Value of the first sample of that name."""
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith((f"{name}{{", f"{name} ")):
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no metric {name}")

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, as long as the server lives."""
        wait_for(condition, lambda: self.process.poll() is None, lambda: self.log)


Start = Callable[..., Server]


@contextlib.contextmanager
def servers_in(folder: Path) -> Iterator[Start]:
    """Starts servers: arguments of vLLM, `rate` in tokens a second on this machine, variables of the environment."""
    servers: list[Server] = []
    claims: list[Claim] = []

    def one(
        *arguments: str, rate: float = 5000.0, speed: float = SPEED, ready: bool = True, **variables: str
    ) -> Server:
        claims.append(claim())
        port = claims[-1].port
        log = folder / f"server-{len(servers)}.log"
        given = {"REHEARSAL_SPEED": str(speed), "REHEARSAL_TOKENS_PER_SECOND": str(rate / speed), **variables}
        command = [sys.executable, "-m", "rehearsal.model_server", "serve", "/mnt/models", f"--port={port}"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--served-model-name", "qwen", "publishers/ns/models/qwen", *arguments],
                cwd=ROOT,
                env={**os.environ, **given},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        servers.append(Server(process, port, log, "https" if "--ssl-certfile" in " ".join(arguments) else "http"))
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
    """Servers of one test."""
    with servers_in(tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module that leave nothing behind in it."""
    with servers_in(tmp_path_factory.mktemp("server")) as one:
        yield one("--max-model-len=2048")
