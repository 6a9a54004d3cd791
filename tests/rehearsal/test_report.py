"""The printed command talks to a model as it is declared: by its name, where routes and certificate are of one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from rehearsal.directory import RehearsalDirectory
from rehearsal.report import curl


def gateway(scheme: str, hostname: str | None) -> dict[str, Any]:
    return {"url": f"{scheme}://127.0.0.1:31771", "hostname": hostname}


def model(base: str) -> dict[str, Any]:
    return {"url": f"{base}/llm-serving/qwen3-4b", "servedNames": ["qwen3-4b"]}


@pytest.fixture
def directory(tmp_path: Path) -> RehearsalDirectory:
    made = RehearsalDirectory(tmp_path / "a rehearsal")
    (made.root / "load-balancer").mkdir(parents=True)
    return made


def test_without_a_name_the_address_here_is_asked(directory: RehearsalDirectory) -> None:
    words = shlex.split(curl(directory, gateway("http", None), model("http://10.0.0.9")))
    assert words[:2] == ["curl", "http://127.0.0.1:31771/llm-serving/qwen3-4b/v1/chat/completions"]


def test_a_declared_name_is_asked_at_the_address_here_and_its_certificate_is_trusted(
    directory: RehearsalDirectory,
) -> None:
    authority = directory.root / "load-balancer" / "a.crt"
    authority.touch()
    words = shlex.split(curl(directory, gateway("https", "*.example.com"), model("https://models.example.com")))
    assert words[1:3] == ["--resolve", "models.example.com:31771:127.0.0.1"]
    assert words[3:5] == ["--cacert", str(authority)]
    assert words[5] == "https://models.example.com:31771/llm-serving/qwen3-4b/v1/chat/completions"
