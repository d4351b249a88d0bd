"""The values of targets' columns: numbers, or symbols, which are texts as they are written, whatever they look like.

Symbols of all columns have one alphabet, sorted by code points; a value is the place in it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import is_missing
from forecast.reading.numbers import Notation
from forecast.reading.targets import is_numeric, listed, plain_columns, usual_target
from forecast.reading.values import Target, read_target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reading.csv_settings import CsvSettings
    from forecast.reading.grid import Grid
    from forecast.series.panel import BoolArray, IntArray

MOST_SYMBOLS = 10_000
"""Different symbols at most; more are numbers or free text read by mistake."""


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
    grid: Grid, names: Sequence[str], settings: CsvSettings, file: str, known: tuple[str, ...] = ()
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
