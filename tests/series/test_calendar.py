"""Calendars against pandas' own ranges, and against days counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from time import perf_counter

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.series.calendar import Calendar, TimeStyle, calendar_from_dict, to_utc, to_wall
from forecast.series.step_rules import Sessions, TradingDays, parse_alias
from forecast.series.timetable import Timetable

NOON = np.datetime64("2024-02-27T12:00", "ns")


def stamp(text: str) -> np.datetime64:
    return np.datetime64(text, "ns")


def texts(times: np.ndarray) -> list[str]:
    return [str(time) for time in times.astype("datetime64[m]")]


ALIASES = [
    *("ns", "7us", "250ms", "s", "30s", "min", "15min", "h", "6h", "36h", "D", "3D", "W-SUN", "W-WED", "2W-FRI"),
    *("MS", "ME", "2MS", "3ME", "BMS", "BME", "QS-JAN", "QS-OCT", "QE-DEC", "QE-FEB", "2QS-JAN", "BQE-DEC", "BQS-JAN"),
    *("YS-JAN", "YE-DEC", "YE-JUN", "BYE-DEC", "BYS-APR", "B", "SME", "SMS", "WOM-3FRI", "2B"),
]


@pytest.mark.parametrize("alias", ALIASES)
def test_times_go_on_and_back_as_those_of_pandas(alias: str) -> None:
    expected = pd.date_range("2023-11-20", periods=40, freq=alias).to_numpy().astype("datetime64[ns]")
    calendar = Calendar(alias)
    assert np.array_equal(calendar.after(expected[9], 30), expected[10:])
    assert np.array_equal(calendar.go(expected[9], np.arange(-9, 1)), expected[:10])
    assert calendar.between(expected).tolist() == [1] * 39
    assert calendar.between(expected[[0, 1, 4, 30]]).tolist() == [1, 3, 26]


@pytest.mark.parametrize(
    ("text", "alias"),
    [("M", "ME"), ("H", "h"), ("T", "min"), ("5T", "5min"), ("Q", "QE"), ("A-DEC", "YE-DEC"), ("w-sun", "W-SUN"),
     ("monthly", "ME"), ("15 min", "15min"), ("2w", "2W"), ("d", "D"), ("QS-oct", "QS-OCT")],
)  # fmt: skip
def test_older_spellings_and_words_are_understood(text: str, alias: str) -> None:
    assert str(parse_alias(text)) == alias


@pytest.mark.parametrize("text", ["fortnight", "", "D D", "0D", "-1D", "W-XYZ", "15", "D-SUN", "1.5h"])
def test_what_is_no_frequency_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ForecastError, match="no frequency that pandas knows") as error:
        parse_alias(text)
    assert "\n" not in str(error.value)


def test_integer_steps() -> None:
    assert Calendar(freq=None).after(np.int64(7), 3).tolist() == [8, 9, 10]
    assert Calendar(freq=None, step=5).after(np.int64(7), 3).tolist() == [12, 17, 22]
    assert Calendar(freq=None, step=5).between(np.array([0, 5, 20])).tolist() == [1, 3]
    assert Calendar(freq=None).after(np.int64(7), 3).dtype == np.int64


def test_a_day_of_the_month_that_some_months_lack() -> None:
    calendar = Calendar("MS", day=30)
    assert texts(calendar.after(stamp("2023-12-30T08:00"), 4)) == [
        "2024-01-30T08:00",
        "2024-02-29T08:00",
        "2024-03-30T08:00",
        "2024-04-30T08:00",
    ]


def slow_trading_days(start: date, count: int, mask: str, holidays: set[str]) -> list[str]:
    days: list[str] = []
    day = start
    while len(days) < count:
        day += timedelta(days=1)
        if mask[day.weekday()] == "1" and day.isoformat() not in holidays:
            days.append(day.isoformat())
    return days


@pytest.mark.parametrize("mask", ["1111100", "1111001", "1111110", "1010100"])
def test_trading_days_less_holidays(mask: str) -> None:
    holidays = {"2024-12-25", "2024-12-26", "2024-12-28", "2025-01-01"}
    calendar = Calendar("C", weekmask=mask, holidays=tuple(sorted(holidays)))
    for start in (date(2024, 12, 20) + timedelta(days=n) for n in range(14)):  # weekends and holidays as well
        after = calendar.after(stamp(f"{start}T16:30"), 30)
        assert [str(day)[:10] for day in after] == slow_trading_days(start, 30, mask, holidays)
        assert {str(time)[11:16] for time in after} == {"16:30"}


def test_steps_between_trading_days_count_no_weekend_and_no_holiday() -> None:
    rule = TradingDays("1111100", ("2024-12-25", "2024-12-26"))
    days = np.array(["2024-12-23", "2024-12-24", "2024-12-27", "2024-12-30", "2025-01-02"], "datetime64[ns]")
    assert rule.between(days.astype(np.int64)).tolist() == [1, 1, 1, 3]


def test_sessions_go_on_by_the_week_less_holidays() -> None:
    hours = {0: (9, 10, 11), 1: (9, 10, 11), 4: (9, 10)}  # Monday, Tuesday, a short Friday
    slots = tuple(day * 86_400 + hour * 3_600 for day, ours in hours.items() for hour in ours)
    rule = Sessions(slots, ("2024-01-08", "2024-01-12"))  # a Monday, a Friday
    times = []
    day = date(2024, 1, 1)
    while day < date(2024, 2, 5):
        if day.isoformat() not in rule.holidays:
            times += [stamp(f"{day}T{hour:02d}") for hour in hours.get(day.weekday(), ())]
        day += timedelta(days=1)
    stamps = np.array(times).astype(np.int64)
    assert rule.between(stamps).tolist() == [1] * (len(stamps) - 1)
    for origin in (0, 3, 7, 8, 12):
        assert np.array_equal(rule.go(int(stamps[origin]), np.arange(len(stamps)) - origin), stamps)


def test_a_day_stays_a_day_when_the_clocks_change_and_an_hour_an_hour() -> None:
    def berlin(text: str, **kwargs: str) -> np.ndarray:
        index = pd.date_range(text, periods=40, tz="Europe/Berlin", **kwargs)
        return index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")

    for start in ("2024-03-20", "2024-10-20"):
        for freq in ("D", "h", "6h", "W-SUN", "MS", "B"):
            times = berlin(start, freq=freq)
            calendar = Calendar(freq, timezone="Europe/Berlin")
            assert np.array_equal(calendar.after(times[0], 39), times[1:]), freq
            assert calendar.between(times).tolist() == [1] * 39, freq


def test_the_hour_that_comes_twice_and_the_one_that_is_skipped() -> None:
    twice = np.array(["2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T02:00", "2024-10-27T03:00"], "datetime64[ns]")
    utc = to_utc(twice, "Europe/Berlin")
    assert texts(utc) == ["2024-10-26T23:00", "2024-10-27T00:00", "2024-10-27T01:00", "2024-10-27T02:00"]
    assert np.array_equal(to_wall(utc, "Europe/Berlin"), twice)
    skipped = np.array(["2024-03-31T02:30"], "datetime64[ns]")
    assert texts(to_utc(skipped, "Europe/Berlin")) == ["2024-03-31T01:00"]


@pytest.mark.parametrize(
    ("style", "timezone", "written"),
    [
        (TimeStyle("%Y-%m-%d", date_only=True), None, "2024-02-27"),
        (TimeStyle("%d/%m/%Y", date_only=True), None, "27/02/2024"),
        (TimeStyle("%-m/%-d/%Y %H:%M"), None, "2/27/2024 12:00"),
        (TimeStyle("epoch_s"), None, "1709035200"),
        (TimeStyle("%Y-%m-%dT%H:%M:%S%:z", timezone="+09:00"), "+09:00", "2024-02-27T21:00:00+09:00"),
        (TimeStyle("%Y-%m-%dT%H:%M:%SZ", timezone="UTC"), "UTC", "2024-02-27T12:00:00Z"),
        (TimeStyle("%Y-%m-%d %H:%M"), "Asia/Seoul", "2024-02-27 21:00"),  # the wall clock, as the user writes it
        (None, None, "2024-02-27 12:00:00"),
    ],
)
def test_times_are_written_as_the_user_writes_them(style: TimeStyle | None, timezone: str | None, written: str) -> None:
    assert Calendar("D", timezone=timezone, style=style).write(np.array([NOON])) == [written]


def test_what_nobody_has_written_is_iso_without_zeros() -> None:
    days = np.array(["2024-02-27"], dtype="datetime64[ns]")
    assert Calendar("D").write(days) == ["2024-02-27"]
    assert Calendar(freq=None).write(np.array([41, 42])) == ["41", "42"]


CALENDARS = [
    Calendar(freq=None, step=3),
    Calendar("B", holidays=("2024-12-25",), style=TimeStyle("%d.%m.%Y", ("Datum",), date_only=True)),
    Calendar("h", timezone="Europe/Berlin", weekmask="1111100", sessions=(32_400, 36_000)),
    Calendar("MS", day=15, style=TimeStyle("%Y-%m-%d", ("Jahr", "Monat"), ("year", "month"))),
]


@pytest.mark.parametrize("calendar", CALENDARS)
def test_a_calendar_survives_json(calendar: Calendar) -> None:
    back = calendar_from_dict(json.loads(json.dumps(calendar.as_dict())))
    assert back == calendar
    last = np.int64(5) if calendar.freq is None else NOON
    assert np.array_equal(back.after(last, 50), calendar.after(last, 50))


@pytest.mark.parametrize(
    "change",
    [
        {"freq": ["D"]},
        {"freq": "no such"},
        {"secret": 1},
        {"step": "many"},
        {"step": 0},
        {"timezone": "Mars/Olympus"},
        {"sessions": ["noon"]},
        {"style": {"format": "%Y", "evil": 1}},
        {"style": {}},
        {"style": "%Y"},
        {"holidays": "2024-01-01"},
        {"freq": "C", "weekmask": "11"},
        {"freq": "B", "holidays": ["tomorrow"]},
    ],
)
def test_a_stranger_s_calendar_is_refused_in_one_line(change: dict[str, object]) -> None:
    plain = {**Calendar("D").as_dict(), **change}
    with pytest.raises(ForecastError) as error:
        calendar_from_dict(plain)
    assert "\n" not in str(error.value)


def test_calendars_are_plain_values() -> None:
    calendar = Calendar("B")
    _ = calendar.rule
    assert calendar == Calendar("B")
    assert hash(calendar) == hash(Calendar("B"))
    assert replace(calendar, holidays=("2024-02-28",)).after(NOON, 1)[0] == stamp("2024-02-29T12:00")


@pytest.mark.parametrize("calendar", [Calendar("h"), Calendar("ME"), Calendar("B", holidays=("2024-12-25",))])
def test_many_calls_are_quick(calendar: Calendar) -> None:
    begin = perf_counter()
    for _ in range(2_000):
        calendar.after(NOON, 24)
    assert perf_counter() - begin < 1.0  # 0.04 s where it was written


@pytest.mark.parametrize(
    "calendar",
    [
        Calendar("D"),
        Calendar("MS"),
        Calendar("B"),
        Calendar("h", weekmask="1111100", sessions=(32_400, 36_000)),
        Calendar("SMS"),
        Calendar("D", timezone="Europe/Berlin"),
    ],
    ids=str,
)
def test_times_that_are_not_counted_any_more_are_refused(calendar: Calendar) -> None:
    last = np.datetime64("2262-03-01", "ns")
    assert (calendar.after(last, 1) > last).all()
    assert len(calendar.after(last, 0)) == 0
    with pytest.raises(ForecastError, match="2000 steps after 2262-03-01 lie beyond 2262-04-11"):
        calendar.after(last, 2_000)


def test_a_style_that_names_a_part_twice_leaves_iso_times_readable() -> None:
    calendar = Calendar("D", style=TimeStyle("%Y-%m-%d %Y"))
    assert Timetable(calendar, stamp("2024-03-01")).step("2024-03-04T00:00") == 3
