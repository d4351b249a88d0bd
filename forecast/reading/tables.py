"""From the files of a table to the series as they stand in them (`RawTable`).

`read_table` is the order of the steps: open, cut into cells, choose columns, read times and values. Rows that
do not parse are an error that names their lines; they are left out only where `data.on_bad_rows=drop`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.columns import (
    check_layout,
    check_one_role,
    choose_symbols,
    choose_target,
    column_series,
    match_covariates,
    match_name,
    match_names,
)
from forecast.reading.formats import cut, join
from forecast.reading.grid import line_list
from forecast.reading.ids import are_nameless, ids_by_content, usual_id, with_ids
from forecast.reading.opening import find_files, open_content
from forecast.reading.raw_table import PackedSeries, RawTable, check_constant, in_order_of_ids
from forecast.reading.row_times import read_row_times
from forecast.reading.time_columns import choose_time
from forecast.reading.times import BEYOND, is_beyond
from forecast.reading.unpivot import in_time, long_of, spread
from forecast.reading.unused import unused_note
from forecast.reading.values import (
    beside_notes,
    covariate_words,
    notation_words,
    read_covariates,
    read_targets,
    stand_in_notes,
)
from forecast.reading.wide import find_wide
from forecast.series.panel import TableForm
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.grid import Grid
    from forecast.reading.raw_table import RawSeries
    from forecast.reading.row_times import RowTimes
    from forecast.reading.settings import FileSettings, Layout
    from forecast.reading.time_columns import TimeChoice
    from forecast.reading.values import ColumnValues, Covariates
    from forecast.reading.wide import Wide
    from forecast.series.panel import BoolArray, IntArray, Role


_SHOWN = 3  # bad rows that an error quotes


def read_table(path: str | Path | Sequence[str], settings: FileSettings, symbols: tuple[str, ...] = ()) -> RawTable:
    """Read the files of a table; what `settings` leave open is detected.

    `symbols` is the alphabet of a training, whose indices are the codes of symbols; empty: that of the file.

    Raises
    ------
    ForecastError
        The file cannot be opened or is no table, a column is missing or has to be named, rows do not parse.

    """
    path = str(path) if isinstance(path, Path) else path
    file = {"-": "standard input"}.get(path, path) if isinstance(path, str) else f"{path[0]} and others"
    grid, fingerprint = open_grid(path, settings)
    roles = _choose_columns(grid, settings, file)
    times = read_row_times(roles.grid, roles.time, settings)
    roles = _with_ids_by_content(roles, times)
    grid, identity = roles.grid, roles.identity
    targets = read_targets(grid, roles.targets, settings, file, symbols)
    covariates = read_covariates(grid, roles.covariates, settings, file)
    columns: Sequence[ColumnValues] = targets.columns
    bad = _bad_rows(grid, times, identity, [*columns, *covariates.numbers])
    dropped = _refuse_or_report(bad, settings.on_bad_rows, file)
    if roles.layout == "rows" and identity and times.times is None:
        columns = [replace(column, bad=spread(column.bad, grid.column(identity))) for column in columns]
    series = _series(grid, times, identity, columns, covariates)
    if not any(len(raw.values) for raw in series):
        raise ForecastError(f"{file!r} has no row that can be read: set `data.time_format` or `data.decimal`")
    unused = ""
    if roles.layout == "long":
        used = [*roles.chosen, *roles.ids, str(identity), grid.file_column]
        unused = unused_note(grid, used, identity, series)
    read = [*columns, *covariates.numbers]
    doubts = (*(note for column in columns for note in column.notes), *beside_notes(read))
    doubts += () if targets.symbols else stand_in_notes(read, grid.lines)
    constant = check_constant(series, file, targets.symbols) if settings.target_at == "every" else ()
    return RawTable(
        series,
        times.style,
        _facts(roles, times, columns, covariates, len(series)),
        notes=(*grid.notes, *roles.notes, *times.notes, *doubts, *dropped, *constant),
        fingerprint=fingerprint,
        channels=covariates.channels,
        symbols=targets.symbols,
        unknown=targets.unknown,
        unused=unused,
        form=_form(roles, columns[0].notation.decimal),
    )


def open_grid(path: str | Sequence[str], settings: FileSettings) -> tuple[Grid, str]:
    """Cut all files into cells; returns them, and the fingerprint of the files."""
    files = find_files(path)
    grids, fingerprints = [], []
    for file in files:
        content = open_content(file, settings.compression, settings.max_mb)
        grids.append(cut(content, settings))
        fingerprints.append(content.fingerprint)
    if len(files) == 1:
        return grids[0], fingerprints[0]
    return join(grids, files), hashlib.sha256("".join(fingerprints).encode()).hexdigest()


@dataclass(frozen=True)
class _Roles:
    """What each column is; `words` name the targets for the report, `grid` is long where each row was a series."""

    layout: Layout
    grid: Grid
    identity: str | None
    ids: tuple[str, ...]
    time: TimeChoice
    targets: tuple[str, ...]
    words: str
    notes: tuple[str, ...] = ()
    covariates: dict[str, Role] = field(default_factory=dict)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The columns of targets, covariates and time."""
        return (*self.targets, *self.covariates, *self.time.columns)


