"""Opening files, Parquet, and what is said of paths."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.reading.raw_table import RawTable
from forecast.reading.settings import FileSettings
from forecast.reading.tables import read_table


def read(path: Path, **settings: object) -> RawTable:
    return read_table(path, FileSettings(path=str(path), **settings))  # type: ignore[arg-type]  # checked by pydantic


@pytest.fixture
def frame() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=4, freq="D")
    return pd.DataFrame({"when": days, "name": list("abab"), "value": [1.5, np.nan, 2.5, 3.5]})


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("a\n1\n2\n")
    with pytest.raises(ForecastError, match=r"does not exist: did you mean '.*prices\.csv'\?"):
        read(tmp_path / "pricse.csv")
    with pytest.raises(ForecastError, match="there is no directory"):
        read(tmp_path / "no" / "prices.csv")
    with pytest.raises(ForecastError, match=r"is a directory: name the file in it, such as 'prices\.csv'"):
        read(tmp_path)
    with pytest.raises(ForecastError, match="download the file first"):
        read(Path("https://example.org/prices.csv"))


def test_the_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\r\n1\r\n2\r\n")
    assert read(path).fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


def test_reading_changes_nothing_when_it_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("date;value\n01.02.2024;1,5\n13.02.2024;2,5\n")
    first, second = read(path), read(path)
    assert first.found == second.found
    assert first.style == second.style
    np.testing.assert_array_equal(first.series[0].values, second.series[0].values)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_parquet_is_known_by_its_bytes(frame: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    frame.to_parquet(path)
    table = read(path)
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
    table = read(path, id="name")
    assert [one.id for one in table.series] == ["a", "b"]
    assert table.style.timezone == "Europe/Berlin"
    expected = np.array(["2024-03-30T23:00", "2024-03-31T01:00"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(table.series[0].times, expected)  # type: ignore[arg-type]  # not None
    np.testing.assert_array_equal(table.series[0].values, [1.5, 2.5])


def test_parquet_whose_times_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"ds": ["13/01/2024", "14/01/2024"], "y": [1, 2]}).to_parquet(path)
    table = read(path)
    assert str(table.series[0].times[0])[:10] == "2024-01-13"  # type: ignore[index]  # not None
    assert table.style.format == "%d/%m/%Y"


def test_parquet_without_a_time_has_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).to_parquet(path)
    assert read(path).series[0].times is None
    with pytest.raises(ForecastError, match="holds no times"):
        read(path, time="b")


def test_a_hundred_thousand_clean_rows_take_no_time(tmp_path: Path) -> None:
    """A million take two seconds of a processor; a row-by-row reader would need ten times as long."""
    rows = 100_000
    times = np.datetime_as_string(np.datetime64("2000-01-01T00:00:00") + np.arange(rows) * 60, unit="s")
    values = np.random.default_rng(0).normal(size=rows)
    path = tmp_path / "long.csv"
    path.write_text("date,value\n" + "\n".join(f"{t},{v!r}" for t, v in zip(times, values.tolist(), strict=True)))
    begin = time.process_time()
    table = read(path)
    assert time.process_time() - begin < 2.0
    np.testing.assert_array_equal(table.series[0].values, values)
    assert table.series[0].lines[-1] == rows + 1
