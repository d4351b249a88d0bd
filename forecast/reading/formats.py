"""The cells of files that are no CSV: Parquet, Feather, workbooks, JSON, tables of a database; and of several files.

Columns that have types keep them. A sheet of a workbook is cut like a CSV, since people write titles above its table
and notes below; its lines are the rows of the sheet.
"""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather, parquet

from forecast.errors import ForecastError
from forecast.reading.columns import listed
from forecast.reading.files import BOM, as_utf8
from forecast.reading.grid import Grid, cut_text
from forecast.reading.json_tables import records_of
from forecast.reading.sheets import observations
from forecast.wording import quote_some

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from forecast.reading.opening import Content
    from forecast.reading.settings import FileSettings

_START = 4_096  # bytes in which most texts show more than blanks
FILE = "file"
"""The column that says from which of several files a row is."""


def cut(content: Content, settings: FileSettings) -> Grid:
    """Cut the content of one file into cells.

    Raises
    ------
    ForecastError
        It is damaged, holds no table, or several of which none is named.

    """
    database = content.kind in ("sqlite", "duckdb")
    for setting, fits, of in (("query", database, "database"), ("sheet", content.kind == "workbook", "workbook")):
        if getattr(settings, setting) is not None and not fits:
            raise ForecastError(f"`data.{setting}` is for a {of}, and {content.name!r} is none: leave it out")
    grid = _CUT[content.kind](content, settings)
    packed = (("compression", content.compression),) if content.compression else ()
    return replace(grid, found=(*packed, *grid.found))


def join(grids: Sequence[Grid], files: Sequence[str]) -> Grid:
    """Put the rows of several files of one form below each other, with a column that names the file of each.

    Lines are counted on from one file to the next.

    Raises
    ------
    ForecastError
        The files have different columns.

    """
    if len(grids) == 1:
        return grids[0]
    names = grids[0].names
    for grid, file in zip(grids, files, strict=True):
        if set(grid.names) != set(names):
            missing, new = sorted({*names} - {*grid.names}), sorted({*grid.names} - {*names})
            what = f"has no column {missing[0]!r}" if missing else f"has a column {new[0]!r} that {files[0]!r} has not"
            raise ForecastError(f"several files are read as one table, and {file!r} {what}: name files of one form")
    ends = np.cumsum([int(max(grid.lines[-1:], default=0)) for grid in grids])
    starts = [0, *ends[:-1].tolist()]
    labels = _labels(files)
    which = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
    column = FILE if FILE not in names else f"{FILE} (2)"
    notes = dict.fromkeys(f"{label}: {note}" for label, grid in zip(labels, grids, strict=True) for note in grid.notes)
    return Grid(
        names=(*names, column),
        columns=(*(_joined([grid.column(name) for grid in grids]) for name in names), pa.array(labels).take(which)),
        lines=np.concatenate([grid.lines + start for grid, start in zip(grids, starts, strict=True)]),
        ragged=tuple((n + s, why) for grid, s in zip(grids, starts, strict=True) for n, why in grid.ragged),
        found=(("files", f"{len(grids)} ({labels[0]} to {labels[-1]}; lines are counted on)"), *grids[0].found),
        notes=tuple(notes),
        delimiter=grids[0].delimiter,
        encoding=grids[0].encoding,
        file_column=column,
    )


def _labels(files: Sequence[str]) -> list[str]:
    """Name files as briefly as keeps them apart."""
    for brief in (lambda path: path.name.split(".")[0], lambda path: path.name, str):
        labels = [brief(Path(file)) for file in files]
        if len(set(labels)) == len(labels):
            break
    return labels


def _joined(parts: Sequence[pa.Array]) -> pa.Array:
    kinds = {part.type for part in parts}
    if len(kinds) > 1:
        numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
        kind = pa.float64() if numbers else pa.string()
        parts = [
            pc.fill_null(pc.cast(part, kind), "") if kind == pa.string() else pc.cast(part, kind) for part in parts
        ]
    return pa.concat_arrays(parts)


