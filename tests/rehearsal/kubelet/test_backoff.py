"""Restarts wait as long as the kubelet makes them wait."""

from __future__ import annotations

import pytest

from rehearsal.kubelet.backoff import BackOff


def test_the_first_restart_is_at_once_then_it_doubles_up_to_five_minutes() -> None:
    backoff, time, delays = BackOff(scale=1.0), 0.0, []
    for _ in range(9):
        delays.append(backoff.next_delay(time))
        time += delays[-1] + 1
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_container_that_ran_for_ten_minutes_starts_over() -> None:
    backoff = BackOff(scale=1.0)
    assert [backoff.next_delay(0), backoff.next_delay(1), backoff.next_delay(700)] == [0, 10, 0]


def test_the_scale_shortens_delays_and_memory() -> None:
    backoff = BackOff(scale=0.1)
    delays = [backoff.next_delay(0), backoff.next_delay(0.1), backoff.next_delay(1.2)]
    assert delays == pytest.approx([0, 1, 2])
    assert backoff.next_delay(70) == 0
