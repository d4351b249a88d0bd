"""The frequency behind a series of times, with missing steps allowed, and the hours of a trading session.

`pandas.infer_freq` needs every step. Here at least half of all neighbours must be one step apart, and every other
distance a whole number of steps: what is missing is then known exactly, and `gaps` decides what to do about it. Days
without rows (weekends) are part of the frequency, and so are the hours of a trading session. Times that jitter around
equal steps, or lie on changing days of months or weeks, are counted by their step, with a note.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.series.calendar import Calendar, to_wall
from forecast.series.step_rules import (
    MONTHS,
    NS_PER_DAY,
    NS_PER_SECOND,
    SECONDS_PER_WEEK,
    TICKS,
    WOBBLE,
    MonthDay,
    day_in_month,
    month_number,
    parse_alias,
)

if TYPE_CHECKING:
    from forecast.series.panel import BoolArray, IntArray, TimeArray


_FIRST = 100  # rows that tell much of all
_MOST = 0.5  # share of neighbours that are exactly one step apart
_FULL = 0.9  # share of equal steps that have a row, from which on there are no sessions
_OPEN = 0.5  # share of days with a row, from which on a weekday or a time of day belongs to the pattern
_CLOSED = 0.1  # share up to which rows on a weekday are exceptions (special sessions)
_COVERED = 0.9  # share of rows that the pattern explains, and of the pattern that has rows
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY_NAMES = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True)
class Frequency:
    """A calendar without holidays and style, and notes on how it was inferred.

    Times without a frequency (`regular` is false) have no missing steps.
    """

    calendar: Calendar
    notes: tuple[str, ...] = ()
    regular: bool = True


def infer_frequency(times: TimeArray, timezone: str | None = None) -> Frequency | None:
    """Infer the frequency of increasing times, (row,); None: they are irregular, or fewer than two.

    Examples
    --------
    >>> days = np.array(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-06"], dtype="datetime64[ns]")
    >>> infer_frequency(days).calendar.freq
    'D'

    """
    if len(times) < 2:
        return None
    if times.dtype.kind != "M":
        step = _equal_steps(_distances(times))
        return None if step is None else Frequency(Calendar(freq=None, step=step))
    wall = _wall(times, timezone)
    of_day = wall[:_FIRST] % NS_PER_DAY  # most times within days show it at once
    if (of_day == of_day[0]).all() and (wall % NS_PER_DAY == wall[0] % NS_PER_DAY).all():
        found = _of_days(wall // NS_PER_DAY)
    else:
        found = _within_days(times.view(np.int64), wall)
    return found and replace(found, calendar=replace(found.calendar, timezone=timezone))


def given_frequency(text: str, times: TimeArray, timezone: str | None = None) -> Frequency:
    """Take the frequency of the settings; the days of the week or month are read off the times.

    Raises
    ------
    ForecastError
        The text is no frequency, or the times are step numbers.

    """
    numbered = times.dtype.kind != "M"
    if numbered and text.isdigit() and int(text) > 0:
        return Frequency(Calendar(freq=None, step=int(text)))
    if numbered:
        raise ForecastError(
            f"`data.freq={text}` is given, but the rows have no times: leave it out, or set `data.time`"
        )
    alias = parse_alias(text)
    calendar = Calendar(str(alias), timezone=timezone)
    days = _wall(times, timezone) // NS_PER_DAY
    if alias.unit in MONTHS and (day := _day_of_month(days)) not in {None, MONTHS[alias.unit][1]}:
        calendar = replace(calendar, day=day if isinstance(day, int) else None)
    if alias.unit == "C":
        mask = find_weekmask(days) or "1111100"
        calendar = replace(calendar, weekmask=mask)
    return Frequency(calendar)


def no_frequency(times: TimeArray, timezone: str | None = None) -> Frequency:
    """Take times that have no frequency, (row,), as steps of their median distance."""
    distance = _distances(times)
    median = int(_middle(distance)) if len(distance) else 1
    if times.dtype.kind == "M":
        calendar = Calendar(_tick_alias(median), timezone=timezone)
    else:
        calendar = Calendar(freq=None, step=median)
    step = calendar.freq or str(calendar.step)
    note = f"The times have no frequency: rows are taken as neighbours, and the future goes on in steps of {step}."
    return Frequency(calendar, (note,), regular=False)


def _wall(times: TimeArray, timezone: str | None) -> IntArray:
    return (times if timezone in {None, "UTC"} else to_wall(times, timezone)).view(np.int64)


def _distances(times: TimeArray) -> IntArray:
    stamps: IntArray = times.view(np.int64)
    return np.diff(stamps)


def _middle(distance: IntArray) -> np.int64:
    """Lower median: unlike the mean of the middle two, a distance that occurs."""
    return np.int64(np.sort(distance)[(len(distance) - 1) // 2])


def _equal_steps(distance: IntArray) -> int | None:
    """Step of which all distances are multiples and at least half are equal to it; None: there is none."""
    step = int(_middle(distance))
    if step < 1 or (distance % step).any() or np.mean(distance == step) < _MOST:
        return None
    return step


def _of_days(days: IntArray) -> Frequency | None:
    """Frequency of days, weeks or months, of at most one row per day."""
    distance = np.diff(days)
    step = _equal_steps(distance)
    if (found := _months(days, loose=False)) is not None:
        return found
    if step is not None and step % 7 == 0:
        anchor = _DAY_NAMES[(int(days[0]) + 3) % 7]
        return Frequency(Calendar(str(replace(parse_alias(f"{step // 7}W"), anchor=anchor))))
    if (mask := find_weekmask(days)) is not None:
        return Frequency(Calendar("B" if mask == "1111100" else "C", weekmask=mask))
    if step is not None:
        return Frequency(Calendar("D" if step == 1 else f"{step}D"))
    return _months(days, loose=True) or _loose_weeks(days)


def _months(days: IntArray, *, loose: bool) -> Frequency | None:
    """Whole months on the same day of the month; `loose`: on any day, at most one row per month."""
    month = month_number(days * NS_PER_DAY)
    step = _equal_steps(np.diff(month)) if _middle(np.diff(days)) >= 27 else None
    if step is None or (np.diff(month) < 1).any():
        return None
    day = _day_of_month(days)
    if day is not None:
        return Frequency(_month_calendar(step, day, int(month[0])))
    if not loose:
        return None
    day = _usual_day_of_month(days)
    note = "The day of the month varies from row to row: rows are counted in months, and the future has them on "
    return Frequency(_month_calendar(step, day, int(month[0])), (note + _describe_day(day) + ".",))


def _day_of_month(days: IntArray) -> MonthDay | None:
    """Day of the month on which all rows lie; None: they lie on several."""
    month = month_number(days * NS_PER_DAY)
    highest = int((days - day_in_month(month, 1)).max()) + 1
    kinds: tuple[MonthDay, ...] = ("start", "end", "business start", "business end", highest)
    return next((kind for kind in kinds if (day_in_month(month, kind) == days).all()), None)


def _usual_day_of_month(days: IntArray) -> MonthDay:
    month = month_number(days * NS_PER_DAY)
    kinds: tuple[MonthDay, ...] = ("business end", "business start")
    for kind in kinds:
        if np.mean(day_in_month(month, kind) == days) >= _MOST:
            return kind
    return int(np.bincount(days - day_in_month(month, 1)).argmax()) + 1


def _describe_day(day: MonthDay) -> str:
    named = {"business end": "the last working day", "business start": "the first working day"}
    return named.get(str(day), f"day {day}")


def _month_calendar(step: int, day: MonthDay, month: int) -> Calendar:
    """Name a calendar of `step` months; `month` is one that has a row, counted from January 1970."""
    start = day in {"start", "business start"} or isinstance(day, int)
    working = "B" if str(day).startswith("business") else ""
    months, unit = next((n, letter) for n, letter in ((12, "Y"), (3, "Q"), (1, "M")) if step % n == 0)
    anchor = ""
    if unit == "Y":
        anchor = f"-{_MONTH_NAMES[month % 12]}"
    if unit == "Q":
        anchor = f"-{_MONTH_NAMES[month % 3 if start else 9 + month % 3]}"
    count = "" if step == months else str(step // months)
    freq = f"{count}{working}{unit}{'S' if start else 'E'}{anchor}"
    return Calendar(freq, day=day if isinstance(day, int) else None)


def _loose_weeks(days: IntArray) -> Frequency | None:
    distance = np.diff(days)
    weeks = (distance + 3) // 7
    if (weeks < 1).any() or np.mean(distance == 7) < _MOST:
        return None
    anchor = _DAY_NAMES[int(np.bincount((days + 3) % 7).argmax())]
    note = f"Most rows are a {anchor.title()}, some a day or so off: rows are counted in weeks."
    return Frequency(Calendar(f"W-{anchor}"), (note,))


def _within_days(utc: IntArray, wall: IntArray) -> Frequency | None:
    """Frequency of hours, minutes, ...: equal steps, or steps within trading sessions."""
    distance = np.diff(utc)
    if distance[0] > 0 and (distance == distance[0]).all():
        return Frequency(Calendar(_tick_alias(int(distance[0]))))
    size = _round_size(int(_middle(distance)), distance)
    steps = (distance + size // 2) // size
    wobble = np.abs(distance - steps * size)
    equal = bool((wobble <= WOBBLE * size).all() and (steps > 0).all() and np.mean(steps == 1) >= _MOST)
    if not equal or len(utc) < _FULL * (steps.sum() + 1):
        sessions = find_sessions(wall, size)
        if sessions is not None:
            return Frequency(Calendar(_tick_alias(size), weekmask=sessions.weekmask, sessions=sessions.slots))
    if not equal:
        return None
    return Frequency(Calendar(_tick_alias(size)), _wobble_note(wobble, size))


def _round_size(median: int, distance: IntArray) -> int:
    """The median distance, or a round step near it where distances jitter."""
    if np.mean(distance == median) >= _MOST:
        return median
    round_sizes = [n * TICKS[unit] for unit in ("ms", "s", "min", "h") for n in (1, 2, 5, 10, 15, 20, 30)]
    nearest = min(round_sizes, key=lambda size: abs(size - median))
    return nearest if abs(nearest - median) <= WOBBLE * nearest else max(median, 1)


def _wobble_note(wobble: IntArray, size: int) -> tuple[str, ...]:
    off: BoolArray = wobble > 0
    if not off.any():
        return ()
    worst = wobble.max() / 1e9
    return (f"{off.sum()} distances between rows are up to {worst:g} s off {_tick_alias(size)}: taken as equal steps.",)


def _tick_alias(size: int) -> str:
    unit = next(unit for unit in ("D", "h", "min", "s", "ms", "us", "ns") if size % TICKS[unit] == 0)
    count = size // TICKS[unit]
    return unit if count == 1 else f"{count}{unit}"


@dataclass(frozen=True)
class _SessionPattern:
    """Times of the week in seconds after Monday 0:00, and the days of the week on which they lie, Monday first."""

    slots: tuple[int, ...]
    weekmask: str


def find_weekmask(days: IntArray) -> str | None:
    """Find the days of the week that have rows, from increasing days since 1970, (row,).

    None if all days have rows, or if the span is too short to decide: it must hold one weekend, and closed days other
    than a weekend three times.

    >>> find_weekmask(np.array([4, 5, 6, 7, 8, 11, 12]))  # Monday 5 January 1970 to Tuesday of the week after
    '1111100'
    """
    first, last = int(days[0]), int(days[-1])
    expected = np.bincount((np.arange(first, last + 1) + 3) % 7, minlength=7)
    present = np.bincount((days + 3) % 7, minlength=7)
    share = present / np.maximum(expected, 1)
    closed = share <= _CLOSED
    if not ((share >= _OPEN) | closed).all() or not closed.any() or closed.sum() > 5:
        return None
    mask = "".join("0" if shut else "1" for shut in closed)
    enough = 1 if mask == "1111100" else 3
    return mask if expected[closed].min() >= enough else None


def find_sessions(wall: IntArray, size: int) -> _SessionPattern | None:
    """Find a weekly pattern of times in increasing wall-clock times, (row,) nanoseconds; steps are `size` apart.

    None if rows follow no such pattern, or if it is the whole week.
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
    if len(dates) < _OPEN * weeks * len(open_weekdays):
        return None
    slots = _slots(days, of_day, dates, open_weekdays, by_weekday=weeks >= 3)
    if len(slots) >= 0.95 * SECONDS_PER_WEEK * NS_PER_SECOND / size:
        return None
    on = np.isin((days + 3) % 7 * 86_400 + of_day, slots)
    per_weekday = np.bincount(slots // 86_400, minlength=7)
    wanted = per_weekday[(dates + 3) % 7].sum()
    if on.mean() < _COVERED or on.sum() < _COVERED * wanted:
        return None
    return _SessionPattern(tuple(int(slot) for slot in slots), mask)


def _slots(days: IntArray, of_day: IntArray, dates: IntArray, weekdays: IntArray, *, by_weekday: bool) -> IntArray:
    """Times of the week, in increasing seconds, that most days have; by weekday where there are enough weeks."""
    slots = []
    for weekday in weekdays:
        rows = (days + 3) % 7 == weekday if by_weekday else np.ones(len(days), dtype=np.bool_)
        open_days = np.sum((dates + 3) % 7 == weekday) if by_weekday else len(dates)
        times, count = np.unique(of_day[rows], return_counts=True)
        slots.append(times[count >= _OPEN * open_days] + weekday * 86_400)
    return np.concatenate(slots).astype(np.int64)


def describe(calendar: Calendar) -> str:
    """Describe a frequency in a few words, its alias first."""
    if calendar.freq is None:
        return "every step" if calendar.step == 1 else f"every {calendar.step}"
    days = _describe_mask(calendar.weekmask)
    if calendar.sessions:
        per_day = np.bincount(np.array(calendar.sessions) // 86_400).max()
        return f"{calendar.freq} (trading sessions, {days}, {per_day} a day)"
    if calendar.trades:
        return f"{calendar.freq} (trading days, {days})"
    alias = parse_alias(calendar.freq)
    on = f", on day {calendar.day}" if calendar.day else ""
    return f"{calendar.freq} ({_UNIT_WORDS[alias.unit]}{on})" if alias.unit in _UNIT_WORDS else calendar.freq


_UNIT_WORDS = {
    "ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds", "min": "minutes", "h": "hours",
    "D": "days", "W": "weeks", "MS": "months", "ME": "ends of months", "QS": "quarters", "QE": "ends of quarters",
    "YS": "years", "YE": "ends of years", "BMS": "first working days of months",
    "BME": "last working days of months", "BQS": "first working days of quarters",
    "BQE": "last working days of quarters", "BYS": "first working days of years", "BYE": "last working days of years",
}  # fmt: skip


def _describe_mask(mask: str) -> str:
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    start = next((i for i in range(7) if mask[i] == "1" and mask[i - 1] == "0"), 0)
    rotated = mask[start:] + mask[:start]  # from the first open day after a closed one
    run = len(rotated.rstrip("0"))
    if "0" in rotated[:run]:
        return ", ".join(name for name, on in zip(names, mask, strict=True) if on == "1")
    return f"{names[start]} to {names[(start + run - 1) % 7]}"
