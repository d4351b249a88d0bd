"""From the parts of written times to nanoseconds since 1970, a column at a time.

Days are counted by NumPy's own calendar (proleptic Gregorian); nothing is guessed here, and a part out of its range
(a 30th of February, minute 75) makes its row bad.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.reading.parts import Parts
    from forecast.series.panel import BoolArray, IntArray

_NS = {"hour": 3_600 * 10**9, "minute": 60 * 10**9, "second": 10**9}
_DAY_NS = 86_400 * 10**9
# datetime64[ns] reaches from 1677-09 to 2262-04.
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
_ORDERS: dict[str, tuple[str, ...]] = {"md": ("month", "day"), "dm": ("day", "month")}
_ORDERS |= {"mdy": ("month", "day", "y2"), "dmy": ("day", "month", "y2"), "ymd": ("y2", "month", "day")}


def name_parts(parts: Parts, order: str) -> Parts:
    """Give `a`, `b` and `c` the meaning that `order` says ("dm": day, then month)."""
    meaning = dict(zip("abc", _ORDERS.get(order, ()), strict=False))
    return {meaning.get(name, name): part for name, part in parts.items()}


def compose(parts: Mapping[str, IntArray], rows: int) -> tuple[IntArray, BoolArray]:
    """Put parts together: nanoseconds since 1970 (row,), and whether each is a real time (row,)."""
    if "whole" in parts:
        return _epoch(parts, rows)
    if "serial" in parts:
        return _serial(parts, rows)
    day, good = _days(parts, rows)
    within, clock_good = of_day(parts, rows)
    good &= clock_good
    return np.where(good, day * _DAY_NS + within, 0), good


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
    one = np.ones(rows, dtype=np.int64)
    year = _years(parts, rows)
    month = parts.get("month", parts.get("name", one))
    if "quarter" in parts:
        month = 3 * parts["quarter"] - 2
    day = parts.get("day", one)
    good = (year >= _FIRST_YEAR) & (year <= _LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    first = ((np.where(good, year, 1970) - 1970) * 12 + np.where(good, month, 1) - 1).astype("datetime64[M]")
    start = first.astype("datetime64[D]").astype(np.int64)
    length = (first + 1).astype("datetime64[D]").astype(np.int64) - start
    if "yearday" in parts:
        day, length = parts["yearday"], _year_length(first)
    if "week" in parts:
        return _week_days(start, parts, rows, good)
    good &= (day >= 1) & (day <= length)
    return start + day - 1, good


def _years(parts: Mapping[str, IntArray], rows: int) -> IntArray:
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
    """Days of ISO weeks: week 1 holds the 4th of January, weeks begin on Monday (the day itself if none is said)."""
    fourth = january + 3
    monday = fourth - (fourth + 3) % 7
    weekday = np.maximum(parts.get("weekday", np.ones(rows, dtype=np.int64)), 1)
    week = parts["week"]
    return monday + 7 * (week - 1) + weekday - 1, good & (week >= 1) & (week <= 53)


def _epoch(parts: Mapping[str, IntArray], rows: int) -> tuple[IntArray, BoolArray]:
    whole = parts["whole"]
    unit = int(parts["unit"][0]) if "unit" in parts else epoch_unit(whole)
    fraction = np.maximum(parts.get("fraction", np.zeros(rows, dtype=np.int64)), 0)
    good = (whole >= 0) & (whole < 9 * 10**18 // unit)
    return np.where(good, whole, 0) * unit + fraction * unit // 10**9, good


def _serial(parts: Mapping[str, IntArray], rows: int) -> tuple[IntArray, BoolArray]:
    """Days since 1899-12-30, as spreadsheets count; their fractions are meant to the second."""
    fraction = np.maximum(parts.get("fraction", np.zeros(rows, dtype=np.int64)), 0)
    seconds = np.round(fraction * 86_400 / 10**9).astype(np.int64)
    good = parts["serial"] >= 0
    return np.where(good, (parts["serial"] - 25_569) * _DAY_NS + seconds * 10**9, 0), good


def epoch_unit(whole: IntArray) -> int:
    """Nanoseconds of the unit that puts a count since 1970 nearest to our days: 1973 to 2128."""
    typical = int(np.median(whole[whole >= 0])) if (whole >= 0).any() else 0
    for unit, digits in ((10**9, 10), (10**6, 13), (10**3, 16)):
        if typical < 5 * 10 ** (digits - 1):
            return unit
    return 1
