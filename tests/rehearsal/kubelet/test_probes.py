"""Probes count as the kubelet counts, and really ask."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest

from rehearsal.kubelet.ports import PortMap
from rehearsal.kubelet.probe_actions import ProbeTarget
from rehearsal.kubelet.probes import Action, Counter, Prober, Result, Timing
from rehearsal.ports import Claim


def _timing(**given: Any) -> Timing:
    return Timing.of(given)


def test_defaults_are_the_apis() -> None:
    assert _timing() == Timing(
        initial_delay=0, starting_period=10, period=10, timeout=1, success_threshold=1, failure_threshold=3
    )


@pytest.mark.parametrize(("period", "starting"), [(20, 2), (5, 1), (1, 1)])
def test_what_waits_for_a_start_is_scaled_and_its_budget_stays(period: int, starting: float) -> None:
    declared = {"initialDelaySeconds": 30, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": 4}
    timing = Timing.of(declared, 0.1)
    assert timing == Timing(3.0, starting, period, 5, 1, 4)
    assert timing.of_a_start().failure_threshold * starting == period * 4


@pytest.mark.parametrize(("initial", "wanted"), [(False, [1, 1, 10, 10]), (True, [10, 10, 10, 10])])
def test_the_short_period_ends_with_the_first_success_and_never_holds_for_liveness(
    initial: bool, wanted: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds))
        if len(slept) > len(wanted):
            raise asyncio.CancelledError

    answers = iter([False, False, True, False, False])

    async def action(_timing: Timing) -> Result:
        return Result(next(answers))

    monkeypatch.setattr("rehearsal.kubelet.probes.asyncio.sleep", sleep)
    prober = Prober(Timing.of({}, 0.1), action, lambda _: None, lambda _: None, initial)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(prober.run(time.monotonic()))
    assert slept[1:] == wanted


def test_a_state_changes_after_its_threshold_in_a_row() -> None:
    counter = Counter(_timing(successThreshold=2, failureThreshold=3), state=False)
    results = [True, False, True, True, False, False, True, False, False, False]
    assert [counter.observe(result) for result in results] == [
        *[False, False, False, True],
        *[False, False, False, False, False, True],
    ]
    assert counter.state is False


def test_a_startup_probe_ends_with_its_budget() -> None:
    async def run(answers: list[bool]) -> bool:
        left = iter(answers)

        async def action(_timing: Timing) -> Result:
            return Result(next(left))

        timing = Timing(0, 0.001, 0.001, 1, 1, 3)
        prober = Prober(timing, action, lambda _: None, lambda _: None, None)
        return await prober.run(0.0, until_success=True)

    assert asyncio.run(run([False, False, True]))
    assert not asyncio.run(run([False, False, False]))


def test_an_action_that_takes_too_long_fails() -> None:
    async def run() -> str:
        messages: asyncio.Queue[str] = asyncio.Queue()

        async def hang(_timing: Timing) -> Result:
            await asyncio.Event().wait()
            return Result(True)

        prober = Prober(Timing(0, 0.001, 0.001, 0.01, 1, 3), hang, messages.put_nowait, lambda _: None, None)
        task = asyncio.create_task(prober.run(0.0))
        message = await messages.get()
        task.cancel()
        return message

    assert "no answer within" in asyncio.run(run())


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/headers":
            good = (
                self.headers["X-A"] == "1"
                and self.headers["Host"] == "h"
                and "kube-probe" in self.headers["User-Agent"]
            )
            self.send_response(200 if good else 400)
        elif self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.2:1/never")
        elif self.path == "/here":
            self.send_response(302)
            self.send_header("Location", "/503")
        else:
            self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def _probe(probe: dict[str, Any], container: dict[str, Any] | None = None, ports: PortMap | None = None) -> Result:
    def no_command(_command: list[str]) -> Action:
        raise AssertionError("no command in this test")

    target = ProbeTarget(container or {}, ports or PortMap("127.0.0.1"), no_command)

    async def run() -> Result:
        return await target.action(probe)(_timing(timeoutSeconds=5))

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "success"),
    [
        ("/200", True),
        ("/204", True),
        ("/399", True),
        ("/400", False),
        ("/503", False),
        ("/elsewhere", True),
        ("/here", False),
    ],
)
def test_http_takes_200_to_399_and_follows_redirects_on_the_same_host(port: int, path: str, success: bool) -> None:
    assert _probe({"httpGet": {"port": port, "path": path}}).success is success


def test_http_sends_the_probes_headers(port: int) -> None:
    headers = [{"name": "X-A", "value": "1"}, {"name": "Host", "value": "h"}]
    assert _probe({"httpGet": {"port": port, "path": "/headers", "httpHeaders": headers}}).success


def test_a_port_by_name_and_through_the_port_map(port: int) -> None:
    ports = PortMap("127.65.0.10")
    ports._real[8081] = Claim(port, contextlib.ExitStack())
    container = {"ports": [{"name": "health", "containerPort": 8081}]}
    assert _probe({"httpGet": {"port": "health", "path": "/200"}}, container, ports).success
    with pytest.raises(ValueError, match="couldn't find port 'other'"):
        _probe({"httpGet": {"port": "other"}}, container, ports)


def test_tcp_and_nobody_there(port: int) -> None:
    assert _probe({"tcpSocket": {"port": port}}).success
    with contextlib.closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        free = silent.getsockname()[1]
        for probe in ({"tcpSocket": {"port": free}}, {"httpGet": {"port": free}}):
            assert "refused" in _probe(probe).message


def test_grpc_asks_the_health_service() -> None:
    async def run(service: str) -> Result:
        async def check(request: bytes, _context: Any) -> bytes:
            return b"\x08\x01" if request == b"\x0a\x04good" else b"\x08\x02"

        server = grpc.aio.server()
        handlers: Any = {"Check": grpc.unary_unary_rpc_method_handler(check)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers),))
        number = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            target = ProbeTarget({}, PortMap("127.0.0.1"), lambda _: lambda _: asyncio.sleep(0, Result(False)))
            return await target.action({"grpc": {"port": number, "service": service}})(_timing(timeoutSeconds=5))
        finally:
            await server.stop(0)

    assert asyncio.run(run("good")).success
    assert "status 2" in asyncio.run(run("bad")).message


def test_a_probe_without_an_action_is_an_error() -> None:
    with pytest.raises(ValueError, match="a probe needs httpGet"):
        _probe({"periodSeconds": 1})
