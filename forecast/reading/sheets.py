"""Tables laid out for the eye: notes and totals below the rows, the header again, a second table, labels once a block.

Spreadsheets and pivot tables are exported so. What is no observation is left out, each with a note; a label that stands
once for the rows below it is written into all of them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.reading.cells import is_data, is_missing, is_number
from forecast.reading.grid import line_list, may_be_blank
from forecast.reading.read_columns import ReadColumn
from forecast.reading.time_fields import is_part
from forecast.reading.vocabulary import KNOWN_AHEAD, TOTAL_WORDS, is_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.grid import Grid
    from forecast.series.panel import BoolArray, IntArray

_MOST_NOTES = 60  # rows below a table that may be notes
_MOST_CANDIDATES, _FEW_CANDIDATES = 0.05, 20  # share of the rows that may look like a header, and rows in any case
_FIRST = 8  # rows by which a column's kind is told
_MOST_DATA = 0.5  # share of a column's cells that are numbers or times, from which on it holds data
_TIME_AND_VALUE = 2  # columns that a header names at least
_BLANKS = 1 / 3  # share of a column's cells that are empty where labels stand once a block
_SHOWN = 60  # letters of a note


def observations(grid: Grid) -> Grid:
    """Keep the rows of a table that are observations, with their labels."""
    if not len(grid) or len(grid.names) < 2:
        return grid
    grid = _in_common_years(grid)
    grid = _without_totals(_first_table(_without_notes(grid)))
    return _with_years(_with_labels(grid))


_ERAS = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
_ERAS |= dict(zip("MTSHR", _ERAS.values(), strict=True))
"""Japanese eras, and the year before the first of each."""
_OF_ERA = re.compile(
    r"(?:([明大昭平令][治正和成])|([MTSHR])(?=\d{1,2}[./-]\d{1,2}[./-]\d{1,2}$))(\d{1,2}|元)(?=\D|$)", re.ASCII
)


def _in_common_years(grid: Grid) -> Grid:
    """Write the years of Japanese eras as those of the common calendar, in columns that hold nothing else."""
    columns, notes = list(grid.columns), list(grid.notes)
    for j, name in enumerate(grid.names):
        cells = grid.filled(name) if _is_text(grid.columns[j]) else []
        if not cells or not all(_OF_ERA.match(cell) for cell in cells):
            continue
        texts = [_OF_ERA.sub(_common_year, cell, count=1) for cell in grid.column(name).to_pylist()]
        columns[j] = pa.array(texts, pa.string())
        notes.append(
            f"years of eras in {name!r} were read as those of the common calendar: {cells[0]!r} as "
            f"{_OF_ERA.sub(_common_year, cells[0], count=1)!r}"
        )
    return replace(grid, columns=tuple(columns), notes=tuple(notes))


def _common_year(match: re.Match[str]) -> str:
    era, year = match[1] or match[2], match[3]
    return str(_ERAS[era] + (1 if year == "元" else int(year))) if era in _ERAS else match[0]


def _without_notes(grid: Grid) -> Grid:
    """Leave out rows at the end of which only the first cell is filled, and with no data."""
    count = 0
    while count < min(_MOST_NOTES, len(grid) - 1) and _is_note(grid, len(grid) - 1 - count):
        count += 1
    if not count:
        return grid
    kept = np.arange(len(grid)) < len(grid) - count
    text = _text(grid, 0, len(grid) - count)
    note = f"{line_list(grid.lines[~kept])} below the table left out: {text[:_SHOWN]!r}{' ...' if count > 1 else ''}"
    return replace(grid.keep(kept), notes=(*grid.notes, note))


def _is_note(grid: Grid, row: int) -> bool:
    first = _text(grid, 0, row)
    if is_missing(first) or is_data(first):
        return False
    return not any(_text(grid, j, row) for j in range(1, len(grid.names)))


def _text(grid: Grid, column: int, row: int) -> str:
    """Text of a cell; of a column that was read as numbers, some text."""
    cells = grid.columns[column]
    if isinstance(cells, ReadColumn):
        if cells.numbers is not None:
            return "" if np.isnan(cells.numbers[row]) else "0"
        if cells.moments is not None:
            return "2000-01-01"
        if cells.coded is not None:
            return str(cells.coded[row].as_py() or "")
        cells = cells.texts
    value = cells[row].as_py()
    return "" if value is None else str(value)


def _first_table(grid: Grid) -> Grid:
    """Leave out the header where it comes again, and a second table below a blank line or a title."""
    if not all(map(_is_text, grid.columns)):
        return grid  # a column of numbers or times without a text among its cells has no header in them
    data = [j for j in range(len(grid.names)) if _holds_data(grid, j)]
    if len(data) < _TIME_AND_VALUE:
        return grid
    texts = [grid.column(grid.names[j]) for j in data]
    like = np.asarray(pc.match_substring_regex(texts[0], r"^[^\d\s]").to_numpy(zero_copy_only=False))
    if not 0 < like.sum() <= max(_MOST_CANDIDATES * len(grid), _FEW_CANDIDATES):
        return grid
    again = np.zeros(len(grid), dtype=np.bool_)
    for row in np.flatnonzero(like):
        cells = [column[int(row)].as_py() for column in texts]
        if cells == [grid.names[j] for j in data] and not (row and _is_note(grid, int(row) - 1)):
            again[row] = True
        elif not any(map(is_data, cells)) and _begins_table(grid, int(row)):
            return _before(grid, int(row), again)
    if not again.any():
        return grid
    note = f"the header comes again in {line_list(grid.lines[again])}: left out"
    return replace(grid.keep(~again), notes=(*grid.notes, note))


def _is_text(cells: pa.Array | ReadColumn) -> bool:
    """Whether a column was read as texts."""
    if isinstance(cells, ReadColumn):
        return cells.numbers is None and cells.moments is None
    return bool(pa.types.is_string(cells.type))


def _holds_data(grid: Grid, column: int) -> bool:
    """Whether a column begins with numbers or times; a second table may hold texts there."""
    cells = [_text(grid, column, row) for row in range(min(_FIRST, len(grid)))]
    filled = [cell for cell in cells if not is_missing(cell)]
    return sum(map(is_data, filled)) > _MOST_DATA * len(filled)


def _begins_table(grid: Grid, row: int) -> bool:
    """Whether a row without data names columns: several cells, after a blank line or a title, and data below."""
    filled = sum(bool(_text(grid, j, row)) for j in range(len(grid.names)))
    after_gap = row > 0 and (grid.lines[row] > grid.lines[row - 1] + 1 or _is_note(grid, row - 1))
    below = [_text(grid, j, row + 1) for j in range(len(grid.names))] if row + 1 < len(grid) else []
    return filled > 1 and after_gap and any(map(is_data, below))


def _before(grid: Grid, row: int, again: BoolArray) -> Grid:
    """Keep the rows before a second table, whose header stands in `row`; a title may stand above it."""
    if row and _is_note(grid, row - 1):
        row -= 1
    first = int(grid.lines[row])
    kept = (np.arange(len(grid)) < row) & ~again
    text = _text(grid, 0, row)
    note = (
        f"{line_list(grid.lines[row:])} hold another table, {text[:_SHOWN]!r}, left out: `data.skip_rows={first - 1}` "
        "reads it instead"
    )
    ragged = tuple(bad for bad in grid.ragged if bad[0] < first)
    return _without_notes(replace(grid.keep(kept), ragged=ragged, notes=(*grid.notes, note)))


def _without_totals(grid: Grid) -> Grid:
    """Leave out rows of totals: a word for one beside an empty label, or among times; a code for a year's mean."""
    totals = np.zeros(len(grid), dtype=np.bool_)
    keys = _keys(grid)
    blank = np.any([may_be_blank(grid.columns[j]) for j in range(len(keys))], axis=0) if len(keys) > 1 else ~totals
    for name in keys if len(keys) > 1 or _holds_data(grid, 0) else ():
        coded = grid.coded(name)
        words = np.asarray(pc.match_substring_regex(coded.dictionary, _TOTAL).to_numpy(zero_copy_only=False))
        if words.any():
            totals |= words[np.asarray(coded.indices.fill_null(0), dtype=np.int64)] & blank
    for j, name in enumerate(grid.names):
        sample = set(grid.filled(name)) if _is_text(grid.columns[j]) else set()
        if sample & {*_YEARLY} and all(map(_CODED.fullmatch, sample)):
            totals |= pc.is_in(grid.column(name), value_set=pa.array(_YEARLY)).to_numpy(zero_copy_only=False)
    if not totals.any() or totals.all():
        return grid
    return replace(grid.keep(~totals), notes=(*grid.notes, f"rows of totals left out, {line_list(grid.lines[totals])}"))


