"""The load generator's process: Locust's users, each with one request under way at any time, step after step.

Run as `python -m serving.bench.generator`; the order comes as JSON on standard input. Everything that happens is told as
it happens, one JSON object a line on standard output (`serving.bench.events`). SIGTERM ends it like the last step; the
end of standard input, which is that of the command, ends it at once.
"""

from __future__ import annotations

# Locust patches the standard library for its green threads: nothing may have used sockets before.
import locust  # isort: skip
import json
import os
import resource
import signal
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gevent
import gevent.os
from geventhttpclient.client import HTTPClientPool
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment

from serving.bench.answers import read_answer
from serving.bench.events import LoadOrder, line
from serving.bench.measure import RequestTiming, Step, Window, step
from serving.bench.verdict import Ending, levels, stopped_growing, too_many_failed
from serving.live.request_errors import RequestError

_PATIENCE = 0.02
_CONNECT_SECONDS = 10.0
# A user whose request failed waits so long: nothing is gained by hammering on what does not answer.
_AFTER_FAILURE = 1.0


class _EndedError(Exception):
    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


class Run:
    """All that is known while it goes on."""

    def __init__(self, order: LoadOrder) -> None:
        self.order = order
        self.level = 0
        self.stop: Ending | None = None
        self._asked: list[RequestTiming] = []
        # Of requests that began in this step: how many have ended, and how many of them failed.
        self._step_began = 0.0
        self._ended = 0
        self._failed = 0
        self._under_way: dict[int, float] = {}
        self._number = 0
        self._origin = time.monotonic()

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._origin

    def begin(self) -> tuple[int, float]:
        """Note that a request begins; its number and time."""
        self._number += 1
        started = self.now()
        self._under_way[self._number] = started
        return self._number, started

    def finish(self, number: int, asked: RequestTiming) -> None:
        """Note how a request ended."""
        self._under_way.pop(number, None)
        self._asked.append(asked)
        if asked.start >= self._step_began:
            self._ended += 1
            self._failed += asked.error is not None
        tell("request", asdict(asked))

    def forget(self, number: int) -> None:
        """Note that a request was cut by the end of the run."""
        self._under_way.pop(number, None)

    def all_begun_before(self, moment: float) -> bool:
        """Whether every request that began before then has ended."""
        # The first of them is the oldest.
        return next(iter(self._under_way.values()), moment) >= moment

    def wait(self, until: Callable[[], bool]) -> None:
        """Let the users work until something is so; ends with the run's end, its time, and with too many failures."""
        while not until():
            if self.stop is not None:
                raise _EndedError(self.stop)
            if self.now() > self.order.seconds:
                raise _EndedError(Ending.TIME)
            if too_many_failed(self._failed, self._ended):
                raise _EndedError(Ending.FAILING)
            gevent.sleep(_PATIENCE)

    def one_step(self) -> Step:
        """One number of requests at once: until it is steady, the window, and until what began in it has ended."""
        self._step_began, self._ended, self._failed = self.now(), 0, 0
        self.wait(lambda: self.all_begun_before(self._step_began) and self._ended >= self.level)
        begin, cpu = self.now(), time.process_time()
        tell("window-begins", {"level": self.level, "at": begin})
        self.wait(lambda: self.now() >= begin + self.order.step_seconds)
        end = self.now()
        window = Window(self.level, begin, end, (time.process_time() - cpu) / (end - begin))
        tell("window-ends", {"level": self.level, "at": end})
        self.wait(lambda: self.all_begun_before(end))
        tell("step", asdict(window))
        self._asked = [asked for asked in self._asked if asked.end > begin]
        return step(window, self._asked)


def tell(kind: str, data: dict[str, Any]) -> None:
    """One line on standard output."""
    sys.stdout.write(line(kind, data) + "\n")
    sys.stdout.flush()


def user_class(run: Run) -> type[FastHttpUser]:
    """Users that send the requests of a run one after the other."""
    order = run.order
    context = ssl.create_default_context()
    if order.ca_file:
        context.load_verify_locations(order.ca_file)
    if order.client_certificate:
        context.load_cert_chain(order.client_certificate)
    accepted = "text/event-stream" if order.workload.task == "chat" else "application/json"
    sent = {"Accept": accepted, "Accept-Encoding": "identity"}
    if order.token:
        sent["Authorization"] = f"Bearer {order.token}"
    if order.host:
        sent["Host"] = order.host

    named = {"ssl_options": {"server_hostname": order.host}} if order.host and order.url.startswith("https:") else {}

    class Client(FastHttpUser):
        host = order.url
        # Locust's own pool would trust every certificate.
        client_pool = HTTPClientPool(
            concurrency=order.max_concurrency,
            insecure=False,
            ssl_context_factory=lambda: context,
            network_timeout=order.request_seconds,
            connection_timeout=min(_CONNECT_SECONDS, order.request_seconds),
            **named,
        )

        @locust.task
        def ask(self) -> None:
            number, start = run.begin()
            level = run.level
            try:
                asked = self._answer(number, level, start)
            except gevent.GreenletExit:
                run.forget(number)
                raise
            run.finish(number, asked)
            if asked.error is not None:
                gevent.sleep(_AFTER_FAILURE)

        def _answer(self, number: int, level: int, start: float) -> RequestTiming:
            try:
                with gevent.Timeout(order.request_seconds, RequestError("no-answer-in-time")):
                    response = self.client.post(
                        order.workload.path,
                        json=order.workload.body(number),
                        stream=True,
                        headers=sent,
                        allow_redirects=False,
                    )
                    answer = read_answer(response, run.now, order.workload.task)
            except RequestError as error:
                return RequestTiming(level, start, run.now(), error=error.failure)
            return RequestTiming(level, start, run.now(), answer.first, answer.prompt_tokens, answer.answer_tokens)

    return Client


def _end_with_command() -> None:
    """Wait for the end of standard input: nobody is left to hear of the load, so none is sent."""
    number = sys.stdin.fileno()
    gevent.os.make_nonblocking(number)
    while gevent.os.nb_read(number, 1):
        pass
    os._exit(1)


def main() -> None:
    """Take the steps that the order allows, and say how it ended."""
    run = Run(LoadOrder.parse(json.loads(sys.stdin.readline())))
    # Each user holds a connection; 1,024 files are the usual limit, and a soft one.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gevent.spawn(_end_with_command)
    gevent.signal_handler(signal.SIGTERM, lambda: setattr(run, "stop", Ending.INTERRUPTED))
    runner = Environment(user_classes=[user_class(run)], stop_timeout=None).create_local_runner()
    steps: list[Step] = []
    ending = Ending.MAXIMUM
    try:
        for level in levels(run.order.max_concurrency):
            run.level = level
            tell("step-begins", {"level": level, "at": run.now()})
            runner.start(level, spawn_rate=level)
            steps.append(run.one_step())
            if stopped_growing(steps):
                ending = Ending.SATURATED
                break
    except _EndedError as ended:
        ending = ended.ending
    runner.quit()
    tell("end", {"ending": ending, "at": run.now()})


if __name__ == "__main__":
    main()
