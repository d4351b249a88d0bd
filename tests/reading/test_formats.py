"""Files that are no CSV, several files, standard input, and what is never opened."""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import sys
import zipfile
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from forecast.errors import ForecastError
from forecast.reading import opening
from forecast.reading.raw_table import RawTable
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import read_csv
from forecast.reading.tables import read_table
from forecast.settings import check_settings

VALUES = [1.5, np.nan, 2.25, 1000.0]


def read(path: object, **settings: object) -> RawTable:
    checked = check_settings(CsvSettings, {"path": str(path) if isinstance(path, Path) else path, **settings}, "data.")
    return read_table(checked.path, checked)


@pytest.fixture
def frame() -> pd.DataFrame:
    days = pd.date_range("2024-01-30", periods=4, freq="D")
    return pd.DataFrame({"day": days, "shop": "a", "value": VALUES})


def check(table: RawTable) -> None:
    assert len(table.series) == 1
    np.testing.assert_array_equal(table.series[0].values, VALUES)
    np.testing.assert_array_equal(table.series[0].times, np.arange("2024-01-30", "2024-02-03", dtype="M8[D]"))


def refuse(path: object, *parts: str, **settings: object) -> None:
    with pytest.raises(ForecastError) as caught:
        read(path, **settings)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("suffix", [".xlsx", ".ods"])
