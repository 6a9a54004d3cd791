"""Times that recur: read as KEDA's cron trigger reads them, moved, and added up by value."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.environment import require
from settings.cost import monthly_range
from settings.document import ROOT, read_document
from settings.schedule import cron, earlier, out_of_turn, parsed, spans, timezone, words
from settings.scheduled import average_replicas
from settings.start import lead

DEPLOYMENT = require(read_document(ROOT / "examples/autoscaling.yaml"))[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 7 * *", "this has 4"),
        ("0 7 * * 1-5 2026", "this has 6"),
        ("*/5 7 * * *", "the minute is one number from 0 to 59"),
        ("0 24 * * *", "the hour is one number from 0 to 23"),
        ("0 7 0 * *", "a day of the month is from 1 to 31"),
        ("0 7 * * 7", "a day of the week is from 0 to 6"),  # robfig/cron v3 has no 7
        ("0 7 * * 5-1", "5-1 is not"),
        ("0 7 * * noday", "noday is not a day of the week"),
        ("@daily", "this has 1"),
    ],
)
def test_what_is_no_cron_is_said_in_words(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        cron(text)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "Europe", "CEST+2", "\x00", "\ud800"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        timezone(name)


def test_days_of_month_and_of_week_together_are_either_and_one_star_is_both() -> None:
    friday_13, friday_6, sunday_1 = date(2026, 11, 13), date(2026, 11, 6), date(2026, 11, 1)
    assert [parsed("0 0 13 * 5").on(day) for day in (friday_13, friday_6, sunday_1)] == [True, True, False]
    assert [parsed("0 0 * * fri").on(day) for day in (friday_13, friday_6, sunday_1)] == [True, True, False]
    assert [parsed("0 0 1-7/6 nov *").on(day) for day in (friday_13, friday_6, sunday_1)] == [False, False, True]


weekdays = st.sets(st.integers(0, 6), min_size=1).map(lambda days: ",".join(map(str, sorted(days))))


@given(st.integers(0, 59), st.integers(0, 23), weekdays | st.just("*"), st.integers(0, 24 * 60 - 1))
def test_what_is_moved_comes_so_much_earlier_every_time(minute: int, hour: int, days: str, by: int) -> None:
    text, week = f"{minute} {hour} * * {days}", (date(2026, 2, 2), 28)
    moved = earlier(text, timedelta(minutes=by))
    assert moved is not None
    wanted = [begin - timedelta(minutes=by) for begin, _ in spans(text, text, "UTC", *week)]
    # One day more on either side, as what is moved may fall on the day before.
    found = {begin for begin, _ in spans(moved, moved, "UTC", week[0] - timedelta(days=1), week[1] + 1)}
    assert set(wanted) <= found


times = st.builds("{1} {0} * * {2}".format, st.integers(0, 23), st.sampled_from((0, 30, 59)), weekdays | st.just("*"))


@given(times, times, st.sampled_from((0, 23, 90)))
def test_a_time_that_no_rule_refuses_is_on_in_keda_from_its_start_to_its_end(
    start: str, end: str, minutes: int
) -> None:
    """KEDA 2.21's trigger is on while the next start does not come before the next end."""
    ahead, first = timedelta(minutes=minutes), date(2026, 2, 2)
    moved = earlier(start, ahead)
    assert moved is not None

    def following(text: str, now: datetime) -> datetime:
        moment, days = parsed(text), (now + timedelta(days=n) for n in range(9))
        found = (day.replace(hour=moment.hour, minute=moment.minute) for day in days if moment.on(day.date()))
        return next(time for time in found if time > now)

    declared = spans(start, end, "UTC", first - timedelta(days=8), 24)
    hours = [datetime(2026, 2, 2, 0, 7, tzinfo=UTC) + timedelta(hours=n) for n in range(7 * 24)]
    differs = [
        now
        for now in hours
        if (following(end, now) <= following(moved, now)) != any(a - ahead <= now < b for a, b in declared)
    ]
    if start != end and out_of_turn(start, end, "UTC", first, 24, ahead) is None:
        assert differs == []


def test_a_day_of_the_month_is_not_moved_over_midnight() -> None:
    assert earlier("10 0 1 * *", timedelta(minutes=11)) is None
    assert earlier("10 0 1 * *", timedelta(minutes=10)) == "0 0 1 * *"


def test_an_hour_of_a_zone_is_another_one_in_utc_in_summer() -> None:
    found = spans("0 7 * * 1", "0 20 * * 5", "Europe/Berlin", date(2026, 3, 23), 14)
    assert found == [
        (datetime(2026, 3, 23, 6, tzinfo=UTC), datetime(2026, 3, 27, 19, tzinfo=UTC)),
        (datetime(2026, 3, 30, 5, tzinfo=UTC), datetime(2026, 4, 3, 18, tzinfo=UTC)),
    ]


def test_a_time_for_people() -> None:
    assert words("0 7 * * 1-5") == "07:00 Mon to Fri"
    assert words("5 20 * * 0,6") == "20:05 Sun, Sat"
    assert words("0 0 * * *") == "00:00 daily"
    assert words("0 7 1 * *") == "07:00 (cron 1 * *)"


def test_the_range_of_the_cost_is_that_of_limits_and_hours() -> None:
    """One to three slices of four chips by load, and two of one chip for the hours of a schedule and their start."""
    by_load, by_clock = DEPLOYMENT.models
    hours = 13 + lead(by_clock).total_seconds() / 3600
    working_days = sum(date(2028, 1, 1).fromordinal(date(2028, 1, 1).toordinal() + n).weekday() < 5 for n in range(366))
    scheduled = 2 * hours * working_days / (366 * 24)
    assert average_replicas(by_clock) == pytest.approx(scheduled)
    found = monthly_range(DEPLOYMENT)
    assert found is not None
    assert found.most - found.least == pytest.approx(730 * 2 * 4 * 2.7, abs=0.02)
    assert found.least == pytest.approx(730 * ((4 + scheduled) * 2.7 + 0.1 + 0.134012 + 0.025), rel=1e-3)
    assert (by_load.chips, by_clock.chips, DEPLOYMENT.chips) == (12, 2, 14)
