"""Which versions count as newer, asked of a registry that pages and wants a token, and of nobody."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from catalog import files
from catalog.lock import load_lock
from catalog.refresh import newer as newer_module
from catalog.refresh.newer import newer, releases_of
from catalog.refresh.registry import RegistryError, RegistryUnreachableError, tags_of
from catalog.refresh.wheel import WheelError
from serving.cli import application

TAGS = ["latest", "v0.19.0", "v0.20.0", "v0.20.0-rc1", "v0.20.1", "v0.21.0", "v0.21.0-rc1", "0.22.0", "sha256-aa.sig"]
NEVER = "127.0.0.1:9"  # the discard port: nobody listens


@pytest.mark.parametrize(
    ("locked", "tags", "found"),
    [
        ("v0.20.0", TAGS, ["v0.20.1", "v0.21.0"]),
        ("v0.9.0", ["v0.10.0", "v0.9.0"], ["v0.10.0"]),
        ("3.13.12-slim-bookworm", ["3.13.13-slim-bookworm", "3.14.0-slim-trixie", "3.13"], ["3.13.13-slim-bookworm"]),
        ("vllm-v0.19.1", ["vllm-v0.20.0", "v0.21.0"], ["vllm-v0.20.0"]),
        ("latest", TAGS, []),
    ],
)
def test_newer_is_of_the_same_form_with_higher_numbers(locked: str, tags: list[str], found: list[str]) -> None:
    assert newer(locked, tags) == found


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=1))
def test_what_is_newer_is_higher_and_in_order(numbers: list[tuple[int, int, int]]) -> None:
    tags = [f"v{a}.{b}.{c}" for a, b, c in numbers]
    found = newer(tags[0], tags)
    assert [tuple(map(int, tag[1:].split("."))) for tag in found] == sorted({n for n in numbers if n > numbers[0]})


class Registry(BaseHTTPRequestHandler):
    """Lists the tags of any repository, two a page, for who has a token."""

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""

    def _send(self, status: int, content: Any, **headers: str) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        host = self.headers["Host"]
        if self.path == "/charts/index.yaml":
            self._send(200, {"entries": {"keda": [{"version": "2.22.0"}, {"version": "2.21.0"}]}})
        elif self.path.startswith("/token"):
            self._send(200, {"token": "t"})
        elif self.headers.get("Authorization") != "Bearer t":
            self._send(401, {}, WWW_Authenticate=f'Bearer realm="http://{host}/token",service="s"')
        elif "/odd/" in self.path:
            self._send(200, ["no", "object"])
        elif "/none/" in self.path:
            self._send(404, {})
        else:
            start = TAGS.index(self.path.partition("last=")[2]) + 1 if "last=" in self.path else 0
            page = TAGS[start : start + 2]
            more = {"Link": f'</v2/x/tags/list?n=2&last={page[-1]}>; rel="next"'} if start + 2 < len(TAGS) else {}
            self._send(200, {"name": "x", "tags": page}, **more)


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_every_page_of_tags_is_read(registry: str) -> None:
    with httpx.Client(trust_env=False) as client:
        assert tags_of(client, f"{registry}/x") == TAGS
        for kind in ("odd", "none"):
            with pytest.raises(RegistryError, match=registry):
                tags_of(client, f"{registry}/{kind}/x")
        with pytest.raises(RegistryUnreachableError, match="can't be reached"):
            tags_of(client, f"{NEVER}/x")


def pointed_at(monkeypatch: pytest.MonkeyPatch, hosts: dict[str, str]) -> None:
    """The lock with other registries in place of its own; the package index is out of reach."""
    text = (files.DATA_DIR / "lock.yaml").read_text(encoding="utf-8")
    for old, new in hosts.items():
        text = text.replace(old, new)
    monkeypatch.setattr("catalog.lock.read_yaml", lambda _: yaml.safe_load(text))

    def unreachable(package: str) -> list[str]:
        raise WheelError("no index")

    monkeypatch.setattr(newer_module, "releases_of", unreachable)


@pytest.fixture
def fresh_lock() -> Iterator[None]:
    load_lock.cache_clear()
    yield
    load_lock.cache_clear()


def test_each_line_has_its_answer_or_says_that_nobody_could_be_asked(
    registry: str, monkeypatch: pytest.MonkeyPatch, fresh_lock: None
) -> None:
    hosts = {
        "https://kedacore.github.io": f"http://{registry}",
        "ghcr.io": registry,
        "docker.io": NEVER,
        "quay.io": NEVER,
        "registry.k8s.io": NEVER,
    }
    pointed_at(monkeypatch, hosts)
    done = CliRunner().invoke(application(["versions", "lock"]), ["versions"])
    assert done.exit_code == 0, done.output
    # What does not fit on a line goes on in an indented one.
    whole = re.sub(r"\n +", " ", done.output)
    lines = {" ".join(line.split()[:2]): line for line in whole.splitlines() if line}
    assert lines["chart kserve-llmisvc-crd"].endswith("newest v0.21.0 (2 newer)")
    assert lines["chart keda"].endswith("newest 2.22.0 (1 newer)")
    assert (
        "could not ask" in lines["image vllm-tpu"] and f"{NEVER} did not answer" in lines["image storage-initializer"]
    )
    assert lines["package pulumi"].endswith("could not ask: no index")
    assert "docs/upgrading.md" in done.output.splitlines()[-1]


def test_json_has_a_row_for_everything_locked(registry: str, monkeypatch: pytest.MonkeyPatch, fresh_lock: None) -> None:
    hosts = dict.fromkeys(("ghcr.io", "docker.io", "quay.io", "registry.k8s.io"), registry)
    pointed_at(monkeypatch, {**hosts, "https://kedacore.github.io": f"http://{registry}"})
    done = CliRunner().invoke(application(["versions", "lock"]), ["versions", "--format", "json"])
    rows = json.loads(done.stdout)
    lock = load_lock()
    named = [(row["kind"], row["name"]) for row in rows if row["kind"] in ("chart", "image")]
    assert named == [("chart", name) for name in lock.charts] + [("image", name) for name in lock.images]
    assert all(row["error"] is None for row in rows if row["kind"] != "package")


def test_an_index_out_of_reach_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, f"http://{NEVER}/simple")
    with pytest.raises(WheelError):
        releases_of("pulumi")
