"""Rules by which one time follows another (ticks, months, trading days, sessions), and the names pandas gives them.

A rule counts: `between(stamps)` is the number of steps between neighbours (1: nothing is missing), `go(origin, steps)`
the stamps that many steps away. All is integer arithmetic on whole arrays, because a forecast is made at many origins
and a panel may hold thousands of series. A *stamp* is a wall-clock time in nanoseconds since 1970, int64, or a step
number. Names are pandas' offset aliases, the older spellings (M, Q, A, H, T, S) as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.frequencies import to_offset

from forecast.errors import ForecastError

IntArray: TypeAlias = npt.NDArray[np.int64]
_DateArray: TypeAlias = npt.NDArray[np.datetime64[Any]]
MonthDay: TypeAlias = int | Literal["start", "end", "business start", "business end"]
NS_PER_SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_SECOND
SECONDS_PER_DAY = 86_400
SECONDS_PER_WEEK = 7 * SECONDS_PER_DAY
WOBBLE = 0.1  # share of an equal step by which a row may miss it
MONDAY = 3 * 86_400  # 1970-01-01 was a Thursday: so many seconds after a Monday


class Rule(Protocol):
    """How times go on."""

    def between(self, stamps: IntArray) -> IntArray:
        """Steps from each of the increasing `stamps`, (row,), to the next, (row - 1,)."""
        ...

    def go(self, origin: int, steps: IntArray) -> IntArray:
        """Stamps that lie `steps` away from `origin`, backwards where negative."""
        ...


@dataclass(frozen=True)
class Ticks:
    """Equal steps of `size` nanoseconds or integers; times that jitter around them are rounded."""

    size: int

    def between(self, stamps: IntArray) -> IntArray:
        """See `Rule`."""
        distance = np.diff(stamps)
        if (distance == self.size).all():  # most often, and divisions take time
            return np.ones_like(distance)
        return (distance + self.size // 2) // self.size

    def go(self, origin: int, steps: IntArray) -> IntArray:
        """See `Rule`."""
        return origin + steps * self.size


@dataclass(frozen=True)
class Months:
    """Steps of whole months on one day of the month; `between` ignores the day."""

    months: int
    day: MonthDay

    def between(self, stamps: IntArray) -> IntArray:
        """See `Rule`."""
        return np.diff(month_number(stamps)) // self.months

    def go(self, origin: int, steps: IntArray) -> IntArray:
        """See `Rule`."""
        month = month_number(np.array([origin])) + self.months * steps
        return day_in_month(month, self.day) * NS_PER_DAY + origin % NS_PER_DAY


@dataclass(frozen=True)
class TradingDays:
    """Weekdays of a mask such as "1111100" (Monday first), less holidays; the time of day is kept."""

    weekmask: str
    holidays: tuple[str, ...]

    @cached_property
    def _calendar(self) -> np.busdaycalendar:
        days = np.array(self.holidays, dtype="datetime64[D]")
        return np.busdaycalendar(weekmask=self.weekmask, holidays=days)

    def between(self, stamps: IntArray) -> IntArray:
        """See `Rule`."""
        days = _dates(stamps // NS_PER_DAY)
        return np.busday_count(days[:-1], days[1:], busdaycal=self._calendar).astype(np.int64)

    def go(self, origin: int, steps: IntArray) -> IntArray:
        """See `Rule`."""
        day, time_of_day = divmod(origin, NS_PER_DAY)
        start = _dates(np.full(len(steps), day))
        earlier = np.busday_offset(start, np.minimum(steps, 0), roll="forward", busdaycal=self._calendar)
        later = np.busday_offset(start, np.maximum(steps, 0), roll="backward", busdaycal=self._calendar)
        return np.where(steps < 0, earlier, later).astype(np.int64) * NS_PER_DAY + time_of_day


@dataclass(frozen=True)
class Sessions:
    """The same times every week: `slots` in seconds after Monday 0:00, less holidays."""

    slots: tuple[int, ...]
    holidays: tuple[str, ...]

    def between(self, stamps: IntArray) -> IntArray:
        """See `Rule`."""
        return np.diff(self._number(stamps))

    def go(self, origin: int, steps: IntArray) -> IntArray:
        """See `Rule`."""
        number = self._number(np.array([origin]))[0] + steps
        # Numbers without holidays -> with them: as many more as slots were closed before.
        raw = number + np.searchsorted(self._closed - np.arange(len(self._closed)), number, side="right")
        week, slot = np.divmod(raw, len(self.slots))
        seconds: IntArray = week * SECONDS_PER_WEEK + np.array(self.slots)[slot] - MONDAY
        return seconds * NS_PER_SECOND

    def _number(self, stamps: IntArray) -> IntArray:
        """Number of each slot since 1970, (row,); a time off the pattern belongs to the slot before it."""
        week, second = np.divmod(stamps // NS_PER_SECOND + MONDAY, SECONDS_PER_WEEK)
        raw = week * len(self.slots) + np.searchsorted(np.array(self.slots), second, side="right") - 1
        return raw - np.searchsorted(self._closed, raw)

    @cached_property
    def _closed(self) -> IntArray:
        """Numbers of the slots on holidays, counted with all others, ascending."""
        days = np.array(sorted(self.holidays), dtype="datetime64[D]").astype(np.int64)
        week, weekday = np.divmod(days + MONDAY // 86_400, 7)
        slots = np.array(self.slots, dtype=np.int64)
        on_holiday = slots[None, :] // 86_400 == weekday[:, None]  # (holiday, slot)
        closed: IntArray = (week[:, None] * len(slots) + np.arange(len(slots)))[on_holiday]
        return closed


@dataclass(frozen=True)
class _PandasOffset:
    """Any other offset of pandas (half-months, third Fridays, ...); slower than the rest."""

    freq: str

    def between(self, stamps: IntArray) -> IntArray:
        """See `Rule`."""
        grid = pd.date_range(pd.Timestamp(stamps[0]), pd.Timestamp(stamps[-1]), freq=self.freq)
        numbers = np.searchsorted(_stamps(grid), stamps, side="right")
        return np.diff(numbers).astype(np.int64)

    def go(self, origin: int, steps: IntArray) -> IntArray:
        """See `Rule`."""
        offset = to_offset(self.freq)
        start = pd.Timestamp(origin)
        return _stamps(pd.DatetimeIndex([start + int(k) * offset if k else start for k in steps]))


def month_number(stamps: IntArray) -> IntArray:
    """Months since January 1970 of each stamp, (row,)."""
    return _dates(stamps // NS_PER_DAY).astype("datetime64[M]").astype(np.int64)


def day_in_month(month: IntArray, day: MonthDay) -> IntArray:
    """Days since 1970 of a day of each month, (row,); in a shorter month its last day."""
    first = month.astype("datetime64[M]").astype("datetime64[D]")
    last = (month + 1).astype("datetime64[M]").astype("datetime64[D]") - np.timedelta64(1, "D")
    if day == "start":
        chosen = first
    elif day == "end":
        chosen = last
    elif day == "business start":
        chosen = np.busday_offset(first, 0, roll="forward")
    elif day == "business end":
        chosen = np.busday_offset(last, 0, roll="backward")
    else:
        chosen = np.minimum(first + np.timedelta64(day - 1, "D"), last)
    return chosen.astype(np.int64)


def _dates(days: IntArray) -> _DateArray:
    return days.astype("datetime64[D]")


def _stamps(index: pd.DatetimeIndex) -> IntArray:
    return index.to_numpy().astype("datetime64[ns]").astype(np.int64)


TICKS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_SECOND,
    "min": 60 * NS_PER_SECOND,
    "h": 3_600 * NS_PER_SECOND,
    "D": NS_PER_DAY,
    "W": 7 * NS_PER_DAY,
}
MONTHS: dict[str, tuple[int, MonthDay]] = {
    "MS": (1, "start"),
    "ME": (1, "end"),
    "BMS": (1, "business start"),
    "BME": (1, "business end"),
    "QS": (3, "start"),
    "QE": (3, "end"),
    "BQS": (3, "business start"),
    "BQE": (3, "business end"),
    "YS": (12, "start"),
    "YE": (12, "end"),
    "BYS": (12, "business start"),
    "BYE": (12, "business end"),
}
_OLD = {
    "M": "ME", "BM": "BME", "Q": "QE", "BQ": "BQE", "A": "YE", "Y": "YE", "BA": "BYE", "BY": "BYE", "AS": "YS",
    "BAS": "BYS", "H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns", "d": "D", "w": "W", "b": "B",
}  # fmt: skip
_WORDS = {
    "hourly": "h", "hour": "h", "daily": "D", "day": "D", "weekly": "W", "week": "W", "monthly": "ME", "month": "ME",
    "quarterly": "QE", "quarter": "QE", "yearly": "YE", "year": "YE", "annual": "YE", "minute": "min", "second": "s",
}  # fmt: skip
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Alias:
    """A frequency's parts: "2W-SUN" is 2, "W", "SUN"."""

    count: int
    unit: str
    anchor: str | None

    def __str__(self) -> str:
        """Write it as pandas does."""
        return f"{self.count if self.count > 1 else ''}{self.unit}{f'-{self.anchor}' if self.anchor else ''}"


