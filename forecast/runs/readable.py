"""The recommended forecast as people read it: a CSV in the form of their own file, and a workbook with a chart."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.runs.files import FORECAST, WORKBOOK, as_text
from forecast.series.calendar import to_wall
from forecast.wording import decimals_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

    from forecast.series.calendar import Calendar
    from forecast.series.panel import FloatArray, Panel, Source, TableForm, TimeArray

_BANDS = {"low 80 %": "q0.1", "high 80 %": "q0.9", "low 90 %": "q0.05", "high 90 %": "q0.95"}
"""Ends of intervals by their headings."""
_MOST_VALUES = 1_000_000
"""Of the data that decimals are sought in."""
_BLOCK = 50_000
"""Rows that are turned into text at a time."""
_MOST_WORKBOOK_ROWS = 200_000
"""Steps of all series that a workbook holds; a sheet ends at 1,048,576 rows, and takes 20 s to write."""
_SHOWN_PAST = 3
"""Horizons of the past that the workbook's chart shows, at least so many of `_LEAST_SHOWN` steps."""
_LEAST_SHOWN = 30
_FIRST_YEAR = 1900
"""Spreadsheets know no dates before."""


@dataclass(frozen=True, eq=False)
class Readable:
    """The forecast of one model, a row for each step of each series.

    Attributes
    ----------
    columns : heading to cells, each (row,); numbers are float64, all else texts
    times : (row,) times of the rows on the user's clock
    decimals : that numbers are written with

    """

    columns: dict[str, Sequence[Any] | FloatArray]
    times: TimeArray
    decimals: int


