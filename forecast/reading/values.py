"""Values of the chosen columns: numbers, symbols as codes of their alphabet, covariates as numbers or categories.

Symbols are texts taken as they are written, digits as well. Those of all target columns share one alphabet in the order
of code points; a value is the index of its symbol.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import (
    Notation,
    find_notation,
    is_missing,
    is_number,
    notation_of,
    read_numbers,
    spelled_numbers,
)
from forecast.reading.columns import is_numeric, like_symbols, listed
from forecast.reading.grid import line_list
from forecast.reading.raw_table import MOST_SYMBOLS, in_order_of_ids
from forecast.series.panel import Channel
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reading.grid import Grid
    from forecast.reading.settings import FileSettings
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Role


_NO_MARKS = frozenset("0123456789+-")
_MARKS = {",": "comma", ".": "point", " ": "space", "'": "apostrophe", "’": "apostrophe", "_": "underscore"}
_EXACT = 2**53  # up to it floating point holds each whole number
_NEVER_SEEN = 1e-9  # share of a column's spread that no more digits would show
_ROUNDED = 1e-6  # share of a column's spread up to which rounding does not matter
_MOST_CATEGORIES = 1_000
"""Categories that a column may have."""


@dataclass(frozen=True, eq=False)
class ColumnValues:
    """One column: values, (row,), NaN where missing; `bad` cells, (row,), are no numbers.

    `beside` counts what stood after numbers and was left out.
    """

    name: str
    values: FloatArray
    bad: BoolArray
    notation: Notation
    notes: tuple[str, ...] = ()
    beside: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, eq=False)
class Targets:
    """Values of the target columns.

    Attributes
    ----------
    symbols : the alphabet whose indices the values are; empty: they are numbers
    unknown : texts that a given alphabet lacks, with the line where each occurs first; their values are NaN

    """

    columns: tuple[ColumnValues, ...]
    symbols: tuple[str, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)


def read_targets(
    grid: Grid, names: Sequence[str], settings: FileSettings, file: str, known: tuple[str, ...] = ()
) -> Targets:
    """Read target columns; symbols become codes of the alphabet `known`, or of their own where it is empty.

    Raises
    ------
    ForecastError
        A column holds no numbers or no symbols, or there are too many different symbols.

    """
    if not settings.symbols:
        return Targets(tuple(_read_number_column(grid, name, settings, file) for name in names))
    columns = [_SymbolColumn.of(grid, name, settings.missing) for name in names]
    for column in columns:
        if not column.written.any():
            raise ForecastError(
                f"{column.name!r} of {file!r} holds no symbols, found nothing: name another column with `data.target`"
            )
    alphabet = sorted({text for column in columns for text in column.symbols})
    if not known and len(alphabet) > MOST_SYMBOLS:
        raise ForecastError(
            f"{listed(names)} of {file!r} should hold at most {MOST_SYMBOLS:,} different symbols, found "
            f"{len(alphabet):,}: name another column with `data.target`, or another `model.head` if these are numbers"
        )
    symbols = known or tuple(alphabet)
    codes = {text: float(code) for code, text in enumerate(symbols)}
    lines = [column.first_lines(grid.lines) for column in columns]
    unknown = {text: line for first in reversed(lines) for text, line in first.items() if text not in codes}
    return Targets(tuple(column.coded(codes) for column in columns), symbols, unknown)


def _read_number_column(grid: Grid, name: str, settings: FileSettings, file: str) -> ColumnValues:
    """Read a column of numbers in the notation that its cells show.

    Raises
    ------
    ForecastError
        Nothing in it is a number, or a number is infinite.

    """
    if (plain := _plain_numbers(grid, name, settings)) is not None:
        return plain
    cells = grid.column(name)
    notation, note = _notation(grid, name, settings) if pa.types.is_string(cells.type) else (Notation(), None)
    numbers = read_numbers(cells, notation, settings.missing)
    if pa.types.is_string(cells.type) and not np.isfinite(numbers.values).any():
        spelled = spelled_numbers(cells)
        if spelled is not None:
            return ColumnValues(name, spelled[0].values, spelled[0].bad, Notation(), (f"{spelled[1]} in {name!r}",))
    if not np.isfinite(numbers.values).any() and not np.isinf(numbers.values).any():
        symbols = like_symbols(grid, name)
        example = next(iter(grid.sample(name)), None) if pa.types.is_string(cells.type) else None
        raise ForecastError(
            f"{name!r} of {file!r} holds no numbers, found {'nothing' if example is None else repr(example[:40])}: "
            f"name another column with `data.target`{', or read symbols with `model.head=categorical`' * symbols}"
        )
    for text in settings.missing:
        with suppress(ValueError):  # "-999" means the number -999.0 too
            numbers.values[numbers.values == float(text)] = np.nan
    infinite = np.isinf(numbers.values)
    if infinite.any():
        raise ForecastError(
            f"{name!r} of {file!r} is infinite in {line_list(grid.lines[infinite])}: correct it, or set "
            f"`data.missing=[inf,-inf]` if that means no value"
        )
    units = numbers.currencies if len(numbers.currencies) > 1 else tuple(numbers.units)
    if len(units) > 1:
        first, second = units[:2]
        raise ForecastError(
            f"{name!r} of {file!r} holds numbers in {first!r} and in {second!r}: write all of them in one unit"
        )
    notes = (*((f"{note} in {name!r}",) if note else ()), *_rounding_notes(cells, numbers.values, name, file))
    return ColumnValues(name, numbers.values, numbers.bad, notation, notes, numbers.flags + numbers.units)


def stand_in_notes(columns: Sequence[ColumnValues], lines: IntArray) -> tuple[str, ...]:
    """Name numbers such as -999 and 9999 that lie far from all others, as they do where they stand for no value."""
    notes = []
    for column in columns:
        values = column.values
        for extreme in {float(np.fmin.reduce(values)), float(np.fmax.reduce(values))} if len(values) else ():
            if not _OF_NINES.fullmatch(f"{extreme:g}"):
                continue
            same = values == extreme
            others = values[~same & ~np.isnan(values)]
            if len(others) < _TWO or not min(abs(others - extreme)) > _FAR * np.ptp(others) > 0:
                continue
            notes.append(
                f"{column.name!r} holds {extreme:g} in {line_list(lines[same], 5)}, far from all other numbers: if it "
                f"stands for no value, set `data.missing=[{extreme:g}]`"
            )
    return tuple(notes)


_TWO, _FAR = 2, 2.0  # other numbers, and times their range
_OF_NINES = re.compile(r"-?99+(?:\.9+)?")


def beside_notes(columns: Sequence[ColumnValues]) -> tuple[str, ...]:
    """Say what stood after numbers and was not read."""
    beside = [column for column in columns if column.beside]
    if not beside:
        return ()
    texts = sum((column.beside for column in beside), Counter())
    shown = name_some([repr(text) for text, _ in texts.most_common(5)], len(texts))
    return (
        f"{shown} after numbers left out, in {counted(texts.total(), 'cell')} of "
        f"{listed([column.name for column in beside], 5)}",
    )


def _plain_numbers(grid: Grid, name: str, settings: FileSettings) -> ColumnValues | None:
    """Return numbers that were read as the column was cut; None: they need a closer look.

    Cells that are no plain numbers prove no notation (they are missing), so that it is that of a sample.
    """
    values = grid.numbers(name)
    if values is None or settings.missing or settings.decimal is not None or settings.thousands is not None:
        return None
    least, most = values.min(), values.max()
    if np.isnan(most):
        least, most = np.fmin.reduce(values), np.fmax.reduce(values)
    if not (least >= -_EXACT and most <= _EXACT) or not _is_plain(grid, name):
        return None
    return ColumnValues(name, values, grid.none_bad, Notation())


def _is_plain(grid: Grid, name: str) -> bool:
    """Whether a sample of plain numbers, or the file's other columns where it proves nothing, has decimal points."""
    sample = grid.sample(name)
    if find_notation(sample[:1], semicolons=False) == (Notation(), False):
        return True
    if set().union(*sample) <= _NO_MARKS:
        return grid.common_notation in (None, Notation())
    # Without commas one point that cannot group thousands decides.
    return any(find_notation([cell], semicolons=False) == (Notation(), False) for cell in sample)


