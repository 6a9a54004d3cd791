"""`serving alerts`: what a Prometheus answers, in words, as JSON and as an exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from manifests.alerts.alerts import alerts
from manifests.alerts.panels import rows
from serving.alerts.all_alerts import all_alerts
from serving.alerts.prometheus import PrometheusError, evaluate
from serving.commands import alerts as command
from settings.derive import Deployment
from settings.document import read_document
from settings.load import parse
from tests.commands import run

ENVIRONMENT = """\
config:
  tpu-serving:project: {id: example-project}
  tpu-serving:location: {zone: europe-west4-a}
  tpu-serving:monitoring: {objectives: {availability: 99.5}}
  tpu-serving:models: [{name: qwen, source: "hf://Qwen/Qwen2.5-3B-Instruct", tpu: {generation: v6e, topology: 2x2}}]
"""


class Prometheus:
    """Answers range queries: the series of `holds` whose name an expression has, for so many of the points it is asked for."""

    def __init__(self) -> None:
        self.holds: dict[str, int] = {}
        self.ends_early = False
        self.asked: list[str] = []
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                body = json.dumps(own.answer({key: values[0] for key, values in form.items()})).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it)
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, form: dict[str, str]) -> dict[str, Any]:
        self.asked.append(form["query"])
        if "rejected" in self.holds:
            return {"status": "error", "error": "parse error"}
        start, end, step = (float(form[key]) for key in ("start", "end", "step"))
        points = round((end - start) / step) + 1
        held = next((points if most < 0 else most for name, most in self.holds.items() if name in form["query"]), 0)
        times = [end - index * step for index in range(held)][::-1][: len(range(held)) - self.ends_early]
        result = [{"metric": {"model": "qwen", "cluster": "c"}, "values": [[at, "1"] for at in times]}] if times else []
        return {"status": "success", "data": {"result": result}}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def prometheus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Prometheus]:
    found = Prometheus()
    monkeypatch.setattr(command, "_prometheus", lambda _: found.url)
    yield found
    found.close()


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "Pulumi.told.yaml"
    path.write_text(ENVIRONMENT, encoding="utf-8")
    return str(path)


def deployment(file: str) -> Deployment:
    settings, _, _ = parse(read_document(Path(file)))
    assert settings is not None
    return Deployment("told", settings)


def test_nothing_fires(prometheus: Prometheus, file: str) -> None:
    done = run("serving", "alerts", file)
    assert (done.code, done.out.splitlines()[-1]) == (0, "nothing fires")
    wanted = [c.query for a in alerts(deployment(file)) if not a.of_google for c in a.conditions]
    assert prometheus.asked == wanted


def test_what_fires_is_named_with_its_runbook(prometheus: Prometheus, file: str) -> None:
    prometheus.holds = {"absent(up": -1, "num_requests_waiting": 3}
    done = run("serving", "alerts", file)
    assert done.code == 1
    assert "firing   page    no-picker (model qwen)" in done.out
    assert "Runbook: docs/runbook/verify.md#picker-not-ready" in done.out
    assert "pending  ticket  queue-long" in done.out
    assert done.out.splitlines()[-1] == "1 alert firing, 1 page; 1 pending"
    assert max(map(len, done.out.splitlines())) <= 80
    document = run("serving", "alerts", file, "--format", "json").document
    assert {(one["alert"], one["state"]) for one in document["alerts"]} == {
        ("no-picker", "firing"),
        ("queue-long", "pending"),
    }
    assert "load-balancer-errors" in document["notAsked"] and "no-picker" in document["asked"]


def test_what_holds_no_more_is_over(prometheus: Prometheus, file: str) -> None:
    prometheus.holds, prometheus.ends_early = {"absent(up": -1}, True
    assert run("serving", "alerts", file).out.splitlines()[-1] == "nothing fires"


def test_an_expression_that_is_rejected_is_said(prometheus: Prometheus, file: str) -> None:
    prometheus.holds = {"rejected": 1}
    done = run("serving", "alerts", file)
    assert done.code == 1 and "Prometheus rejects an expression: parse error" in done.err
    assert run("serving", "alerts", file, "--format", "json").document["verdict"].startswith("not known")


def test_one_that_does_not_answer_is_said() -> None:
    with pytest.raises(PrometheusError, match="does not answer"):
        evaluate("http://127.0.0.1:9", all_alerts(), 0)


def test_without_a_rehearsal_it_says_how_to_start_one(file: str) -> None:
    done = run("serving", "alerts", file)
    assert done.code == 2 and "python -m serving rehearse" in done.err


def test_grafana_imports_what_is_written(file: str, tmp_path: Path) -> None:
    path = tmp_path / "panels.json"
    assert run("serving", "alerts", file, "--grafana", str(path)).code == 0
    written = json.loads(path.read_text(encoding="utf-8"))
    assert len([p for p in written["panels"] if p["type"] == "timeseries"]) == sum(
        len(row.panels) for row in rows(deployment(file))
    )
    assert len({p["id"] for p in written["panels"]}) == len(written["panels"])
