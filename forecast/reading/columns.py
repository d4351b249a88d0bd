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


_MOST = 0.5
_FEW_SYMBOLS = 1_000
_SHOWN = 12


def choose_target(grid: Grid, taken: Sequence[str], file: str) -> tuple[str, str]:
    """Return the target's column, and why it was chosen.

    Raises
    ------
    ForecastError
        No column holds numbers, or several do and none has a usual name.

    """
    candidates = numeric_columns(grid, taken)
    if not candidates:
        raise ForecastError(
            f"{file!r} has no column of numbers to forecast: its columns are {listed(grid.names)}; if numbers are "
            f"there, say `data.decimal`, `data.delimiter` or `data.header`{symbols_hint(grid, taken)}"
        )
    # Features made of the time (hour, weekday, month) are no targets while there is anything else.
    candidates = [name for name in candidates if not _says_when(name)] or candidates
    if len(candidates) == 1:
        return candidates[0], "the only column of numbers"
    if usual := usual_target(candidates):
        return usual, "by its name"
    living = [name for name in candidates if _varies(grid, name)]
    if len(living) == 1:
        return living[0], "the only column of numbers that varies"
    raise ForecastError(
        f"which column is to be forecast? {len(candidates)} hold numbers: {listed(candidates)}; "
        f"say `data.target={candidates[0]}`, or `data.layout=columns` where each is a series"
    )


def choose_symbols(grid: Grid, taken: Sequence[str], file: str) -> tuple[str, str]:
    """Return the column of symbols, and why it was chosen: the only one of texts, or one with a usual name.

    Where no column has texts, symbols may be digits.

    Raises
    ------
    ForecastError
        No column is left, or several could be meant.

    """
    left = plain_columns(grid, taken)
    texts = [name for name in left if not is_numeric(grid, name)]
    candidates, what = (texts, "texts") if texts else (left, "values")
    if not candidates:
        raise ForecastError(
            f"{file!r} has no column of symbols to forecast: its columns are {listed(grid.names)}; if symbols are "
            f"there, say `data.target`, `data.delimiter` or `data.header`"
        )
    if len(candidates) == 1:
        return candidates[0], f"the only column of {what}"
    if usual := usual_target(candidates):
        return usual, "by its name"
    raise ForecastError(
        f"which column is to be forecast? {len(candidates)} hold {what}: {listed(candidates)}; "
        f"say `data.target={candidates[0]}`, or `data.layout=columns` where each is a series"
    )


def usual_target(names: Sequence[str]) -> str | None:
    """Return the first of some columns that is called as targets usually are."""
    return next((name for usual in TARGET for name in names if plain(name) == usual), None)


def symbols_hint(grid: Grid, taken: Sequence[str]) -> str:
    """Say how symbols are read, where a column that has no other meaning looks like some."""
    like = [name for name in grid.names if name not in taken and like_symbols(grid, name)]
    return f"; symbols such as {like[0]!r} are read with `model.head=categorical`" if like else ""


