"""Which column is what: target, id of the series, covariates.

What the settings name is matched with the file's names; what they leave open is decided by content, or by a usual name
(`vocabulary`). Where several columns could be the target, the user is asked.
"""

from __future__ import annotations

import difflib
import re
import shlex
import unicodedata
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import is_missing, is_number, spelled_numbers
from forecast.reading.raw_table import in_order_of_ids
from forecast.reading.time_fields import is_part
from forecast.reading.time_forms import is_time
from forecast.reading.vocabulary import FIELDS, INDEX, TARGET, TIME, is_called_id, plain
from forecast.wording import name_some

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from forecast.reading.grid import Grid
    from forecast.reading.settings import FileSettings, Layout, Names
    from forecast.series.panel import Role


_NUMBERS = 0.5  # share of a column's cells that are numbers, from which on it holds numbers
_FEW_SYMBOLS = 1_000  # different texts of a column, up to which they look like symbols
_BOTH = 2  # columns that are both offered
_LISTED, _LONG = 12, 60  # columns that a message names, and letters of a name


def _says_when(grid: Grid, name: str) -> bool:
    """Whether a column is called like a time or a part of it that it may hold: "Min" is no minute below 0."""
    cells = grid.filled(name)
    parts = [part for part, usual in FIELDS.items() if plain(name) in usual]
    return plain(name) in TIME or any(all(is_part(cell, part) for cell in cells) for part in parts)


def choose_target(grid: Grid, taken: Sequence[str], file: str) -> tuple[str, str]:
    """Choose the target's column; returns its name and the reason.

    Raises
    ------
    ForecastError
        No column holds numbers, or several do and none has a usual name.

    """
    candidates = _numeric_columns(grid, taken) or [
        name for name in plain_columns(grid, taken) if _is_spelled(grid, name)
    ]
    if not candidates:
        raise ForecastError(
            f"{file!r} has no column of numbers to forecast: its columns are {listed(grid.names)}; if numbers are "
            f"there, set `data.decimal`, `data.delimiter` or `data.header`{_symbols_hint(grid, taken)}"
        )
    # Parts of the date (hour, weekday, month) and numbers of series are targets only if there is nothing else.
    candidates = [name for name in candidates if not _says_when(grid, name)] or candidates
    candidates = [name for name in candidates if not _numbers_series(grid, name)] or candidates
    if len(candidates) == 1:
        return candidates[0], "the only column of numbers"
    if usual := _usual_target(candidates):
        return usual, "by its name"
    varying = [name for name in candidates if len(grid.column(name).unique()) > 1]
    if len(varying) == 1:
        return varying[0], "the only column of numbers that varies"
    offered = candidates if len(candidates) == _BOTH else candidates[:1]
    either = " or ".join(f"`{assigned('data.target', name)}`" for name in offered)
    raise ForecastError(
        f"which column is to be forecast? {len(candidates)} hold numbers: {listed(candidates)}; "
        f"set {either}, or `data.layout=columns` where each is a series"
        f"{', `rows` where each row is one' if sum(map(is_time, candidates)) > 1 else ''}"
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
        f"set `{assigned('data.target', candidates[0])}`, or `data.layout=columns` where each is a series"
    )


def _is_spelled(grid: Grid, name: str) -> bool:
    """Whether a column holds durations, or yes and no."""
    cells = grid.filled(name) if pa.types.is_string(grid.kind(name)) else []
    return bool(cells) and spelled_numbers(pa.array(cells, pa.string())) is not None


def _usual_target(names: Sequence[str]) -> str | None:
    """Return the first column whose name is usual for a target."""
    return next((name for usual in TARGET for name in names if plain(name) == usual), None)


def _symbols_hint(grid: Grid, taken: Sequence[str]) -> str:
    """Explain how symbols are read, if a column that has no other role looks like symbols."""
    like = [name for name in grid.names if name not in taken and like_symbols(grid, name)]
    return f"; symbols such as {like[0]!r} are read with `model.head=categorical`" if like else ""