def _choose_columns(grid: Grid, settings: FileSettings, file: str) -> _Roles:
    """Choose the layout, then id, time and targets: by the settings, else by content."""
    check_layout(settings)
    if wide := find_wide(grid, settings):
        return _wide_columns(grid, wide, settings)
    layout: Layout = settings.layout or "long"
    covariates = match_covariates(grid, settings, layout)
    targets = match_names(grid.names, settings.target, "data.target")
    check_one_role(targets, covariates, "data.target")
    if layout == "columns":
        time = choose_time(grid, settings, _named_time(grid, settings), [*targets, *covariates])
        left_out: tuple[str, ...] = ()
        if not targets:
            targets, left_out = column_series(grid, [*time.columns, *covariates], settings)
        return _Roles(
            layout, grid, None, (), time, targets, f"{_listed(targets)} (each a series)", left_out, covariates
        )
    named = match_names(grid.names, settings.id, "data.id")
    ids = named or tuple(filter(None, [usual_id(grid)]))
    taken = [*targets, *covariates, *ids, *filter(None, [grid.file_column])]
    time = choose_time(grid, settings, _named_time(grid, settings), taken)
    for name in time.columns:
        if settings.time is None and name in grid.twins:
            match_name(grid.names, grid.twins[name], "data.time")  # asks which of them
    if targets:
        words = _listed(targets)
    else:
        choose = choose_symbols if settings.symbols else choose_target
        target, why = choose(grid, [*taken, *time.columns], file)
        targets, words = (target,), f"{target} ({why})"
    grid, identity = with_ids(grid, ids)
    return _Roles(layout, grid, identity, ids, time, targets, words, (), covariates)


def _with_ids_by_content(roles: _Roles, times: RowTimes) -> _Roles:
    """Find the columns of ids where none is known, by the rows that have the same time."""
    if roles.layout != "long" or roles.identity is not None:
        return roles
    if times.times is None:  # rows are steps: each file begins anew
        return replace(roles, identity=roles.grid.file_column or None)
    if not times.good.all():
        return roles
    ids = ids_by_content(roles.grid, times.times, roles.chosen)
    grid, identity = with_ids(roles.grid, ids)
    return replace(roles, grid=grid, identity=identity, ids=ids)


def _wide_columns(grid: Grid, wide: Wide, settings: FileSettings) -> _Roles:
    """Turn a wide table into a long one, whose columns are known."""
    covariates = match_covariates(grid, settings, wide.layout)
    check_one_role((*wide.steps, *wide.ids, *wide.rows.values()), covariates, f"data.layout={wide.layout}")
    grid, identity, time = long_of(grid, wide, settings, list(covariates))
    if wide.layout == "pivot":
        times = read_row_times(grid, time, settings)
        if times.times is not None:
            grid = in_time(grid, times.times, times.good)
    words = "each row after its id" if wide.layout == "rows" else "the cells of the table"
    return _Roles(wide.layout, grid, identity, wide.ids, time, grid.names[-1:], words, (), covariates)


