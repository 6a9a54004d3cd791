"""For how long nobody was answered, of requests that several clients sent."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.live.background_requests import BackgroundRequests, RequestEnd, seconds_without_answer
from serving.live.request_errors import RequestError


def asked(text: str) -> list[RequestEnd]:
    """One request a second: `.` answered, `x` not."""
    return [RequestEnd(float(second), "" if sign == "." else "gone") for second, sign in enumerate(text)]


@pytest.mark.parametrize(
    ("text", "lost"), [("", 0), ("....", 0), ("..x..", 2), (".xxxx.", 5), ("..x..xx.", 5), ("..xx", 2), ("xx..", 2)]
)
def test_it_is_the_time_between_the_answers_around_failures(text: str, lost: float) -> None:
    assert seconds_without_answer(reversed(asked(text))) == lost


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["", "gone"])), min_size=1))
def test_answers_in_between_never_make_it_longer(ends: list[tuple[float, str]]) -> None:
    all_asked = [RequestEnd(*end) for end in ends]
    lost = seconds_without_answer(all_asked)
    first, last = min(ends)[0], max(ends)[0]
    assert 0 <= lost <= last - first + 1e-9
    answered = RequestEnd((first + last) / 2)
    assert seconds_without_answer([*all_asked, answered]) <= lost + 1e-9


def test_a_flow_counts_answers_and_failures_by_name() -> None:
    served, turns = threading.Event(), iter(range(10**6))

    def ask() -> None:
        if next(turns) % 2:
            raise RequestError("bad-gateway", "502")
        served.set()

    with BackgroundRequests(ask) as flow:
        served.wait()
    assert flow.answered() + sum(flow.failures().values()) == len(flow.asked) > 0
    assert set(flow.failures()) <= {"bad-gateway"}
