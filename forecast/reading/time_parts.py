"""Written times as integer parts, a column at a time (`cut_times`), and parts as nanoseconds since 1970 (`compose`).

Cells that differ in nothing but digits, as most columns' do, are cut at the same places; any other column goes through
Arrow's regular expressions, some fifty times as slow. Days are counted by NumPy's calendar (proleptic Gregorian); a
part out of its range (30 February, minute 75) makes its row bad.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.reading.month_names import QUARTER_WORDS, is_day, month_numbers
from forecast.series.calendar import FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from forecast.reading.time_forms import Parts, TimeForm
    from forecast.series.panel import BoolArray, IntArray


_TEXTS = frozenset({"offset", "zone"})
_WORDS = frozenset({"name", "qword", "ampm", "half"})
_UNREAD = frozenset({"dow", "until", "ordinal"})
_DECIMALS = {"fraction": 9, "share": 9, "hundredth": 2}  # digits to which zeros fill these parts up
_SHARE = 0.08  # of a month, by which a year with decimals may miss its beginning or its middle
_LONGEST = 64  # bytes of a cell that is cut by position
_NS = {"hour": 3_600 * 10**9, "minute": 60 * 10**9, "second": 10**9}
_DAY_NS = 86_400 * 10**9
_FIRST_DAY, _LAST_DAY = (int(np.datetime64(day, "D").astype(np.int64)) for day in (FIRST_DAY, LAST_DAY))
_LAST_NS = 2**63 - 1 - _LAST_DAY * _DAY_NS  # of the last day
_YEARS = (int(FIRST_DAY[:4]), int(LAST_DAY[:4]))


@dataclass(frozen=True, eq=False)
class Cut:
    """A column of written times.

    Attributes
    ----------
    parts : by name, (row,) int64; -1 where a cell lacks the part; `name` is a month, `ampm` and `half` are 0 or 1
    texts : `offset` and `zone` where the form has them: the different texts, and the index of each row's, (row,)
    fits : (row,) bool, whether the cell has the form

    """

    parts: Parts
    texts: dict[str, tuple[list[str], IntArray]]
    fits: BoolArray


def cut_times(cells: pa.StringArray, form: TimeForm) -> Cut:
    """Cut cells into the parts of a form."""
    return _cut_alike(cells, form) or _cut_any(cells, form)


def _cut_alike(cells: pa.StringArray, form: TimeForm) -> Cut | None:
    """Cut cells that are as long as the first and differ from it in digits only; None: not all do."""
    first = cells[0].as_py() if len(cells) else None
    match = form.expression.fullmatch(first) if first and first.isascii() else None
    if match is None or len(match.string) > _LONGEST or cells.null_count:
        return None
    if not is_day(match.groupdict().get("dow") or "Mon"):
        return None
    letters = _letters(cells, len(match.string))
    if letters is None:
        return None
    like = np.frombuffer(match.string.encode(), dtype=np.uint8)
    spans = {name: match.span(name) for name, text in match.groupdict().items() if text}
    numbers = {name: span for name, span in spans.items() if name not in _TEXTS | _WORDS | _UNREAD}
    digits = _marked(numbers.values(), len(like))
    same = ~digits & ~_marked([spans[name] for name in _UNREAD & spans.keys()], len(like))
    if not (letters[:, same] == like[same]).all() or not ((letters[:, digits] - 48) < 10).all():
        return None
    parts = {name: _number(letters[:, start:end], name) for name, (start, end) in numbers.items()}
    parts |= {name: np.full(len(cells), _numbers_of([match[name]], name)[0]) for name in _WORDS & spans.keys()}
    first_one = np.zeros(len(cells), dtype=np.int64)
    texts = {name: ([match[name] or ""], first_one) for name in _TEXTS & form.groups}
    return Cut(parts, texts, np.ones(len(cells), dtype=np.bool_))


def _marked(spans: Iterable[tuple[int, int]], width: int) -> BoolArray:
    """Whether a byte lies in one of the spans, (width,)."""
    marked = np.zeros(width, dtype=np.bool_)
    for start, end in spans:
        marked[start:end] = True
    return marked


def _letters(cells: pa.StringArray, width: int) -> npt.NDArray[np.uint8] | None:
    """Bytes of all cells, (row, width); None: not all are that long."""
    _, offsets, data = cells.buffers()
    starts = np.frombuffer(offsets, dtype=np.int32)[cells.offset : cells.offset + len(cells) + 1]
    if not (np.diff(starts) == width).all():
        return None
    return np.frombuffer(data, dtype=np.uint8)[starts[0] : starts[-1]].reshape(len(cells), width)


def _number(digits: npt.NDArray[np.uint8], name: str) -> IntArray:
    """Value of ASCII digits, (row, digit) -> (row,); fractions in nanoseconds."""
    number = np.zeros(len(digits), dtype=np.int64)
    for column in digits.T:
        number = number * 10 + (column - 48)
    return number * 10 ** (_DECIMALS[name] - digits.shape[1]) if name in _DECIMALS else number


def _cut_any(cells: pa.StringArray, form: TimeForm) -> Cut:
    """Cut cells by the form's regular expression."""
    groups = pc.extract_regex(cells, f"^(?:{form.pattern})$")
    fits: BoolArray = pc.is_valid(groups).to_numpy(zero_copy_only=False)
    parts: Parts = {}
    for name in sorted(form.groups - _TEXTS - _UNREAD):
        column = pc.struct_field(groups, name)
        part = _words(column, name) if name in _WORDS else _numbers(column, name)
        if part.max(initial=-1) >= 0:
            parts[name] = part
    texts = {name: _coded(pc.struct_field(groups, name)) for name in _TEXTS & form.groups}
    if "dow" in form.groups:
        days, which = _coded(pc.struct_field(groups, "dow"))
        fits = fits & np.array([not day or is_day(day) for day in days])[which]
    return Cut(parts, texts, fits)