def like_symbols(grid: Grid, name: str) -> bool:
    """Whether a column holds texts other than numbers, few different ones in many rows."""
    if not pa.types.is_string(grid.kind(name)) or is_numeric(grid, name):
        return False
    different = sum(not is_missing(text) for text in pc.unique(grid.column(name)).to_pylist())
    return 2 <= different <= min(_FEW_SYMBOLS, len(grid) // 2)


def _numbers_series(grid: Grid, name: str) -> bool:
    """Whether a column is called like an id and nothing else, and holds few different whole numbers."""
    if not is_called_id(name):
        return False
    cells = grid.sample(name)
    return len(set(cells)) <= len(cells) / 2 and all(re.fullmatch(r"\d+(\.0+)?", cell) for cell in cells)


def match_covariates(grid: Grid, settings: FileSettings, layout: Layout) -> dict[str, Role]:
    """Find the columns of `data.past`, `data.future` and `data.static`, each with its role.

    Raises
    ------
    ForecastError
        A column is missing or has two roles; or the columns are steps, so that none can be a covariate of a step.

    """
    roles: dict[str, Role] = {}
    named: dict[Role, Names] = {"past": settings.past, "future": settings.future, "static": settings.static}
    for role, names in named.items():
        if names and layout in {"rows", "pivot"} and role != "static":
            raise ForecastError(
                f"`data.{role}` names columns, and in this file {_LAYOUT_WORDS[layout]}: give a long file, or leave "
                f"out `data.{role}`"
            )
        matched = match_names(grid.names, names, f"data.{role}")
        check_one_role(matched, roles, f"data.{role}")
        roles.update(dict.fromkeys(matched, role))
    return roles


_LAYOUT_WORDS = {
    "rows": "each row is a series (`data.layout=rows`)",
    "pivot": "the header is a part of the time (`data.layout=pivot`)",
}


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
    twins = [name for name in names if re.fullmatch(re.escape(normal) + r" \(\d+\)'*", name)]
    if len(twins) > 1:
        either = " or ".join(f"`{assigned(setting, name)}`" for name in twins[:3])
        raise ForecastError(
            f"{len(twins)} columns of the file are called {wanted!r} and differ: set {either}, counted from the left"
        )
    near = difflib.get_close_matches(normal.casefold(), [name.casefold() for name in names], n=1)
    alike = [name for name in names if near and name.casefold() == near[0]]
    hint = f"did you mean {alike[0]!r}? " if alike else ""
    raise ForecastError(f"`{setting}` {wanted!r} is no column of the file: {hint}the file has {listed(names)}")


def assigned(setting: str, name: str) -> str:
    """Write the setting of a column's name as it is typed into a shell.

    >>> print(assigned("data.target", "north"), assigned("data.target", "Load (MW)"), assigned("data.target", "null"))
    data.target=north "data.target=Load (MW)" "data.target='null'"
    """
    text = f"{setting}='{name}'" if name.lower() in {"null", "~"} else f"{setting}={name}"
    if re.fullmatch(r"[\w.=/:+%@,\[\]-]*", text):
        return text
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'


def match_names(names: Sequence[str], wanted: Names | None, setting: str) -> tuple[str, ...]:
    """Return the columns that a setting of one name or several names."""
    listed_names = (wanted,) if isinstance(wanted, str) else wanted or ()
    return tuple(dict.fromkeys(match_name(names, name, setting) for name in listed_names))


def listed(names: Sequence[str], most: int = _LISTED) -> str:
    """Quote the first names of columns for a message, long ones cut."""
    return name_some([repr(name if len(name) <= _LONG else f"{name[:_LONG]}...") for name in names[:most]], len(names))


def check_layout(settings: FileSettings) -> None:
    """Refuse a layout that other settings contradict.

    Raises
    ------
    ForecastError
        Names both settings.

    """
    for name, why in _CONTRADICTED.get(settings.layout or "long", {}).items():
        if getattr(settings, name) is not None:
            raise ForecastError(
                f"`data.layout={settings.layout}` and `data.{name}` contradict each other: {why}; leave out "
                f"`data.{name}`, or choose another layout"
            )


_CONTRADICTED = {
    "columns": {"id": "each column is a series, so that none holds ids"},
    "rows": dict.fromkeys(("target", "time"), "all columns hold steps"),
    "pivot": {"target": "all columns hold steps"},
}


def column_series(grid: Grid, taken: Sequence[str], settings: FileSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns that are series (those of numbers, or all where they hold symbols), and a note on the others.

    Raises
    ------
    ForecastError
        No column is left.

    """
    series = plain_columns(grid, taken) if settings.symbols else _numeric_columns(grid, taken)
    if not series and settings.symbols:
        raise ForecastError("`data.layout=columns`: no column is left that could hold symbols; set `data.delimiter`")
    if not series:
        raise ForecastError("`data.layout=columns`: no column holds numbers; set `data.decimal` or `data.delimiter`")
    used = {*series, *taken}
    out = [name for name in grid.names if name not in used]
    return tuple(in_order_of_ids(series)), (f"columns that hold no series left out: {listed(out, 5)}",) if out else ()


def _numeric_columns(grid: Grid, taken: Sequence[str]) -> list[str]:
    """Columns of numbers that have no other role and do more than count the rows."""
    return [name for name in plain_columns(grid, taken) if is_numeric(grid, name)]


def plain_columns(grid: Grid, taken: Sequence[str]) -> list[str]:
    """Columns that have no other role and do more than count the rows."""
    result = []
    for j, name in enumerate(grid.names):
        counting = j == 0 and name == "column 1" and _only_counts(grid, name)
        if plain(name) in INDEX - {"t", "n"}:  # which may be an index of prices
            counting = not any(re.search(r"[.,]\d", cell) for cell in grid.sample(name))
        if name not in taken and not (counting and len(grid.names) > 1):
            result.append(name)
    return result


def is_numeric(grid: Grid, name: str) -> bool:
    """Whether most cells of a column are numbers; the others are mistakes."""
    kind = grid.kind(name)
    if not pa.types.is_string(kind):
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
    if grid.numbers(name) is not None:
        return bool(grid.filled(name))
    filled = grid.filled(name)
    return bool(filled) and sum(map(is_number, filled)) >= _NUMBERS * len(filled)


def _only_counts(grid: Grid, name: str) -> bool:
    """Whether the first cells of a column are consecutive integers."""
    cells = grid.sample(name)[:50]
    return (
        bool(cells)
        and all(cell.isdigit() for cell in cells)
        and [int(cell) for cell in cells] == list(range(int(cells[0]), int(cells[0]) + len(cells)))
    )
