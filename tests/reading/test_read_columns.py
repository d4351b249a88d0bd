"""What is read while a text is cut is what its texts say, whichever way they are looked at."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.reading import grid, read_columns
from forecast.reading.progress import telling
from forecast.reading.read_columns import ReadColumn
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.settings import check_settings

DAYS = [str(day) for day in np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")]


def outcome(path: Path, settings: dict[str, object]) -> tuple[object, ...]:
    """All that reading a file gives, arrays as bytes, or the line that refuses it."""
    try:
        source = load_source(check_settings(CsvSettings, {"path": str(path), **settings}))
    except ForecastError as error:
        return (str(error),)
    panel = source.panel
    arrays = (panel.values, panel.observed, panel.offsets, panel.times)
    ahead = None if panel.ahead is None else panel.ahead.values.tobytes()
    return (
        *(array.tobytes() for array in arrays),
        panel.masked is None or panel.masked.tobytes(),
        (panel.ids, str(panel.calendar), panel.channels, ahead),
        (source.found, source.notes, source.form),
    )


def rows(*columns: list[str], header: str) -> str:
    return "\n".join([header, *(",".join(cells) for cells in zip(*columns, strict=True))]) + "\n"


def wave(digits: int = 2, scale: float = 1.0) -> list[str]:
    return [f"{scale * (10 + np.sin(i / 3)):.{digits}f}" for i in range(len(DAYS))]


def with_cell(cells: list[str], place: int, cell: str) -> list[str]:
    return [*cells[:place], cell, *cells[place + 1 :]]


FILES: dict[str, tuple[str, dict[str, object]]] = {
    "numbers": (rows(DAYS, wave(), header="date,y"), {}),
    "whole numbers": (rows(DAYS, wave(0, 100), header="date,y"), {}),
    "three digits after a point": (rows(DAYS, wave(3), header="date,y"), {}),
    "three digits and a column of decimals": (rows(DAYS, wave(3), wave(1), header="date,y,z"), {"target": "y"}),
    "beyond 2^53": (rows(DAYS, [str(2**60 + 10**9 * i) for i in range(len(DAYS))], header="date,y"), {}),
    "signs and exponents": (rows(DAYS, with_cell(wave(), 3, "+1.5e1"), header="date,y"), {}),
    "infinite": (rows(DAYS, with_cell(wave(), 50, "inf"), header="date,y"), {}),
    "a hole": (rows(DAYS, with_cell(wave(), 50, ""), header="date,y"), {}),
    "words for nothing": (rows(DAYS, with_cell(with_cell(wave(), 50, "NA"), 9, "n.d."), header="date,y"), {}),
    "a word late": (rows(DAYS, with_cell(wave(), 55, "broken"), header="date,y"), {}),
    "a word late, dropped": (rows(DAYS, with_cell(wave(), 55, "broken"), header="date,y"), {"on_bad_rows": "drop"}),
    "minus 999": (rows(DAYS, with_cell(wave(), 50, "-999"), header="date,y"), {"missing": ["-999"]}),
    "a date late": (rows(with_cell(DAYS, 50, "20.02.2024"), wave(), header="date,y"), {}),
    "no date late": (rows(with_cell(DAYS, 50, ""), wave(), header="date,y"), {}),
    "blanks": (rows(DAYS, [f" {cell} " for cell in wave()], header="date , y"), {}),
    "blanks around ids": (
        rows(DAYS * 2, ["a "] * 60 + [" b"] * 60, wave() * 2, header="date,shop,y"),
        {},
    ),
    "ids as numbers": (rows(DAYS * 2, ["007"] * 60 + ["08"] * 60, wave() * 2, header="date,store,y"), {}),
    "ids out of order": (
        rows(
            [day for day in DAYS for _ in "ab"], ["s10", "s9"] * 60, [c for c in wave() for _ in "ab"], header="d,i,y"
        ),
        {},
    ),
    "different lengths": (
        rows(DAYS + DAYS[5:40], ["s10"] * 60 + ["s9"] * 35, wave() + wave()[5:40], header="date,unique_id,y"),
        {},
    ),
    "a series without change": (
        rows(DAYS * 2, ["a"] * 60 + ["b"] * 60, wave() + ["5"] * 60, header="date,unique_id,y"),
        {},
    ),
    "no id": (rows(DAYS * 2, ["a"] * 60 + [""] * 60, wave() * 2, header="date,unique_id,y"), {}),
    "columns": (rows(DAYS, wave(), wave(1), wave(0, 9), header="date,s2,s10,s1"), {"layout": "columns"}),
    "columns with a hole": (
        rows(DAYS, wave(), with_cell(wave(1), 7, ""), header="date,s2,s10"),
        {"layout": "columns", "on_gaps": "mask"},
    ),
    "covariates": (
        rows(DAYS, wave(), ["yes", "no"] * 30, wave(1), header="date,y,promo,price"),
        {"target": "y", "past": ["promo", "price"]},
    ),
    "unused": (rows(DAYS, wave(), ["yes", "no"] * 30, header="date,y,promo"), {}),
    "newest first": (rows(DAYS[::-1], wave(), header="date,y"), {}),
    "twice": (rows(DAYS[:30] * 2, wave(), header="date,y"), {}),
    "quotes": (rows([f'"{day}"' for day in DAYS], [f'"{cell}"' for cell in wave()], header='"date","y"'), {}),
    "a quoted line break": (rows(DAYS, wave(), with_cell(["x"] * 60, 20, '"a\nb"'), header="date,y,note"), {}),
    "an empty line": (rows(DAYS, wave(), header="date,y").replace(DAYS[30], "\n" + DAYS[30]), {}),
    "empty cells at the end": (rows(DAYS, wave(), header="date,y") + ",\n,\n", {}),
    "hours": (
        rows([f"2024-01-{1 + i // 24:02d} {i % 24:02d}:00:00" for i in range(60)], wave(), header="date,y"),
        {"timezone": "Europe/Berlin"},
    ),
    "no times": (rows(wave(), wave(1), header="y,z"), {"target": "y"}),
    "symbols": (rows(DAYS, ["1", "2"] * 30, header="date,y"), {"symbols": True}),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_as_its_texts_are(name: str, tmp_path: Path) -> None:
    text, settings = FILES[name]
    path = tmp_path / "x.csv"
    path.write_bytes(text.replace("\n", "\r\n" if len(name) % 2 else "\n").encode())
    at_once = outcome(path, settings)
    with patch.object(grid, "read_at_once", lambda *_: None):
        assert outcome(path, settings) == at_once
    # Blocks of a line each.
    with patch.object(read_columns, "_BLOCK", 1), patch.object(read_columns, "_LINES_A_BLOCK", 1):
        assert outcome(path, settings) == at_once


def test_plain_columns_are_read_and_their_texts_can_still_be_had(tmp_path: Path) -> None:
    codes = [f"{i:03d}" for i in range(60)]
    text = rows(DAYS, codes, ["north", " south "] * 30, wave(), header="date,code,shop,y")
    table = grid.cut_text(text.encode(), check_settings(CsvSettings, {"path": "x"}), "x")
    assert all(isinstance(cells, ReadColumn) for cells in (table.columns[0], table.columns[1], table.columns[3]))
    assert table.numbers("code").tolist() == list(range(60))
    assert table.column("code").to_pylist() == codes
    assert table.column("shop").to_pylist() == ["north", "south"] * 30
    assert table.coded("shop").dictionary.to_pylist() == ["north", "south"]
    assert pd.DatetimeIndex(table.moments("date")).strftime("%Y-%m-%d").tolist() == DAYS
    assert table.sample("y") == wave()


def test_a_sample_of_many_rows_is_that_of_their_texts() -> None:
    cells = [f"{i}.5" for i in range(5_000)]
    text = "\n".join(f"{i},{cell}" for i, cell in enumerate(cells)).encode()
    table = grid.cut_text(b"n,y\n" + text, check_settings(CsvSettings, {"path": "x"}), "x")
    assert isinstance(table.columns[1], ReadColumn)
    assert table.sample("y") == grid.some_cells(table.column("y"))


def test_reading_is_said_where_somebody_listens(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(FILES["numbers"][0], encoding="utf-8")
    said: list[str] = []
    with telling(said.append), patch("forecast.reading.progress._SILENT_S", 0.0):
        load_source(check_settings(CsvSettings, {"path": str(path)}))
    assert said
    assert said[0].startswith(f"reading {path} (0 s so far)")
