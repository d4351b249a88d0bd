"""How a file holds several series: below each other (long), one per column, or one per row.

One row per series is what the M competitions ship: the id first, then the values from the earliest on, shorter series
padded with empty cells, no dates. Such a table is turned into a long one, a row per value, and then read as any. It is
detected where it is unmistakable: the columns after the first are numbered (V2, V3, ... or 1, 2, ...) and hold nothing
but numbers, and the first holds texts that are all different. One column per series cannot be told from one series with
several features: `data.layout=columns` has to say so.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import MISSING, is_data, is_missing, is_number
from forecast.reading.columns import id_text, match_name, numeric_columns, plain_columns
from forecast.reading.grid import Grid, some_cells
from forecast.reading.raw_table import in_order_of_ids
from forecast.reading.times import form_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.settings import FileSettings
    from forecast.series.panel import BoolArray

Layout: TypeAlias = Literal["long", "columns", "rows"]

VALUE, TIME = "value", "time"
_FEWEST_STEPS = 8
"""Numbered columns that a file needs for its rows to be taken as series."""
_NUMBERS = 0.9
"""Share of the cells after the id that must be numbers; the others are reported as bad."""


def find_layout(grid: Grid, settings: FileSettings) -> Layout:
    """Return the layout of the settings, else "rows" where nothing else can be meant, else "long".

    Raises
    ------
    ForecastError
        Other settings contradict the layout.

    """
    named = {name: getattr(settings, name) for name in ("target", "time", "id")}
    if settings.layout is None:
        plain = named["target"] is None and named["time"] is None
        return "rows" if plain and _is_row_a_series(grid) else "long"
    for name in {"columns": ("id",), "rows": ("target", "time")}.get(settings.layout, ()):
        if named[name] is not None:
            raise ForecastError(
                f"`data.layout={settings.layout}` and `data.{name}` contradict each other: "
                + ("each column is a series, so that none holds ids" if name == "id" else "all columns hold steps")
                + f"; leave out `data.{name}`, or choose another layout"
            )
    return settings.layout


def column_series(grid: Grid, taken: Sequence[str], settings: FileSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns that are series (those of numbers, or all where they hold symbols), and a note on the others.

    Raises
    ------
    ForecastError
        No column is left.

    """
    series = plain_columns(grid, taken) if settings.symbols else numeric_columns(grid, taken)
    if not series and settings.symbols:
        raise ForecastError("`data.layout=columns`: no column is left that could hold symbols; set `data.delimiter`")
    if not series:
        raise ForecastError("`data.layout=columns`: no column holds numbers; set `data.decimal` or `data.delimiter`")
    out = [name for name in grid.names if name not in series and name not in taken]
    shown = ", ".join(map(repr, out[:5])) + (f" and {len(out) - 5} more" if len(out) > 5 else "")
    return tuple(in_order_of_ids(series)), (f"columns that hold no series left out: {shown}",) if out else ()


def long_of_rows(grid: Grid, settings: FileSettings) -> tuple[Grid, str]:
    """Turn a table of one row per series into a long one; returns it and the name of its id column.

    Its columns are the id, times if the header holds them, and `value`, without the empty cells at the end of a row.

    Raises
    ------
    ForecastError
        An id occurs twice, or there are no columns of values.

    """
    identity = match_name(grid.names, settings.id, "data.id") if settings.id else grid.names[0]
    steps = [name for name in grid.names if name != identity]
    if not steps:
        raise ForecastError("`data.layout=rows` needs values after the id, and there is one column: check the file")
    ids = id_text(grid.column(identity))
    _refuse_twice(ids, grid)
    cells = _by_row(grid, steps, as_texts=bool(settings.symbols))
    kept = _before_padding(cells, settings.missing, len(grid), len(steps))
    rows, columns = np.divmod(np.flatnonzero(kept), len(steps))  # (value,) row and step of each value
    long = {identity: ids.take(pa.array(rows)), VALUE: cells.filter(pa.array(kept))}
    if _are_times(steps):
        long = {
            identity: long[identity],
            TIME: pa.array(steps, pa.string()).take(pa.array(columns)),
            VALUE: long[VALUE],
        }
    long_grid = Grid(
        names=tuple(long),
        columns=tuple(long.values()),
        lines=grid.lines[rows],
        ragged=grid.ragged,
        found=(*grid.found, ("layout", "one row a series")),
        notes=grid.notes,
        european=grid.european,
    )
    return long_grid, identity