def _rounding_notes(cells: pa.Array, values: FloatArray, name: str, file: str) -> tuple[str, ...]:
    """Say that whole numbers lost their last digits in floating point; nothing where none did.

    Raises
    ------
    ForecastError
        What got lost counts beside the differences of the numbers.

    """
    if pa.types.is_string(cells.type):
        long = pc.match_substring_regex(cells, r"^[-+]?\d{16,}$")
    elif pa.types.is_integer(cells.type):
        long = pc.greater(pc.abs_checked(pc.cast(cells, pa.float64(), safe=False)), float(_EXACT))
    else:
        return ()
    where = np.flatnonzero(pc.fill_null(long, False).to_numpy(zero_copy_only=False))
    exact = [int(cell) for cell in cells.take(pa.array(where)).to_pylist()]
    lost = max((abs(int(value) - number) for value, number in zip(values[where], exact, strict=True)), default=0)
    spread = float(np.nanmax(values) - np.nanmin(values)) if lost else 0.0
    if lost <= _NEVER_SEEN * spread:
        return ()
    if lost > _ROUNDED * spread:
        raise ForecastError(
            f"{name!r} of {file!r} holds whole numbers such as {exact[0]}, of whose last digits floating point keeps "
            f"none beyond {_EXACT:,} (2^53), and their differences are not much larger: subtract a number such as "
            f"{min(exact)} from the column"
        )
    return (f"whole numbers in {name!r} beyond {_EXACT:,} (2^53) were rounded, by {lost:,} at most",)