_TOTAL = rf"(?i)(?:^|[\s\d])(?:{'|'.join(map(re.escape, sorted(TOTAL_WORDS)))})(?:$|[\s\d:])"


_YEARLY = ("M13", "Q05", "S03")
_CODED = re.compile(r"M(?:0[1-9]|1[0-3])|Q0[1-5]|S0[1-3]")
"""Months, quarters and halves of years as the Bureau of Labor Statistics codes them, the mean of the year last."""


def _keys(grid: Grid) -> list[str]:
    """Columns of texts before the first one of numbers."""
    keys: list[str] = []
    for name, cells in zip(grid.names, grid.columns, strict=True):
        filled = grid.filled(name)
        if not _is_text(cells) or (keys and sum(map(is_number, filled)) > _MOST_DATA * len(filled)):
            break
        keys.append(name)
    return keys


def _with_labels(grid: Grid) -> Grid:
    """Write labels that stand once for a block of rows into all rows of it.

    They fill the first columns, each block anew, and the next column is full: it holds the same again in other blocks
    and nothing twice in one, as months do below their year.
    """
    sparse: list[BoolArray] = []  # by column: whether a row has a label, (row,)
    for j, name in enumerate(grid.names):
        filled = ~may_be_blank(grid.columns[j])
        if filled.all() or not filled[0] or filled.mean() > 1 - _BLANKS or is_named(name, KNOWN_AHEAD):
            break
        sparse.append(filled)
    count = len(sparse)
    if not count or count == len(grid.names) or may_be_blank(grid.columns[count]).any():
        return grid
    for outer, inner in pairwise(sparse):
        if (outer & ~inner).any():
            return grid
    block: IntArray = np.cumsum(sparse[-1], dtype=np.int64)
    within = np.asarray(pc.dictionary_encode(grid.column(grid.names[count])).indices, dtype=np.int64)
    if block[-1] < 2 or not _restarts(within, block):
        return grid
    labels = grid.names[:count]
    columns = list(grid.columns)
    columns[:count] = [_down(grid.column(name)) for name in labels]
    note = f"labels that stand once for the rows below them were written into these: {', '.join(map(repr, labels))}"
    return replace(grid, columns=tuple(columns), notes=(*grid.notes, note))


