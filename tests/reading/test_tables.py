"""Files are read as their cases in `corpus` say; opening, Parquet, and messages about paths."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from corpus.case import Case
from corpus.every import CASES

from forecast.errors import ForecastError
from forecast.reading.raw_table import RawTable
from forecast.reading.settings import CsvSettings, FileSettings
from forecast.reading.sources import load_source
from forecast.reading.tables import read_table
from forecast.series.calendar import write_times
from forecast.settings import check_settings

GOOD = [case for case in CASES if not case.error]
BAD = [case for case in CASES if case.error]


def write(case: Case, folder: Path) -> Path:
    path = folder / f"my file (1) 값{case.suffix}"
    path.write_bytes(case.data.encode() if isinstance(case.data, str) else case.data)
    return path


def read(case: Case, folder: Path) -> RawTable:
    path = write(case, folder)
    return read_table(path, check_settings(FileSettings, {"path": str(path), **case.settings}, "data."))


def test_the_corpus_is_large_enough_and_its_names_are_unique() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_good_file(case: Case, tmp_path: Path) -> None:
    table = read(case, tmp_path)
    assert case.series is not None
    assert [series.id for series in table.series] == list(case.series)
    for series, values in zip(table.series, case.series.values(), strict=True):
        np.testing.assert_array_equal(series.values, np.array(values, dtype=np.float64))
    check_times(case, table)
    if case.lines is not None:
        assert table.series[0].lines.tolist() == case.lines
    for name, text in case.found.items():
        assert text in table.found[name]
    for text in case.notes:
        assert any(text in note for note in table.notes), table.notes
    assert not (case.quiet and table.notes), table.notes


def check_times(case: Case, table: RawTable) -> None:
    times = table.series[0].times
    if case.times is not None:
        assert times is not None
        expected = case.times if times.dtype.kind == "i" else np.array(case.times, dtype="datetime64[ns]")
        np.testing.assert_array_equal(times, expected)
        assert table.style.timezone == case.timezone
    if case.written:
        assert times is not None
        assert write_times(times[: len(case.written)], table.style) == list(case.written)


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_a_bad_file(case: Case, tmp_path: Path) -> None:
    with pytest.raises(ForecastError) as caught:
        read(case, tmp_path)
    line = str(caught.value)
    assert "\n" not in line
    for text in case.error:
        assert text in line


@pytest.mark.parametrize("case", [case for case in GOOD if case.panel], ids=lambda case: case.name)
def test_a_good_file_becomes_a_panel(case: Case, tmp_path: Path) -> None:
    path = write(case, tmp_path)
    source = load_source(check_settings(CsvSettings, {"path": str(path), **case.settings}, "data."))
    assert case.series is not None
    assert source.panel.ids == tuple(case.series)
    for (_, rows), values in zip(source.panel.series(), case.series.values(), strict=True):
        assert sorted(source.panel.target[rows].tolist()) == sorted(np.array(values, dtype=np.float64).tolist())
        assert (np.diff(source.panel.times[rows].astype(np.int64)) > 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_read_or_refused_in_one_line(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    pieces = [
        b",",
        b";",
        b'"',
        b"\n",
        b"\n\n",
        b"\t",
        b" ",
        b"x",
        b"-",
        b"0",
        b"99",
        b".",
        b"2024-01-01",
        b"\xe9",
        b"#",
        b"(",
    ]
    for case in CASES[seed::4]:
        data = bytearray(case.data.encode() if isinstance(case.data, str) else case.data)
        for _ in range(random.integers(1, 4)):
            at = int(random.integers(0, len(data) + 1))
            data[at : at + int(random.integers(0, 3))] = pieces[random.integers(len(pieces))]
        message = ""
        try:
            read(dataclasses.replace(case, data=bytes(data)), tmp_path)
        except ForecastError as error:
            message = str(error)
        assert "\n" not in message


def read_file(path: Path, **settings: object) -> RawTable:
    return read_table(path, FileSettings(path=str(path), **settings))  # type: ignore[arg-type]  # checked by pydantic


@pytest.fixture
def frame() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=4, freq="D")
    return pd.DataFrame({"when": days, "name": list("abab"), "value": [1.5, np.nan, 2.5, 3.5]})


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("a\n1\n2\n")
    with pytest.raises(ForecastError, match=r"does not exist: did you mean '.*prices\.csv'\?"):
        read_file(tmp_path / "pricse.csv")
    with pytest.raises(ForecastError, match="there is no directory"):
        read_file(tmp_path / "no" / "prices.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ForecastError, match="is a folder without tables"):
        read_file(tmp_path / "empty")


def test_the_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\r\n1\r\n2\r\n")
    assert read_file(path).fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


def test_reading_changes_nothing_when_it_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("date;value\n01.02.2024;1,5\n13.02.2024;2,5\n")
    first, second = read_file(path), read_file(path)
    assert first.found == second.found
    assert first.style == second.style
    np.testing.assert_array_equal(first.series[0].values, second.series[0].values)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_parquet_is_known_by_its_bytes(frame: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    frame.to_parquet(path)
    table = read_file(path)
    assert table.found == {"format": "Parquet", "time": "when", "target": "value (the only column of numbers)"}
    np.testing.assert_array_equal(table.series[0].values, frame["value"].to_numpy())
    np.testing.assert_array_equal(table.series[0].times, frame["when"].to_numpy().astype("datetime64[ns]"))  # type: ignore[arg-type]  # not None
    assert table.style.date_only
    assert table.style.format == "%Y-%m-%d"


def test_parquet_with_ids_an_index_and_a_zone(frame: pd.DataFrame, tmp_path: Path) -> None:
    zone = ZoneInfo("Europe/Berlin")
    frame["when"] = [datetime(2024, 3, 31, hour, tzinfo=zone) for hour in (0, 1, 3, 4)]
    frame["name"] = frame["name"].astype("category")
    path = tmp_path / "a.parquet"
    frame.set_index("when").to_parquet(path)
    table = read_file(path, id="name")
    assert [one.id for one in table.series] == ["a", "b"]
    assert table.style.timezone == "Europe/Berlin"
    expected = np.array(["2024-03-30T23:00", "2024-03-31T01:00"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(table.series[0].times, expected)  # type: ignore[arg-type]  # not None
    np.testing.assert_array_equal(table.series[0].values, [1.5, 2.5])


def test_parquet_with_periods(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"m": pd.period_range("2024-01", periods=3, freq="M"), "y": [1, 2, 4]}).to_parquet(path)
    table = read_file(path)
    assert table.series[0].times is not None
    assert [str(time)[:10] for time in table.series[0].times] == ["2024-01-01", "2024-02-01", "2024-03-01"]


def test_parquet_whose_times_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"ds": ["13/01/2024", "14/01/2024"], "y": [1, 2]}).to_parquet(path)
    table = read_file(path)
    assert str(table.series[0].times[0])[:10] == "2024-01-13"  # type: ignore[index]  # not None
    assert table.style.format == "%d/%m/%Y"


def test_parquet_without_a_time_has_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).to_parquet(path)
    assert read_file(path).series[0].times is None
    with pytest.raises(ForecastError, match="holds no times"):
        read_file(path, time="b")


def test_a_hundred_thousand_clean_rows_take_no_time(tmp_path: Path) -> None:
    """A million take two seconds of a processor; a row-by-row reader would need ten times as long."""
    rows = 100_000
    times = np.datetime_as_string(np.datetime64("2000-01-01T00:00:00") + np.arange(rows) * 60, unit="s")
    values = np.random.default_rng(0).normal(size=rows)
    path = tmp_path / "long.csv"
    path.write_text("date,value\n" + "\n".join(f"{t},{v!r}" for t, v in zip(times, values.tolist(), strict=True)))
    begin = time.process_time()
    table = read_file(path)
    assert time.process_time() - begin < 2.0
    np.testing.assert_array_equal(table.series[0].values, values)
    assert table.series[0].lines[-1] == rows + 1


@pytest.mark.parametrize("target", [None, "units"])
def test_plain_numbers_are_times_beside_a_target_whether_it_is_named_or_not(tmp_path, target):
    weeks = [201851, 201852, 201901, 201902, 201903]
    path = tmp_path / "weeks.csv"
    path.write_text("\n".join(["yearweek,units", *(f"{week},{i}.5" for i, week in enumerate(weeks)), ""]))
    source = load_source(CsvSettings(path=str(path), target=target))
    assert source.found["time"] == "yearweek (week)"
    path.write_text("\n".join(["year,store", *(f"{week // 100},a" for week in weeks), ""]))
    assert load_source(CsvSettings(path=str(path), id="store")).found["time"].startswith("none")