def observed(panel: Panel) -> FloatArray:
    """Return the target of the rows where it was observed, of very many rows of an even part."""
    every = max(len(panel.target) // _MOST_VALUES, 1)
    return panel.target[::every][panel.target_observed[::every]]


def readable(future: pd.DataFrame, calendar: Calendar, form: TableForm, decimals: int) -> Readable:
    """Name the columns of one model's forecast for a reader; `future` has them as `Finished.future`."""
    ids, times = future["unique_id"].astype(str), future["ds"].to_numpy()
    columns: dict[str, Any] = {form.time: calendar.write(times)}
    if len(set(ids)) > 1:
        columns[_other_than(form.identity, form.time)] = ids.tolist()
    if "symbol" in future:
        columns |= {"symbol": future["symbol"].tolist(), "chance": future["y_hat"].to_numpy(dtype=np.float64)}
        return Readable(columns, times, 4)
    if "q0.5" not in future:  # a direction
        return Readable({**columns, "chance of a rise": future["y_hat"].to_numpy()}, times, 4)
    columns["forecast"] = future["y_hat"].to_numpy(dtype=np.float64)
    columns |= {heading: future[name].to_numpy(dtype=np.float64) for heading, name in _BANDS.items()}
    wall = to_wall(times, calendar.timezone) if calendar.timezone is not None else times
    return Readable(columns, wall, decimals)


def _other_than(heading: str, taken: str) -> str:
    return heading if heading != taken else f"{heading} (series)"


def recommended_rows(future: pd.DataFrame, model: str, short: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the rows of one model, and of the series that are too short for the comparison their only forecast."""
    rows = future[future["model"] == model]
    return rows if short is None else pd.concat([rows, short], ignore_index=True)


def workbook_facts(settings: Mapping[str, Any], sentences: Sequence[str]) -> dict[str, str]:
    """Bring what is said of a run, and its settings by dotted names, into one table."""
    facts = {"recommendation" if i == 0 else f"note {i}": sentence for i, sentence in enumerate(sentences)}
    flat = pd.json_normalize(dict(settings)).iloc[0].to_dict()
    return facts | {str(name): "" if value is None else str(value) for name, value in flat.items()}


def workbook_note(rows: int) -> str:
    """Say why there is no workbook of so many rows; "" where there is one."""
    too_many = rows > _MOST_WORKBOOK_ROWS
    return f"forecast.xlsx is left out: {rows:,} rows are too many for a workbook, forecast.csv has them" * too_many


def write_recommended(
    future: pd.DataFrame, source: Source, leaderboard: pd.DataFrame, facts: Mapping[str, str], folder: Path
) -> None:
    """Write the recommended forecast as `forecast.csv` and `forecast.xlsx`; `future` are its rows."""
    table = readable(future, source.panel.calendar, source.form, decimals_of(observed(source.panel)))
    write_in_form(table, source.form, folder / FORECAST)
    if len(future) and not workbook_note(len(future)):
        write_workbook(table, source.panel, leaderboard, facts, folder / WORKBOOK)


def write_in_form(table: Readable, form: TableForm, path: Path) -> None:
    """Write the forecast with the delimiter, decimal mark, form of dates and encoding of the user's file."""
    with path.open("w", encoding=form.encoding, errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, delimiter=form.delimiter, lineterminator="\n")
        writer.writerow(table.columns)
        for begin in range(0, len(table.times), _BLOCK):
            cells = [
                [_written(value, table.decimals, form.decimal) for value in part.tolist()]
                if isinstance(part, np.ndarray)
                else [as_text(str(value)) for value in part]
                for part in (column[begin : begin + _BLOCK] for column in table.columns.values())
            ]
            writer.writerows(zip(*cells, strict=True))


def _written(value: float, decimals: int, mark: str) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.{decimals}f}".replace(".", mark)


def write_workbook(
    table: Readable,
    panel: Panel,
    leaderboard: pd.DataFrame,
    facts: Mapping[str, str],
    path: Path,
) -> None:
    """Write a workbook: sheets forecast, past, models and settings; real dates and numbers, and a chart.

    `facts` fill the sheet settings, by name.
    """
    import xlsxwriter  # noqa: PLC0415 - a fifth of a second that only a finished job needs

    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(path, {**options, "nan_inf_to_errors": False, "in_memory": True}) as book:
        book.set_properties({"created": datetime(2000, 1, 1)})  # so that a run writes the same bytes
        forms = _Forms.of(book, table)
        rows = _write_forecast(book.add_worksheet("forecast"), table, forms)
        past = _write_past(book.add_worksheet("past"), table, panel, forms)
        _add_chart(book, table, rows, past)
        _write_frame(book.add_worksheet("models"), leaderboard, forms)
        settings = book.add_worksheet("settings")
        for row, (name, value) in enumerate(facts.items()):
            settings.write_string(row, 0, name, forms.heading)
            settings.write_string(row, 1, value)
        settings.set_column(0, 0, 34)
        settings.set_column(1, 1, 90)


@dataclass(frozen=True)
class _Forms:
    heading: Format
    time: Format
    number: Format

    @staticmethod
    def of(book: Workbook, table: Readable) -> _Forms:
        midnight = (
            np.issubdtype(table.times.dtype, np.datetime64)
            and (table.times.astype("datetime64[ns]") == table.times.astype("datetime64[D]")).all()
        )
        decimals = f".{'0' * table.decimals}" if table.decimals else ""
        return _Forms(
            book.add_format({"bold": True}),
            book.add_format({"num_format": "yyyy-mm-dd" if midnight else "yyyy-mm-dd hh:mm", "align": "left"}),
            book.add_format({"num_format": f"#,##0{decimals}"}),
        )


def _write_time(sheet: Worksheet, row: int, time: np.datetime64 | np.int64, written: str, forms: _Forms) -> None:
    """Write a time as a date that a spreadsheet calculates with, or as it is written where there is no such date."""
    if not isinstance(time, np.datetime64):
        sheet.write_number(row, 0, int(time))
        return
    moment = pd.Timestamp(time).to_pydatetime(warn=False)
    if moment.year < _FIRST_YEAR:
        sheet.write_string(row, 0, written)
    else:
        sheet.write_datetime(row, 0, moment, forms.time)


def _write_forecast(sheet: Worksheet, table: Readable, forms: _Forms) -> int:
    """Write the sheet; return the rows of its first series, which the chart shows."""
    for column, (heading, cells) in enumerate(table.columns.items()):
        sheet.write_string(0, column, heading, forms.heading)
        for row, cell in enumerate(cells, start=1):
            if column == 0:
                _write_time(sheet, row, table.times[row - 1], str(cell), forms)
            elif isinstance(cell, str):
                sheet.write_string(row, column, cell)
            elif np.isfinite(cell):
                sheet.write_number(row, column, float(cell), forms.number)
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, 0, 17)
    sheet.set_column(1, len(table.columns) - 1, 12)
    headings = list(table.columns)
    if isinstance(table.columns[headings[1]], np.ndarray):
        return len(table.times)
    ids = list(table.columns[headings[1]])
    return ids.count(ids[0])


