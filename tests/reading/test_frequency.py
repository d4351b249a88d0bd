"""Frequencies are inferred with missing steps; irregular times have none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.reading.frequency import (
    describe,
    find_sessions,
    find_weekmask,
    given_frequency,
    infer_frequency,
    no_frequency,
)

NS_PER_HOUR = 3_600 * 10**9


def times_of(index: pd.DatetimeIndex) -> np.ndarray:
    return index.to_numpy().astype("datetime64[ns]")


def alias_of(times: np.ndarray, timezone: str | None = None) -> str | None:
    frequency = infer_frequency(times, timezone)
    return None if frequency is None else frequency.calendar.freq


ALIASES = [
    *("100ms", "s", "30s", "min", "15min", "h", "6h", "36h", "D", "10D", "W-SUN", "W-WED", "2W-FRI", "MS", "ME", "2MS"),
    *("BMS", "BME", "QS-JAN", "QS-FEB", "QE-DEC", "QE-OCT", "BQE-DEC", "YS-JAN", "YE-DEC", "YE-JUN", "BYE-DEC", "B"),
]


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("kept", [1.0, 0.85])
def test_what_pandas_makes_is_found_again_with_holes_as_well(alias: str, kept: float) -> None:
    times = times_of(pd.date_range("2019-01-01", periods=60, freq=alias))
    rows = np.sort(np.random.default_rng(1).choice(60, int(60 * kept), replace=False))
    frequency = infer_frequency(times[rows])
    assert frequency is not None
    assert frequency.calendar.freq == alias
    assert frequency.notes == ()
    assert frequency.calendar.between(times[rows]).tolist() == np.diff(rows).tolist()


@pytest.mark.parametrize(
    ("alias", "periods"), [("h", 2), ("D", 2), ("W-MON", 2), ("MS", 2), ("YE-DEC", 3), ("QE-DEC", 3)]
)
def test_few_rows_are_enough(alias: str, periods: int) -> None:
    assert alias_of(times_of(pd.date_range("2021-01-01", periods=periods, freq=alias))) == alias


def test_one_row_has_no_frequency() -> None:
    assert infer_frequency(times_of(pd.DatetimeIndex(["2024-01-01"]))) is None


@pytest.mark.parametrize(
    ("steps", "step"),
    [
        ([1, 2, 3, 4], 1),
        ([5, 10, 15, 30], 5),
        ([100, 90, 80][::-1], 10),
        ([1, 2, 4, 8, 16], None),
        ([0, 7, 9, 20], None),
    ],
)
def test_integer_steps(steps: list[int], step: int | None) -> None:
    frequency = infer_frequency(np.array(steps))
    assert (frequency and frequency.calendar.step) == step


def test_five_weekdays_are_days_ten_are_trading_days() -> None:
    weekdays = times_of(pd.bdate_range("2024-01-01", periods=10))
    assert alias_of(weekdays[:5]) == "D"  # no weekend has been passed over
    assert alias_of(weekdays) == "B"


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ("1111100", "Monday to Friday"),
        ("1111001", "Sunday to Thursday"),
        ("1111110", "Monday to Saturday"),
        ("1010100", "Monday, Wednesday, Friday"),
    ],
)
def test_days_of_the_week_that_have_rows(mask: str, words: str) -> None:
    days = pd.date_range("2024-01-01", periods=70)
    times = times_of(days[[mask[day] == "1" for day in days.day_of_week]])
    assert find_weekmask(times.astype("datetime64[D]").astype(np.int64)) == mask
    frequency = infer_frequency(times)
    assert frequency is not None
    assert describe(frequency.calendar).endswith(f"(trading days, {words})")


def test_a_rare_saturday_does_not_make_a_trading_calendar_a_daily_one() -> None:
    days = (
        pd.bdate_range("2020-01-01", periods=500).append(pd.DatetimeIndex(["2020-11-14", "2021-02-06"])).sort_values()
    )
    assert alias_of(times_of(days)) == "B"


def test_days_with_holes_anywhere_stay_days() -> None:
    rows = np.sort(np.random.default_rng(0).choice(400, 300, replace=False))
    assert alias_of(times_of(pd.date_range("2022-01-01", periods=400))[rows]) == "D"


def test_days_of_a_zone_are_days_on_its_clock() -> None:
    berlin = pd.date_range("2024-01-01", periods=200, tz="Europe/Berlin")
    utc = times_of(berlin.tz_convert("UTC").tz_localize(None))
    assert alias_of(utc, "Europe/Berlin") == "D"


@pytest.mark.parametrize("day", [2, 10, 15, 28, 30])
def test_months_on_a_day_of_their_own(day: int) -> None:
    months = pd.date_range("2023-01-01", periods=20, freq="MS")
    times = np.array([f"{m:%Y-%m}-{min(day, m.days_in_month):02d}" for m in months], dtype="datetime64[ns]")
    frequency = infer_frequency(times[:15])
    assert frequency is not None
    assert (frequency.calendar.freq, frequency.calendar.day) == ("MS", day)
    assert np.array_equal(frequency.calendar.after(times[14], 5), times[15:])
    assert f"on day {day}" in describe(frequency.calendar)


def test_last_trading_days_of_months_that_miss_some_last_working_days() -> None:
    months = pd.date_range("2022-01-01", periods=36, freq="BME").to_series()
    months.iloc[[4, 16, 28]] -= pd.Timedelta(days=1)  # a holiday on the last working day
    frequency = infer_frequency(times_of(pd.DatetimeIndex(months)))
    assert frequency is not None
    assert frequency.calendar.freq == "BME"
    assert "the last working day" in frequency.notes[0]
    assert frequency.calendar.between(times_of(pd.DatetimeIndex(months))).tolist() == [1] * 35


def test_weeks_whose_day_moves() -> None:
    fridays = pd.date_range("2023-01-06", periods=60, freq="W-FRI").to_series()
    fridays.iloc[[13, 40]] -= pd.Timedelta(days=1)
    frequency = infer_frequency(times_of(pd.DatetimeIndex(fridays)))
    assert frequency is not None
    assert frequency.calendar.freq == "W-FRI"
    assert "Friday" in frequency.notes[0].replace("Fri,", "Friday,")


def test_times_that_wobble_are_equal_steps_and_that_is_said() -> None:
    rng = np.random.default_rng(0)
    seconds = np.arange(500) * 300 + rng.integers(-8, 9, 500)
    frequency = infer_frequency(np.datetime64("2024-01-01", "ns") + seconds.astype("timedelta64[s]"))
    assert frequency is not None
    assert frequency.calendar.freq == "5min"
    assert "up to 16 s off 5min" in frequency.notes[0]


def session_days(days: pd.DatetimeIndex, hours: range) -> np.ndarray:
    return np.sort(np.concatenate([times_of(days + pd.Timedelta(hours=hour)) for hour in hours]))


def test_trading_sessions_are_read_off_the_week() -> None:
    days = pd.bdate_range("2024-01-01", periods=80)
    times = session_days(days, range(9, 16))
    frequency = infer_frequency(times[:420])
    assert frequency is not None
    assert describe(frequency.calendar) == "h (trading sessions, Monday to Friday, 7 a day)"
    assert np.array_equal(frequency.calendar.after(times[419], 140), times[420:])


def test_one_week_of_sessions_is_enough() -> None:
    times = session_days(pd.bdate_range("2024-01-01", periods=10), range(9, 16))
    frequency = infer_frequency(times[:35])
    assert frequency is not None
    assert np.array_equal(frequency.calendar.after(times[34], 35), times[35:])


def test_hours_around_the_clock_on_weekdays() -> None:
    hours = pd.date_range("2024-01-01", periods=24 * 60, freq="h")
    times = times_of(hours[hours.day_of_week < 5])
    frequency = infer_frequency(times)
    assert frequency is not None
    assert len(frequency.calendar.sessions) == 120
    assert frequency.calendar.between(times).max() == 1


def test_holes_in_hours_are_no_sessions() -> None:
    hours = times_of(pd.date_range("2024-01-01", periods=2_000, freq="h"))
    rows = np.sort(np.random.default_rng(0).choice(2_000, 1_500, replace=False))
    frequency = infer_frequency(hours[rows])
    assert frequency is not None
    assert (frequency.calendar.freq, frequency.calendar.sessions) == ("h", ())
    days = hours[~np.isin(np.arange(2_000) // 24, [5, 6, 7, 30, 31, 50])]  # whole days are missing
    assert infer_frequency(days).calendar.sessions == ()  # type: ignore[union-attr]  # fails loudly on None
    assert find_sessions(hours.astype(np.int64), NS_PER_HOUR) is None


def test_a_stray_row_long_before_the_others_makes_no_sessions() -> None:
    hours = times_of(pd.date_range("2024-01-01", periods=60, freq="h"))
    times = np.concatenate([np.array(["1970-01-01"], dtype="datetime64[ns]"), hours])
    frequency = infer_frequency(times)
    assert frequency is not None
    assert (frequency.calendar.freq, frequency.calendar.sessions) == ("h", ())


def test_times_without_any_order_have_no_frequency() -> None:
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.choice(10**6, 200, replace=False))
    times = np.datetime64("2024-01-01", "ns") + seconds.astype("timedelta64[s]")
    assert infer_frequency(times) is None
    middle = np.sort(np.diff(seconds))[99]
    fallback = no_frequency(times)
    assert not fallback.regular
    assert fallback.calendar.after(times[-1], 1)[0] - times[-1] == np.timedelta64(middle, "s")


def test_a_frequency_that_was_said_is_taken() -> None:
    days = times_of(pd.date_range("2024-01-01", periods=10))
    assert given_frequency("2D", days).calendar.freq == "2D"
    assert given_frequency("H", days).calendar.freq == "h"
    assert given_frequency("3", np.arange(5)).calendar.step == 3
    fifteenths = times_of(pd.date_range("2024-01-15", periods=9, freq="MS")) + np.timedelta64(14, "D")
    assert given_frequency("M", fifteenths).calendar.day == 15


THREE_DAYS = times_of(pd.date_range("2024-01-01", periods=3))


@pytest.mark.parametrize(("text", "times"), [("D", np.arange(5)), ("0", np.arange(5)), ("x", THREE_DAYS)])
def test_a_frequency_that_cannot_be_is_refused(text: str, times: np.ndarray) -> None:
    with pytest.raises(ForecastError, match=r"data\.freq"):
        given_frequency(text, times)