def _coded(column: pa.StringArray) -> tuple[list[str], IntArray]:
    coded = pc.dictionary_encode(pc.fill_null(column, ""))
    return coded.dictionary.to_pylist(), np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _words(column: pa.StringArray, name: str) -> IntArray:
    texts, which = _coded(column)
    return np.array(_numbers_of(texts, name), dtype=np.int64)[which]


def _numbers(column: pa.StringArray, name: str) -> IntArray:
    empty = pc.equal(column, "")
    if name in _DECIMALS:
        column = pc.utf8_rpad(column, _DECIMALS[name], "0")
    column = pc.if_else(empty, None, column)
    return np.asarray(pc.fill_null(pc.cast(column, pa.int64()), -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _numbers_of(texts: Sequence[str], name: str) -> list[int]:
    """Numbers of words: months and quarters from 1, halves of the day 0 and 1; -1: no word."""
    if name == "name":
        return month_numbers(texts)
    if name == "qword":
        return [QUARTER_WORDS.get(text.lower(), -1) for text in texts]
    return [int(text[0] in "pP" or text in {"오후", "下午", "午後"}) if text else -1 for text in texts]


def compose(parts: Mapping[str, IntArray], rows: int) -> tuple[IntArray, BoolArray]:
    """Nanoseconds since 1970 of parts, (row,), and whether each is a valid time, (row,)."""
    if "whole" in parts:
        return _epoch(parts, rows)
    if "serial" in parts:
        return _serial(parts, rows)
    day, good = _days(parts, rows)
    within, clock_good = of_day(parts, rows)
    good &= clock_good & (day >= _FIRST_DAY) & ((day < _LAST_DAY) | ((day == _LAST_DAY) & (within <= _LAST_NS)))
    return np.where(good, day, 0) * _DAY_NS + np.where(good, within, 0), good


def of_day(parts: Mapping[str, IntArray], rows: int) -> tuple[IntArray, BoolArray]:
    """Nanoseconds after midnight, (row,); 24:00 is the end of the day."""
    zero = np.zeros(rows, dtype=np.int64)
    hour = np.maximum(parts.get("hour", zero), 0)
    minute = np.maximum(parts.get("minute", zero), 0)
    second = np.maximum(parts.get("second", zero), 0)
    fraction = np.maximum(parts.get("fraction", zero), 0)
    half = parts.get("ampm", parts.get("half", zero - 1))
    good = (minute < 60) & (second < 60) & np.where(half >= 0, (hour >= 1) & (hour <= 12), hour <= 24)
    hour = np.where(half >= 0, hour % 12 + 12 * half, hour)
    within = hour * _NS["hour"] + minute * _NS["minute"] + second * _NS["second"] + fraction
    return within, good & (within <= _DAY_NS)


def _days(parts: Mapping[str, IntArray], rows: int) -> tuple[IntArray, BoolArray]:
    """Days since 1970, (row,), and whether each exists, (row,)."""
    first_of_all = np.ones(rows, dtype=np.int64)
    year = _years(parts, rows)
    month, good = _months(parts, rows)
    day = parts.get("day", first_of_all)
    good &= (year >= _YEARS[0]) & (year <= _YEARS[1]) & (month >= 1) & (month <= 12) & (day >= 1)
    if "next" in parts:
        good &= (parts["next"] < 0) | (parts["next"] % 100 == (year + 1) % 100)
    first = ((np.where(good, year, 1970) - 1970) * 12 + np.where(good, month, 1) - 1).astype("datetime64[M]")
    start = first.astype("datetime64[D]").astype(np.int64)
    length = (first + 1).astype("datetime64[D]").astype(np.int64) - start
    if "yearday" in parts:  # counted from the first of January
        day, length = parts["yearday"], _year_length(first)
    if "week" in parts:
        return _week_days(start, parts, rows, good)
    good &= (day >= 1) & (day <= length)
    return start + day - 1, good


def _months(parts: Mapping[str, IntArray], rows: int) -> tuple[IntArray, BoolArray]:
    """Months from 1, (row,), and whether each is one, (row,)."""
    if "share" in parts:
        return _months_of_shares(parts["share"])
    good = np.ones(rows, dtype=np.bool_)
    if "semester" in parts:
        return 6 * parts["semester"] - 5, good
    if "tertial" in parts:
        return 4 * parts["tertial"] - 3, good
    for name in ("quarter", "qword"):
        if name in parts:
            return 3 * parts[name] - 2, good
    return next((parts[name] for name in ("month", "hundredth", "name") if name in parts), good.astype(np.int64)), good


def _months_of_shares(share: IntArray) -> tuple[IntArray, BoolArray]:
    """Months of billionths of a year, (row,): all their beginnings (1949.083) or all their middles (1949.125)."""
    months = np.maximum(share, 0) * 12 / 1e9
    beginning = np.abs(months - np.round(months)) <= _SHARE
    middle = np.abs(months - np.floor(months) - 0.5) <= _SHARE
    if middle.sum() > beginning.sum():
        return np.floor(months).astype(np.int64) + 1, middle
    return np.round(months).astype(np.int64) + 1, beginning


def _years(parts: Mapping[str, IntArray], rows: int) -> IntArray:
    """Years, (row,); of two digits 69 to 99 are in the 20th century, as POSIX has it; -1: none."""
    if "year" in parts:
        return parts["year"]
    short = parts.get("y2", np.full(rows, -10_000, dtype=np.int64))
    return np.where(short < 0, -1, short + np.where(short >= 69, 1900, 2000))


def _year_length(first: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]) -> IntArray:
    year = first.astype("datetime64[Y]")
    days = (year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")
    return np.asarray(days.astype(np.int64))


def _week_days(
    january: IntArray, parts: Mapping[str, IntArray], rows: int, good: BoolArray
) -> tuple[IntArray, BoolArray]:
    """Days of ISO weeks: week 1 holds 4 January, weeks begin on Monday (which is taken if no weekday is given)."""
    fourth = january + 3
    monday = fourth - (fourth + 3) % 7  # 1970-01-01 was a Thursday: day 0 is 3 days after a Monday
    weekday = np.maximum(parts.get("weekday", np.ones(rows, dtype=np.int64)), 1)
    week = parts["week"]
    day = monday + 7 * (week - 1) + weekday - 1
    # Week 53 exists where its Thursday is still in the year.
    thursday = (monday + 7 * (week - 1) + 3).astype("datetime64[D]").astype("datetime64[Y]")
    return day, good & (week >= 1) & (week <= 53) & (
        thursday == january.astype("datetime64[D]").astype("datetime64[Y]")
    )


def _epoch(parts: Mapping[str, IntArray], rows: int) -> tuple[IntArray, BoolArray]:
    """Counts of a unit since 1970."""
    whole = parts["whole"]
    unit = int(parts["unit"][0]) if "unit" in parts else epoch_unit(whole)
    fraction = np.maximum(parts.get("fraction", np.zeros(rows, dtype=np.int64)), 0)
    good = (whole >= 0) & (whole < 9 * 10**18 // unit)
    return np.where(good, whole, 0) * unit + fraction * unit // 10**9, good


def _serial(parts: Mapping[str, IntArray], rows: int) -> tuple[IntArray, BoolArray]:
    """Days since 1899-12-30, as spreadsheets count; fractions are rounded to seconds."""
    fraction = np.maximum(parts.get("fraction", np.zeros(rows, dtype=np.int64)), 0)
    seconds = np.round(fraction * 86_400 / 10**9).astype(np.int64)
    good = parts["serial"] >= 0
    # Day 25,569 of a spreadsheet is 1970-01-01.
    return np.where(good, (parts["serial"] - 25_569) * _DAY_NS + seconds * 10**9, 0), good


def epoch_unit(whole: IntArray) -> int:
    """Nanoseconds of the unit in which counts since 1970 fall into 1973 to 2128."""
    typical = int(np.median(whole[whole >= 0])) if (whole >= 0).any() else 0
    for unit, digits in ((10**9, 10), (10**6, 13), (10**3, 16)):
        if typical < 5 * 10 ** (digits - 1):
            return unit
    return 1
