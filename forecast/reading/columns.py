"""Which column is what: target, id of the series, covariates.

What the settings name is matched with the file's names; what they leave open is decided by content, or by a usual name
(`vocabulary`). Where several columns could be the target, the user is asked.
"""

from __future__ import annotations

import difflib
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import is_missing, is_number
from forecast.reading.vocabulary import FIELDS, ID, ID_OR_NUMBER, INDEX, TARGET, TIME, is_named, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from forecast.reading.grid import Grid
    from forecast.reading.layout import Layout
    from forecast.reading.settings import FileSettings
    from forecast.series.panel import Role, TimeArray


_NUMBERS = 0.5  # share of a column's cells that are numbers, from which on it holds numbers
_REPEATED = 0.6  # share of different times, up to which several series may share them
_FEW_SYMBOLS = 1_000  # different texts of a column, up to which they look like symbols
_LISTED = 12  # columns that a message names


def choose_target(grid: Grid, taken: Sequence[str], file: str) -> tuple[str, str]:
    """Choose the target's column; returns its name and the reason.

    Raises
    ------
    ForecastError
        No column holds numbers, or several do and none has a usual name.

    """
    candidates = numeric_columns(grid, taken)
    if not candidates:
        raise ForecastError(
            f"{file!r} has no column of numbers to forecast: its columns are {listed(grid.names)}; if numbers are "
            f"there, set `data.decimal`, `data.delimiter` or `data.header`{_symbols_hint(grid, taken)}"
        )
    # Parts of the date (hour, weekday, month) are features, and targets only if there is nothing else.
    candidates = [name for name in candidates if not _says_when(name)] or candidates
    if len(candidates) == 1:
        return candidates[0], "the only column of numbers"
    if usual := _usual_target(candidates):
        return usual, "by its name"
    varying = [name for name in candidates if len(grid.column(name).unique()) > 1]
    if len(varying) == 1:
        return varying[0], "the only column of numbers that varies"
    raise ForecastError(
        f"which column is to be forecast? {len(candidates)} hold numbers: {listed(candidates)}; "
        f"set `data.target={candidates[0]}`, or `data.layout=columns` where each is a series"
    )


def choose_symbols(grid: Grid, taken: Sequence[str], file: str) -> tuple[str, str]:
    """Choose the column of symbols (the only one of texts, or one with a usual name); returns its name and the reason.

    Where no column has texts, symbols may be digits.

    Raises
    ------
    ForecastError
        No column is left, or several could be meant.

    """
    available = plain_columns(grid, taken)
    texts = [name for name in available if not is_numeric(grid, name)]
    candidates, what = (texts, "texts") if texts else (available, "values")
    if not candidates:
        raise ForecastError(
            f"{file!r} has no column of symbols to forecast: its columns are {listed(grid.names)}; if symbols are "
            f"there, set `data.target`, `data.delimiter` or `data.header`"
        )
    if len(candidates) == 1:
        return candidates[0], f"the only column of {what}"
    if usual := _usual_target(candidates):
        return usual, "by its name"
    raise ForecastError(
        f"which column is to be forecast? {len(candidates)} hold {what}: {listed(candidates)}; "
        f"set `data.target={candidates[0]}`, or `data.layout=columns` where each is a series"
    )


def _usual_target(names: Sequence[str]) -> str | None:
    """Return the first column whose name is usual for a target."""
    return next((name for usual in TARGET for name in names if plain(name) == usual), None)


def _symbols_hint(grid: Grid, taken: Sequence[str]) -> str:
    """Explain how symbols are read, if a column that has no other role looks like symbols."""
    like = [name for name in grid.names if name not in taken and like_symbols(grid, name)]
    return f"; symbols such as {like[0]!r} are read with `model.head=categorical`" if like else ""