_YEAR_ONCE = re.compile(
    r"(?P<before>(?:1[6-9]|2[01])\d\d[-/. ]{1,2})?"
    r"(?P<part>[^\W\d].*?|\d\.? ?[^\W\d].*?)"
    r"(?P<after>[-/. ]{1,2}(?:1[6-9]|2[01])\d\d)?"
)
"""A month or quarter in words, and the year before or behind it."""


def _with_years(grid: Grid) -> Grid:
    """Write the year that stands once, as in 2015 Jan, Feb, Mar, into the months or quarters below it.

    It may have a row of its own, which holds nothing else or, in a pivot table, the total of the year: it is left out.
    """
    for j, name in enumerate(grid.names):
        sample = grid.filled(name)[:_FIRST] if _is_text(grid.columns[j]) else []
        with_year = [bool(_HAS_YEAR.search(cell)) for cell in sample]
        if not sample or not with_year[0] or all(with_year):
            continue
        texts = _years_written(grid.column(name).to_pylist())
        kept = np.array([bool(text) for text in texts], dtype=np.bool_)
        if kept.any():
            columns = [*grid.columns[:j], pa.array(texts, pa.string()), *grid.columns[j + 1 :]]
            first = next(text for text, year in zip(texts, with_year, strict=False) if text and not year)
            notes = [f"years that stand once in {name!r} were written into the rows below them: {first!r}"]
            others = [k for k in range(len(grid.names)) if k != j]
            if any(_text(grid, k, int(row)) for row in np.flatnonzero(~kept) for k in others):
                notes.append(f"rows of totals left out, {line_list(grid.lines[~kept])}")
            return replace(replace(grid, columns=tuple(columns)).keep(kept), notes=(*grid.notes, *notes))
    return grid


_HAS_YEAR = re.compile(r"(?<!\d)(?:1[6-9]|2[01])\d\d(?!\d)")


def _years_written(cells: Sequence[str]) -> list[str]:
    """Cells with the year that stands before them, empty ones for years alone; (): others are no months or quarters."""
    texts, before, after = [], "", ""
    for cell in cells:
        match = _YEAR_ONCE.fullmatch(cell)
        if match is not None and (is_part(match["part"], "month") or is_part(match["part"], "quarter")):
            if match["before"] or match["after"]:
                before, after = match["before"] or "", match["after"] or ""
            texts.append(f"{before}{match['part']}{after}")
        elif _HAS_YEAR.fullmatch(cell):
            before, after = f"{cell} ", ""
            texts.append("")
        elif texts and re.search(_TOTAL, cell):
            texts.append("")
        else:
            return []
    return texts


def _restarts(codes: IntArray, block: IntArray) -> bool:
    """Whether codes, (row,), are all different within each block, (row,), and some come in several blocks."""
    pairs = np.stack([block, codes], axis=1)
    return len(np.unique(pairs, axis=0)) == len(pairs) and len(np.unique(codes)) < len(codes)


def _down(cells: pa.Array) -> pa.Array:
    return pc.fill_null_forward(pc.if_else(pc.equal(cells, ""), None, cells))
