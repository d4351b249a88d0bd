"""Days of the week and hours of the day that have rows, read off the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.series.rules import NS_PER_DAY, NS_PER_SECOND, SECONDS_PER_WEEK

if TYPE_CHECKING:
    from forecast.series.panel import IntArray

OPEN = 0.5  # share of its days from which on a weekday, or a time of the day, belongs to the pattern
CLOSED = 0.1  # share up to which rows on a weekday are exceptions (special sessions)
COVERED = 0.9  # share of rows that the pattern explains, and of the pattern that has rows


@dataclass(frozen=True)
class SessionPattern:
    """Times of the week, in seconds after Monday 0:00, and the days of the week they lie on, Monday first."""

    slots: tuple[int, ...]
    weekmask: str


def find_weekmask(days: IntArray) -> str | None:
    """Find the days of the week that have rows, from increasing days since 1970, (row,).

    None where all days have rows, or where the span is too short to tell: one weekend must have been passed over, and
    closed days other than a weekend three times.

    >>> find_weekmask(np.array([4, 5, 6, 7, 8, 11, 12]))  # Monday 5 January 1970 to Tuesday of the week after
    '1111100'
    """
    first, last = int(days[0]), int(days[-1])
    expected = np.bincount((np.arange(first, last + 1) + 3) % 7, minlength=7)
    present = np.bincount((days + 3) % 7, minlength=7)
    share = present / np.maximum(expected, 1)
    closed = share <= CLOSED
    if not ((share >= OPEN) | closed).all() or not closed.any() or closed.sum() > 5:
        return None
    mask = "".join("0" if shut else "1" for shut in closed)
    enough = 1 if mask == "1111100" else 3
    return mask if expected[closed].min() >= enough else None


def find_sessions(wall: IntArray, size: int) -> SessionPattern | None:
    """Find a weekly pattern of times in increasing wall-clock times, (row,) nanoseconds; steps are `size` apart.

    None where rows follow no such pattern, or where it would be the whole week.
    """
    if (wall % NS_PER_SECOND).any():
        return None
    days, of_day = wall // NS_PER_DAY, wall % NS_PER_DAY // NS_PER_SECOND
    dates = np.unique(days)
    if len(dates) < 2:
        return None
    weeks = (dates[-1] - dates[0] + 1) / 7
    mask = find_weekmask(dates) or ("1111111" if weeks >= 2 or ((dates + 3) % 7 > 4).any() else "1111100")
    open_weekdays = np.flatnonzero(np.array(list(mask)) == "1")
    if len(dates) < OPEN * weeks * len(open_weekdays):
        return None
    slots = _slots(days, of_day, dates, open_weekdays, by_weekday=weeks >= 3)
    if len(slots) >= 0.95 * SECONDS_PER_WEEK * NS_PER_SECOND / size:
        return None
    on = np.isin((days + 3) % 7 * 86_400 + of_day, slots)
    per_weekday = np.bincount(slots // 86_400, minlength=7)
    wanted = per_weekday[(dates + 3) % 7].sum()
    if on.mean() < COVERED or on.sum() < COVERED * wanted:
        return None
    return SessionPattern(tuple(int(slot) for slot in slots), mask)


def _slots(days: IntArray, of_day: IntArray, dates: IntArray, weekdays: IntArray, *, by_weekday: bool) -> IntArray:
    """Return times that most days have, each weekday by itself where there are enough weeks; increasing seconds."""
    slots = []
    for weekday in weekdays:
        rows = (days + 3) % 7 == weekday if by_weekday else np.ones(len(days), dtype=np.bool_)
        open_days = np.sum((dates + 3) % 7 == weekday) if by_weekday else len(dates)
        times, count = np.unique(of_day[rows], return_counts=True)
        slots.append(times[count >= OPEN * open_days] + weekday * 86_400)
    return np.concatenate(slots).astype(np.int64)
