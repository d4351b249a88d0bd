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
    from forecast.series.panel import BoolArray, FloatArray, Panel, TimeArray

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
            for order in range(1, min(_ORDERS[YEAR], self.season_steps // 2) + 1):
                angle = 2 * np.pi * order * steps / self.season_steps
                values += [np.sin(angle), np.cos(angle)]
                columns += [Column(SEASON, f"{wave}{order}", 1.0 / order) for wave in ("sin", "cos")]
        if times.dtype.kind != "M":
            return columns, np.array(values).reshape(-1, len(times)).T
        zone = calendar.timezone
        wall = to_wall(times, zone) if zone not in {None, "UTC"} else times
        for season, order in self.orders.items():
            place = FEATURES[{DAY: "hour", WEEK: "weekday", YEAR: "yearday"}[season]].place(wall)
            for k in range(1, order + 1):
                values += [np.sin(2 * np.pi * k * place), np.cos(2 * np.pi * k * place)]
                columns += [Column(season, f"{wave}{k}", 2.0 / (k + 1)) for wave in ("sin", "cos")]
        if self.country is not None:
            names, flags = _holidays(wall, self.country)
            columns += names
            values += list(flags)
        return columns, np.array(values).reshape(-1, len(times)).T


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


def _holidays(wall: TimeArray, country: str) -> tuple[list[Column], BoolArray]:
    """Columns of any holiday, and of each by its name, on the days around it: (column, row)."""
    days = wall.astype("datetime64[D]")
    dates: dict[str, list[np.datetime64]] = {}
    for day, together in public_holidays(wall, country).items():
        for name in together.split("; "):
            dates.setdefault(name, []).append(np.datetime64(day, "D"))
    columns, flags = [], []
    every = {"any holiday": [day for some in dates.values() for day in some], **dates}
    for name, some in every.items():
        for offset, around in _AROUND.items():
            on = np.isin(days - offset, np.array(some, dtype="datetime64[D]"))
            columns.append(Column(HOLIDAYS, f"{name}, {around}" if around else name, 1.0))
            flags.append(on)
    return columns, np.array(flags, dtype=np.float64)
