"""Values of the chosen columns: numbers, symbols as codes of their alphabet, covariates as numbers or categories.

Symbols are texts taken as they are written, digits as well. Those of all target columns share one alphabet in the order
of code points; a value is the index of its symbol.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import Notation, find_notation, is_missing, is_number, notation_of, read_numbers
from forecast.reading.columns import is_numeric, like_symbols, listed
from forecast.reading.grid import line_list
from forecast.reading.raw_table import MOST_SYMBOLS, in_order_of_ids
from forecast.series.panel import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reading.grid import Grid
    from forecast.reading.settings import FileSettings
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Role


_MARKS = {",": "comma", ".": "point", " ": "space", "'": "apostrophe", "’": "apostrophe", "_": "underscore"}
_LOOKED_AT = 50
_CATEGORIES = 1_000
"""Different texts of a column of categories, at most."""


@dataclass(frozen=True, eq=False)
class Target:
    """A target's column: values (row,) with NaN where nothing stands, and which cells are no numbers (row,)."""

    name: str
    values: FloatArray
    bad: BoolArray
    notation: Notation
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Targets:
    """Columns of targets.

    Attributes
    ----------
    symbols : the alphabet, where the values are places in it; empty: they are numbers
    unknown : texts that are not in an alphabet that was given, with the line of the first; they are no values

    """

    columns: tuple[Target, ...]
    symbols: tuple[str, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)


def read_targets(
    grid: Grid, names: Sequence[str], settings: FileSettings, file: str, known: tuple[str, ...] = ()
) -> Targets:
    """Read the columns of targets, symbols in the alphabet `known` where there is one, else in their own.

    Raises
    ------
    ForecastError
        A column holds nothing of what it should, or there are too many different symbols.

    """
    if not settings.symbols:
        return Targets(tuple(read_target(grid, name, settings, file) for name in names))
    cells = [_Cells.of(grid, name, settings.missing) for name in names]
    for one in cells:
        if not one.written.any():
            raise ForecastError(
                f"{one.name!r} of {file!r} holds no symbols, found nothing: name another column with `data.target`"
            )
    found = sorted({text for one in cells for text in one.symbols})
    if not known and len(found) > MOST_SYMBOLS:
        raise ForecastError(
            f"{listed(names)} of {file!r} should hold at most {MOST_SYMBOLS:,} different symbols, found "
            f"{len(found):,}: name another column with `data.target`, or say another `model.head` if these are numbers"
        )
    symbols = known or tuple(found)
    places = {text: float(place) for place, text in enumerate(symbols)}
    lines = [one.first_lines(grid.lines) for one in cells]
    unknown = {text: line for first in reversed(lines) for text, line in first.items() if text not in places}
    return Targets(tuple(one.target(places) for one in cells), symbols, unknown)


def read_target(grid: Grid, name: str, settings: FileSettings, file: str) -> Target:
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


def _notation(grid: Grid, name: str, settings: FileSettings) -> tuple[Notation, str | None]:
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


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def notation_words(targets: Sequence[Target]) -> dict[str, str]:
    """Say the notation where it is not the plain one."""
    words = {}
    if any(target.notation.decimal != "." for target in targets):
        words["decimal"] = "comma"
    thousands = {_MARKS.get(target.notation.thousands, target.notation.thousands) for target in targets} - {""}
    if thousands:
        words["thousands"] = ", ".join(sorted(thousands))
    return words