def _write_past(sheet: Worksheet, table: Readable, panel: Panel, forms: _Forms) -> int:
    """Write what was measured last of the first series; return the number of rows."""
    horizon = len(table.times)
    first = panel.ids[0]
    rows = slice(max(panel.offsets[1] - max(_SHOWN_PAST * horizon, _LEAST_SHOWN), 0), panel.offsets[1])
    times = panel.times[rows]
    written = panel.calendar.write(times)
    if panel.calendar.timezone is not None:
        times = to_wall(times, panel.calendar.timezone)
    sheet.write_string(0, 0, next(iter(table.columns)), forms.heading)
    sheet.write_string(0, 1, first, forms.heading)
    for row, (time, text, value, seen) in enumerate(
        zip(times, written, panel.target[rows], panel.target_observed[rows], strict=True), start=1
    ):
        _write_time(sheet, row, time, text, forms)
        if seen:
            sheet.write_number(row, 1, float(value), forms.number)
    sheet.set_column(0, 0, 17)
    return len(times)


def _add_chart(book: Workbook, table: Readable, rows: int, past: int) -> None:
    """Draw the past and the forecast with its 90 % interval beside the numbers; nothing where no value is forecast."""
    headings = list(table.columns)
    if "forecast" not in headings:
        return
    dated = np.issubdtype(table.times.dtype, np.datetime64)
    chart = book.add_chart({"type": "scatter", "subtype": "straight"})
    if chart is None:
        return
    lines = [("past", 1, past, "past", {"color": "#444444", "width": 1.25})]
    for heading, line in (
        ("forecast", {"color": "#1f6fb4", "width": 2}),
        ("low 90 %", {"color": "#8fb8dc", "width": 1, "dash_type": "dash"}),
        ("high 90 %", {"color": "#8fb8dc", "width": 1, "dash_type": "dash"}),
    ):
        lines.append(("forecast", headings.index(heading), rows, heading, line))
    for sheet, column, last, name, line in lines:
        chart.add_series(
            {
                "name": name,
                "categories": [sheet, 1, 0, last, 0],
                "values": [sheet, 1, column, last, column],
                "line": line,
            }
        )
    axis: dict[str, Any] = {"major_gridlines": {"visible": False}}
    if dated:
        axis |= {"num_format": "yyyy-mm-dd", "num_font": {"rotation": -45}}
    chart.set_x_axis(axis)
    chart.set_y_axis({"major_gridlines": {"visible": True, "line": {"color": "#dddddd"}}})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 760, "height": 380})
    sheet = book.get_worksheet_by_name("forecast")
    if sheet is not None:
        sheet.insert_chart(1, len(headings) + 1, chart)


def _write_frame(sheet: Worksheet, table: pd.DataFrame, forms: _Forms) -> None:
    for column, name in enumerate(table.columns):
        sheet.write_string(0, column, str(name), forms.heading)
        for row, cell in enumerate(table[name].tolist(), start=1):
            if isinstance(cell, (int, float)) and not isinstance(cell, bool):
                if np.isfinite(cell):
                    sheet.write_number(row, column, float(cell))
            else:
                sheet.write_string(row, column, str(cell))
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, len(table.columns) - 1, 14)
