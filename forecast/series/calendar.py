"""How times go on, and how the user writes them.

A calendar holds plain values only, so that a run folder can keep it as JSON and open it again. Times of a panel are
wall-clock times without a zone, UTC where the calendar has a zone, or step numbers. Steps shorter than a day are
counted in UTC, longer ones on the zone's wall clock, so that a day stays a day when the clocks change.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from forecast.errors import ForecastError
from forecast.series.aliases import rule_of_alias
from forecast.series.rules import NS_PER_DAY, Rule, Sessions, Ticks, TradingDays
from forecast.series.time_writing import TimeStyle, write_times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.series.panel import IntArray, TimeArray

WEEKDAYS = "1111100"


@dataclass(frozen=True)
class Calendar:
    """The rule by which one time follows another.

    Attributes
    ----------
    freq : a pandas offset alias; None: integer steps
        "B" and "C" are trading days: the days of `weekmask` less `holidays`.
    step : integers from one step to the next, where `freq` is None
    timezone : the zone of the wall clock; the panel's times are then in UTC
    day : day of the month, where `freq` counts months and the day is neither the first nor the last
    weekmask : days of the week that have a row, Monday first
    holidays : days without a row, in the past as read off the file, in the future as the user gave them (ISO)
    sessions : times of the week that have a row, in seconds after Monday 0:00, where only some have
    style : how the user writes times; None: ISO

    Examples
    --------
    >>> Calendar(freq=None).after(np.int64(7), 3)
    array([ 8,  9, 10])
    >>> Calendar("B", holidays=("2024-12-25",)).after(np.datetime64("2024-12-24", "ns"), 2).astype("datetime64[D]")
    array(['2024-12-26', '2024-12-27'], dtype='datetime64[D]')

    """

    freq: str | None
    step: int = 1
    timezone: str | None = None
    day: int | None = None
    weekmask: str = WEEKDAYS
    holidays: tuple[str, ...] = ()
    sessions: tuple[int, ...] = ()
    style: TimeStyle | None = None

    @cached_property
    def rule(self) -> Rule:
        """The arithmetic behind the calendar; it works on `wall` times."""
        if self.freq is None:
            return Ticks(self.step)
        if self.sessions:
            return Sessions(self.sessions, self.holidays)
        if self.freq in {"B", "C"}:
            return TradingDays(self.weekmask, self.holidays)
        return rule_of_alias(self.freq, self.day)

    @property
    def trades(self) -> bool:
        """Whether some days of the week have no rows, so that a missing day may be a holiday."""
        return self.freq in {"B", "C"} or bool(self.sessions)

    @cached_property
    def on_wall_clock(self) -> bool:
        """Whether steps are counted on the wall clock of a zone that differs from UTC."""
        in_utc = isinstance(self.rule, Ticks) and self.rule.size < NS_PER_DAY
        return self.timezone not in {None, "UTC"} and not in_utc

    def stamps(self, times: TimeArray) -> IntArray:
        """Times of a panel as the rule counts them, (row,)."""
        return (to_wall(times, self.timezone) if self.on_wall_clock else times).astype(np.int64)

    def times(self, stamps: IntArray) -> TimeArray:
        """Undo `stamps`, (row,)."""
        if self.freq is None:
            return stamps
        times = stamps.astype("datetime64[ns]")
        return to_utc(times, self.timezone) if self.on_wall_clock else times

    def between(self, times: TimeArray) -> IntArray:
        """Steps from each of the increasing `times`, (row,), to the next, (row - 1,); 1: nothing is missing."""
        return self.rule.between(self.stamps(times))

    def go(self, origin: np.datetime64 | np.int64, steps: IntArray) -> TimeArray:
        """Times that lie `steps` away from `origin`, (step,)."""
        start = np.array([origin]) if self.freq is None else np.array([origin], dtype="datetime64[ns]")
        return self.times(self.rule.go(int(self.stamps(start)[0]), steps))

    def after(self, last: np.datetime64 | np.int64, count: int) -> TimeArray:
        """Return the `count` times that follow `last`, (count,)."""
        return self.go(last, np.arange(1, count + 1, dtype=np.int64))

    def write(self, times: TimeArray) -> list[str]:
        """Write times as the user does, one text a time."""
        style = self.style or plain_style(times, self.timezone)
        if self.timezone is not None and style.timezone is None:  # the user writes the wall clock
            times = to_wall(times, self.timezone)
        return list(write_times(times, style))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `calendar_from_dict` undoes it."""
        plain = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


_CHECKED = TypeAdapter(Calendar)
"""Built once: pydantic evaluates our annotations for it, and opening a run is to evaluate nothing."""


def calendar_from_dict(plain: Mapping[str, Any]) -> Calendar:
    """Make a calendar from what `as_dict` gave.

    Raises
    ------
    ForecastError
        Unknown keys or values of another type: the text may come from a stranger's run folder.

    """
    style = plain.get("style")
    style = style if isinstance(style, dict) else {}
    unknown = set(plain) - {f.name for f in fields(Calendar)} | set(style) - {f.name for f in fields(TimeStyle)}
    if unknown:
        raise ForecastError(f"the run's calendar has unknown keys ({', '.join(sorted(unknown))}): make a new run")
    try:
        calendar = _CHECKED.validate_python(dict(plain))
        calendar.write(calendar.after(np.int64(0) if calendar.freq is None else np.datetime64(0, "ns"), 1))
    except (ForecastError, ValidationError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ForecastError(f"the run's calendar cannot be used ({reason}): make a new run") from None
    if calendar.step < 1:
        raise ForecastError(f"the run's calendar has a step of {calendar.step}, expected at least 1: make a new run")
    return calendar


def plain_style(times: TimeArray, timezone: str | None = None, column: str = "ds") -> TimeStyle:
    """ISO without what is zero everywhere, for times that nobody has written; with a zone they are in UTC."""
    if times.dtype.kind != "M":
        return TimeStyle("index")
    if timezone is None and np.array_equal(times, times.astype("datetime64[D]")):
        return TimeStyle("%Y-%m-%d", (column,), date_only=True)
    fraction = "" if np.array_equal(times, times.astype("datetime64[s]")) else ".%9f"
    offset = "" if timezone is None else "%:z"
    return TimeStyle(f"%Y-%m-%d %H:%M:%S{fraction}{offset}", (column,), timezone=timezone)


def to_wall(times: TimeArray, timezone: str | None) -> TimeArray:
    """Turn UTC into the wall clock of a zone, (row,)."""
    index = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(timezone)
    return index.tz_localize(None).to_numpy().astype("datetime64[ns]")


def to_utc(times: TimeArray, timezone: str | None) -> TimeArray:
    """Turn the wall clock of a zone into UTC, (row,).

    Times that occur twice when the clocks go back: the first of two equal ones is the earlier, a single one too.
    Times that the clocks skip are moved forward.
    """
    earlier = np.zeros(len(times), dtype=np.bool_)
    earlier[np.unique(times, return_index=True)[1]] = True
    index = pd.DatetimeIndex(times).tz_localize(timezone, ambiguous=earlier, nonexistent="shift_forward")
    return index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")
