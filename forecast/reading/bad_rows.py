"""Rows that do not parse: told apart by line, and never left out without being asked to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.grid import count_rows, line_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from forecast.series.panel import IntArray

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class BadRows:
    """Rows with one fault in common: their lines, and the first of them in words."""

    lines: IntArray
    words: tuple[str, ...]


def bad_cells(lines: IntArray, cells: pa.Array, name: str, what: str) -> BadRows:
    """Describe cells that are not `what` ("a time"); an empty one is said to be missing."""
    texts = [str(cell) if cell is not None else "" for cell in cells.slice(0, _SHOWN).to_pylist()]
    words = [f"{text[:40]!r} in {name!r} is not {what}" if text else f"{name!r} is empty" for text in texts]
    return BadRows(lines, tuple(words))


def ragged_rows(ragged: Sequence[tuple[int, str]]) -> BadRows:
    """Describe rows with too many cells."""
    lines = np.array([line for line, _ in ragged], dtype=np.int64)
    return BadRows(lines, tuple(why for _, why in ragged[:_SHOWN]))


def settle(bad: Sequence[BadRows], on_bad_rows: str, file: str) -> tuple[str, ...]:
    """Raise, or return the notes that name the rows to be left out.

    Raises
    ------
    ForecastError
        There are bad rows, and nobody said to drop them.

    """
    bad = [rows for rows in bad if len(rows.lines)]
    if not bad:
        return ()
    if on_bad_rows == "drop":
        return tuple(f"{_count(rows)} left out, {line_list(rows.lines)}: {rows.words[0]}" for rows in bad)
    firsts = sorted((int(line), word) for rows in bad for line, word in zip(rows.lines, rows.words, strict=False))
    shown = "; ".join(f"line {line}: {word}" for line, word in firsts[:_SHOWN])
    lines = np.unique(np.concatenate([rows.lines for rows in bad]))
    more = f"; in all {line_list(lines)}" if len(lines) > min(len(firsts), _SHOWN) else ""
    raise ForecastError(
        f"{file!r} has {count_rows(len(lines))} that cannot be read: {shown}{more}; mend "
        f"{'it' if len(lines) == 1 else 'them'}, or leave {'it' if len(lines) == 1 else 'them'} out "
        f"with `data.on_bad_rows=drop`"
    )


def _count(rows: BadRows) -> str:
    return count_rows(len(rows.lines))