def _cut_written(content: Content, settings: FileSettings) -> Grid:
    """Cut a CSV, or JSON."""
    text, encoding = as_utf8(content.data, settings.encoding, content.name)
    start = text[:_START].decode("utf-8", "ignore").lstrip() or text.decode("utf-8", "ignore").lstrip()
    if not start:
        raise ForecastError(f"{content.name!r} holds nothing but blanks: expected a table with a time and a value")
    if start[0] in "{[" and (records := records_of(text.decode("utf-8", "surrogatepass"), content.name)) is not None:
        return _of_table(_plain(records, content.name), content.name, "JSON")
    if b"=" in text and b'="' in text:  # one byte is found ten times as fast as two
        text = _FORMULA.sub(rb'\1"\2\3"', text)
    if b', "' in text or b'; "' in text:
        text = _BLANK_AND_QUOTE.sub(rb"\1\2", text)
    grid = observations(cut_text(text, settings, content.name))
    if not len(grid):
        raise ForecastError(
            f"{content.name!r} has a header ({listed(grid.names, 5)}) and no rows below it: expected times and values"
        )
    codec = "utf-8-sig" if encoding == BOM else encoding
    return replace(grid, found=(("encoding", encoding), *grid.found), encoding=codec)


_BLANK_AND_QUOTE = re.compile(rb'("(?:[^"\n]|"")*")|([,;])[ \t]+(?=")')
"""Cells in quotes, which stay as they are, and blanks before one."""
_FORMULA = re.compile(rb'(^|[,;\t|])(?:="([^"\n]*)"|"=""([^"\n]*)""")', re.MULTILINE)
"""Text as a formula, ="007", by which programs keep spreadsheets from taking it for a number."""


def _cut_arrow(
    content: Content, _settings: FileSettings, *, form: str, read: Callable[[pa.BufferReader], pa.Table]
) -> Grid:
    try:
        table = read(pa.BufferReader(content.data))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ForecastError(
            f"{content.name!r} cannot be read as {form} ({reason}): it is damaged, write it again"
        ) from None
    return _of_table(table, content.name, form)


def _plain(frame: pd.DataFrame, name: str) -> pa.Table:
    """Make a table of a data frame; columns of more than one type become texts."""
    _refuse_twice([str(column) for column in frame.columns], name)
    frame = frame.convert_dtypes()
    for column in frame.select_dtypes(object):
        frame[column] = frame[column].map(str, na_action="ignore").astype("string")
    frame.columns = [str(column) for column in frame.columns]
    return pa.Table.from_pandas(frame, preserve_index=False)


def _of_table(table: pa.Table, name: str, form: str) -> Grid:
    """Keep the columns of a table that hold texts, numbers or times; lines are its rows, counted from 1.

    Raises
    ------
    ForecastError
        It has no rows, or two columns of one name.

    """
    if table.num_rows == 0:
        raise ForecastError(f"{name!r} holds no rows: expected a table with a time and a value")
    _refuse_twice(table.column_names, name)
    columns = {column: _simple(table.column(column).combine_chunks()) for column in table.column_names}
    kept = {column: cells for column, cells in columns.items() if cells is not None}
    index = [column for column in kept if column.startswith("__index_level_")]
    names = [*index, *(column for column in kept if column not in index)]
    return Grid(
        names=tuple("index" if column in index[:1] else column for column in names),
        columns=tuple(kept[column] for column in names),
        lines=np.arange(1, table.num_rows + 1, dtype=np.int64),
        found=(("format", form),),
    )


def _refuse_twice(names: Sequence[str], file: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ForecastError(f"{file!r} has two columns {twice[0]!r}: give one another name")


def _simple(cells: pa.Array | pa.ChunkedArray) -> pa.Array | None:
    """Texts and booleans as texts, numbers and times as they are; None: lists, structures and the like."""
    if isinstance(cells, pa.ChunkedArray):
        cells = pa.concat_arrays(cells.chunks)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if getattr(cells.type, "extension_name", "") == "pandas.period":
        cells = pa.array(cells.to_pandas().dt.to_timestamp())
    if pa.types.is_boolean(cells.type):
        cells = pc.cast(cells, pa.string())
    kind = cells.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.utf8_trim_whitespace(pc.fill_null(pc.cast(cells, pa.string()), ""))
    simple = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_timestamp, pa.types.is_date)
    return cells if any(test(kind) for test in simple) else None


def _cut_workbook(content: Content, settings: FileSettings) -> Grid:
    """Cut the sheet that `data.sheet` names, or the only one that holds anything."""
    calamine = _extra("python_calamine", "workbooks (Excel, LibreOffice)", "excel")
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content.data))
        names: list[str] = [name for name in book.sheet_names if name == settings.sheet] or book.sheet_names
        rows = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in names}
    except (calamine.CalamineError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ForecastError(
            f"{content.name!r} cannot be read as a workbook ({reason}): save it again, or save the table as CSV"
        ) from None
    filled = [name for name, cells in rows.items() if any(cell != "" for row in cells for cell in row)]
    sheet = _one_of(filled, settings.sheet, content.name, "sheet")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_written(rows[sheet]))
    given = settings.model_copy(update={"delimiter": "comma", "quote": None})
    grid = observations(cut_text(text.getvalue().encode(), given, content.name))
    facts = tuple(pair for pair in grid.found if pair[0] != "delimiter")
    return replace(grid, found=(("format", f"workbook, sheet {sheet!r}"), *facts))