def like_symbols(grid: Grid, name: str) -> bool:
    """Whether a column holds texts that are no numbers, few different ones in many rows."""
    cells = grid.column(name)
    if not pa.types.is_string(cells.type) or is_numeric(grid, name):
        return False
    different = sum(not is_missing(text) for text in pc.unique(cells).to_pylist())
    return 2 <= different <= min(_FEW_SYMBOLS, len(cells) // 2)


def _says_when(name: str) -> bool:
    return plain(name) in TIME or any(plain(name) in names for names in FIELDS.values())


def _varies(grid: Grid, name: str) -> bool:
    cells = grid.column(name)
    return len(cells.unique()) > 1


def usual_id(grid: Grid) -> str | None:
    """Return the column that says which series a row belongs to, if it is called as the ecosystem does."""
    return next((name for name in grid.names if plain(name) in ID), None)


def id_by_content(grid: Grid, times: TimeArray, taken: Sequence[str]) -> str | None:
    """Return the first column under whose values no time occurs twice, where most times occur more than once.

    Texts qualify, numbers only if the column is called like a thing that has a number (store, station).
    """
    counts = times.astype(np.int64)
    if len(np.unique(counts)) > 0.6 * len(counts):
        return None
    for name in grid.names:
        cells = grid.column(name)
        text = pa.types.is_string(cells.type) and not is_numeric(grid, name)
        if name in taken or not (text or is_named(name, ID_OR_NUMBER)):
            continue
        codes = np.asarray(pc.dictionary_encode(pc.fill_null(pc.cast(cells, pa.string()), "")).indices, dtype=np.int64)
        order = np.lexsort((counts, codes))
        repeated = (np.diff(counts[order]) == 0) & (np.diff(codes[order]) == 0)
        if not repeated.any() and codes.max() < len(codes) / 2:
            return name
    return None


def match_covariates(grid: Grid, settings: FileSettings, layout: Layout) -> dict[str, Role]:
    """Find the columns of `data.past`, `data.future` and `data.static`, each with its role.

    Raises
    ------
    ForecastError
        There is no such column, or one has two roles; or each row is a series, where no column stands beside another.

    """
    roles: dict[str, Role] = {}
    said: dict[Role, tuple[str, ...]] = {
        "past": _names(settings.past),
        "future": _names(settings.future),
        "static": _names(settings.static),
    }
    for role, names in said.items():
        if names and layout == "rows":
            raise ForecastError(
                f"`data.{role}` names columns, and in this file each row is a series (`data.layout=rows`): "
                f"give a long file, or leave it out"
            )
        matched = [match_name(grid.names, name, f"data.{role}") for name in names]
        check_one_role(matched, roles, f"data.{role}")
        roles.update(dict.fromkeys(matched, role))
    return roles


def _names(said: str | tuple[str, ...]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def check_one_role(names: Iterable[str], roles: Mapping[str, Role], setting: str) -> None:
    """Refuse a column that has a role already."""
    for name in names:
        if name in roles:
            raise ForecastError(f"column {name!r} is named in `{setting}` and in `data.{roles[name]}`: leave one out")


def match_name(names: Sequence[str], said: str, setting: str) -> str:
    """Return the column that was meant.

    Raises
    ------
    ForecastError
        There is none, with the nearest name.

    """
    wanted = unicodedata.normalize("NFC", said)
    if wanted in names:
        return wanted
    loose = [name for name in names if name.strip().casefold() == wanted.strip().casefold()]
    if len(loose) == 1:
        return loose[0]
    near = difflib.get_close_matches(wanted.casefold(), [name.casefold() for name in names], n=1)
    meant = [name for name in names if near and name.casefold() == near[0]]
    hint = f"did you mean {meant[0]!r}? " if meant else ""
    raise ForecastError(f"`{setting}` {said!r} is no column of the file: {hint}the file has {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """Say the names of columns."""
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def numeric_columns(grid: Grid, taken: Sequence[str]) -> list[str]:
    """Columns that hold numbers and have no other meaning; what only counts the rows is none."""
    return [name for name in plain_columns(grid, taken) if is_numeric(grid, name)]


def plain_columns(grid: Grid, taken: Sequence[str]) -> list[str]:
    """Columns that have no other meaning, those left out that only count the rows of a file with others."""
    found = []
    for j, name in enumerate(grid.names):
        counting = plain(name) in INDEX - {"t", "n"} or (j == 0 and name == "column 1" and _only_counts(grid, name))
        if name not in taken and not (counting and len(grid.names) > 1):
            found.append(name)
    return found


def is_numeric(grid: Grid, name: str) -> bool:
    """Whether a column holds numbers, a few mistakes among them allowed."""
    cells = grid.column(name)
    kind = cells.type
    if not pa.types.is_string(kind):
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
    filled = [cell for cell in grid.sample(name) if not is_missing(cell)]
    return bool(filled) and sum(map(is_number, filled)) >= _MOST * len(filled)


def _only_counts(grid: Grid, name: str) -> bool:
    cells = grid.sample(name)[:50]
    return (
        bool(cells)
        and all(cell.isdigit() for cell in cells)
        and [int(cell) for cell in cells] == list(range(int(cells[0]), int(cells[0]) + len(cells)))
    )


def id_text(cells: pa.Array) -> pa.Array:
    """Write a column of ids as texts."""
    return pc.fill_null(pc.cast(cells, pa.string()), "")
