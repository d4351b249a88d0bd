"""Calendar features against pandas, date by date."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.series.calendar import Calendar
from forecast.series.date_features import (
    FEATURES,
    choose_features,
    country_of,
    feature_values,
    features_of,
    with_features,
)
from forecast.series.panel import Channel, KnownAhead, Panel


def dated(*starts, freq="D", steps=40, timezone=None) -> Panel:
    times = [pd.date_range(start, periods=steps, freq=freq).to_numpy().astype("datetime64[ns]") for start in starts]
    rows = steps * len(starts)
    return Panel(
        values=np.arange(rows, dtype=float)[:, None],
        observed=np.ones((rows, 1), dtype=bool),
        offsets=np.arange(len(starts) + 1) * steps,
        times=np.concatenate(times),
        ids=tuple(f"s{i}" for i in range(len(starts))),
        channels=(Channel("y", "target"),),
        calendar=Calendar(freq, timezone=timezone),
    )


def share(name, stamp: pd.Timestamp) -> float:
    """How much of the period has gone by, in the plainest way."""
    if name == "hour":
        return (stamp - stamp.normalize()) / pd.Timedelta(days=1)
    if name == "weekday":
        return stamp.weekday() / 7
    if name == "month":
        return (stamp.month - 1) / 12
    return (stamp.day_of_year - 1) / (366 if stamp.is_leap_year else 365)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("timezone", [None, "Europe/Berlin", "Asia/Seoul"])
def test_a_feature_is_the_angle_on_the_user_s_clock(name, timezone):
    times = pd.date_range("2024-02-27 22:30", periods=300, freq="37h").to_numpy().astype("datetime64[ns]")
    actual = feature_values([name], times, Calendar("37h", timezone=timezone))
    for row, time in zip(actual, pd.DatetimeIndex(times), strict=True):
        stamp = time if timezone is None else time.tz_localize("UTC").tz_convert(timezone).tz_localize(None)
        angle = 2 * np.pi * share(name, stamp)
        np.testing.assert_allclose(row, [np.sin(angle), np.cos(angle)], atol=1e-9)


@pytest.mark.parametrize(
    ("freq", "steps", "expected"),
    [
        ("h", 24 * 7 * 3 + 1, ("hour", "weekday")),
        ("h", 72, ()),
        ("15min", 4 * 24 * 30, ("hour", "weekday")),
        ("D", 30, ("weekday",)),
        ("D", 1200, ("weekday", "yearday")),
        ("B", 60, ("weekday",)),
        ("W-SUN", 200, ("yearday",)),
        ("W-SUN", 100, ()),
        ("MS", 60, ("month",)),
        ("QS", 20, ("month",)),
        ("YS", 50, ()),
    ],
)
def test_features_suit_the_steps_and_have_gone_by_three_times(freq, steps, expected):
    assert choose_features(dated("2000-01-01", freq=freq, steps=steps), None, None) == expected


def test_what_is_asked_for_is_taken_and_none_is_none():
    panel = dated("2024-01-01")
    assert choose_features(panel, ("month", "hour"), "KR") == ("month", "hour", "holidays KR")
    assert choose_features(panel, "weekday", None) == ("weekday",)
    assert choose_features(panel, "none", None) == ()
    index = replace(panel, times=np.arange(40), calendar=Calendar(None))
    assert choose_features(index, None, None) == ()
    for chosen, country, setting in (("weekday", None, "data.calendar"), (None, "KR", "data.country=KR")):
        with pytest.raises(ForecastError, match=rf"`{setting}` needs dates"):
            choose_features(index, chosen, country)


def test_features_go_on_after_the_end_of_every_series_as_its_calendar_does():
    panel = dated("2024-01-01", "2024-03-06", freq="B", steps=30)
    known = with_features(panel, ("weekday", "yearday"), 7).ahead
    assert [channel.name for channel in known.channels] == [
        "sin(weekday)",
        "cos(weekday)",
        "sin(yearday)",
        "cos(yearday)",
    ]
    assert known.offsets.tolist() == [0, 37, 74]
    assert not known.masked.any()
    for start, rows in (("2024-01-01", slice(0, 37)), ("2024-03-06", slice(37, 74))):
        days = pd.bdate_range(start, periods=37)
        np.testing.assert_allclose(known.values[rows, 0], np.sin(2 * np.pi * days.day_of_week / 7), atol=1e-9)
    assert features_of(known.channels) == ("weekday", "yearday")


def test_holidays_are_those_of_the_country():
    panel = dated("2024-05-01", steps=20)
    known = with_features(panel, ("holiday KR",), 5).ahead
    free = [datetime.date(2024, 5, 1) + datetime.timedelta(days=int(i)) for i in np.flatnonzero(known.values[:, 0])]
    # Labour Day counts in Korea for some only; Children's Day with its substitute, Buddha's Birthday
    assert {datetime.date(2024, 5, d) for d in (5, 6, 15)} <= set(free)
    assert datetime.date(2024, 5, 7) not in free
    with pytest.raises(ForecastError, match=r"`data\.country=kr` is no country .*did you mean KR\?"):
        with_features(panel, ("holiday kr",), 5)


def test_the_days_around_holidays_have_columns_of_their_own():
    panel = dated("2024-12-20", steps=10)
    known = with_features(panel, ("holidays DE",), 5).ahead
    assert [channel.name for channel in known.channels] == [
        "holidays DE",
        "eve of holidays DE",
        "day after holidays DE",
    ]
    december = [20 + np.flatnonzero(column).astype(int) for column in known.values.T]
    assert [days.tolist() for days in december] == [[25, 26, 32], [24, 25, 31], [26, 27, 33]]  # 32: New Year
    assert country_of(known.channels) == "DE"
    assert features_of(known.channels) == ("holidays DE",)


def test_they_stand_beside_covariates_of_the_file_and_never_take_a_name():
    panel = dated("2024-01-01", steps=10)
    price = KnownAhead(
        np.arange(12.0)[:, None], np.zeros((12, 1), dtype=bool), np.array([0, 12]), (Channel("price", "future"),)
    )
    both = with_features(replace(panel, ahead=price), ("weekday",), 4).ahead
    assert both.offsets.tolist() == [0, 14]
    np.testing.assert_array_equal(both.values[:12, 0], np.arange(12.0))
    np.testing.assert_array_equal(both.masked[:, 0], [False] * 12 + [True] * 2)
    longer = with_features(replace(panel, ahead=price), ("weekday",), 1).ahead
    assert longer.offsets.tolist() == [0, 12]
    taken = replace(price, channels=(Channel("sin(weekday)", "future"),))
    with pytest.raises(ForecastError, match=r"'sin\(weekday\)' has the name of a calendar feature"):
        with_features(replace(panel, ahead=taken), ("weekday",), 4)
