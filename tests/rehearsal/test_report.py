"""The printed command talks to a model as it is declared: by its name, where routes and certificate are of one."""

from __future__ import annotations

import shlex
from pathlib import Path

from cluster.load_balancer import Listener
from rehearsal.report import curl
from settings.outputs import ModelOutput
from tests.serving.verify import deployed


def model(base: str) -> ModelOutput:
    return deployed.outputs(deployed.deployment(), base).models[0]


def test_a_declared_name_is_asked_at_the_address_here_and_its_certificate_is_trusted(tmp_path: Path) -> None:
    asked, listener = (
        model("https://models.example.com"),
        Listener(url="https://127.0.0.1:31771", hostname="*.example.com"),
    )
    words = shlex.split(curl(listener, tmp_path / "a.crt", asked))
    assert words[4:6] == ["--resolve", "models.example.com:31771:127.0.0.1"]
    assert words[6:8] == ["--cacert", str(tmp_path / "a.crt")]
    path = asked.url.removeprefix("https://models.example.com")
    assert words[8] == f"https://models.example.com:31771{path}/v1/chat/completions"
