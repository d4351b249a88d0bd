"""Trading days: which missing days are holidays, and which are holes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.reading.assemble import Assembled, assemble
from forecast.reading.frames import raw_table
from forecast.reading.gaps import find_days_off
from forecast.reading.settings import RowSettings


def market(first: str, last: str, closed: list[str]) -> pd.DatetimeIndex:
    return pd.bdate_range(first, last).difference(pd.DatetimeIndex(closed))


def load(index: pd.DatetimeIndex, **settings: Any) -> Assembled:
    frame = pd.DataFrame({"ds": index, "y": np.random.default_rng(0).normal(size=len(index)).cumsum()})
    return assemble(raw_table(frame, "unique_id", "ds", "y"), RowSettings(**settings))


def span(first: str, last: str) -> list[str]:
    return [str(day.date()) for day in pd.bdate_range(first, last)]


CHRISTMAS = [*span("2022-12-26", "2022-12-27"), *span("2023-12-25", "2023-12-26"), *span("2024-12-24", "2024-12-26")]
NEW_YORK = ["2001-01-01", "2001-07-04", *span("2001-09-11", "2001-09-14"), "2001-12-25", "2002-01-01", "2002-07-04"]
SEOUL = [
    *("2023-01-23", "2023-01-24", "2023-03-01"),
    *span("2023-09-28", "2023-10-03"),  # Chuseok and the foundation day: 4 in a row
    *span("2024-02-09", "2024-02-12"),
    *span("2024-09-16", "2024-09-18"),
    *span("2025-10-03", "2025-10-09"),  # 5 in a row, and Chuseok of two other years speaks for them
]
SHANGHAI = [
    *span("2022-01-31", "2022-02-04"), *span("2022-10-03", "2022-10-07"), *span("2023-01-23", "2023-01-27"),
    *span("2023-09-29", "2023-10-06"), *span("2024-02-09", "2024-02-16"), *span("2024-10-01", "2024-10-07"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last", "closed"),
    [
        ("2022-06-01", "2025-03-31", CHRISTMAS),
        ("2001-01-02", "2002-12-31", NEW_YORK),
        ("2023-01-02", "2025-12-30", SEOUL),
        ("2022-01-03", "2024-12-31", SHANGHAI),
        ("2024-01-02", "2024-12-30", ["2024-03-29", "2024-04-01", "2024-12-25", "2024-12-26"]),  # one year, Easter
    ],
)
def test_the_holidays_of_markets_are_holidays(first: str, last: str, closed: list[str]) -> None:
    assembled = load(market(first, last, closed))
    inside = [day for day in sorted(closed) if first <= day <= last]
    assert assembled.found["frequency"] == "B (trading days, Monday to Friday)"
    assert list(assembled.panel.calendar.holidays) == inside
    assert assembled.panel.target_observed.all()
    assert assembled.panel.calendar.between(assembled.panel.times).max() == 1
    assert f"{len(inside)} without a row count as holidays: {inside[0]}" in assembled.notes[0]


def test_a_run_that_comes_in_no_other_year_is_listed_once_more() -> None:
    assembled = load(market("2001-01-02", "2002-12-31", NEW_YORK))
    assert "2001-09-11 to 2001-09-14 come in no other year" in assembled.notes[1]
    assert not any("no other year" in note for note in load(market("2022-01-03", "2024-12-31", SHANGHAI)).notes)


def test_longer_runs_are_gaps() -> None:
    hole = span("2023-05-08", "2023-05-12")
    with pytest.raises(ForecastError, match=r"5 missing steps: 2023-05-08 to 2023-05-12 \(5 steps\)"):
        load(market("2022-06-01", "2025-03-31", CHRISTMAS + hole), on_gaps="error")
    assembled = load(market("2022-06-01", "2025-03-31", CHRISTMAS + hole), on_gaps="interpolate")
    days = assembled.panel.times.astype("datetime64[D]").astype(str)
    assert days[~assembled.panel.target_observed].tolist() == hole
    assert list(assembled.panel.calendar.holidays) == sorted(CHRISTMAS)


def test_the_longest_run_of_holidays_can_be_said() -> None:
    index = market("2022-06-01", "2025-03-31", [*CHRISTMAS, "2023-05-01"])
    with pytest.raises(ForecastError, match="7 missing steps"):
        load(index, holiday_run=1, on_gaps="error")
    with pytest.raises(ForecastError, match="8 missing steps"):
        load(index, holiday_run=0, on_gaps="error")
    hole = span("2023-05-08", "2023-05-12")
    assert len(load(market("2022-06-01", "2025-03-31", hole), holiday_run=5).panel.calendar.holidays) == 5


def test_known_holidays_are_no_gaps_however_many_and_are_left_out_of_the_future() -> None:
    hole = span("2023-05-08", "2023-05-19")
    ahead = ["2025-04-01", "2025-04-18", "2025-04-21"]
    assembled = load(market("2022-06-01", "2025-03-31", hole), holidays=tuple(hole + ahead))
    assert assembled.panel.target_observed.all()
    future = assembled.panel.calendar.write(assembled.panel.calendar.after(assembled.panel.times[-1], 20))
    assert future == [day for day in span("2025-04-01", "2025-05-30") if day not in ahead][:20]
    assert "less the 3 given in `data.holidays`" in assembled.notes[-1]


def test_a_holiday_that_has_a_row_stays_a_step() -> None:
    assembled = load(market("2022-06-01", "2025-03-31", []), holidays=("2023-05-01",))
    assert assembled.panel.calendar.holidays == ()
    assert assembled.panel.calendar.between(assembled.panel.times).tolist() == [1] * (len(assembled.panel.times) - 1)


def test_where_many_days_are_missing_none_is_a_holiday() -> None:
    index = market("2022-06-01", "2025-03-31", [])
    kept = np.sort(np.random.default_rng(0).choice(len(index), int(0.8 * len(index)), replace=False))
    with pytest.raises(ForecastError, match="missing steps"):
        load(index[kept])


def test_the_rule_on_a_handful_of_days() -> None:
    days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]").astype(np.int64)
    weekdays = days[(days + 3) % 7 < 5]
    gone = np.isin(weekdays, np.array(["2024-01-15", "2024-02-05", "2024-02-06"], "datetime64[D]").astype(np.int64))
    off = find_days_off(weekdays[~gone], "1111100", (), 4)
    assert off.holidays == ("2024-01-15", "2024-02-05", "2024-02-06")
    assert off.doubtful == ("2024-02-05 to 2024-02-06",)
    assert find_days_off(weekdays[~gone], "1111100", (), 1).holidays == ("2024-01-15",)


def two_markets() -> pd.DataFrame:
    ours = market("2023-01-02", "2024-12-31", ["2023-05-01", "2023-12-25"])
    theirs = market("2023-01-02", "2024-12-31", ["2023-07-04", "2023-12-25"])
    return pd.concat(
        pd.DataFrame({"unique_id": name, "ds": index, "y": np.arange(float(len(index)))})
        for name, index in (("ours", ours), ("theirs", theirs))
    )


def test_holidays_of_a_panel_are_those_of_all_and_a_market_s_own_are_no_gaps() -> None:
    assembled = assemble(raw_table(two_markets(), "unique_id", "ds", "y"), RowSettings())
    assert assembled.panel.calendar.holidays == ("2023-12-25",)
    assert assembled.panel.target_observed.all()


def sessions(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.sort(np.concatenate([index + pd.Timedelta(hours=hour) for hour in range(9, 16)])))


def short_before_easter() -> pd.DatetimeIndex:
    index = sessions(market("2024-01-02", "2024-06-28", ["2024-03-29", "2024-04-01", "2024-05-01"]))
    return index[~((index.normalize() == pd.Timestamp("2024-03-28")) & (index.hour >= 13))]


@pytest.mark.parametrize("half_days", [("2024-03-28",), "all"])
def test_sessions_have_holidays_and_half_days(half_days: Any) -> None:
    assembled = load(short_before_easter(), half_days=half_days)
    assert assembled.found["frequency"] == "h (trading sessions, Monday to Friday, 7 a day)"
    assert assembled.panel.calendar.holidays == ("2024-03-29", "2024-04-01", "2024-05-01")
    assert assembled.panel.target_observed.all()
    future = assembled.panel.calendar.write(assembled.panel.calendar.after(assembled.panel.times[-1], 8))
    assert (future[0], future[-1]) == ("2024-07-01 09:00:00", "2024-07-02 09:00:00")


def test_a_session_that_ends_early_has_a_gap_unless_its_day_is_named() -> None:
    gap = r"3 missing steps: 2024-03-28 13:00:00 to 2024-03-28 15:00:00 \(3 steps\) after line \d+"
    with pytest.raises(ForecastError, match=gap + r": .*`data.half_days=\[2024-03-28\]` or `data.half_days=all`"):
        load(short_before_easter(), on_gaps="error")
    with pytest.raises(ForecastError, match=gap):
        load(short_before_easter(), half_days=("2024-03-27",), on_gaps="error")
    assembled = load(short_before_easter(), on_gaps="previous")
    times = assembled.panel.times[~assembled.panel.target_observed].astype("datetime64[h]").astype(str).tolist()
    assert times == ["2024-03-28T13", "2024-03-28T14", "2024-03-28T15"]


def test_what_a_session_lacks_around_a_market_s_own_holiday_is_a_gap() -> None:
    ours, theirs = (market("2024-01-02", "2024-06-28", closed) for closed in ([], ["2024-05-01"]))
    lacking = pd.DatetimeIndex(["2024-04-30 14:00", "2024-04-30 15:00", "2024-05-02 09:00"])
    frame = pd.concat(
        pd.DataFrame({"unique_id": name, "ds": index, "y": np.arange(float(len(index)))})
        for name, index in (("ours", sessions(ours)), ("theirs", sessions(theirs).difference(lacking)))
    )
    raw = raw_table(frame, "unique_id", "ds", "y")
    with pytest.raises(ForecastError, match=r"3 missing steps: 2024-04-30 14:.*, 2024-05-02 09:00:00 after"):
        assemble(raw, RowSettings(on_gaps="error"))
    panel = assemble(raw, RowSettings(on_gaps="previous")).panel
    assert pd.DatetimeIndex(panel.times[~panel.target_observed]).equals(lacking)
    assert len(panel.times) == len(sessions(ours)) + len(sessions(theirs))
    assert assemble(raw, RowSettings(half_days=("2024-04-30", "2024-05-02"))).panel.target_observed.all()


def test_an_outage_of_one_shift_is_a_gap() -> None:
    shifts = pd.DatetimeIndex(
        [day + pd.Timedelta(hours=hour) for day in pd.bdate_range("2023-01-02", "2023-03-31") for hour in range(6, 22)]
    )
    lacking = shifts[(shifts.normalize() == pd.Timestamp("2023-02-14")) & (shifts.hour >= 8)]
    with pytest.raises(ForecastError, match=r"14 missing steps: 2023-02-14 08:00:00 to 2023-02-14 21:00:00"):
        load(shifts.difference(lacking), on_gaps="error")
    assembled = load(shifts.difference(lacking))
    assert pd.DatetimeIndex(assembled.panel.times[assembled.panel.masked[:, 0]]).equals(lacking)
    assert "14 missing steps: 2023-02-14 08:00:00 to 2023-02-14 21:00:00" in assembled.notes[-1]
    assert "`data.half_days=[2023-02-14]` or `data.half_days=all`" in assembled.notes[-1]


def test_a_day_of_the_week_that_is_always_short_has_no_gap() -> None:
    index = sessions(market("2024-01-02", "2024-06-28", ["2024-05-01"]))
    assembled = load(index[(index.day_of_week < 4) | (index.hour < 13)])
    assert len(assembled.panel.calendar.sessions) == 4 * 7 + 4
    assert assembled.panel.target_observed.all()


def test_a_hole_within_a_session_is_a_gap() -> None:
    index = sessions(market("2024-01-02", "2024-06-28", ["2024-05-01"])).delete([100, 101])
    with pytest.raises(ForecastError, match="2 missing steps: 2024-01-22 11:00:00 to 2024-01-22 12:00:00"):
        load(index, on_gaps="error")
    assembled = load(index, on_gaps="previous")
    assert np.flatnonzero(~assembled.panel.target_observed).tolist() == [100, 101]


def test_sessions_made_into_days_are_trading_days() -> None:
    assembled = load(sessions(market("2024-01-02", "2024-06-28", ["2024-05-01"])), resample="D", resample_how="last")
    assert assembled.panel.calendar.freq == "B"
    assert len(assembled.panel.times) == len(market("2024-01-02", "2024-06-28", ["2024-05-01"]))


def test_trading_days_made_into_weeks_keep_weeks_with_holidays() -> None:
    assembled = load(market("2024-01-01", "2024-12-31", ["2024-03-29", "2024-04-01"]), resample="W-FRI")
    assert assembled.panel.calendar.freq == "W-FRI"
    assert assembled.panel.target_observed.all()
    assert assembled.panel.calendar.between(assembled.panel.times).max() == 1


def hours(count: int, *holes: slice) -> pd.DatetimeIndex:
    return pd.date_range("2024-01-01", periods=count, freq="h").delete(np.concatenate([np.r_[hole] for hole in holes]))


@pytest.mark.parametrize(
    "index",
    [
        hours(240, slice(50, 68)),  # 18 hours of 240
        pd.date_range("2015-01-04", periods=470, freq="W-SUN").delete([100, 101, 300, 301]),
        pd.date_range("2016-01-01", "2024-12-31", freq="D").difference(  # a source without leap days
            pd.DatetimeIndex(["2016-02-29", "2020-02-29", "2024-02-29"])
        ),
    ],
)
def test_a_few_missing_steps_are_masked_counted_and_listed(index: pd.DatetimeIndex) -> None:
    assembled = load(index)
    whole = pd.date_range(index[0], index[-1], freq=index.freq or assembled.panel.calendar.freq)
    lacking = whole.difference(index)
    assert pd.DatetimeIndex(assembled.panel.times[assembled.panel.masked[:, 0]]).equals(lacking)
    note = assembled.notes[-1]
    assert note.startswith(f"Series 'y' has {len(lacking)} missing steps: {str(lacking[0])[:10]}")
    assert note.endswith("masked: forecasters see that the value is missing, and it is neither trained on nor scored.")
    assert load(index.union(lacking)).panel.masked is None


def test_more_than_a_few_missing_steps_are_an_error() -> None:
    remedies = "set `data.on_gaps=mask`"
    with pytest.raises(ForecastError, match=f"12.5 % of its steps, and at most 10.0 % are masked unasked: {remedies}"):
        load(hours(240, slice(50, 80)))
    with pytest.raises(ForecastError, match=f"25 in one run, and no more than a season of 24 steps .*: {remedies}"):
        load(hours(300, slice(50, 75)))
    assert load(hours(300, slice(50, 75)), season_steps=48).panel.masked.sum() == 25
    assert load(hours(300, slice(50, 75)), on_gaps="mask").panel.masked.sum() == 25


def test_rows_without_a_value_and_missing_rows_make_one_run() -> None:
    index = hours(300, slice(50, 70))
    y = np.arange(280.0)
    y[50:55] = np.nan
    raw = raw_table(pd.DataFrame({"ds": index, "y": y}), "unique_id", "ds", "y")
    with pytest.raises(ForecastError, match="25 in one run"):
        assemble(raw, RowSettings())