def _notation(grid: Grid, name: str, settings: FileSettings) -> tuple[Notation, str | None]:
    """Notation of a column by the settings, its cells or the file's other columns, and a note if it is a guess."""
    notation, doubtful = notation_of(grid.column(name), grid.sample(name), grid.european)
    if notation is None or doubtful:
        common = grid.common_notation
        if common is not None:
            notation, doubtful = common, False
    notation = notation or Notation()
    if doubtful and notation == Notation() and grid.european and grid.has_dotted_dates:
        notation = Notation(",", ".")  # who writes 31.12.2024 and separates cells by semicolons has decimal commas
    decimal = settings.decimal or notation.decimal
    other = {",": ".", ".": ","}.get(decimal, "")
    thousands = "" if notation.thousands == decimal else notation.thousands
    if settings.thousands is not None:
        thousands = settings.thousands.replace("none", "")
    elif other and not thousands and any(other in cell and is_number(cell) for cell in grid.sample(name)):
        # The mark that is not decimal can only group thousands; a cell in which it does not is bad.
        thousands = other
    given = settings.decimal is not None or settings.thousands is not None
    if not doubtful or given:
        return Notation(decimal, thousands), None
    mark, other = (thousands, thousands) if thousands else (decimal, {",": ".", ".": ","}[decimal])
    meaning = "decimals" if mark == decimal else "thousands"
    return Notation(decimal, thousands), (
        f"a {_MARKS[mark]} before three digits was read as {meaning}, which no cell proves "
        f"(`data.decimal={other!r}` reads it the other way)"
    )


def notation_words(targets: Sequence[ColumnValues]) -> dict[str, str]:
    """Describe a notation other than the plain one, for the report."""
    words = {}
    if any(target.notation.decimal != "." for target in targets):
        words["decimal"] = "comma"
    thousands = {_MARKS.get(target.notation.thousands, target.notation.thousands) for target in targets} - {""}
    if thousands:
        words["thousands"] = ", ".join(sorted(thousands))
    return words


