"""The values of a target's column, and what makes a series that nobody can forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from forecast.errors import ForecastError
from forecast.reading.cells import is_number
from forecast.reading.grid import count_rows, line_list
from forecast.reading.numbers import Notation, find_notation, notation_of, read_numbers
from forecast.reading.targets import like_symbols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.columns import RawSeries
    from forecast.reading.csv_settings import CsvSettings
    from forecast.reading.grid import Grid
    from forecast.series.panel import BoolArray, FloatArray

_MARKS = {",": "comma", ".": "point", " ": "space", "'": "apostrophe", "’": "apostrophe", "_": "underscore"}


_LOOKED_AT = 50


@dataclass(frozen=True, eq=False)
class Target:
    """A target's column: values (row,) with NaN where nothing stands, and which cells are no numbers (row,)."""

    name: str
    values: FloatArray
    bad: BoolArray
    notation: Notation
    notes: tuple[str, ...] = ()


def read_target(grid: Grid, name: str, settings: CsvSettings, file: str) -> Target:
    """Read a target's column in the notation that it shows.

    Raises
    ------
    ForecastError
        Nothing in it is a number, or a number is infinite.

    """
    cells = grid.column(name)
    notation, note = _notation(grid, name, settings) if pa.types.is_string(cells.type) else (Notation(), None)
    numbers = read_numbers(cells, notation, settings.missing)
    if not np.isfinite(numbers.values).any() and not np.isinf(numbers.values).any():
        symbols = like_symbols(grid, name)
        found = next(iter(grid.sample(name)), None) if pa.types.is_string(cells.type) else None
        raise ForecastError(
            f"{name!r} of {file!r} holds no numbers, found {'nothing' if found is None else repr(found[:40])}: "
            f"name another column with `data.target`{', or read symbols with `model.head=categorical`' * symbols}"
        )
    for meaning in settings.missing:
        number = _number(meaning)
        if number is not None:
            numbers.values[numbers.values == number] = np.nan
    infinite = np.isinf(numbers.values)
    if infinite.any():
        raise ForecastError(
            f"{name!r} of {file!r} is infinite in {line_list(grid.lines[infinite])}: mend it, or say "
            f"`data.missing=[inf,-inf]` if that means no value"
        )
    notes = (f"{note} in {name!r}",) if note else ()
    return Target(name, numbers.values, numbers.bad, notation, notes)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _notation(grid: Grid, name: str, settings: CsvSettings) -> tuple[Notation, str | None]:
    """Notation of a column: said by hand, else shown by it, else shown by other columns of the file."""
    cells, semicolons = grid.column(name), grid.european
    own, doubtful = notation_of(cells, grid.sample(name), semicolons)
    found = own
    if own is None or doubtful:
        others = [name for name in grid.names if pa.types.is_string(grid.column(name).type)][:_LOOKED_AT]
        common, guessed = find_notation((cell for other in others for cell in grid.sample(other)), semicolons)
        if common is not None and not guessed:
            found, doubtful = common, False
    found = found or Notation()
    decimal = settings.decimal or found.decimal
    other = {",": ".", ".": ","}.get(decimal, "")
    thousands = "" if found.thousands == decimal else found.thousands
    if settings.thousands is not None:
        thousands = settings.thousands.replace("none", "")
    elif other and not thousands and any(other in cell and is_number(cell) for cell in grid.sample(name)):
        # What is not the decimal mark can only group; a cell that it does not group is bad.
        thousands = other
    said = settings.decimal is not None or settings.thousands is not None
    if not doubtful or said:
        return Notation(decimal, thousands), None
    mark, other = (decimal, ".") if decimal == "," and not thousands else (thousands, thousands)
    meaning = "decimals" if mark == decimal else "thousands"
    return Notation(decimal, thousands), (
        f"a {_MARKS[mark]} before three digits was read as {meaning}, which no cell proves "
        f"(`data.decimal={other!r}` reads it the other way)"
    )


def notation_words(targets: Sequence[Target]) -> dict[str, str]:
    """Say the notation where it is not the plain one."""
    words = {}
    if any(target.notation.decimal != "." for target in targets):
        words["decimal"] = "comma"
    thousands = {_MARKS.get(target.notation.thousands, target.notation.thousands) for target in targets} - {""}
    if thousands:
        words["thousands"] = ", ".join(sorted(thousands))
    return words


def check_living(series: Sequence[RawSeries], file: str, symbols: Sequence[str] = ()) -> tuple[str, ...]:
    """Notes on constant series among living ones; `symbols` are what values stand for that are no numbers.

    Raises
    ------
    ForecastError
        There is nothing but constant or empty series.

    """
    constant = [one for one in series if _is_constant(one.values)]
    if len(constant) < len(series):
        shown = ", ".join(repr(one.id) for one in constant[:5])
        more = f" and {len(constant) - 5} more" if len(constant) > 5 else ""
        return (f"series without any change: {shown}{more}",) if constant else ()
    if len(series) > 1:
        raise ForecastError(f"all {len(series)} series of {file!r} are constant: there is nothing to forecast")
    one = series[0]
    known = one.values[~np.isnan(one.values)]
    what = "empty"
    if len(known):
        what = f"always {symbols[int(known[0])]!r}" if symbols else f"always {known[0]:g}"
    raise ForecastError(
        f"{one.id!r} of {file!r} is {what} ({count_rows(len(one.values))}): there is nothing to forecast, "
        f"name another column with `data.target`"
    )


def _is_constant(values: FloatArray) -> bool:
    known = values[~np.isnan(values)]
    return len(known) == 0 or bool((known == known[0]).all())
