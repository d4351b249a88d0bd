"""Columns of a file that nothing reads, and what each could be for the models: the best guess of its role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from forecast.reading.columns import assigned, is_numeric, listed, plain_columns
from forecast.reading.values import is_category_or_number
from forecast.reading.vocabulary import KNOWN_AHEAD, QUOTES, is_named, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.grid import Grid
    from forecast.reading.raw_table import RawSeries
    from forecast.series.panel import BoolArray, Role


_LOOKED_AT = 100_000  # rows on which it is seen whether a column is the same in each series
_FEWEST = 2  # different cells of a column from which something can be learnt
_MOST_GUESSED = 12  # columns; of more the names are told, and no roles
_MOST = 0.5  # share of the rows ahead that a column known ahead fills, and of texts that may occur once
_BECAUSE: dict[Role, str] = {
    "future": "where they are known for the steps ahead",
    "static": "the same in all rows of a series",
    "past": "known up to now",
}


def unused_note(grid: Grid, used: Sequence[str], identity: str | None, series: Sequence[RawSeries]) -> str:
    """Name the columns that are not used, with the settings that let the models read them; empty: all are used."""
    taken = set(used)
    names = [name for name in plain_columns(grid, ()) if name not in taken and grid.sample(name)]
    if not names:
        return ""
    said = f"Not used: {listed(names)}{_sides(grid, names)}"
    teaching = (name for name in names if not _teaches_nothing(grid, name) and not _tells_sides(grid, name))
    readable = [name for name in teaching if is_category_or_number(grid, name)]
    if not readable:
        return said
    if len(names) > _MOST_GUESSED:
        return f"{said} (`data.past=`, `data.future=` or `data.static=` with their names lets the models read them)"
    ahead = _rows_ahead(grid, series)
    roles = {name: _guess(grid, name, identity, ahead) for name in readable}
    offers = []
    because = _BECAUSE | ({"future": "the rows after the last value hold them"} if ahead.any() else {})
    for role, why in because.items():
        of_role = [name for name in readable if roles[name] == role]
        if of_role:
            value = of_role[0] if len(of_role) == 1 else f"[{','.join(of_role)}]"
            offers.append(f"`{assigned(f'data.{role}', value)}` ({why})")
    return f"{said}; the models read them with {', '.join(offers)}"


def _sides(grid: Grid, names: Sequence[str]) -> str:
    """Say that a column tells debits from credits, whose numbers have no sign of their own; empty: none does."""
    name = next((name for name in names if _tells_sides(grid, name)), None)
    if name is None:
        return ""
    return (
        f"; {name!r} tells debits from credits, and the numbers were read as they stand, without a sign "
        f"(`{assigned('data.id', name)}` reads a series of each)"
    )


def _tells_sides(grid: Grid, name: str) -> bool:
    return tuple(sorted({cell.upper().rstrip(".") for cell in grid.sample(name)})) in _SIDES


_SIDES = {("C", "D"), ("CR", "DR"), ("CREDIT", "DEBIT"), ("CRDT", "DBIT"), ("H", "S"), ("HABEN", "SOLL")}


def _teaches_nothing(grid: Grid, name: str) -> bool:
    """Whether nothing can be learnt from a column: texts of which most occur once, or the same in all rows."""
    cells = grid.sample(name)
    different = len(set(cells))
    return different < _FEWEST or (not is_numeric(grid, name) and different > _MOST * len(cells))


def _rows_ahead(grid: Grid, series: Sequence[RawSeries]) -> BoolArray:
    """Whether a row comes after the last value of its series, (row,)."""
    lines = []
    for raw in series:
        known = ~np.isnan(raw.values)
        when = np.arange(len(known)) if raw.times is None else raw.times.astype(np.int64)
        if known.any():
            lines.append(raw.lines[when > when[known].max()])
    return np.isin(grid.lines, np.concatenate(lines)) if lines else np.zeros(len(grid), dtype=np.bool_)


def _guess(grid: Grid, name: str, identity: str | None, ahead: BoolArray) -> Role:
    """Guess the role of a column: the same value in each series, cells in rows ahead, a name that tells of plans."""
    cells = grid.texts(name)
    if identity is not None:
        own = pd.factorize(np.asarray(cells[:_LOOKED_AT].to_pylist(), dtype=object))[0]
        of_series = pd.factorize(np.asarray(grid.texts(identity)[:_LOOKED_AT].to_pylist(), dtype=object))[0]
        pairs = len(np.unique(np.stack([own, of_series]), axis=1).T)
        if of_series.max(initial=0) > 0 and pairs == of_series.max(initial=0) + 1:
            return "static"
    if ahead.any():
        filled = np.asarray(pc.not_equal(cells, "").to_numpy(zero_copy_only=False))
        return "future" if filled[ahead].mean() > _MOST else "past"
    quoted = {plain(other) for other in grid.names} >= QUOTES  # of prices on a day none is known before it
    return "future" if is_named(name, KNOWN_AHEAD) and not quoted else "past"
