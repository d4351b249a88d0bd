"""From rows to a panel: order, duplicate times, missing values and steps, coarser steps, several series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.questions.settings import SplitSettings
from forecast.reading.frames import make_panel
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source, read_csv
from forecast.series.panel import Panel, Source
from forecast.settings import check_settings


def write(folder: Path, times: Any, values: Any, head: str = "date,y") -> Path:
    path = folder / "data.csv"
    lines = [f"{time},{value}" for time, value in zip(times, values, strict=True)]
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def load(path: Path, **settings: Any) -> Source:
    return load_source(check_settings(CsvSettings, {"path": str(path), **settings}, "data."))


def days(count: int, start: str = "2024-01-01", **kwargs: Any) -> list[str]:
    return pd.date_range(start, periods=count, **kwargs).strftime("%Y-%m-%d").tolist()


def ends(panel: Panel) -> tuple[str, str, list[str]]:
    first, last = panel.calendar.write(panel.times[[0, -1]])
    return first, last, panel.calendar.write(panel.calendar.after(panel.times[-1], 2))


def one_line(error: pytest.ExceptionInfo[ForecastError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_descending_rows_are_turned_round_and_that_is_said(tmp_path: Path) -> None:
    source = load(write(tmp_path, days(30)[::-1], range(30)))
    assert source.found["order"] == "descending, reversed"
    assert source.panel.target.tolist() == list(range(29, -1, -1))
    assert ends(source.panel) == ("2024-01-01", "2024-01-30", ["2024-01-31", "2024-02-01"])


def test_rows_out_of_order_are_sorted_and_the_first_is_named(tmp_path: Path) -> None:
    times = days(30)
    times[3], times[10] = times[10], times[3]
    source = load(write(tmp_path, times, range(30)))
    assert source.panel.calendar.between(source.panel.times).max() == 1
    assert "'y' was not in the order of time (line 6 " in source.notes[0]


def test_missing_steps_and_values_are_an_error_that_names_them(tmp_path: Path) -> None:
    times, values = days(40), [str(n) for n in range(40)]
    values[20] = ""
    path = write(tmp_path, times[:5] + times[8:30] + times[31:], values[:5] + values[8:30] + values[31:])
    with pytest.raises(ForecastError) as error:
        load(path, on_gaps="error")
    assert one_line(error) == (
        "series 'y' has 4 missing steps: 2024-01-06 to 2024-01-08 (3 steps) after line 6, 2024-01-31 after line 28 and "
        "1 row without a value: 2024-01-21 (line 19): set `data.on_gaps=mask`, `interpolate`, `previous` or `ignore`"
    )
    filled = {4: 4.0, 5: 5.0, 6: 6.0, 7: 7.0, 8: 8.0, 20: 20.0, 30: 30.0}
    source = load(path, on_gaps="interpolate")
    assert source.panel.target.tolist() == pytest.approx(list(range(40)))
    assert np.flatnonzero(~source.panel.target_observed).tolist() == [5, 6, 7, 20, 30]
    assert "4 missing steps" in source.notes[-1]
    previous = load(path, on_gaps="previous").panel
    assert previous.target[list(filled)].tolist() == [4, 4, 4, 4, 8, 19, 29]
    assert source.panel.masked is None
    open_ = load(path, on_gaps="mask")
    assert np.flatnonzero(open_.panel.masked[:, 0]).tolist() == [5, 6, 7, 20, 30]
    assert (open_.panel.masked == ~open_.panel.observed).all()
    assert "4 missing steps" in open_.notes[-1]
    assert open_.notes[-1].endswith(
        "masked: forecasters see that the value is missing, and it is neither trained on nor scored."
    )
    ignored = load(path, on_gaps="ignore")
    assert len(ignored.panel.times) == 35
    assert ignored.panel.target_observed.all()
    assert "left out" in ignored.notes[-1]


def test_a_long_list_of_gaps_is_cut_short_and_counted(tmp_path: Path) -> None:
    rows = [n for n in range(100) if n % 10]
    with pytest.raises(ForecastError, match="9 missing steps") as error:
        load(write(tmp_path, np.array(days(100))[rows], rows), on_gaps="error")
    assert "and 4 more" in one_line(error)


def test_values_missing_at_the_ends_are_cut_off_and_named(tmp_path: Path) -> None:
    values = ["", "NA", *range(30), ""]
    source = load(write(tmp_path, days(33), values))
    assert ends(source.panel)[:2] == ("2024-01-03", "2024-02-01")
    assert source.notes[-2:] == (
        "2 rows before the first value of series 'y' left out, having none: 2024-01-01 (line 2), 2024-01-02 (line 3).",
        "1 row after the last value of series 'y' left out, having none: 2024-02-02 (line 34).",
    )
    assert source.panel.target_observed.all()


def test_duplicate_times_are_an_error_until_something_is_said(tmp_path: Path) -> None:
    times = [*days(20), "2024-01-20", "2024-01-20", *days(10, "2024-01-21")]
    path = write(tmp_path, times, range(32))
    with pytest.raises(ForecastError) as error:
        load(path)
    assert "2 duplicate times: 2024-01-20 (lines 21 and 22), 2024-01-20 (lines 22 and 23)" in one_line(error)
    for how, value in {"first": 19, "last": 21, "mean": 20}.items():
        source = load(path, on_duplicates=how)
        assert source.panel.target[19] == value
        assert len(source.panel.times) == 30
        assert "2 duplicate times" in source.notes[0]


def test_a_file_of_several_series_without_an_id_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(ForecastError, match=r"`data\.id` tells them apart"):
        load(write(tmp_path, days(20) * 2, range(40)))


def test_the_hour_that_comes_twice_is_told_apart_by_its_zone(tmp_path: Path) -> None:
    hours = pd.date_range("2024-10-25", periods=200, freq="h", tz="Europe/Berlin")
    for order in (1, -1):
        path = write(tmp_path, hours.strftime("%Y-%m-%d %H:%M")[::order], range(200)[::order])
        with pytest.raises(ForecastError, match=r"the clocks go back \(`data\.timezone=`"):
            load(path)
        panel = load(path, timezone="Europe/Berlin").panel
        assert panel.target.tolist() == list(range(200))
        assert panel.calendar.between(panel.times).tolist() == [1] * 199
        assert ends(panel) == ("2024-10-25 00:00", "2024-11-02 06:00", ["2024-11-02 07:00", "2024-11-02 08:00"])


def test_the_hour_that_the_clocks_skip(tmp_path: Path) -> None:
    hours = pd.date_range("2024-03-29", periods=200, freq="h", tz="Europe/Berlin")
    path = write(tmp_path, hours.strftime("%Y-%m-%d %H:%M"), range(200))
    with pytest.raises(ForecastError, match=r"the clocks skip in spring \(`data\.timezone=`"):
        load(path, on_gaps="error")
    assert "the clocks skip in spring (`data.timezone=`" in load(path).notes[-1]
    assert load(path, timezone="Europe/Berlin").panel.calendar.freq == "h"
    naive = pd.date_range("2024-03-29", periods=200, freq="h")
    with pytest.raises(ForecastError, match=r"2024-03-31 02:00 \(line 52\)"):
        load(write(tmp_path, naive.strftime("%Y-%m-%d %H:%M"), range(200)), timezone="Europe/Berlin")
    with pytest.raises(ForecastError, match=r"`data\.timezone=Europe/Bern` is no time zone"):
        load(path, timezone="Europe/Bern")


def test_no_frequency_is_an_error_until_something_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    minutes = np.sort(rng.choice(60 * 24 * 20, 2_000, replace=False))
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, "min")
    values = rng.normal(size=2_000)
    path = write(tmp_path, times.strftime("%Y-%m-%d %H:%M"), values)
    with pytest.raises(ForecastError, match="the rows of series 'y' are at no regular distance, but from 1 minutes"):
        load(path)
    assert len(load(path, on_gaps="ignore").panel.times) == 2_000
    hourly = load(path, resample="h", resample_how="sum", on_gaps="interpolate").panel
    expected = pd.Series(values, times).resample("h").sum()
    assert hourly.calendar.freq == "h"
    assert hourly.target[hourly.target_observed].sum() == pytest.approx(expected.iloc[:-1].sum(), rel=0.2)
    assert hourly.target[5] == pytest.approx(expected.loc[pd.Timestamp(hourly.times[5])])


@pytest.mark.parametrize("how", ["sum", "mean", "last"])
@pytest.mark.parametrize("coarser", ["D", "W-SUN", "W-WED", "MS", "ME", "6h"])
def test_coarser_steps_are_those_of_pandas_less_incomplete_ends(tmp_path: Path, how: str, coarser: str) -> None:
    index = pd.date_range("2024-01-01 05:00", periods=2_500, freq="h")
    values = np.random.default_rng(0).normal(size=2_500)
    path = write(tmp_path, index.strftime("%Y-%m-%d %H:%M"), values)
    source = load(path, resample=coarser, resample_how=how)
    series = pd.Series(values, index)
    whole = series.resample(coarser).count() == pd.Series(
        1, pd.date_range("2023-12-01", "2024-06-01", freq="h")
    ).resample(coarser).count().reindex(series.resample(coarser).count().index)
    expected = getattr(series.resample(coarser), how)()[whole]
    assert source.panel.times.astype("datetime64[s]").tolist() == expected.index.to_pydatetime().tolist()
    assert source.panel.target == pytest.approx(expected.to_numpy())
    assert source.panel.calendar.freq == coarser
    assert f"do not fill a step of {coarser}" in source.notes[0]


def test_days_of_a_zone_begin_at_its_midnight(tmp_path: Path) -> None:
    hours = pd.date_range("2024-03-25", periods=24 * 14 - 1, freq="h", tz="Europe/Berlin")
    path = write(tmp_path, [hour.isoformat() for hour in hours], np.ones(len(hours)) + np.arange(len(hours)) * 0.01)
    panel = load(path, resample="D", resample_how="sum").panel
    counted = load(path, resample="D", resample_how="mean").panel
    assert (panel.target / counted.target).round().tolist() == [24] * 6 + [23] + [24] * 7
    assert ends(panel)[0] == "2024-03-25T00:00:00+01:00"
    assert ends(panel)[1] == "2024-04-07T00:00:00+02:00"


def test_filled_values_make_a_coarser_step_that_was_not_observed(tmp_path: Path) -> None:
    times = pd.date_range("2024-01-01", periods=240, freq="h").strftime("%Y-%m-%d %H:%M").tolist()
    del times[60]
    panel = load(write(tmp_path, times, range(239)), resample="D", on_gaps="interpolate").panel
    assert np.flatnonzero(~panel.target_observed).tolist() == [2]


@pytest.mark.parametrize(("freq", "coarser"), [("D", "h"), ("D", "D"), ("MS", "W-SUN")])
def test_what_is_not_coarser_is_refused(tmp_path: Path, freq: str, coarser: str) -> None:
    with pytest.raises(ForecastError, match=f"`data.resample={coarser}` is not coarser"):
        load(write(tmp_path, days(40, freq=freq), range(40)), resample=coarser)


def test_rows_that_are_steps_cannot_be_made_coarser(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("y\n" + "\n".join(str(n) for n in range(40)))
    with pytest.raises(ForecastError, match="needs times"):
        load(path, resample="D")


def test_a_frequency_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    halves = pd.date_range("2024-01-01", periods=50, freq="30min").strftime("%Y-%m-%d %H:%M")
    with pytest.raises(ForecastError, match="'y' does not go in steps of h at 49 rows, first from 2024-01-01 00:00"):
        load(write(tmp_path, halves, range(50)), freq="h")
    with pytest.raises(ForecastError, match="no frequency that pandas knows"):
        load(write(tmp_path, halves, range(50)), freq="often")


def test_a_frequency_that_is_said_finds_other_gaps(tmp_path: Path) -> None:
    weekdays = days(30, freq="B")
    assert load(write(tmp_path, weekdays, range(30))).panel.calendar.freq == "B"
    with pytest.raises(ForecastError, match="2024-01-06 to 2024-01-07"):
        load(write(tmp_path, weekdays, range(30)), freq="D")
    assert len(load(write(tmp_path, weekdays, range(30)), freq="D", on_gaps="previous").panel.times) == 40


def test_a_stray_time_is_not_bridged_by_half_a_million_rows(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=60, freq="h").strftime("%Y-%m-%d %H:%M").tolist()
    with pytest.raises(ForecastError, match="61 rows but 473,351 missing steps"):
        load(write(tmp_path, ["1970-01-01 00:00", *hours], range(61)), on_gaps="interpolate")


def test_several_series_of_different_lengths_and_starts(tmp_path: Path) -> None:
    rows = [("b", day, 1) for day in days(30, "2024-02-01")] + [("a", day, 2) for day in days(50)]
    rows[3] = ("b", "2024-02-04", 7)
    rows[60] = ("a", rows[60][1], 9)
    path = tmp_path / "long.csv"
    path.write_text("unique_id,ds,y\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    panel = read_csv(path)
    assert panel.ids == ("a", "b")  # in the order of ids, whatever that of the file
    assert panel.offsets.tolist() == [0, 50, 80]
    assert panel.calendar.write(panel.times[[0, 49, 50, 79]]) == [
        "2024-01-01",
        "2024-02-19",
        "2024-02-01",
        "2024-03-01",
    ]
    assert panel.observed.shape == (80, 1)


def test_several_targets_are_several_series(tmp_path: Path) -> None:
    path = write(tmp_path, days(30), [f"{n},{n * n}" for n in range(30)], "date,a,b")
    panel = read_csv(path, target=["b", "a"])
    assert panel.ids == ("b", "a")
    assert panel.target[:3].tolist() == [0, 1, 4]


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"ds": pd.date_range("2024-01-31", periods=20, freq="ME"), "y": np.arange(20.0), **columns})


def test_a_table_of_a_notebook() -> None:
    panel = make_panel(frame())
    assert ends(panel) == ("2024-01-31", "2025-08-31", ["2025-09-30", "2025-10-31"])
    two = make_panel(frame(id=["a", "b"] * 10), unique_id="id", on_gaps="interpolate")
    assert two.ids == ("a", "b")
    steps = make_panel(frame(), ds=None)
    assert steps.calendar.freq is None
    zoned = make_panel(frame().assign(ds=pd.date_range("2024-03-30", periods=20, freq="D", tz="Europe/Berlin")))
    assert zoned.calendar.write(zoned.times[:2]) == ["2024-03-30 00:00:00+01:00", "2024-03-31 00:00:00+01:00"]
    assert zoned.calendar.freq == "D"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (frame().rename(columns={"y": "z"}), "no column 'y'"),
        (frame(y="text"), "'y' does not hold numbers"),
        (frame(y=np.inf), "infinite value in row 1"),
        (frame(y=1.0), "always 1"),
        (frame(ds="soon"), "'ds' does not hold times"),
        (frame(ds=pd.NaT), "no time in row 1"),
        (frame(unique_id=["a", None] * 10), "no id in row 2"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(ForecastError, match=message) as error:
        make_panel(table)
    one_line(error)


def test_settings_of_rows_are_checked() -> None:
    for wrong in ({"holidays": ["soon"]}, {"on_gaps": "hide"}, {"holiday_run": -1}, {"resample_how": "max"}):
        with pytest.raises(ForecastError, match=next(iter(wrong))):
            make_panel(frame(), **wrong)
    assert CsvSettings(path="x", freq=5).freq == "5"  # type: ignore[arg-type]  # as YAML gives it
    assert CsvSettings(path="x", holidays="2026-12-25").holidays == ("2026-12-25",)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": 0.5, "test": 0.5}, "less than 1 together"),
        ({"validation": 0.9}, "less than 1 together"),
        ({"test": 2.5}, "share below 1 or whole steps"),
        ({"validation": 0}, "greater than 0"),
    ],
)
def test_a_split_must_leave_something(change: dict[str, float], message: str) -> None:
    with pytest.raises(ForecastError, match=message):
        check_settings(SplitSettings, change, "split.")
    assert check_settings(SplitSettings, {"validation": 100, "test": 0.2}).validation == 100


def test_numbers_whose_squares_are_no_numbers_are_refused(tmp_path: Path) -> None:
    times, values = days(40), [float(n % 5) for n in range(40)]
    values[20] = 1e300
    path = write(tmp_path, times, values)
    with pytest.raises(ForecastError, match=r"1 number beyond 1e\+150, .* \(1e\+300\) in line 22") as caught:
        load(path)
    assert one_line(caught).endswith("or set `data.missing=1e+300` if it stands for no value")
    masked = load(path, missing=1e300, on_gaps="mask").panel  # the remedy
    assert np.flatnonzero(~masked.target_observed).tolist() == [20]
    with pytest.raises(ForecastError, match=r"40 numbers beyond 1e\+150, .* \(-1.7e\+308\) in line 2: correct them"):
        load(write(tmp_path, times, [-1.7e308, 1.7e308] * 20))
    with pytest.raises(ForecastError, match="holds no number beyond 4e-200"):
        load(write(tmp_path, times, [n * 1e-200 for n in values[:5]] * 8))
    assert load(write(tmp_path, times, [n * 1e140 for n in values[:5]] * 8)).panel.target.max() == 4e140


def test_large_numbers_in_covariates_are_refused(tmp_path: Path) -> None:
    rows = [f"{n % 5},{'1e200' if n == 30 else n}" for n in range(40)]
    path = write(tmp_path, days(40), rows, "date,y,x")
    with pytest.raises(ForecastError, match=r"1 number beyond 1e\+150, .* \(1e\+200\) in line 32"):
        load(path, target="y", past="x")


@pytest.mark.parametrize("first", ["9999-01-01", "0001-01-01", "2262-04-10"])
def test_a_frame_with_times_that_are_not_counted_is_refused(first: str) -> None:
    frame = pd.DataFrame({"ds": pd.date_range(first, periods=9, unit="s"), "y": np.arange(9.0)})
    with pytest.raises(ForecastError, match=r"column 'ds' has the time .* outside 1678-01-01 to 2262-04-11"):
        make_panel(frame)


def test_a_parquet_file_with_times_that_are_not_counted_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ds": pd.date_range("9999-01-01", periods=9, unit="s"), "y": np.arange(9.0)})
    frame.to_parquet(tmp_path / "data.parquet")
    with pytest.raises(ForecastError, match=r"line 1: '9999-01-01 .*' in 'ds' lies outside 1678-01-01 to 2262-04-11"):
        load(tmp_path / "data.parquet")


def test_weekends_that_have_rows_and_no_values_are_no_steps(tmp_path: Path) -> None:
    times = days(40)
    weekend = pd.DatetimeIndex(times).day_of_week >= 5
    values = np.where(weekend, "", np.arange(40).astype(str))
    source = load(write(tmp_path, times, values))
    assert source.panel.calendar.freq == "B"
    assert source.panel.target.tolist() == np.flatnonzero(~weekend).tolist()
    assert "10 rows on Saturdays and Sundays, none with a value, left out: these are no steps." in source.notes
    values[5] = "7"  # a Saturday
    with pytest.raises(ForecastError, match="9 rows without a value"):
        load(write(tmp_path, times, values))


def test_a_series_of_one_row_has_no_frequency(tmp_path: Path) -> None:
    with pytest.raises(ForecastError, match="series 'y' has 1 row with a value: two at least are needed"):
        load(write(tmp_path, ["2024-01-01"] * 2, [1, 2]), on_duplicates="first")


def test_a_target_whose_values_all_stand_in_bad_rows(tmp_path: Path) -> None:
    rows = [*(f"{day},{i},x" for i, day in enumerate(days(9))), "never,9,3", "never,9,4"]
    (tmp_path / "a.csv").write_text("\n".join(["date,a,b", *rows]))
    with pytest.raises(ForecastError, match="series 'b' has no rows: check the file"):
        load(tmp_path / "a.csv", target=["a", "b"], on_bad_rows="drop")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"path": ""}, "`data.path` is empty: give it a value, or leave it out"),
        ({"path": "a.csv", "decimal": ",,"}, "`data.decimal` should have at most 1 character, found ',,'"),
    ],
)
def test_settings_of_a_wrong_length_are_said_in_one_sentence(setting: dict[str, str], message: str) -> None:
    with pytest.raises(ForecastError, match=message):
        check_settings(CsvSettings, setting, "data.")
