"""From a file to series as they stand in it: open, decode, cut, choose columns, read times and values.

Every step is a module of its own; this one is their order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.series.reading.bad_rows import bad_cells, ragged_rows, settle
from forecast.series.reading.cells import MISSING
from forecast.series.reading.columns import RawSeries, RawTable
from forecast.series.reading.encoding import decode
from forecast.series.reading.grid import cut_text
from forecast.series.reading.opening import open_content
from forecast.series.reading.parquet import cut_parquet
from forecast.series.reading.targets import choose_target, id_by_content, match_name, usual_id
from forecast.series.reading.time_columns import choose_time
from forecast.series.reading.time_reading import read_row_times
from forecast.series.reading.values import check_living, notation_words, read_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from forecast.series.panel import BoolArray
    from forecast.series.reading.bad_rows import BadRows
    from forecast.series.reading.grid import Grid
    from forecast.series.reading.opening import Content
    from forecast.series.reading.settings import CsvSettings, Names
    from forecast.series.reading.time_reading import RowTimes
    from forecast.series.reading.values import Target


def read_columns(path: str | Path, settings: CsvSettings) -> RawTable:
    """Read a CSV or Parquet file; what `settings` do not say is found out.

    Raises
    ------
    ForecastError
        The file cannot be opened or is no table, a column is missing or has to be named, rows do not parse.

    """
    file = str(path)
    content = open_content(file, settings.compression)
    grid = _cut(content, settings, file)
    said_targets = _matched(grid, settings.target, "data.target")
    identity = match_name(grid.names, settings.id, "data.id") if settings.id else usual_id(grid)
    taken = [*said_targets, *([identity] if identity else [])]
    choice = choose_time(grid, settings, _said_time(grid, settings), taken)
    why = ""
    targets = said_targets
    if not targets:
        target, why = choose_target(grid, [*taken, *choice.columns], file)
        targets = (target,)
    times = read_row_times(grid, choice, settings)
    if identity is None and times.times is not None and times.good.all():
        identity = id_by_content(grid, times.times, [*targets, *choice.columns])
    columns = [read_target(grid, name, settings, file) for name in targets]
    dropped = settle(_bad_rows(grid, times, identity, columns), settings.on_bad_rows, file)
    series = _series(grid, times, identity, columns, file)
    found = dict(grid.found) | notation_words(columns) | {"time": times.found}
    if identity:
        found["id"] = f"{identity} ({len(series) // len(columns)} series)"
    found["target"] = _listed(targets) if said_targets else f"{targets[0]} ({why})"
    doubts = tuple(note for column in columns for note in column.notes)
    notes = (*grid.notes, *times.notes, *doubts, *dropped, *check_living(series, file))
    return RawTable(series, times.style, found, notes, content.fingerprint)


def _cut(content: Content, settings: CsvSettings, file: str) -> Grid:
    packed = (("compression", content.compression),) if content.compression else ()
    if content.is_parquet:
        grid = cut_parquet(content.data, file)
        return replace(grid, found=(*packed, *grid.found))
    text, encoding = decode(content.data, settings.encoding, file)
    if not text.strip():
        raise ForecastError(f"{file!r} holds nothing but blanks: expected a table with a time and a value")
    grid = cut_text(text, settings, file)
    if not len(grid):
        raise ForecastError(
            f"{file!r} has a header ({', '.join(grid.names[:5])}) and no rows below it: expected times and values"
        )
    return replace(grid, found=(*packed, ("encoding", encoding), *grid.found))


def _matched(grid: Grid, said: Names | None, setting: str) -> tuple[str, ...]:
    if said is None:
        return ()
    names = (said,) if isinstance(said, str) else said
    return tuple(dict.fromkeys(match_name(grid.names, name, setting) for name in names))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:3])} and {len(names) - 3} more columns"


def _said_time(grid: Grid, settings: CsvSettings) -> tuple[str, ...] | None:
    """Columns of `data.time`: () for "none", unless a column has that name; None: not said."""
    if settings.time == "none" and "none" not in grid.names:
        return ()
    return _matched(grid, settings.time, "data.time") or None


def _bad_rows(grid: Grid, times: RowTimes, identity: str | None, columns: Sequence[Target]) -> list[BadRows]:
    """Rows that do not parse, by what is wrong with them."""
    bad = [ragged_rows(grid.ragged)]
    if times.style.columns:
        wrong = ~times.good
        name = " + ".join(times.style.columns)
        what = "a step number" if times.style.format == "index" else "a time"
        bad.append(bad_cells(grid.lines[wrong], _shown(grid, times.style.columns, wrong), name, what))
    if identity:
        nameless = _nameless(grid.column(identity))
        bad.append(bad_cells(grid.lines[nameless], grid.column(identity).filter(pa.array(nameless)), identity, "an id"))
    for column in columns:
        wrong = column.bad & times.good
        cells = grid.column(column.name).filter(pa.array(wrong))
        bad.append(bad_cells(grid.lines[wrong], cells, column.name, "a number"))
    return bad


def _shown(grid: Grid, names: Sequence[str], rows: BoolArray) -> pa.Array:
    parts = [pc.fill_null(pc.cast(grid.column(name).filter(pa.array(rows)), pa.string()), "") for name in names]
    return pc.binary_join_element_wise(*parts, " ") if len(parts) > 1 else parts[0]


def _nameless(cells: pa.Array) -> BoolArray:
    if not pa.types.is_string(cells.type):
        return np.asarray(pc.is_null(cells).to_numpy(zero_copy_only=False))
    return np.asarray(pc.is_in(pc.utf8_lower(cells), pa.array(sorted(MISSING))).to_numpy(zero_copy_only=False))


def _series(
    grid: Grid, times: RowTimes, identity: str | None, columns: Sequence[Target], file: str
) -> tuple[RawSeries, ...]:
    """Cut rows into series, in the order in which their ids first occur; bad rows are left out."""
    result = []
    for column in columns:
        good = times.good & ~column.bad
        if identity:
            good &= ~_nameless(grid.column(identity))
        for name, rows in _groups(grid, identity, good):
            both = f"{name}/{column.name}" if len(columns) > 1 else name
            result.append(
                RawSeries(
                    id=both if identity else column.name,
                    times=None if times.times is None else times.times[rows],
                    values=column.values[rows],
                    lines=grid.lines[rows],
                )
            )
    if not result or not any(len(one.values) for one in result):
        raise ForecastError(f"{file!r} has no row that can be read: say `data.time_format` or `data.decimal`")
    return tuple(result)


def _groups(grid: Grid, identity: str | None, good: BoolArray) -> list[tuple[str, np.ndarray]]:
    kept = np.flatnonzero(good)
    if identity is None:
        return [("", kept)]
    cells = pc.cast(grid.column(identity), pa.string()).filter(pa.array(good))
    coded = pc.dictionary_encode(cells)
    codes = coded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))[:-1]
    return list(zip(coded.dictionary.to_pylist(), np.split(kept[order], ends), strict=True))
