"""A world for the program that fills a bucket: the emulated Hub, bucket and metadata server, with faults in any answer."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from manifests import weights as manifests
from rehearsal.storage.buckets import Answer, Buckets, Request
from rehearsal.storage.serve import Services, server, synthetic
from tests.manifests.test_wait_until_ready import Clock

REPOSITORY, REVISION = "Qwen/Qwen3-32B", "9216db5781bf21249d130ec9da846c4624c16137"
PREFIX, MARKER = f"weights/files/{REPOSITORY}/{REVISION}/", f"weights/whole/{REPOSITORY}/{REVISION}.json"
CACHE = "xla-cache/dev/0.32.0/v6e-2x2/"
READ = {"config.json", "model.safetensors.index.json", "README.md"} | {
    f"model-{n:05}-of-00002.safetensors" for n in (1, 2)
}
FILES = synthetic(REPOSITORY, REVISION)
ONE_AT_A_TIME = ("--workers", "1")  # so that the same fault meets the same request
SHARD = "model-00002-of-00002.safetensors"


@pytest.fixture(scope="module")
def program() -> Iterator[Any]:
    """The two modules as a pod has them: in one folder, that of the script."""
    folder = str(Path(manifests.__file__).parent / "scripts")
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module("weights")
        stores: Any = sys.modules["stores"]
        stores.CHUNK, stores._PIECE = 65536, 8192
        yield module
    finally:
        sys.path.remove(folder)
        for name in ("weights", "stores"):
            del sys.modules[name]


class World(Services):
    """All three services, what was asked of them, and a fault to put in place of an answer."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.files: dict[str, bytes] | None = dict(FILES)
        self.revisions = {REVISION}
        self.asked: list[Request] = []
        self.fault: Callable[[Request, int], Answer | None] = lambda _request, _number: None
        self._guard = threading.Lock()
        buckets = Buckets(
            lambda _who, permission, bucket, _name: 404 if bucket != "b" else 403 if permission in self.denied else 200
        )
        super().__init__(buckets, lambda _repository, revision: self.files if revision in self.revisions else None)

    def answer(self, request: Request) -> Answer:
        with self._guard:
            self.asked.append(request)
            number = len(self.asked) - 1
        fault = self.fault(request, number)
        return super().answer(request) if fault is None else fault

    def content(self) -> dict[str, bytes]:
        """What lies in the folder of the weights."""
        found = {name: content for (_, name), (_, content) in self.buckets.objects.items()}
        return {name.removeprefix(PREFIX): content for name, content in found.items() if name.startswith(PREFIX)}

    def of_the_hub(self) -> list[Request]:
        return [r for r in self.asked if "resolve" in r.path or r.path[0] == "api"]

    def uploads(self) -> list[str]:
        return [r.query["name"] for r in self.asked if r.path[0] == "upload" and r.method == "POST"]


@contextlib.contextmanager
def world_of(program: Any) -> Iterator[tuple[World, Callable[..., int]]]:
    """A fresh world, and the program in it with time that passes only while it sleeps."""
    world = World()
    with server(world, "127.0.0.1", 0) as http, pytest.MonkeyPatch.context() as patch:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = f"127.0.0.1:{http.server_address[1]}"
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://{address}")
        patch.setenv("HF_ENDPOINT", f"http://{address}")
        patch.setenv("GCE_METADATA_HOST", f"{address}/node/llm-serving/filler")
        patch.setenv("HF_TOKEN", "a-token-of-the-hub")
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            patch.delenv(name, raising=False)

        def run(command: str, *more: str, weights: bool = True) -> int:
            clock = Clock()
            named = ["--repository", REPOSITORY, "--revision", REVISION, "--prefix", PREFIX, "--marker", MARKER]
            arguments = [command, "--bucket", "b", *(named if weights else ()), *more]
            return int(program.main(arguments, partial(sys.modules["stores"].Patience, clock=clock, sleep=clock.sleep)))

        try:
            yield world, run
        finally:
            http.shutdown()


@pytest.fixture
def both(program: Any) -> Iterator[tuple[World, Callable[..., int]]]:
    with world_of(program) as found:
        yield found


def whole(world: World) -> bool:
    return world.content() == {name: FILES[name] for name in READ} and ("b", MARKER) in world.buckets.objects
