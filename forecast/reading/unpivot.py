"""A wide table (`wide`) turned into a long one: a row a value, with its id, its time and what else its row says."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import are_missing
from forecast.reading.columns import listed
from forecast.reading.grid import line_list
from forecast.reading.ids import join_ids
from forecast.reading.time_columns import TimeChoice, choose_time, fields_choice
from forecast.reading.times import form_of
from forecast.reading.vocabulary import TOTALS, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from forecast.reading.grid import Grid
    from forecast.reading.settings import FileSettings
    from forecast.reading.wide import Wide
    from forecast.series.panel import BoolArray, TimeArray


VALUE, TIME = "value", "time"


def sampled(grid: Grid, name: str) -> list[str]:
    """Sample the filled cells of a column of texts or integers."""
    return [] if pa.types.is_floating(grid.kind(name)) else grid.filled(name)


def is_total(cell: str) -> bool:
    """Whether a cell that should be a part of the time says that its row sums up the others."""
    return plain(cell) in TOTALS


def filled_rows(grid: Grid, steps: Sequence[str], settings: FileSettings) -> BoolArray:
    """Whether a row has any value, (row,); all have where none has."""
    filled = _are_filled(by_row(grid, steps, as_texts=bool(settings.symbols)), settings.missing)
    rows: BoolArray = np.any(filled.reshape(len(grid), len(steps)), axis=1)
    return rows if rows.any() else np.ones(len(grid), dtype=np.bool_)


def _are_filled(cells: pa.Array, missing: Sequence[str]) -> BoolArray:
    """Whether cells hold anything, (row,)."""
    if not pa.types.is_string(cells.type):
        return ~np.asarray(pc.is_null(cells, nan_is_null=True).to_numpy(zero_copy_only=False))
    return ~are_missing(cells, missing)


def by_row(grid: Grid, names: Sequence[str], *, as_texts: bool = False) -> pa.Array:
    """Cells of some columns, row after row, (row * step,): as they are if all are texts, else as numbers."""
    columns = [grid.texts(name) if as_texts else grid.column(name) for name in names]
    if not as_texts and not all(pa.types.is_string(cells.type) for cells in columns):
        columns = [pc.cast(cells, pa.float64(), safe=False) for cells in columns]
    order = np.arange(len(names) * len(grid)).reshape(len(names), len(grid)).T.ravel()  # (step, row) -> (row, step)
    return pa.concat_arrays(columns).take(pa.array(order))


def long_of(
    grid: Grid, wide: Wide, settings: FileSettings, static: Sequence[str]
) -> tuple[Grid, str | None, TimeChoice]:
    """Turn a wide table into a long one, a row a value; also the name of its id column, and its time.

    Its columns are the id, the parts of the time, those of `static`, and the value. Cells that are empty at the end of
    a row are left out, and rows without any value, which a note names.

    Raises
    ------
    ForecastError
        Two rows have the same id.

    """
    kept = filled_rows(grid, wide.steps, settings)
    notes = _left_out(grid, wide, static, ~kept)
    grid = grid.keep(kept)
    totals = _totals(grid, wide)
    if totals.any():
        notes.append(f"rows of totals left out, {line_list(grid.lines[totals])}")
        grid = grid.keep(~totals)
    cells = by_row(grid, wide.steps, as_texts=bool(settings.symbols))
    filled = _are_filled(cells, settings.missing).reshape(len(grid), len(wide.steps))
    rows, steps = np.divmod(np.flatnonzero(_before_padding(filled).ravel()), len(wide.steps))  # (value,)
    long: dict[str, pa.Array] = {}
    identity = " + ".join(wide.ids) or None
    if identity:
        ids = join_ids(grid, wide.ids)
        if wide.layout == "rows":
            _refuse_twice(ids, grid)
        long[identity] = ids.take(pa.array(rows))
    long |= {name: grid.column(name).take(pa.array(rows)) for name in (*wide.rows.values(), *static)}
    name = {"clock": "hour"}.get(wide.part, TIME if wide.part in {"times", "year"} and not wide.rows else wide.part)
    part = _free(name, long)
    if wide.part != "numbers":
        long[part] = pa.array(wide.texts, pa.string()).take(pa.array(steps))
    value = _free(VALUE, long)
    long[value] = cells.take(pa.array(rows * len(wide.steps) + steps))
    words = "one row a series" if wide.layout == "rows" else f"{wide.part} in the header"
    result = replace(
        grid,
        names=tuple(long),
        columns=tuple(long.values()),
        lines=grid.lines[rows],
        found=(*grid.found, ("layout", words)),
        notes=(*grid.notes, *notes),
    )
    if wide.layout == "pivot":
        return result, identity, _pivot_time(result, wide, part)
    named = (part,) if part in long else ()
    return result, identity, choose_time(result, settings, named, [name for name in long if name != part])


def _totals(grid: Grid, wide: Wide) -> BoolArray:
    """Whether a row sums up the others, (row,), by its parts of the time."""
    totals = np.zeros(len(grid), dtype=np.bool_)
    for name in wide.rows.values():
        totals |= np.array([is_total(cell) for cell in grid.texts(name).to_pylist()], dtype=np.bool_)
    return totals


def _pivot_time(grid: Grid, wide: Wide, part: str) -> TimeChoice:
    if "date" in wide.rows:
        form, _ = form_of(sampled(grid, wide.rows["date"]))
        return TimeChoice("date and clock", (wide.rows["date"], part), ("date", "time"), form)
    return fields_choice({**wide.rows, wide.part: part})


def _free(name: str, taken: Iterable[str]) -> str:
    """Return a name that no other column has."""
    return name if name not in taken else _free(f"{name} of the table", taken)


def _before_padding(filled: BoolArray) -> BoolArray:
    """Whether a cell is not padding at the end of its row, (row, step); the first one of a row never is."""
    steps = filled.shape[1]
    # The last filled cell of a row, counted from its end.
    lengths = np.where(filled.any(axis=1), steps - np.argmax(filled[:, ::-1], axis=1), 1)
    kept: BoolArray = np.arange(steps) < lengths[:, None]
    return kept


def _left_out(grid: Grid, wide: Wide, static: Sequence[str], empty: BoolArray) -> list[str]:
    """Sentences on how the table is read and on the rows and columns of it that are not."""
    notes = []
    if wide.layout == "pivot":
        rest = " + ".join(wide.rows.values())
        name = "time of day" if wide.part == "clock" else wide.part
        series = "one series" if not wide.ids else f"a series for each {' + '.join(wide.ids)}"
        notes.append(
            f"The time of a value is {rest!r} of its row with the {name} in the header: the table is read "
            f"as {series} (`data.layout=rows` reads each row as one)"
        )
    used = {*wide.steps, *wide.ids, *wide.rows.values(), *static}
    out = [name for name in grid.names if name not in used]
    if out:
        names = ",".join(name for name in out[:5] if not re.search(r"[,\[\]{}'\"]", name))
        notes.append(
            f"columns beside the values left out: {listed(out, 5)} (`data.static=[{names}]` lets the models read what "
            "a row says of its series)"
        )
    if empty.any():
        first = grid.keep(empty)
        text = next((cell for name in grid.names for cell in first.texts(name)[:1].to_pylist() if cell), "")
        notes.append(f"rows without any value left out, {line_list(first.lines)}: {text[:60]!r}")
    return notes


def _refuse_twice(ids: pa.Array, grid: Grid) -> None:
    """Refuse two rows with the same id."""
    texts = ids.to_pylist()
    twice = [text for text, count in Counter(texts).items() if count > 1]
    if twice:
        first, second = (int(line) for line in grid.lines[[i for i, text in enumerate(texts) if text == twice[0]][:2]])
        raise ForecastError(
            f"lines {first} and {second} are both called {twice[0]!r}, and each row should be a series of its own: "
            "rename one, name the columns that tell them apart in `data.id`, or set `data.layout=long`"
        )


def spread(bad: BoolArray, ids: pa.Array) -> BoolArray:
    """Mark all values of a series with a bad one, (row,): dropping that one alone would shift the later ones a step."""
    codes = np.asarray(pc.dictionary_encode(ids).indices, dtype=np.int64)
    marked: BoolArray = np.isin(codes, np.unique(codes[bad]))
    return marked


def in_time(grid: Grid, times: TimeArray, good: BoolArray) -> Grid:
    """Return the rows of a pivot table in the order of time, without empty cells of days that do not exist."""
    columns = [grid.column(name) for name in grid.names]
    empty = ~_are_filled(columns[-1], ())
    order = np.argsort(times, kind="stable")
    kept = order[(good | ~empty)[order]]
    return replace(grid, columns=tuple(cells.take(pa.array(kept)) for cells in columns), lines=grid.lines[kept])
