"""From a CSV or Parquet file to the series as they stand in it (`RawTable`).

`read_columns` is the order of the steps: open, decode, cut into cells, choose columns, read times and values. Rows that
do not parse are an error that names their lines; they are left out only where `data.on_bad_rows=drop`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import MISSING
from forecast.reading.columns import (
    check_one_role,
    choose_symbols,
    choose_target,
    id_by_content,
    match_covariates,
    match_name,
    usual_id,
)
from forecast.reading.files import decode, open_content
from forecast.reading.grid import count_rows, cut_parquet, cut_text, line_list
from forecast.reading.layout import TIME, VALUE, column_series, find_layout, long_of_rows, spread
from forecast.reading.raw_table import RawSeries, RawTable, check_living, in_order_of_ids
from forecast.reading.time_columns import choose_time, read_row_times
from forecast.reading.values import notation_words, read_covariates, read_targets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from forecast.reading.files import Content
    from forecast.reading.grid import Grid
    from forecast.reading.layout import Layout
    from forecast.reading.settings import FileSettings, Names
    from forecast.reading.time_columns import RowTimes, TimeChoice
    from forecast.reading.values import Covariates, Target
    from forecast.series.panel import BoolArray, IntArray, Role


_SHOWN = 3


def read_columns(path: str | Path, settings: FileSettings, symbols: tuple[str, ...] = ()) -> RawTable:
    """Read a CSV or Parquet file; what `settings` do not say is found out.

    `symbols` is the alphabet in which symbols are read; empty: their own.

    Raises
    ------
    ForecastError
        The file cannot be opened or is no table, a column is missing or has to be named, rows do not parse.

    """
    file = str(path)
    content = open_content(file, settings.compression)
    grid = _cut(content, settings, file)
    chosen = _choose(grid, settings, file)
    grid, targets = chosen.grid, chosen.targets
    times = read_row_times(grid, chosen.time, settings)
    identity = chosen.identity
    if chosen.layout == "long" and identity is None and times.times is not None and times.good.all():
        identity = id_by_content(grid, times.times, [*targets, *chosen.covariates, *chosen.time.columns])
    told = read_targets(grid, targets, settings, file, symbols)
    columns: Sequence[Target] = told.columns
    beside = read_covariates(grid, chosen.covariates, settings, file)
    dropped = settle(_bad_rows(grid, times, identity, [*columns, *beside.numbers]), settings.on_bad_rows, file)
    if chosen.layout == "rows" and identity and times.times is None:
        columns = [replace(column, bad=spread(column.bad, grid.column(identity))) for column in columns]
    series = _series(grid, times, identity, columns, beside)
    if not any(len(one.values) for one in series):
        raise ForecastError(f"{file!r} has no row that can be read: say `data.time_format` or `data.decimal`")
    found = dict(grid.found) | notation_words(columns) | {"time": times.found}
    if identity:
        found["id"] = f"{identity} ({len(series) // len(columns)} series)"
    found["target"] = chosen.words
    if beside.channels:
        found["covariates"] = beside.words
    doubts = tuple(note for column in columns for note in column.notes)
    constant = check_living(series, file, told.symbols) if settings.target_at == "every" else ()
    notes = (*grid.notes, *chosen.notes, *times.notes, *doubts, *dropped, *constant)
    return RawTable(series, times.style, found, notes, content.fingerprint, beside.channels, told.symbols, told.unknown)


@dataclass(frozen=True)
class _Chosen:
    """The meaning of the columns: `words` say which are forecast."""

    layout: Layout
    grid: Grid
    identity: str | None
    time: TimeChoice
    targets: tuple[str, ...]
    words: str
    notes: tuple[str, ...] = ()
    covariates: dict[str, Role] = field(default_factory=dict)


def _choose(grid: Grid, settings: FileSettings, file: str) -> _Chosen:
    layout = find_layout(grid, settings)
    beside = match_covariates(grid, settings, layout)
    if layout == "rows":
        grid, identity = long_of_rows(grid, settings)
        time = choose_time(grid, settings, (TIME,) if TIME in grid.names else (), (identity, VALUE))
        return _Chosen(layout, grid, identity, time, (VALUE,), "each row after its id")
    said = _matched(grid, settings.target, "data.target")
    check_one_role(said, beside, "data.target")
    if layout == "columns":
        time = choose_time(grid, settings, _said_time(grid, settings), [*said, *beside])
        targets, notes = (said, ()) if said else column_series(grid, [*time.columns, *beside], settings)
        return _Chosen(layout, grid, None, time, targets, f"{_listed(targets)} (each a series)", notes, beside)
    named = match_name(grid.names, settings.id, "data.id") if settings.id else usual_id(grid)
    taken = [*said, *beside, *([named] if named else [])]
    time = choose_time(grid, settings, _said_time(grid, settings), taken)
    if said:
        return _Chosen(layout, grid, named, time, said, _listed(said), (), beside)
    choose = choose_symbols if settings.symbols else choose_target
    target, why = choose(grid, [*taken, *time.columns], file)
    return _Chosen(layout, grid, named, time, (target,), f"{target} ({why})", (), beside)


def _matched(grid: Grid, said: Names | None, setting: str) -> tuple[str, ...]:
    if said is None:
        return ()
    names = (said,) if isinstance(said, str) else said
    return tuple(dict.fromkeys(match_name(grid.names, name, setting) for name in names))


def _said_time(grid: Grid, settings: FileSettings) -> tuple[str, ...] | None:
    """Columns of `data.time`: () for "none", unless a column has that name; None: not said."""
    if settings.time == "none" and "none" not in grid.names:
        return ()
    return _matched(grid, settings.time, "data.time") or None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:3])} and {len(names) - 3} more columns"


def _cut(content: Content, settings: FileSettings, file: str) -> Grid:
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


def _series(
    grid: Grid, times: RowTimes, identity: str | None, columns: Sequence[Target], beside: Covariates
) -> tuple[RawSeries, ...]:
    """Cut rows into series, in the order of their ids; bad rows are left out."""
    result = []
    for column in columns:
        good = times.good & ~column.bad & ~beside.bad
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
                    covariates=beside.values[rows] if beside.channels else None,
                )
            )
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
    rows = dict(zip(coded.dictionary.to_pylist(), np.split(kept[order], ends), strict=True))
    return [(name, rows[name]) for name in in_order_of_ids(rows)]


def _nameless(cells: pa.Array) -> BoolArray:
    if not pa.types.is_string(cells.type):
        return np.asarray(pc.is_null(cells).to_numpy(zero_copy_only=False))
    return np.asarray(pc.is_in(pc.utf8_lower(cells), pa.array(sorted(MISSING))).to_numpy(zero_copy_only=False))


@dataclass(frozen=True, eq=False)
class BadRows:
    """Rows with one fault in common: their lines, and the first of them in words."""

    lines: IntArray
    words: tuple[str, ...]


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


def bad_cells(lines: IntArray, cells: pa.Array, name: str, what: str) -> BadRows:
    """Describe cells that are not `what` ("a time"); an empty one is said to be missing."""
    texts = [str(cell) if cell is not None else "" for cell in cells.slice(0, _SHOWN).to_pylist()]
    words = [f"{text[:40]!r} in {name!r} is not {what}" if text else f"{name!r} is empty" for text in texts]
    return BadRows(lines, tuple(words))


def ragged_rows(ragged: Sequence[tuple[int, str]]) -> BadRows:
    """Describe rows with too many cells."""
    lines = np.array([line for line, _ in ragged], dtype=np.int64)
    return BadRows(lines, tuple(why for _, why in ragged[:_SHOWN]))


def settle(bad: Sequence[BadRows], on_bad_rows: str, file: str) -> tuple[str, ...]:
    """Raise, or return the notes that name the rows to be left out.

    Raises
    ------
    ForecastError
        There are bad rows, and nobody said to drop them.

    """
    bad = [rows for rows in bad if len(rows.lines)]
    if not bad:
        return ()
    if on_bad_rows == "drop":
        return tuple(f"{_count(rows)} left out, {line_list(rows.lines)}: {rows.words[0]}" for rows in bad)
    firsts = sorted((int(line), word) for rows in bad for line, word in zip(rows.lines, rows.words, strict=False))
    shown = "; ".join(f"line {line}: {word}" for line, word in firsts[:_SHOWN])
    lines = np.unique(np.concatenate([rows.lines for rows in bad]))
    more = f"; in all {line_list(lines)}" if len(lines) > min(len(firsts), _SHOWN) else ""
    raise ForecastError(
        f"{file!r} has {count_rows(len(lines))} that cannot be read: {shown}{more}; mend "
        f"{'it' if len(lines) == 1 else 'them'}, or leave {'it' if len(lines) == 1 else 'them'} out "
        f"with `data.on_bad_rows=drop`"
    )


def _count(rows: BadRows) -> str:
    return count_rows(len(rows.lines))
