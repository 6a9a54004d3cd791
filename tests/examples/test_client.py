"""The consumer's client as its containers run it: it asks and prints the answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from settings.document import ROOT

CLIENT = ROOT / "examples/consumer/client.py"


class Model(BaseHTTPRequestHandler):
    """Refuses the first question, answers the others with the name of the model that was asked."""

    asked: list[dict[str, Any]] = []  # noqa: RUF012 - one list, emptied by the fixture

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, **body})
        status = 503 if len(self.asked) == 1 else 200
        data = json.dumps({"choices": [{"message": {"content": f"hello from {body['model']}"}}]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def variables() -> Iterator[dict[str, str]]:
    Model.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/llm-serving/m"
    own = {"URL": url, "MODEL": "team/model", "CA_CERTIFICATE": "", "TIMEOUT_SECONDS": "30"}
    yield {**{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}, **own}
    server.shutdown()
    server.server_close()


def test_it_goes_on_after_an_error_and_ends_with_its_first_answer(variables: dict[str, str]) -> None:
    command = [sys.executable, str(CLIENT), "--once"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    refused, said = done.stdout.splitlines()
    assert done.returncode == 0
    assert "503" in refused and said == "team/model: hello from team/model"
    assert {(row["path"], row["model"]) for row in Model.asked} == {
        ("/llm-serving/m/v1/chat/completions", "team/model")
    }


def test_without_an_end_it_asks_until_it_is_told_to_end(variables: dict[str, str]) -> None:
    with subprocess.Popen([sys.executable, str(CLIENT)], env=variables, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        refused, said = client.stdout.readline(), client.stdout.readline()
        assert client.poll() is None
        client.terminate()
    assert "503" in refused and said == "team/model: hello from team/model\n"
