"""Parts of a time that stand alone: a column of years beside one of months, or a header of months over rows of years.

A part is a number or a word: `Jan`, `Q1`, `KW 12`, `HE01` (`hours` tells when that is).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from forecast.reading.month_names import QUARTER_WORDS, month_numbers
from forecast.reading.vocabulary import FIELDS, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from forecast.series.panel import BoolArray, IntArray


RANGES = {
    "year": (1600, 2199),
    "tertial": (1, 3),
    "quarter": (1, 4),
    "month": (1, 12),
    "week": (1, 53),
    "day": (1, 31),
    "yearday": (1, 366),
    "hour": (0, 25),
    "minute": (0, 59),
    "second": (0, 59),
}
_CHAINS = (
    ("year", "month", "day", "hour", "minute", "second"),
    ("year", "yearday", "hour", "minute", "second"),
    ("year", "week"),
    ("year", "tertial"),
    ("year", "quarter"),
)
"""Parts that make a time together, from the coarsest on: any beginning of two or more."""
_NUMBER = re.compile(r"(\d{1,4})(?:\.0+)?", re.ASCII)
_NUMBER_OR_CODE = re.compile(rf"P?{_NUMBER.pattern}", re.ASCII)
_WORDS = {
    "year": re.compile(
        r"(?:[XYF]|FY\s?|(?i:year|jahr|rok|año|ano|anno|année)\s)?(\d{4})(?:\s?\[YR\d{4}\]|\s?[年년][度도]?)?"
    ),
    "tertial": re.compile(r"(?i:t|tertial)\.?\s?([1-3])", re.ASCII),
    "quarter": re.compile(
        r"(?i:q|qtr|quarter|quartal|trim|trimestre|t)\.?\s?0?([1-4])"
        r"|([1-4])(?:\.|st|nd|rd|th|er|e|º|°)?\s?(?i:q|t|quarter|quartal|trimestre|kvartal|분기)"
    ),
    "month": re.compile(r"[MP](0[1-9]|1[0-2])|(1[0-2]|[1-9])\s?[月월]", re.ASCII),
    "week": re.compile(r"(?i:w|wk|kw|week|woche|semana|semaine)[ ._-]?(\d{1,2})", re.ASCII),
    "day": re.compile(r"(?i:d|day|tag|dia)[ ._-]?(\d{1,2})", re.ASCII),
    "hour": re.compile(
        r"(?i:h|hr|hour|he|hour[ _-]?ending|stunde|std)[ ._-]?(\d{1,2})[*xX]?|(\d{1,2})\s?[-–]\s?\d{1,2}", re.ASCII
    ),
}
_DOUBLE_YEAR = re.compile(r"(?:FY\s?)?(\d{4})\s?[/–-]\s?(?:\d{2})?(\d{2})", re.ASCII)
_YEAR = re.compile(r"(?:1[6-9]|2[01])\d\d")
_FEWEST_WORDS = 3  # different words that a column of parts has
_PROOF = ("month", "quarter")
"""Parts whose words (not numbers) are beyond doubt, whatever the column is called."""


@lru_cache(1 << 12)
def part_number(text: str, field: str) -> int:
    """Return the number that a cell stands for as a part of the time; -1: none.

    >>> part_number("Mar", "month"), part_number("Q3", "quarter"), part_number("HE01", "hour"), part_number("x", "day")
    (3, 3, 1, -1)
    """
    text = text.strip()
    if match := _NUMBER.fullmatch(text):
        return int(match[1])
    if field == "year" and (match := _DOUBLE_YEAR.fullmatch(text)):
        year = int(match[1])
        return year if int(match[2]) == (year + 1) % 100 else -1
    if field in _WORDS and (match := _WORDS[field].fullmatch(text)):
        return int(next(group for group in match.groups() if group))
    if field == "quarter":
        return QUARTER_WORDS.get(text.lower(), -1)
    return month_numbers([text])[0] if field == "month" else -1


def is_part(text: str, field: str) -> bool:
    """Whether a cell is a part of the time, in its range."""
    low, high = RANGES[field]
    return low <= part_number(text, field) <= high


def is_double_year(text: str) -> bool:
    """Whether a cell is a year that goes over a new year.

    >>> is_double_year("2015/16"), is_double_year("2015-2016"), is_double_year("2015-12")
    (True, True, False)
    """
    return _DOUBLE_YEAR.fullmatch(text) is not None and part_number(text, "year") > 0


def first_month(years: IntArray, months: IntArray, fewest: int = 2) -> int:
    """Return the month with which the years of a file begin, which go on in January; 1: not `fewest` of them do so.

    Within a year the months stand in the order of the file, from the first to the last or back.

    >>> years, months = np.repeat([2015, 2016], 12), np.tile(np.roll(np.arange(1, 13), -3), 2)
    >>> first_month(years, months), first_month(years, np.sort(months)), first_month(years[:12], months[:12])
    (4, 1, 1)
    """
    _, rows = np.unique(years * 100 + months, return_index=True)  # of each month of a year the first row
    rows = rows[np.lexsort((rows, years[rows]))]
    begin, end, over = 13, 0, 0  # of the years that go over a new year: the first months, the last, how many
    for of_year in np.split(months[rows], np.flatnonzero(np.diff(years[rows])) + 1):
        steps = np.sign(np.diff(of_year))
        onward = of_year[::-1] if steps.sum() < 0 else of_year
        back = int(np.sum(np.diff(onward) < 0))
        if back == 1 and onward[-1] < onward[0]:
            begin, end, over = min(begin, int(onward[0])), max(end, int(onward[-1])), over + 1
        elif back or {1, 12} <= set(onward.tolist()):
            return 1
    return begin if over >= fewest and end < begin else 1


def read_part(cells: pa.StringArray, field: str) -> tuple[IntArray, BoolArray]:
    """Numbers of a column of parts, (row,), and whether each cell is one, (row,)."""
    coded = pc.dictionary_encode(cells)
    numbers = np.array([part_number(text or "", field) for text in coded.dictionary.to_pylist()] or [-1])
    of_row = numbers[np.asarray(pc.fill_null(coded.indices, 0), dtype=np.int64)]
    return of_row, of_row >= 0


def fields_by_name(samples: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Columns that hold parts of the time by field: named like one with cells in range, or of words beyond doubt.

    `samples` are the filled cells of the columns.
    """
    columns: dict[str, str] = {}
    for field, usual in FIELDS.items():
        called = [name for name in samples if plain(name) in usual]
        worded = [name for name, cells in samples.items() if field in _PROOF and _are_words(cells, field)]
        for name in [*called, *worded]:
            cells = samples[name]
            if cells and all(is_part(cell, field) for cell in cells):
                columns.setdefault(field, name)
    if columns and "year" not in columns:  # whose column may have no name above words for months
        unnamed = (name for name in samples if re.fullmatch(r"column \d+", name))
        years = next((name for name in unnamed if samples[name] and all(map(_YEAR.fullmatch, samples[name]))), None)
        years = years or next(
            (name for name in samples if samples[name] and all(map(is_double_year, samples[name]))), None
        )
        columns |= {"year": years} if years else {}
    return columns


def _are_words(cells: Sequence[str], field: str) -> bool:
    """Whether cells are words for parts, at least three of them and each always written alike; II may be a phase."""
    different = set(cells)
    if any(cell.lower() in QUARTER_WORDS for cell in different):
        return False
    numbers = {part_number(cell, field) for cell in different}
    return not any(map(_NUMBER_OR_CODE.fullmatch, different)) and len(numbers) == len(different) >= _FEWEST_WORDS


def chain_of(fields: Iterable[str]) -> tuple[str, ...]:
    """Longest chain of parts that make a time, from the year down without a gap; (): the year alone, or none."""
    present = set(fields)
    best: tuple[str, ...] = ()
    for chain in _CHAINS:
        length = next((i for i, field in enumerate(chain) if field not in present), len(chain))
        if length > max(len(best), 1):
            best = chain[:length]
    return best