@dataclass(frozen=True, eq=False)
class _Cells:
    """A column by its different texts: `codes` (row,) are places among `texts`, `written` (text,) what is no blank."""

    name: str
    texts: tuple[str, ...]
    codes: IntArray
    written: BoolArray

    @staticmethod
    def of(grid: Grid, name: str, missing: Sequence[str]) -> _Cells:
        """Take the cells of a column; those that stand for no value are none of `written`."""
        coded = pc.dictionary_encode(pc.fill_null(pc.cast(grid.column(name), pa.string()), ""))
        texts = tuple(coded.dictionary.to_pylist())
        written = np.array([not is_missing(text) and text not in missing for text in texts], dtype=np.bool_)
        return _Cells(name, texts, np.asarray(coded.indices, dtype=np.int64), written)

    @property
    def symbols(self) -> list[str]:
        """The different texts that are values."""
        return [text for text, written in zip(self.texts, self.written, strict=True) if written]

    def first_lines(self, lines: IntArray) -> dict[str, int]:
        """Line of the first row of each symbol; `lines` (row,) are those of the file."""
        _, rows = np.unique(self.codes, return_index=True)
        first = {self.texts[self.codes[row]]: int(lines[row]) for row in np.sort(rows)}
        return {text: first[text] for text in self.symbols}

    def target(self, places: Mapping[str, float]) -> Target:
        """Put the places of symbols for their texts; what has none has no value."""
        of_text = [places.get(t, np.nan) if w else np.nan for t, w in zip(self.texts, self.written, strict=True)]
        values = np.array(of_text, dtype=np.float64)[self.codes]
        return Target(self.name, values, np.zeros(len(values), dtype=np.bool_), Notation(), self._notes())

    def _notes(self) -> tuple[str, ...]:
        """Name texts that could be symbols and were read as no value."""
        counts = np.bincount(self.codes, minlength=len(self.texts))
        rows = zip(self.texts, self.written, counts.tolist(), strict=True)
        blank = Counter({text: count for text, written, count in rows if text and not written})
        if not blank:
            return ()
        shown = ", ".join(f"{text!r} ({count})" for text, count in blank.most_common(5))
        return (f"read as no value in {self.name!r}: {shown}",)


@dataclass(frozen=True, eq=False)
class Covariates:
    """Covariates of a file.

    Attributes
    ----------
    values : (row, channel), NaN where nothing stands; categories as their places
    numbers : the columns of numbers, with the cells that are none
    bad : (row,) rows with such a cell

    """

    channels: tuple[Channel, ...]
    values: FloatArray
    numbers: tuple[Target, ...]
    bad: BoolArray

    @property
    def words(self) -> str:
        """Name them with their roles, and what is a category."""
        return ", ".join(
            f"{one.name} ({one.role}{f', {len(one.categories)} categories' if one.categories else ''})"
            for one in self.channels
        )


def read_covariates(grid: Grid, roles: Mapping[str, Role], settings: FileSettings, file: str) -> Covariates:
    """Read columns beside the target.

    Raises
    ------
    ForecastError
        A column of texts has more of them than categories can be.

    """
    channels, values, numbers = [], [], []
    for name, role in roles.items():
        if is_numeric(grid, name):
            column = read_target(grid, name, settings, file)
            numbers.append(column)
            channels.append(Channel(name, role))
            values.append(column.values)
        else:
            categories, codes = _categories(grid, name, settings, file)
            channels.append(Channel(name, role, categories))
            values.append(codes)
    bad = np.zeros(len(grid), dtype=np.bool_)
    for column in numbers:
        bad |= column.bad
    table = np.column_stack(values) if values else np.zeros((len(grid), 0))
    return Covariates(tuple(channels), table, tuple(numbers), bad)


def _categories(grid: Grid, name: str, settings: FileSettings, file: str) -> tuple[tuple[str, ...], FloatArray]:
    cells = pc.cast(grid.column(name), pa.string())
    found = [text for text in pc.unique(cells).to_pylist() if text is not None]
    missing = set(settings.missing)
    categories = in_order_of_ids({text for text in found if not is_missing(text) and text not in missing})
    if not categories or len(categories) > _CATEGORIES:
        what = "nothing" if not categories else f"{len(categories):,} different texts"
        raise ForecastError(
            f"column {name!r} of {file!r} should hold numbers or at most {_CATEGORIES:,} categories, found {what}: "
            f"leave it out of `data.past`, `data.future` and `data.static`"
        )
    places = {text: float(i) for i, text in enumerate(categories)}
    return tuple(categories), np.array([places.get(text, np.nan) for text in cells.to_pylist()], dtype=np.float64)
