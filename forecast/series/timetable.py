"""Where written times stand on a calendar: steps from a known one, for rows that come one at a time."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.series.calendar import EPOCHS, TimeStyle, plain_style, to_utc, write_times

if TYPE_CHECKING:
    from forecast.series.calendar import Calendar
    from forecast.series.panel import TimeArray

_AHEAD = 512
"""Steps whose texts are written in one go, and kept behind."""
_FURTHEST = 20_000
"""Steps ahead in which a text is searched that cannot be read by itself."""
_READABLE = re.compile(r"(?:[^%]|%[YmdHMSfbBjyIpAaz])*")
_ISO = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")


class Timetable:
    """Numbers the steps of a calendar from `anchor`, which is step 0.

    A time that is written as the ones before it costs one look into a table; any other is read, in the style of the
    calendar or as ISO 8601, and the table is then written anew in its style.
    """

    def __init__(self, calendar: Calendar, anchor: np.datetime64 | np.int64) -> None:
        self._calendar = calendar
        self._anchor, self._anchor_step = anchor, 0
        self.soon_over = 0
        """Step from which on `reached` has something to do."""
        self._style = calendar.style or plain_style(np.array([anchor]), calendar.timezone)
        self._begin()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a time."""
        return np.dtype(np.int64 if self._calendar.freq is None else "datetime64[ns]")

    def step(self, text: str) -> int:
        """Return the step of a written time.

        Raises
        ------
        ForecastError
            It cannot be read, or lies between two steps.

        """
        step = self._steps.get(text)
        return self._find(text) if step is None else step

    def write(self, step: int) -> str:
        """Write the time of a step as the calendar does."""
        return self._calendar.write(self._at(np.array([step])))[0]

    def time(self, step: int) -> np.datetime64 | np.int64:
        """Return the time of a step."""
        time: np.datetime64 | np.int64 = self._at(np.array([step]))[0]
        return time

    def reached(self, step: int) -> None:
        """Say that rows have come so far: times after it are written in advance, and those long before forgotten."""
        if step > self.soon_over:
            # Counted from near by, so that it costs the same after years.
            self._anchor, self._anchor_step = self.time(step), step
            self._begin()

    def _at(self, steps: np.ndarray[tuple[int], np.dtype[np.int64]]) -> TimeArray:
        return self._calendar.go(self._anchor, steps - self._anchor_step)

    def _begin(self) -> None:
        first, self._end = self._anchor_step - _AHEAD, self._anchor_step + _AHEAD
        self.soon_over = self._end - _AHEAD // 2
        self._steps = dict(zip(self._written(first, self._end), range(first, self._end), strict=True))

    def _written(self, first: int, end: int) -> list[str]:
        try:
            return self._write_all(self._at(np.arange(first, end)), self._style)
        except (OverflowError, ValueError, pd.errors.OutOfBoundsDatetime):  # at the edge of what can be counted
            return [""] * (end - first)

    def _write_all(self, times: TimeArray, style: TimeStyle) -> list[str]:
        if style is self._calendar.style or style.timezone is not None:
            return self._calendar.write(times) if style is self._calendar.style else write_times(times, style)
        return replace(self._calendar, style=style).write(times)

    def _find(self, text: str) -> int:
        """Read a text that is not in the table, or search for it further ahead."""
        time = self.read(text)
        if time is None:
            for first in range(self._end, self._end + _FURTHEST, _AHEAD):
                written = self._written(first, first + _AHEAD)
                if text in written:
                    return first + written.index(text)
            example = self.write(self._anchor_step + 1)
            raise ForecastError(f"the time {text!r} cannot be read: write it as {example!r}, or as ISO 8601")
        step = self._count(time)
        if self._at(np.array([step]))[0] != time:
            near = self.write(step)
            raise ForecastError(f"the time {text!r} is none of the series' steps; the nearest before is {near!r}")
        self._adopt(text, time)
        return step

    def _count(self, time: np.datetime64 | np.int64) -> int:
        """Steps to a time, counted on the calendar."""
        stamps = self._calendar.stamps(np.array(sorted([self._anchor, time])))
        between = int(self._calendar.rule.between(stamps)[0]) if stamps[0] != stamps[1] else 0
        return self._anchor_step + (between if time >= self._anchor else -between)

    def _adopt(self, text: str, time: np.datetime64 | np.int64) -> None:
        """Write the table in the style of a text, if it is one of the plain ones."""
        if self._calendar.freq is None:
            return
        zone = self._calendar.timezone and "UTC"
        styles = [TimeStyle(form + end, timezone=zone) for form in _ISO for end in (("%:z", "Z") if zone else ("",))]
        own_styles = [self._calendar.style] if self._calendar.style else []
        for style in (*own_styles, *styles, *([TimeStyle(form) for form in _ISO] if zone else ())):
            if self._write_all(np.array([time]), style) == [text]:
                if style != self._style:
                    self._style = style
                    self._begin()
                return

    def read(self, text: str) -> np.datetime64 | np.int64 | None:
        """Read a time in the style of the calendar or as ISO 8601; None where that cannot be done."""
        style, text = self._calendar.style, text.strip()
        try:
            if self._calendar.freq is None:
                return np.int64(int(text))
            if style is not None and style.format in EPOCHS:
                return np.datetime64(round(float(text) * EPOCHS[style.format]), "ns")
            moment = self._moment(text, style)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is not None:
            if self._calendar.timezone is None:
                raise ForecastError(f"the time {text!r} has an offset, and the run's times have none: leave it out")
            return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "ns")
        time = np.datetime64(moment, "ns")
        zone = self._calendar.timezone
        utc: np.datetime64 = to_utc(np.array([time]), zone)[0] if zone else time
        return utc

    @staticmethod
    def _moment(text: str, style: TimeStyle | None) -> datetime:
        if style is not None and _READABLE.fullmatch(plain := style.format.replace("%-", "%").replace("%:z", "%z")):
            try:
                return datetime.strptime(text, plain)  # the calendar says which zone it is
            except (ValueError, re.error):  # the latter of a format that names a part twice
                pass
        return datetime.fromisoformat(text)
