"""Columns of a calendar as a person names them: trend, day, week, year, and each holiday with the days around it.

A season is a Fourier series of the wall-clock time, or of the step number where there is no time. A holiday is a column
of its own for each of its names, on the day, the day before and the day after, beside those of any holiday.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from forecast.series.calendar import to_wall
from forecast.series.date_features import FEATURES, country_of, public_holidays
from forecast.series.step_rules import NS_PER_DAY

if TYPE_CHECKING:
    from forecast.series.calendar import Calendar
    from forecast.series.panel import FloatArray, IntArray, Panel, TimeArray

DAY, WEEK, YEAR, SEASON, HOLIDAYS = "day", "week", "year", "season", "holidays"
_YEAR_DAYS = 365.25
_ORDERS = {DAY: 8, WEEK: 3, YEAR: 10}
_AROUND = {-1: "the day before", 0: "", 1: "the day after"}
_CYCLES = 2
"""Of a year that there must be, at least, for a season of the year."""


class Column(NamedTuple):
    """What a column belongs to, and how sure it is to be small: prior standard deviation, in those of the target."""

    part: str
    name: str
    prior: float


@dataclass(frozen=True)
class CalendarColumns:
    """Which seasons there are, by their periods in days, and whose holidays; fixed when a model is fitted.

    Attributes
    ----------
    orders : Fourier pairs of each season
    season_steps : period of a season that is counted in steps; 1: none

    """

    orders: dict[str, int]
    country: str | None
    season_steps: int

    def at(self, calendar: Calendar, times: TimeArray, steps: FloatArray) -> tuple[list[Column], FloatArray]:
        """Columns at times of a calendar that are so many steps after their series' first, and what each is."""
        columns: list[Column] = []
        values: list[FloatArray] = []
        if self.season_steps > 1:
            most = min(_ORDERS[YEAR], self.season_steps // 2)
            values.append(_waves(most, steps / self.season_steps))
            columns += [Column(SEASON, name, 1.0 / k) for k, name in _names(most)]
        if times.dtype.kind == "M":
            zone = calendar.timezone
            wall = to_wall(times, zone) if zone not in {None, "UTC"} else times
            for season, order in self.orders.items():
                place = FEATURES[{DAY: "hour", WEEK: "weekday", YEAR: "yearday"}[season]].place(wall)
                values.append(_waves(order, place))
                columns += [Column(season, name, 2.0 / (k + 1)) for k, name in _names(order)]
            if self.country is not None:
                names, flags = _holidays(wall, self.country)
                columns += names
                values.append(flags)
        return columns, np.concatenate([np.zeros((0, len(times))), *values]).T


def choose_columns(panel: Panel, season_steps: int) -> CalendarColumns:
    """Choose the seasons that are longer than two steps, and that the longest series has gone through twice."""
    if panel.times.dtype.kind != "M":
        return CalendarColumns({}, None, season_steps)
    longest = int(np.argmax(panel.lengths))
    times = panel.times[panel.offsets[longest] : panel.offsets[longest + 1]]
    days = times.astype("datetime64[ns]").astype(np.int64) / NS_PER_DAY
    step = float(np.median(np.diff(days))) if len(days) > 1 else 1.0
    span = float(days[-1] - days[0]) + step if len(days) else 0.0
    periods = {DAY: 1.0, WEEK: 7.0, YEAR: _YEAR_DAYS}
    orders = {
        season: min(_ORDERS[season], int(period / step / 2 + 0.25))
        for season, period in periods.items()
        if period / step >= 2 and span >= 0.99 * _CYCLES * period
    }
    country = country_of(panel.ahead.channels) if panel.ahead is not None and step <= 1 else None
    covered = any(abs(season_steps * step / period - 1) < 0.05 for period in periods.values())
    return CalendarColumns(orders, country, 1 if covered else season_steps)


def _names(order: int) -> list[tuple[int, str]]:
    """Multiple of the frequency, and name, of each row of `_waves`."""
    return [(k, f"{wave}{k}") for k in range(1, order + 1) for wave in ("sin", "cos")]


def _waves(order: int, place: FloatArray) -> FloatArray:
    """Fourier pairs of shares of a period that have passed, (2 * order, row)."""
    angles = 2 * np.pi * np.arange(1, order + 1)[:, None] * place
    waves: FloatArray = np.stack([np.sin(angles), np.cos(angles)], axis=1).reshape(-1, len(place))
    return waves


def _holidays(wall: TimeArray, country: str) -> tuple[list[Column], FloatArray]:
    """Columns of any holiday, and of each by its name, on the days around it: (column, row)."""
    days = wall.astype("datetime64[D]")
    first = days.min() - 1
    since: IntArray = (days - first).astype(np.int64)  # (row,)
    free = {day: together.split("; ") for day, together in public_holidays(wall, country).items()}
    names = list(dict.fromkeys(["any holiday", *(name for some in free.values() for name in some)]))
    on = np.zeros((len(names), since.max() + 2))  # (name, day)
    for day, some in free.items():
        at = int((np.datetime64(day, "D") - first).astype(np.int64))
        if 0 <= at < on.shape[1]:
            on[[0, *map(names.index, some)], at] = 1.0
    columns = [
        Column(HOLIDAYS, f"{name}, {around}" if around else name, 1.0) for name in names for around in _AROUND.values()
    ]
    return columns, np.stack([on[:, since - offset] for offset in _AROUND], axis=1).reshape(len(columns), -1)