def _written(rows: Sequence[Sequence[Any]]) -> list[tuple[str, ...]]:
    """Write the cells of a sheet as texts; times of a column without any time of day as dates."""
    columns = []
    for column in zip(*rows, strict=True):
        moments = [cell for cell in column if isinstance(cell, datetime)]
        date_only = all(moment.time() == time() for moment in moments)
        columns.append([_text(cell, date_only=date_only) for cell in column])
    return list(zip(*columns, strict=True))


def _text(cell: Any, *, date_only: bool) -> str:
    if isinstance(cell, date):
        if date_only:
            return f"{cell:%Y-%m-%d}"
        return str(cell) if isinstance(cell, datetime) else f"{cell:%Y-%m-%d} 00:00:00"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return " ".join(str(cell).splitlines())


def _cut_database(content: Content, settings: FileSettings) -> Grid:
    """Cut the result of `data.query`, or its table, or the only table; the file is opened for reading alone."""
    ask = _query_sqlite if content.kind == "sqlite" else _query_duckdb
    names = ask(content.name, _TABLES[content.kind]).column(0).to_pylist()
    query = settings.query
    if query is None or query in names or re.fullmatch(r"\w+", query):  # one word is no query
        table = _one_of(names, query, content.name, "query").replace('"', '""')
        query = f'select * from "{table}"'  # noqa: S608 - a name that the database told, quoted
    return _of_table(
        ask(content.name, query), content.name, f"{'SQLite' if content.kind == 'sqlite' else 'DuckDB'} table"
    )


_TABLES = {
    "sqlite": "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%' order by 1",
    "duckdb": "select table_name from information_schema.tables where table_schema = 'main' order by 1",
}


def _query_sqlite(path: str, query: str) -> pa.Table:
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)  # a run's query touches nothing but its database
            cursor = connection.execute(query)
            if cursor.description is None:
                raise ForecastError(f"`data.query` {query!r} asks for no rows: it should be a `select`")
            frame = pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description])
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise ForecastError(_refused(path, query, error)) from None
    return _plain(frame, path)


def _query_duckdb(path: str, query: str) -> pa.Table:
    duckdb = _extra("duckdb", "DuckDB databases", "duckdb")
    # A run folder holds its query and may come from a stranger.
    closed = {"enable_external_access": "false"}
    try:
        with duckdb.connect(path, read_only=True, config=closed) as connection:
            result = connection.sql(query)
            if result is None:
                raise ForecastError(f"`data.query` {query!r} asks for no rows: it should be a `select`")
            return result.to_arrow_table()
    except duckdb.Error as error:
        raise ForecastError(_refused(path, query, error)) from None


def _refused(path: str, query: str, error: Exception) -> str:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return f"the database {path!r} refuses {query!r} ({reason}): correct `data.query`"


def _one_of(names: Sequence[str], wanted: str | None, file: str, setting: str) -> str:
    """Return the wanted sheet or table, or the only one.

    Raises
    ------
    ForecastError
        There is no such one, or none is named and there are several.

    """
    what = "sheet" if setting == "sheet" else "table"
    shown = quote_some(names) if names else "none"
    if wanted is not None and wanted not in names:
        raise ForecastError(f"`data.{setting}` {wanted!r} is no {what} of {file!r}, which has {shown}: name another")
    if wanted is None and len(names) != 1:
        remedy = f"set `data.{setting}={names[0]}` or another" if names else "name another file"
        raise ForecastError(f"{file!r} has {len(names)} {what}s with cells in them ({shown}): {remedy}")
    return names[0] if wanted is None else wanted


def _extra(module: str, what: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise ForecastError(
            f"{what} are read by {module}, which is not installed: pip install 'recurrent-forecast[{extra}]'"
        ) from None


_CUT: dict[str, Callable[[Content, FileSettings], Grid]] = {
    "text": _cut_written,
    "parquet": partial(_cut_arrow, form="Parquet", read=parquet.read_table),
    "feather": partial(_cut_arrow, form="Feather", read=feather.read_table),
    "workbook": _cut_workbook,
    "sqlite": _cut_database,
    "duckdb": _cut_database,
}
