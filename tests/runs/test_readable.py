"""The forecast as people read it: a CSV in the form of their file, a workbook."""

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import openpyxl
import pandas as pd
import pytest

from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.runs.readable import (
    observed,
    readable,
    workbook_note,
    write_in_form,
    write_recommended,
    write_workbook,
)
from forecast.settings import check_settings
from forecast.wording import decimals_of

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.series.panel import Source

GERMAN = "Datum;Umsatz\n" + "".join(f"{day:02d}.01.2024;{100 + day},{day:02d}\n" for day in range(1, 29))


def _source(folder: "Path", content: bytes) -> "Source":
    (folder / "own.csv").write_bytes(content)
    return load_source(check_settings(CsvSettings, {"path": str(folder / "own.csv")}))


def _future(source: "Source", horizon: int = 3) -> pd.DataFrame:
    panel = source.panel
    tables = []
    for i, name in enumerate(panel.ids):
        ds = panel.calendar.after(panel.times[panel.offsets[i + 1] - 1], horizon)
        y_hat = 100.0 * (i + 1) + np.arange(horizon) + 0.126
        levels = {"q0.025": -3, "q0.05": -2, "q0.1": -1, "q0.5": 0, "q0.9": 1, "q0.95": 2, "q0.975": np.inf}
        bounds = {level: y_hat + reach for level, reach in levels.items()}
        tables.append(pd.DataFrame({"unique_id": name, "ds": ds, "model": "lstm", "y_hat": y_hat, **bounds}))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("block", [1, 50_000])
def test_the_csv_has_the_form_of_the_file_that_was_read(
    tmp_path: "Path", monkeypatch: pytest.MonkeyPatch, encoding: str, block: int
) -> None:
    monkeypatch.setattr("forecast.runs.readable._BLOCK", block)
    source = _source(tmp_path, GERMAN.replace("Umsatz", "Erlös").encode(encoding))
    table = readable(_future(source, 2), source.panel.calendar, source.form, decimals_of(observed(source.panel)))

    write_in_form(table, source.form, tmp_path / "forecast.csv")

    assert (tmp_path / "forecast.csv").read_bytes().decode(encoding) == (
        "Datum;forecast;low 80 %;high 80 %;low 90 %;high 90 %\n"
        "29.01.2024;100,13;99,13;101,13;98,13;102,13\n"
        "30.01.2024;101,13;100,13;102,13;99,13;103,13\n"
    )


def test_the_csv_of_several_series_says_which_and_is_read_again(tmp_path: "Path") -> None:
    rows = "".join(f"=a{s},2024-01-{day:02d},{day * s + 0.5}\n" for s in (1, 2) for day in range(1, 20))
    source = _source(tmp_path, f"shop,day,sales\n{rows}".encode())
    table = readable(_future(source), source.panel.calendar, source.form, decimals_of(observed(source.panel)))

    write_in_form(table, source.form, tmp_path / "forecast.csv")

    again = pd.read_csv(tmp_path / "forecast.csv")
    assert list(again.columns[:3]) == ["day", "shop", "forecast"]
    assert again["shop"].tolist() == ["'=a1"] * 3 + ["'=a2"] * 3  # no formula
    assert again["day"].tolist() == ["2024-01-20", "2024-01-21", "2024-01-22"] * 2


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([100.0, 2500.0, 40.0], 0),
        ([1.0, 2.0, 3.0], 2),  # three digits
        ([0.25, 0.5, 0.125], 3),
        ([10.1234, 11.5, 12.0], 4),
        ([1.0 / 3, 2.0 / 3, 1 / 7], 5),
        ([0.0, 0.0], 2),
    ],
)
def test_forecasts_have_as_many_decimals_as_the_data(tmp_path: "Path", values: list[float], decimals: int) -> None:
    rows = "".join(f"2024-01-{day:02d},{value!r}\n" for day, value in enumerate([*values, *values, 1.0], start=1))

    assert decimals_of(observed(_source(tmp_path, f"ds,y\n{rows}".encode()).panel)) == decimals


def test_the_workbook_is_read_back_with_dates_and_numbers(tmp_path: "Path") -> None:
    source = _source(tmp_path, GERMAN.encode())
    table = readable(_future(source), source.panel.calendar, source.form, decimals_of(observed(source.panel)))
    board = pd.DataFrame({"model": ["lstm", "=naive"], "mae": [1.5, np.nan]})

    write_workbook(table, source.panel, board, {"recommended": "lstm", "data.path": "=x"}, tmp_path / "f.xlsx")

    book = openpyxl.load_workbook(tmp_path / "f.xlsx")
    assert book.sheetnames == ["forecast", "past", "models", "settings"]
    rows = list(book["forecast"].values)
    assert rows[0] == ("Datum", "forecast", "low 80 %", "high 80 %", "low 90 %", "high 90 %")
    assert rows[1] == (datetime(2024, 1, 29), 100.126, 99.126, 101.126, 98.126, 102.126)
    assert book["forecast"]["B2"].number_format == "#,##0.00"
    assert book["forecast"]["A2"].number_format == "yyyy-mm-dd"
    assert list(book["past"].values)[-1] == (datetime(2024, 1, 28), 128.28)
    assert list(book["models"].values) == [("model", "mae"), ("lstm", 1.5), ("=naive", None)]
    assert book["models"]["A3"].data_type == "s"  # no formula
    assert list(book["settings"].values)[1] == ("data.path", "=x")
    assert len(book["forecast"]._charts) == 1


def test_a_workbook_of_too_many_rows_is_not_begun_and_a_note_says_so(
    tmp_path: "Path", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecast.runs.readable._MOST_WORKBOOK_ROWS", 2)
    source = _source(tmp_path, GERMAN.encode())

    write_recommended(_future(source), source, pd.DataFrame(), {}, tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"own.csv", "forecast.csv"}
    assert "left out" in workbook_note(3)
    assert workbook_note(2) == ""
