"""The consumer's client as its container runs it: it asks, prints the answer, and says whether it has had one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
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
def variables(tmp_path: Path) -> Iterator[dict[str, str]]:
    Model.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/llm-serving/m"
    own = {"URL": url, "MODEL": "team/model", "CA_CERTIFICATE": "", "TIMEOUT_SECONDS": "30", "TMPDIR": str(tmp_path)}
    yield {**{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}, **own}
    server.shutdown()
    server.server_close()


def answered(variables: dict[str, str]) -> int:
    return subprocess.run([sys.executable, str(CLIENT), "--answered"], env=variables, check=False).returncode


def test_it_is_ready_when_it_has_had_an_answer_and_goes_on_after_an_error(variables: dict[str, str]) -> None:
    assert answered(variables) == 1
    with subprocess.Popen([sys.executable, str(CLIENT)], env=variables, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        refused, said = client.stdout.readline(), client.stdout.readline()
        while answered(variables) and client.poll() is None:
            pass
        client.terminate()
    assert "503" in refused and said == "team/model: hello from team/model\n"
    assert {(row["path"], row["model"]) for row in Model.asked} == {
        ("/llm-serving/m/v1/chat/completions", "team/model")
    }
    assert answered(variables) == 0