def spread(bad: BoolArray, ids: pa.Array) -> BoolArray:
    """Mark all values of a series with a bad one, (row,): dropping that one alone would shift the later ones a step."""
    codes = np.asarray(pc.dictionary_encode(ids).indices, dtype=np.int64)
    marked: BoolArray = np.isin(codes, np.unique(codes[bad]))
    return marked


def _is_row_a_series(grid: Grid) -> bool:
    """Whether each row is unmistakably a series: different ids, then numbered columns of numbers."""
    first, *steps = grid.names
    if len(steps) < _FEWEST_STEPS or not _are_numbered(steps):
        return False
    ids = grid.column(first)
    texts = ids.to_pylist() if pa.types.is_string(ids.type) else []
    if not texts or len(set(texts)) < len(texts) or any(is_missing(text) or is_data(text) for text in texts):
        return False
    kinds = {grid.column(name).type for name in steps}
    if not all(map(pa.types.is_string, kinds)):
        return all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
    filled = [cell for cell in some_cells(_by_row(grid, steps)) if not is_missing(cell)]
    return bool(filled) and sum(map(is_number, filled)) >= _NUMBERS * len(filled)


def _are_numbered(names: Sequence[str]) -> bool:
    """Whether names are the same letters, or none, with numbers that increase by one."""
    matches = [re.fullmatch(r"(?P<letters>[^\W\d]*)[ _]?(?P<number>\d{1,6})", name) for name in names]
    if not all(matches) or len({match["letters"] for match in matches if match}) > 1:
        return False
    numbers = [int(match["number"]) for match in matches if match]
    return all(later == earlier + 1 for earlier, later in pairwise(numbers))


def _are_times(names: Sequence[str]) -> bool:
    """Whether the names of all columns are times; plain numbers are if all are years."""
    if all(re.fullmatch(r"1[6-9]\d\d|20\d\d", name) for name in names):
        return True
    form, share = form_of(list(names))
    return form is not None and share == 1.0 and not form.weak


def _by_row(grid: Grid, names: Sequence[str], *, as_texts: bool = False) -> pa.Array:
    """Cells of some columns, row after row, (row * step,): as they are if all are texts, else as numbers."""
    columns = [grid.column(name) for name in names]
    if as_texts:
        columns = [id_text(cells) for cells in columns]
    elif not all(pa.types.is_string(cells.type) for cells in columns):
        columns = [pc.cast(cells, pa.float64(), safe=False) for cells in columns]
    order = np.arange(len(names) * len(grid)).reshape(len(names), len(grid)).T.ravel()  # (step, row) -> (row, step)
    return pa.concat_arrays(columns).take(pa.array(order))


def _before_padding(cells: pa.Array, missing: Sequence[str], rows: int, steps: int) -> BoolArray:
    """Whether a cell is not padding at the end of its row, (row * step,); the first one of a row never is."""
    if pa.types.is_string(cells.type):
        nothing = pa.array(sorted(MISSING | {text.strip().lower() for text in missing}), pa.string())
        empty = pc.is_in(pc.utf8_lower(cells), value_set=nothing)
    else:
        empty = pc.is_null(cells, nan_is_null=True)
    filled = ~np.asarray(empty.to_numpy(zero_copy_only=False)).reshape(rows, steps)
    # The last filled cell of a row, counted from its end.
    lengths = np.where(filled.any(axis=1), steps - np.argmax(filled[:, ::-1], axis=1), 1)
    kept: BoolArray = (np.arange(steps) < lengths[:, None]).ravel()
    return kept


def _refuse_twice(ids: pa.Array, grid: Grid) -> None:
    """Refuse two rows with the same id."""
    texts = ids.to_pylist()
    if len(set(texts)) == len(texts):
        return
    seen: dict[str, int] = {}
    for text, line in zip(texts, grid.lines.tolist(), strict=True):
        if text in seen:
            raise ForecastError(
                f"lines {seen[text]} and {line} are both called {text!r}, and each row should be a series of its own: "
                "rename one, or set `data.layout=long`"
            )
        seen[text] = line