def _named_time(grid: Grid, settings: FileSettings) -> tuple[str, ...] | None:
    """Columns of `data.time`: () for "none", unless a column has that name; None: not set."""
    if settings.time == "none" and "none" not in grid.names:
        return ()
    return match_names(grid.names, settings.time, "data.time") or None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:3])} and {len(names) - 3} more columns"


def _facts(
    roles: _Roles, times: RowTimes, columns: Sequence[ColumnValues], covariates: Covariates, count: int
) -> dict[str, str]:
    """Say what was found, for the report; there are `count` series of all target `columns`."""
    facts = dict(roles.grid.found) | notation_words(columns) | {"time": times.found}
    if roles.identity:
        facts["id"] = f"{roles.identity} ({count // len(columns)} series)"
    facts["target"] = roles.words
    return facts | ({"covariates": covariate_words(covariates.channels)} if covariates.channels else {})


def _form(roles: _Roles, decimal: str) -> TableForm:
    """Say how the file is written, for files that are written like it."""
    return TableForm(
        delimiter=roles.grid.delimiter,
        decimal=decimal,
        encoding=roles.grid.encoding,
        time=" ".join(roles.time.columns) or TableForm.time,
        identity=roles.identity or TableForm.identity,
    )


def _series(
    grid: Grid, times: RowTimes, identity: str | None, columns: Sequence[ColumnValues], covariates: Covariates
) -> Sequence[RawSeries]:
    """Cut rows into series, in the order of their ids; bad rows are left out."""
    packed: list[PackedSeries] = []
    before: BoolArray | None = None
    for column in columns:
        good = times.good & ~column.bad & ~covariates.bad
        if identity:
            good &= ~_nameless(grid, identity)
        if before is None or not np.array_equal(good, before):
            names, rows, offsets = _groups(grid, identity, good)
            kept_times = None if times.times is None else times.times[rows]
            kept_lines = grid.lines[rows]
            before = good
        full = tuple(f"{name}/{column.name}" for name in names) if len(columns) > 1 else tuple(names)
        packed.append(
            PackedSeries(
                ids=full if identity else (column.name,),
                offsets=offsets,
                times=kept_times,
                values=column.values[rows],
                lines=kept_lines,
                covariates=covariates.values[rows] if covariates.channels else None,
            )
        )
    return packed[0] if len(packed) == 1 else tuple(series for several in packed for series in several)


def _groups(grid: Grid, identity: str | None, good: BoolArray) -> tuple[list[str], IntArray | slice, IntArray]:
    """Ids in their order, the rows of their series one after the other, and the offsets, (series + 1,), among these.

    All rows are those of one series where there is no id. A slice takes rows as they are, without a copy.
    """
    count = int(good.sum())
    if identity is None or not count:
        every = slice(None) if count == len(good) else np.flatnonzero(good)
        return [""], every, np.array([0, count], dtype=np.int64)
    coded = grid.coded(identity)
    indices = coded.indices.fill_null(0) if coded.null_count else coded.indices  # rows of null are not good
    codes = indices.to_numpy()[good] if count < len(good) else indices.to_numpy()
    counts = np.bincount(codes, minlength=len(coded.dictionary))
    present = np.flatnonzero(counts)
    places = dict(zip(coded.dictionary.take(present).to_pylist(), present.tolist(), strict=True))
    names = in_order_of_ids(places)
    order = [places[name] for name in names]
    # The place of each id in their order; sorted stably by it, each series is a run of rows in the file's order.
    rank = np.zeros(len(counts), dtype=np.int32)
    rank[order] = np.arange(len(names))
    ranks = rank[codes]
    offsets = np.concatenate([[0], np.cumsum(counts[order])]).astype(np.int64)
    if count == len(good) and (ranks[1:] >= ranks[:-1]).all():
        return names, slice(None), offsets
    return names, np.flatnonzero(good)[np.argsort(ranks, kind="stable")], offsets