@dataclass(frozen=True, eq=False)
class _SymbolColumn:
    """A column by its different texts: `codes`, (row,), are indices of `texts`; `written`, (text,): not missing."""

    name: str
    texts: tuple[str, ...]
    codes: IntArray
    written: BoolArray

    @staticmethod
    def of(grid: Grid, name: str, missing: Sequence[str]) -> _SymbolColumn:
        """Encode the cells of a column."""
        coded = pc.dictionary_encode(grid.texts(name))
        texts = tuple(coded.dictionary.to_pylist())
        written = np.array([not is_missing(text) and text not in missing for text in texts], dtype=np.bool_)
        return _SymbolColumn(name, texts, np.asarray(coded.indices, dtype=np.int64), written)

    @property
    def symbols(self) -> list[str]:
        """The different texts that are not missing."""
        return [text for text, written in zip(self.texts, self.written, strict=True) if written]

    def first_lines(self, lines: IntArray) -> dict[str, int]:
        """Line where each symbol occurs first; `lines`, (row,), are those of the file."""
        _, rows = np.unique(self.codes, return_index=True)
        first = {self.texts[self.codes[row]]: int(lines[row]) for row in np.sort(rows)}
        return {text: first[text] for text in self.symbols}

    def coded(self, codes: Mapping[str, float]) -> ColumnValues:
        """Replace texts by their codes in an alphabet, NaN where a text has none."""
        of_text = [codes.get(t, np.nan) if w else np.nan for t, w in zip(self.texts, self.written, strict=True)]
        values = np.array(of_text, dtype=np.float64)[self.codes]  # (text,) -> (row,)
        return ColumnValues(self.name, values, np.zeros(len(values), dtype=np.bool_), Notation(), self._notes())

    def _notes(self) -> tuple[str, ...]:
        """Name texts that were read as missing and could have been symbols."""
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
    values : (row, channel), NaN where missing; of categories their indices
    numbers : the columns of numbers
    bad : (row,) whether a cell of these columns is no number

    """

    channels: tuple[Channel, ...]
    values: FloatArray
    numbers: tuple[ColumnValues, ...]
    bad: BoolArray


def covariate_words(channels: Sequence[Channel]) -> str:
    """Name covariates with their roles and numbers of categories."""
    return ", ".join(
        f"{channel.name} ({channel.role}{f', {len(channel.categories)} categories' if channel.categories else ''})"
        for channel in channels
    )


def read_covariates(grid: Grid, roles: Mapping[str, Role], settings: FileSettings, file: str) -> Covariates:
    """Read the columns of covariates.

    Raises
    ------
    ForecastError
        A column of texts has too many different ones.

    """
    channels, values, numbers = [], [], []
    for name, role in roles.items():
        if is_numeric(grid, name):
            column = _read_number_column(grid, name, settings, file)
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


def is_category_or_number(grid: Grid, name: str) -> bool:
    """Whether a column can be a covariate."""
    if is_numeric(grid, name):
        return True
    cells = grid.column(name)
    return bool(pa.types.is_string(cells.type)) and len(pc.unique(cells)) <= _MOST_CATEGORIES


def _categories(grid: Grid, name: str, settings: FileSettings, file: str) -> tuple[tuple[str, ...], FloatArray]:
    """Categories of a column of texts, in natural order, and their codes, (row,)."""
    cells = pc.cast(grid.column(name), pa.string())
    texts = [text for text in pc.unique(cells).to_pylist() if text is not None]
    missing = set(settings.missing)
    categories = in_order_of_ids({text for text in texts if not is_missing(text) and text not in missing})
    if not categories or len(categories) > _MOST_CATEGORIES:
        what = "nothing" if not categories else f"{len(categories):,} different texts"
        raise ForecastError(
            f"column {name!r} of {file!r} should hold numbers or at most {_MOST_CATEGORIES:,} categories, found "
            f"{what}: leave it out of `data.past`, `data.future` and `data.static`"
        )
    codes = {text: float(code) for code, text in enumerate(categories)}
    return tuple(categories), np.array([codes.get(text, np.nan) for text in cells.to_pylist()], dtype=np.float64)