def like_symbols(grid: Grid, name: str) -> bool:
    """Whether a column holds texts other than numbers, few different ones in many rows."""
    cells = grid.column(name)
    if not pa.types.is_string(cells.type) or is_numeric(grid, name):
        return False
    different = sum(not is_missing(text) for text in pc.unique(cells).to_pylist())
    return 2 <= different <= min(_FEW_SYMBOLS, len(cells) // 2)


def _says_when(name: str) -> bool:
    return plain(name) in TIME or any(plain(name) in names for names in FIELDS.values())


def usual_id(grid: Grid) -> str | None:
    """Return the column of ids if it has a name that forecasting libraries use (unique_id, item_id)."""
    return next((name for name in grid.names if plain(name) in ID), None)


def id_by_content(grid: Grid, times: TimeArray, taken: Sequence[str]) -> str | None:
    """Return the first column whose values separate rows with the same time into series; None: there is none.

    Texts qualify; numbers only if the column's name suits an id (store, station).
    """
    stamps = times.astype(np.int64)  # (row,)
    if len(np.unique(stamps)) > _REPEATED * len(stamps):
        return None
    for name in grid.names:
        cells = grid.column(name)
        text = pa.types.is_string(cells.type) and not is_numeric(grid, name)
        if name in taken or not (text or is_named(name, ID_OR_NUMBER)):
            continue
        codes = np.asarray(pc.dictionary_encode(pc.fill_null(pc.cast(cells, pa.string()), "")).indices, dtype=np.int64)
        order = np.lexsort((stamps, codes))  # by id, then by time: rows with both in common become neighbours
        repeated = (np.diff(stamps[order]) == 0) & (np.diff(codes[order]) == 0)
        if not repeated.any() and codes.max() < len(codes) / 2:
            return name
    return None


def match_covariates(grid: Grid, settings: FileSettings, layout: Layout) -> dict[str, Role]:
    """Find the columns of `data.past`, `data.future` and `data.static`, each with its role.

    Raises
    ------
    ForecastError
        A column is missing or has two roles; or each row is a series, so that no column can be a covariate.

    """
    roles: dict[str, Role] = {}
    named: dict[Role, tuple[str, ...]] = {
        "past": _names(settings.past),
        "future": _names(settings.future),
        "static": _names(settings.static),
    }
    for role, names in named.items():
        if names and layout == "rows":
            raise ForecastError(
                f"`data.{role}` names columns, and in this file each row is a series (`data.layout=rows`): "
                f"give a long file, or leave it out"
            )
        matched = [match_name(grid.names, name, f"data.{role}") for name in names]
        check_one_role(matched, roles, f"data.{role}")
        roles.update(dict.fromkeys(matched, role))
    return roles


def _names(setting: str | tuple[str, ...]) -> tuple[str, ...]:
    return (setting,) if isinstance(setting, str) else tuple(setting)


def check_one_role(names: Iterable[str], roles: Mapping[str, Role], setting: str) -> None:
    """Refuse a column that has a role already."""
    for name in names:
        if name in roles:
            raise ForecastError(f"column {name!r} is named in `{setting}` and in `data.{roles[name]}`: leave one out")


def match_name(names: Sequence[str], wanted: str, setting: str) -> str:
    """Return the column that a setting names; case and blanks around it do not matter.

    Raises
    ------
    ForecastError
        There is no such column; the message names the nearest.

    """
    normal = unicodedata.normalize("NFC", wanted)
    if normal in names:
        return normal
    loose = [name for name in names if name.strip().casefold() == normal.strip().casefold()]
    if len(loose) == 1:
        return loose[0]
    parts = [part.strip().casefold() for part in normal.split(",")]
    if len(parts) > 1 and {*parts} <= {name.strip().casefold() for name in names}:
        raise ForecastError(f"`{setting}` {wanted!r} is no column, its parts are: set `{setting}=[{wanted}]`")
    near = difflib.get_close_matches(normal.casefold(), [name.casefold() for name in names], n=1)
    meant = [name for name in names if near and name.casefold() == near[0]]
    hint = f"did you mean {meant[0]!r}? " if meant else ""
    raise ForecastError(f"`{setting}` {wanted!r} is no column of the file: {hint}the file has {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """Quote the first names of columns for a message."""
    shown = ", ".join(repr(name) for name in names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def numeric_columns(grid: Grid, taken: Sequence[str]) -> list[str]:
    """Columns of numbers that have no other role and do more than count the rows."""
    return [name for name in plain_columns(grid, taken) if is_numeric(grid, name)]


def plain_columns(grid: Grid, taken: Sequence[str]) -> list[str]:
    """Columns that have no other role and do more than count the rows."""
    result = []
    for j, name in enumerate(grid.names):
        counting = plain(name) in INDEX - {"t", "n"} or (j == 0 and name == "column 1" and _only_counts(grid, name))
        if name not in taken and not (counting and len(grid.names) > 1):
            result.append(name)
    return result


def is_numeric(grid: Grid, name: str) -> bool:
    """Whether most cells of a column are numbers; the others are mistakes."""
    cells = grid.column(name)
    kind = cells.type
    if not pa.types.is_string(kind):
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
    filled = [cell for cell in grid.sample(name) if not is_missing(cell)]
    return bool(filled) and sum(map(is_number, filled)) >= _NUMBERS * len(filled)


def _only_counts(grid: Grid, name: str) -> bool:
    """Whether the first cells of a column are consecutive integers."""
    cells = grid.sample(name)[:50]
    return (
        bool(cells)
        and all(cell.isdigit() for cell in cells)
        and [int(cell) for cell in cells] == list(range(int(cells[0]), int(cells[0]) + len(cells)))
    )


def id_text(cells: pa.Array) -> pa.Array:
    """Write a column of ids as texts."""
    return pc.fill_null(pc.cast(cells, pa.string()), "")
