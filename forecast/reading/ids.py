"""Which columns name the series of a row, and their names as one column of texts.

Columns called as forecasting libraries call ids are taken at once; else the fewest of the first ones by which rows of
the same time differ, or, where each row is a series, all rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import are_missing
from forecast.reading.columns import assigned, is_numeric, listed
from forecast.reading.time_fields import RANGES
from forecast.reading.vocabulary import FIELDS, ID, ID_OR_NUMBER, is_called_id, is_named, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.grid import Grid
    from forecast.series.panel import BoolArray, IntArray, TimeArray


_REPEATED = 0.6  # share of different times, up to which texts of any name may tell series apart
_FEWEST_STEPS, _IN_STEP = 10, 0.9  # steps of series that come in turn, on average, and share of them that are equal
_BETWEEN = "/"


def usual_id(grid: Grid) -> str | None:
    """Return the column of ids if it has a name that forecasting libraries use (unique_id, item_id)."""
    return next((name for name in grid.names if plain(name) in ID), None)


def ids_by_content(grid: Grid, times: TimeArray, taken: Sequence[str]) -> tuple[str, ...]:
    """Return the fewest of the first columns that separate rows with the same time into series; (): there are none.

    Texts qualify where many rows have the same time; numbers only if the column's name suits an id (store, station).
    Where no time repeats, series may still come in turn.
    """
    stamps: IntArray = times.view(np.int64)
    moments, different = pd.factorize(stamps)  # (row,)
    if len(different) == len(moments):
        return _ids_in_turn(grid, stamps, taken)
    many = len(different) <= _REPEATED * len(moments)
    usable = [
        name
        for name in grid.names
        if name not in taken and (is_named(name, ID_OR_NUMBER) or (many and _is_text(grid, name)))
    ]
    chosen = naming_columns(grid, usable, moments)
    for name in chosen:
        _refuse_part(grid, name)
    codes = np.zeros(len(grid), dtype=np.int64)
    for name in chosen:
        codes = _finer(codes, grid.texts(name))
    return chosen if chosen and codes.max() < len(codes) / 2 else ()


def _ids_in_turn(grid: Grid, stamps: IntArray, taken: Sequence[str]) -> tuple[str, ...]:
    """Return the column of ids whose series come in turn, each in equal steps, as sensors do; (): there is none."""
    for name in (name for name in grid.names if name not in taken and is_called_id(name)):
        codes = _finer(np.zeros(len(grid), dtype=np.int64), grid.texts(name))
        rows = np.lexsort((stamps, codes))
        steps = np.diff(stamps[rows])[np.diff(codes[rows]) == 0]
        turns = np.count_nonzero(np.diff(codes[np.argsort(stamps)]))
        if len(steps) < _FEWEST_STEPS * (codes.max() + 1) or turns <= len(grid) / 2:
            continue
        if (steps == np.median(steps)).mean() >= _IN_STEP:
            return (name,)
    return ()


def _refuse_part(grid: Grid, name: str) -> None:
    """Refuse a column of ids that is called like a part of the time: its cells would make a series each.

    Raises
    ------
    ForecastError
        It is called so.

    """
    field = next((field for field in RANGES if plain(name) in FIELDS[field]), None)
    if field is not None:
        cell = next(iter(grid.filled(name)), "")
        raise ForecastError(
            f"{name!r} is called like a part of the time, but {cell[:40]!r} is no known {field}: write it as a number, "
            f"or set `{assigned('data.id', name)}` if each of its values is a series of its own"
        )


def naming_columns(grid: Grid, usable: Sequence[str], codes: IntArray) -> tuple[str, ...]:
    """Return the fewest of the first columns by which all rows with the same of `codes` differ; (): there are none."""
    single = next((name for name in usable if _tell_apart(grid, [name], codes)), None)
    if single is not None:
        return (single,)
    chosen: list[str] = []
    finest = codes
    for name in usable:
        finer = _finer(finest, grid.texts(name))
        if finer.max(initial=0) > finest.max(initial=0) or not _all_filled(grid, chosen):
            finest = finer
            chosen.append(name)
    for name in chosen[:-1]:
        fewer = [other for other in chosen if other != name]
        chosen = fewer if _tell_apart(grid, fewer, codes) else chosen
    return tuple(chosen) if chosen and _tell_apart(grid, chosen, codes) else ()


def _is_text(grid: Grid, name: str) -> bool:
    return bool(pa.types.is_string(grid.kind(name))) and not is_numeric(grid, name)


def _tell_apart(grid: Grid, names: Sequence[str], codes: IntArray) -> bool:
    """Whether columns name each row, and rows with the same of `codes` differently."""
    for name in names:
        codes = _finer(codes, grid.texts(name))
    return len(pd.unique(codes)) == len(codes) and _all_filled(grid, names)


def _finer(codes: IntArray, cells: pa.StringArray) -> IntArray:
    """Codes of rows, (row,), told apart by one more column."""
    own = np.asarray(pc.dictionary_encode(cells).indices, dtype=np.int64)
    return np.asarray(pd.factorize(codes * (own.max(initial=0) + 1) + own)[0], dtype=np.int64)


def _all_filled(grid: Grid, names: Sequence[str]) -> bool:
    """Whether each row has a cell in one of the columns."""
    filled: BoolArray = np.zeros(len(grid), dtype=np.bool_)
    for name in names:
        filled |= ~are_nameless(grid.texts(name))
    return bool(filled.all())


def are_nameless(cells: pa.StringArray) -> BoolArray:
    """Whether cells of a column of ids name nothing, (row,); NA is a name (Namibia, North America) among codes.

    >>> are_nameless(pa.array(["DE", "NA", "-"])).tolist(), are_nameless(pa.array(["Ulm", "NA"])).tolist()
    ([False, False, True], [False, True])
    """
    nameless = are_missing(cells)
    named = pc.unique(cells.filter(pa.array(~nameless)))
    codes = pc.sum(pc.match_substring_regex(named, r"^[A-Z][A-Z0-9]{1,4}$")).as_py() or 0
    if 2 * codes > len(named):
        nameless &= ~np.asarray(pc.equal(cells, "NA").to_numpy(zero_copy_only=False), dtype=np.bool_)
    return nameless


def with_ids(grid: Grid, names: Sequence[str]) -> tuple[Grid, str | None]:
    """Return the table with its column of ids, and that column: a new one where several name a series together."""
    if len(names) < 2:
        return grid, names[0] if names else None
    identity = " + ".join(names)
    return replace(grid, names=(*grid.names, identity), columns=(*grid.columns, join_ids(grid, names))), identity


def join_ids(grid: Grid, names: Sequence[str]) -> pa.Array:
    """Join the columns that name a series into one of texts, "a/b", without their empty cells.

    Raises
    ------
    ForecastError
        Two different series would have the same name.

    """
    parts = [grid.texts(name) for name in names]
    if len(parts) == 1:
        return parts[0]
    filled = [pc.if_else(pa.array(are_nameless(cells)), None, cells) for cells in parts]
    joined = pc.binary_join_element_wise(*filled, _BETWEEN, null_handling="skip")
    different = pa.table([joined, *filled], names=[str(j) for j in range(len(parts) + 1)])
    texts = different.group_by(different.column_names).aggregate([]).column("0").to_pylist()
    if len(set(texts)) < len(texts):
        name = next(text for text, count in Counter(texts).items() if count > 1)
        raise ForecastError(
            f"two series of `data.id` would both be called {name!r}: rename one in the file ({_BETWEEN!r} joins the "
            f"columns {listed(names)})"
        )
    return joined