def _nameless(grid: Grid, name: str) -> BoolArray:
    """Whether the id of each row is missing, (row,)."""
    if not pa.types.is_string(grid.kind(name)):
        return np.asarray(pc.is_null(grid.column(name)).to_numpy(zero_copy_only=False))
    coded = grid.coded(name)
    missing = are_nameless(coded.dictionary)
    return missing[coded.indices.to_numpy()] if missing.any() else grid.none_bad


@dataclass(frozen=True, eq=False)
class _BadRows:
    """Rows with the same fault: their lines, and the first of them in words."""

    lines: IntArray
    words: tuple[str, ...]


def _bad_rows(grid: Grid, times: RowTimes, identity: str | None, columns: Sequence[ColumnValues]) -> list[_BadRows]:
    """Collect rows that do not parse, one entry per fault."""
    ragged = np.array([line for line, _ in grid.ragged], dtype=np.int64)
    bad = [_BadRows(ragged, tuple(why for _, why in grid.ragged[:_SHOWN]))]
    if times.style.columns and not times.good.all():
        wrong = ~times.good
        name = " + ".join(times.style.columns)
        what = "a step number" if times.style.format == "index" else "a time"
        bad.append(_bad_cells(grid.lines[wrong], _shown(grid, times.style.columns, wrong), name, what))
    if identity:
        nameless = _nameless(grid, identity)
        if nameless.any():
            cells = grid.column(identity).filter(pa.array(nameless))
            bad.append(_bad_cells(grid.lines[nameless], cells, identity, "an id"))
    for column in columns:
        wrong = column.bad & times.good
        if wrong.any():
            cells = grid.column(column.name).filter(pa.array(wrong))
            bad.append(_bad_cells(grid.lines[wrong], cells, column.name, "a number"))
    return bad


def _shown(grid: Grid, names: Sequence[str], rows: BoolArray) -> pa.Array:
    parts = [pc.fill_null(pc.cast(grid.column(name).filter(pa.array(rows)), pa.string()), "") for name in names]
    return pc.binary_join_element_wise(*parts, " ") if len(parts) > 1 else parts[0]


def _bad_cells(lines: IntArray, cells: pa.Array, name: str, what: str) -> _BadRows:
    """Describe cells that are not `what` ("a time"), empty cells as empty."""
    texts = [str(cell) if cell is not None else "" for cell in cells.slice(0, _SHOWN).to_pylist()]
    wrong = [BEYOND if what == "a time" and is_beyond(text) else f"is not {what}" for text in texts]
    words = [
        f"{text[:40]!r} in {name!r} {why}" if text else f"{name!r} is empty"
        for text, why in zip(texts, wrong, strict=True)
    ]
    return _BadRows(lines, tuple(words))


def _refuse_or_report(bad: Sequence[_BadRows], on_bad_rows: str, file: str) -> tuple[str, ...]:
    """Refuse bad rows, or return the notes that name those left out (`on_bad_rows` "drop").

    Raises
    ------
    ForecastError
        There are bad rows, and `on_bad_rows` is "error".

    """
    bad = [rows for rows in bad if len(rows.lines)]
    if not bad:
        return ()
    if on_bad_rows == "drop":
        return tuple(
            f"{counted(len(rows.lines), 'row')} left out, {line_list(rows.lines)}: {rows.words[0]}" for rows in bad
        )
    firsts = sorted((int(line), word) for rows in bad for line, word in zip(rows.lines, rows.words, strict=False))
    shown = "; ".join(f"line {line}: {word}" for line, word in firsts[:_SHOWN])
    lines = np.unique(np.concatenate([rows.lines for rows in bad]))
    more = f"; in all {line_list(lines)}" if len(lines) > min(len(firsts), _SHOWN) else ""
    raise ForecastError(
        f"{file!r} has {counted(len(lines), 'row')} that cannot be read: {shown}{more}; correct "
        f"{'it' if len(lines) == 1 else 'them'}, or leave {'it' if len(lines) == 1 else 'them'} out "
        f"with `data.on_bad_rows=drop`"
    )