def parse_alias(text: str) -> Alias:
    """Read "15min", "2W-SUN", "QS-OCT", also in older spellings.

    Raises
    ------
    ForecastError
        Pandas knows no such frequency.

    """
    match = re.fullmatch(r"(\d*)\s*([A-Za-z]+)(?:-([A-Za-z0-9]+))?", text.strip())
    if match is not None:
        count, unit, anchor = match.groups()
        unit = _WORDS.get(unit.lower(), _OLD.get(unit, unit))
        alias = Alias(int(count or 1), unit, anchor.upper() if anchor else None)
        if alias.count > 0 and _known(alias):
            return alias
    raise ForecastError(
        f"`data.freq` or `data.resample`: {text!r} is no frequency that pandas knows: "
        "say for example D, B, h, 15min, W-SUN, MS, ME, QS, YS"
    )


def rule_of_alias(freq: str, day: int | None = None) -> Rule:
    """Return the rule of an alias; `day` of the month replaces the first or last one."""
    alias = parse_alias(freq)
    if alias.unit in TICKS:
        return Ticks(alias.count * TICKS[alias.unit])
    if alias.unit in MONTHS:
        months, of_month = MONTHS[alias.unit]
        return Months(alias.count * months, of_month if day is None else day)
    if alias.unit == "B" and alias.count == 1:
        return TradingDays("1111100", ())
    return _PandasOffset(str(alias))


def _known(alias: Alias) -> bool:
    if alias.unit in TICKS or alias.unit in MONTHS:
        anchors = {"W": _WEEKDAYS, "QS": _MONTHS, "QE": _MONTHS, "YS": _MONTHS, "YE": _MONTHS}
        return alias.anchor is None or alias.anchor in anchors.get(alias.unit.removeprefix("B"), ())
    if alias.unit in {"B", "C"}:
        return alias.anchor is None
    try:
        to_offset(str(alias))
    except ValueError:
        return False
    return True