def test_a_workbook(suffix: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / f"book{suffix}"
    with pd.ExcelWriter(path) as book:
        frame.to_excel(book, sheet_name="Sales 2024", index=False, startrow=2)
        pd.DataFrame().to_excel(book, sheet_name="Empty")
    table = read(path)
    check(table)
    assert table.found["format"] == "workbook, sheet 'Sales 2024'"
    assert table.style.format == "%Y-%m-%d"
    assert table.series[0].lines.tolist() == [4, 5, 6, 7]
    check(read(path, sheet="Sales 2024"))
    refuse(path, "`data.sheet` 'Sales' is no sheet of", "'Sales 2024'", sheet="Sales")


def test_a_packed_workbook(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_excel(tmp_path / "book.xlsx", sheet_name="Sales", index=False)
    with zipfile.ZipFile(tmp_path / "book.zip", "w") as archive:
        archive.write(tmp_path / "book.xlsx", "book.xlsx")
    table = read(tmp_path / "book.zip")
    check(table)
    assert table.found["format"] == "workbook, sheet 'Sales'"


def test_a_workbook_of_several_sheets(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as book:
        frame.assign(day=frame.day + pd.Timedelta("6h")).to_excel(book, sheet_name="a", index=False)
        frame.assign(value=frame.value + 1).to_excel(book, sheet_name="b", index=False)
    refuse(path, "has 2 sheets with cells in them ('a', 'b')", "set `data.sheet=a`")
    table = read(path, sheet="a")
    np.testing.assert_array_equal(table.series[0].values, VALUES)
    assert str(table.series[0].times[0]) == "2024-01-30T06:00:00.000000000"
    assert read(path, sheet="b").series[0].values[0] == 2.5


def by_day(frame: pd.DataFrame) -> dict[str, float | None]:
    return {f"{row.day:%Y-%m-%d}": None if np.isnan(row.value) else row.value for row in frame.itertuples()}


def in_columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {"day": [*by_day(frame)], "value": [*by_day(frame).values()]}


@pytest.mark.parametrize(
    "written",
    [
        lambda frame: frame.to_json(orient="records", date_format="iso"),
        lambda frame: frame.to_json(orient="records", lines=True, date_format="iso"),
        lambda frame: json.dumps(
            [{"day": 1706572800 + 86400 * i, "value": y} for i, y in enumerate([1.5, None, 2.25, 1000])]
        ),
        lambda frame: frame.to_json(orient="columns", date_format="iso"),
        lambda frame: frame.to_json(orient="split", date_format="iso"),
        lambda frame: frame.to_json(orient="table", index=False),
        lambda frame: json.dumps({"data": json.loads(frame.to_json(orient="records", date_format="iso")), "next": 1}),
        lambda frame: json.dumps({"day": [str(day)[:10] for day in frame.day], "value": [1.5, None, 2.25, 1000]}),
        lambda frame: json.dumps(
            {"ok": True, "data": {"rows": json.loads(frame.to_json(orient="records", date_format="iso"))}}
        ),
        lambda frame: json.dumps({"ok": True, "result": {"daily": in_columns(frame)}}),
        lambda frame: json.dumps(
            {"latitude": 52.5, "daily_units": {"day": "iso8601", "value": "°C"}, "daily": in_columns(frame)}
        ),
        lambda frame: json.dumps(
            [{"page": 1, "total": 4}, json.loads(frame.to_json(orient="records", date_format="iso"))]
        ),
        lambda frame: json.dumps(list(by_day(frame).items())),
        lambda frame: json.dumps(by_day(frame)),
        lambda frame: frame.set_index("day")[["value"]].to_json(orient="columns", date_format="iso"),
    ],
    ids=[
        "records",
        "lines",
        "epochs",
        "columns",
        "split",
        "table",
        "wrapped",
        "twice",
        "within",
        "lists",
        "beside units",
        "beside facts",
        "pairs",
        "by time",
        "indexed",
    ],
)
def test_json(written: object, frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(written(frame))  # type: ignore[operator]  # a lambda
    table = read(path)
    check(table)
    assert table.found["format"] == "JSON"


@pytest.mark.parametrize(
    "written",
    [
        lambda rows: {"data": {"result": [{"metric": {"job": job}, "values": pairs} for job, pairs in rows.items()]}},
        lambda rows: [{"target": job, "datapoints": [pair[::-1] for pair in pairs]} for job, pairs in rows.items()],
        lambda rows: {
            "series": [{"name": job, "data": [{"ts": t, "y": y} for t, y in pairs]} for job, pairs in rows.items()]
        },
    ],
    ids=["Prometheus", "Graphite", "records"],
)
def test_lists_of_values_in_records_of_json(written: Any, tmp_path: Path) -> None:
    values = {"a": [3.5, 1.0, 4.0, 1.5], "b": [2.0, 7.0, 1.0, 8.0]}
    rows = {job: [[1_700_000_000 + 60 * i, y] for i, y in enumerate(of_job)] for job, of_job in values.items()}
    (tmp_path / "a.json").write_text(json.dumps(written(rows)))
    table = read(tmp_path / "a.json")
    assert {series.id: series.values.tolist() for series in table.series} == values
    assert str(table.series[1].times[1]) == "2023-11-14T22:14:20.000000000"


def test_pairs_of_json_with_the_same_times(tmp_path: Path) -> None:
    prices, volumes = ([[1_672_531_200_000 + 86_400_000 * i, scale * i] for i in range(1, 6)] for scale in (2, 30))
    (tmp_path / "a.json").write_text(json.dumps({"prices": prices, "total_volumes": volumes}))
    series = read(tmp_path / "a.json", target="total_volumes").series[0]
    assert series.values.tolist() == [30, 60, 90, 120, 150]
    assert str(series.times[0])[:10] == "2023-01-02"


def test_pairs_of_json_that_begin_with_the_newest(tmp_path: Path) -> None:
    pairs = [[f"2024{month:02d}", 12 - month] for month in range(12, 0, -1)]  # values rise down the file
    (tmp_path / "a.json").write_text(json.dumps({"series": [{"f": "M", "data": pairs}]}))
    series = read(tmp_path / "a.json").series[0]
    assert series.values.tolist() == [*range(12)]
    assert str(series.times[0])[:7] == "2024-12"


def test_corners_of_a_map_in_records_of_json_are_no_values(tmp_path: Path) -> None:
    records = [{"day": f"2024-01-0{i}", "line": {"coordinates": [[1, 2], [3, 4]]}, "y": i} for i in range(1, 6)]
    (tmp_path / "a.json").write_text(json.dumps(records))
    assert read(tmp_path / "a.json").series[0].values.tolist() == [1, 2, 3, 4, 5]


def test_a_csv_that_begins_with_a_bracket_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("[day],value\n2024-01-01,1\n2024-01-02,2\n")
    assert read(path).series[0].values.tolist() == [1, 2]


def test_feather(frame: pd.DataFrame, tmp_path: Path) -> None:
    table = pa.Table.from_pandas(frame)
    feather.write_feather(table, str(tmp_path / "a.feather"))
    check(read(tmp_path / "a.feather"))
    (tmp_path / "b.feather").write_bytes(b"ARROW1" + bytes(100))
    refuse(tmp_path / "b.feather", "cannot be read as Feather")


def make_database(kind: str, frame: pd.DataFrame, path: Path) -> None:
    rows = list(by_day(frame).items())
    connect = sqlite3.connect if kind == "sqlite" else duckdb.connect
    with closing(connect(str(path))) as connection:
        connection.execute(f"create table sales (day {'text' if kind == 'sqlite' else 'date'}, value double)")
        connection.executemany("insert into sales values (?, ?)", rows)
        connection.execute('create table "other ""one" (n int)')
        if kind == "sqlite":
            connection.commit()


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_database(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "my sales.db"
    make_database(kind, frame, path)
    before = path.read_bytes()
    refuse(path, "has 2 tables", "'sales'", "set `data.query=")
    for address in (str(path), f"{kind}:///{path}", f"{kind}://{path}"):
        check(read(address, query="sales"))
        check(read(address, query="select day, value from sales order by day"))
    assert len(read(path, query="select * from sales where value > 2").series[0].values) == 2
    refuse(path, "refuses 'select * from nosuch'", "correct `data.query`", query="select * from nosuch")
    refuse(path, "'sale' is no table of", "which has", "'sales'", query="sale")
    refuse(path, "", query="insert into sales values ('2024-03-01', 1)")
    refuse(path, "", query=f"attach '{tmp_path / 'new.db'}' as x")
    refuse(path, "holds no rows", query='other "one')
    assert path.read_bytes() == before
    assert not (tmp_path / "new.db").exists()
    other = {"sqlite": "duckdb", "duckdb": "sqlite"}[kind]
    refuse(f"{other}:///{path}", f"is no {other} database")
    refuse(f"{kind}:///{tmp_path}/nosuch.db", "does not exist")


def test_a_query_reads_no_other_file(tmp_path: Path, frame: pd.DataFrame) -> None:
    make_database("duckdb", frame, tmp_path / "a.db")
    (tmp_path / "b.csv").write_text("day,value\n2024-01-01,1\n2024-01-02,2\n")
    refuse(tmp_path / "a.db", "correct `data.query`", query=f"select * from '{tmp_path / 'b.csv'}'")
    refuse(tmp_path / "a.db", "correct `data.query`", query=f"copy sales to '{tmp_path / 'c.csv'}'")
    refuse(tmp_path / "b.csv", "`data.query` is for a database", query="select 1")
    refuse(tmp_path / "b.csv", "`data.sheet` is for a workbook", sheet="a")


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_queries_that_give_no_table(kind: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    make_database(kind, frame, tmp_path / "a.db")
    refuse(tmp_path / "a.db", "`data.query` '-- nothing' asks for no rows", "a `select`", query="-- nothing")


def test_two_columns_of_one_name_in_a_query(frame: pd.DataFrame, tmp_path: Path) -> None:
    make_database("sqlite", frame, tmp_path / "a.db")
    query = "select day, value, value * 2 as value from sales"
    refuse(tmp_path / "a.db", "has two columns 'value': give one another name", query=query)


def test_an_extra_that_is_not_installed_is_named(frame: pd.DataFrame, tmp_path: Path, monkeypatch: Any) -> None:
    make_database("duckdb", frame, tmp_path / "a.db")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    refuse(tmp_path / "a.db", "duckdb, which is not installed: pip install 'recurrent-forecast[duckdb]'")


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("date,y\n2024-01-01,1\n")
    refuse(tmp_path / "a.csv" / "b.csv", "b.csv' cannot be read: Not a directory")


def test_a_table_is_no_text(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "a.txt")
    with pytest.raises(ForecastError, match=r"is a Parquet file, no text: save it as plain text"):
        opening.open_packed(str(tmp_path / "a.txt"), None, opening.TEXT)


def test_numbered_half_hours_beside_dates_of_a_table(tmp_path: Path) -> None:
    days = np.repeat(np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[ns]"), 48)
    frame = pd.DataFrame({"day": days, "SP": np.tile(np.arange(1, 49), 2), "MW": np.arange(96)})
    frame.to_parquet(tmp_path / "a.parquet")
    table = read(tmp_path / "a.parquet")
    assert table.series[0].times.tolist() == (days + np.arange(96) % 48 * np.timedelta64(30, "m")).tolist()


def write_shops(folder: Path, *, days: int = 5, apart: bool = False) -> None:
    folder.mkdir()
    for k, name in enumerate(["north", "south"]):
        first = np.datetime64("2024-01-01") + k * days * apart
        rows = [f"{first + i},{10 * k + i}\n" for i in range(days)]
        (folder / f"{name}.csv").write_text("day,sales\n" + "".join(rows))
    (folder / "readme.md").write_text("no table")
    (folder / ".hidden.csv").write_text("x\n1\n")


def test_a_folder_of_series(tmp_path: Path) -> None:
    write_shops(tmp_path / "shops")
    for path in (tmp_path / "shops", f"{tmp_path}/shops/*.csv", f"{tmp_path}/**/[ns]*.csv"):
        table = read(path)
        assert {series.id: series.values.tolist() for series in table.series} == {
            "north": [0, 1, 2, 3, 4],
            "south": [10, 11, 12, 13, 14],
        }
        assert table.found["files"] == "2 (north to south; lines are counted on)"
    both = [str(tmp_path / "shops" / name) for name in ("south.csv", "north.csv")]
    assert [series.id for series in read(both).series] == ["north", "south"]
    refuse(f"{tmp_path}/shops/*.tsv", "fits no file")


def test_a_folder_of_parts(tmp_path: Path) -> None:
    write_shops(tmp_path / "years", apart=True)
    table = read(tmp_path / "years")
    assert [series.values.tolist() for series in table.series] == [[0, 1, 2, 3, 4, 10, 11, 12, 13, 14]]
    assert table.series[0].lines.tolist() == [2, 3, 4, 5, 6, 8, 9, 10, 11, 12]
    assert len(read(tmp_path / "years", id="file").series) == 2


def test_files_without_times_are_series(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("y\n1.5\n2.5\n3.25\n")
    assert [(series.id, len(series.values)) for series in read(tmp_path).series] == [("a", 3), ("b", 3)]


def test_files_of_different_forms(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("day,y\n2024-01-01,1\n2024-01-02,2\n")
    (tmp_path / "b.csv").write_text("day,z\n2024-01-03,1\n2024-01-04,2\n")
    refuse(tmp_path, "b.csv' has no column 'y'", "name files of one form")
    (tmp_path / "b.csv").write_text("y,day\n3,2024-01-03\n,2024-01-04\n")
    np.testing.assert_array_equal(read(tmp_path).series[0].values, [1, 2, 3, np.nan])


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    opening._standard_input.cache_clear()
    piped = io.BytesIO(b"day,y\n2024-01-01,1\n2024-01-02,2\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=piped, isatty=lambda: False))
    assert [read("-").series[0].values.tolist() for _ in range(2)] == [[1, 2], [1, 2]]
    opening._standard_input.cache_clear()
    piped.seek(0)
    refuse("-", "'standard input' holds more than", "set `data.max_mb`", max_mb=1e-5)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    opening._standard_input.cache_clear()
    refuse("-", "nothing is piped into it")


@pytest.mark.parametrize("address", ["https://example.org/a.csv", "s3://bucket/a.csv", "postgresql://host/db"])
def test_addresses_are_not_read(address: str) -> None:
    refuse(address, "is an address, and those are not read: what it holds may differ from run to run")


def test_devices_and_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refuse(tmp_path / "pipe", "is a pipe, no file", "`data.path=-`")
    refuse("/dev/zero", "is a device, no file", "`data.path=-`")


@pytest.mark.parametrize("packed", ["gzip", "zip"])
def test_what_unpacks_to_too_much(packed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_LEAST_MB", 0)
    text = b"day,y\n2024-01-01,1\n2024-01-02,2\n" + b",\n" * 200_000
    path = tmp_path / f"a.{packed}"
    if packed == "gzip":
        path.write_bytes(gzip.compress(text))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", text)
    refuse(path, "holds more than", "100 times its", "set `data.max_mb`")
    assert read(path, max_mb=1).series[0].values.tolist() == [1, 2]
    monkeypatch.setattr(opening, "_free_memory", lambda: 8_000)
    refuse(path, "holds more than 0.002 MB (a quarter of the 0.008 MB of memory that are free)")


def test_a_file_larger_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_free_memory", lambda: 40)
    path = tmp_path / "a.csv"
    path.write_text("day,y\n2024-01-01,1\n2024-01-02,2\n")
    refuse(path, "holds more than", "memory")
    assert len(read_csv(path, max_mb=1).target) == 2
