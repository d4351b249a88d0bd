"""Features of the date, known ahead for ever: position in the day, the week and the year, and public holidays.

A position in a period is two columns, the sine and cosine of its angle, so that the end of the period lies beside its
start. Positions are those of the wall clock, as the user writes times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.series.calendar import to_wall
from forecast.series.panel import Channel, KnownAhead
from forecast.series.step_rules import NS_PER_DAY
from forecast.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from forecast.series.calendar import Calendar
    from forecast.series.panel import FloatArray, Panel, TimeArray

HOLIDAYS = "holidays"
"""Feature of the public holidays of a country, whose code follows: the day itself, the day before, the day after."""
_HOLIDAY = "holiday"
"""The same without the days around, in runs that were made before there were such."""
_AROUND = {"": 0, "eve of ": 1, "day after ": -1}
"""What stands before the name of a column, and how many days later a holiday is."""
_PERIODS = 3
"""Periods that the longest series must span: a feature of fewer only numbers its steps."""


@dataclass(frozen=True)
class Feature:
    """A position in a period.

    Attributes
    ----------
    place : share of the period that has passed at wall-clock times, (row,) in 0 to 1
    days : length of the period
    finest, coarsest : days between steps, from over `finest` to `coarsest`, for which it is chosen by default

    """

    place: Callable[[TimeArray], FloatArray]
    days: float
    finest: float
    coarsest: float


def _of_day(wall: TimeArray) -> FloatArray:
    return (wall.astype(np.int64) % NS_PER_DAY) / NS_PER_DAY


def _of_week(wall: TimeArray) -> FloatArray:
    return ((wall.astype("datetime64[D]").astype(np.int64) + 3) % 7) / 7  # Monday is 0


def _of_year(wall: TimeArray) -> FloatArray:
    years = wall.astype("datetime64[Y]")
    day = (wall.astype("datetime64[D]") - years.astype("datetime64[D]")).astype(np.int64)
    length = ((years + 1).astype("datetime64[D]") - years.astype("datetime64[D]")).astype(np.int64)
    share: FloatArray = day / length
    return share


def _month_of_year(wall: TimeArray) -> FloatArray:
    return (wall.astype("datetime64[M]").astype(np.int64) % 12) / 12


FEATURES: dict[str, Feature] = {
    "hour": Feature(_of_day, days=1, finest=0, coarsest=0.99),
    "weekday": Feature(_of_week, days=7, finest=0, coarsest=6.9),
    "yearday": Feature(_of_year, days=365.25, finest=0, coarsest=27),
    "month": Feature(_month_of_year, days=365.25, finest=27, coarsest=360),
}
"""Every feature by its name in `data.calendar`."""


def choose_features(panel: Panel, chosen: str | Sequence[str] | None, country: str | None) -> tuple[str, ...]:
    """Name the features of a job: those of `data.calendar` ("none": none), or those that suit the steps (None).

    The holidays of a country are one more, called "holidays" and its code.

    Raises
    ------
    ForecastError
        Features are chosen, and the steps have no dates.

    """
    holiday = (f"{HOLIDAYS} {country}",) if country else ()
    dated = panel.times.dtype.kind == "M"
    if not dated and (country or chosen not in {None, "none"}):
        what = f"data.country={country}" if country else "data.calendar"
        raise ForecastError(f"`{what}` needs dates, and the rows have step numbers: set `data.time`, or leave it out")
    if chosen == "none" or not dated:
        return holiday
    if chosen is None:
        return (*_suiting(panel), *holiday)
    return (*((chosen,) if isinstance(chosen, str) else tuple(chosen)), *holiday)


def _suiting(panel: Panel) -> list[str]:
    """Features of periods that are longer than a step and that the longest series spans a few times."""
    longest = int(np.argmax(panel.lengths))
    times = panel.times[panel.offsets[longest] : panel.offsets[longest + 1]]
    days = times.astype("datetime64[ns]").astype(np.int64) / NS_PER_DAY
    if len(days) < 2:
        return []
    step, span = float(np.median(np.diff(days))), float(days[-1] - days[0])
    return [
        name
        for name, feature in FEATURES.items()
        if feature.finest < step <= feature.coarsest and span >= _PERIODS * feature.days
    ]


def features_of(channels: Sequence[Channel]) -> tuple[str, ...]:
    """Name the features of which these channels are columns."""
    return tuple(dict.fromkeys(channel.computed for channel in channels if channel.computed is not None))


def feature_channels(names: Sequence[str]) -> tuple[Channel, ...]:
    """Columns of features, in the order of `feature_values`."""
    return tuple(channel for name in names for channel in _channels(name))


def with_features(panel: Panel, names: Sequence[str], steps_ahead: int) -> Panel:
    """Add features to the covariates known ahead, for every step and `steps_ahead` steps after the end of each series.

    Raises
    ------
    ForecastError
        A feature or a country is unknown, or a covariate has the name of a feature.

    """
    if not names:
        return panel
    before = panel.ahead.channels if panel.ahead is not None else ()
    channels = feature_channels(names)
    taken = {channel.name for channel in (*panel.channels[1:], *before)}
    if both := [channel.name for channel in channels if channel.name in taken]:
        raise ForecastError(f"the covariate {both[0]!r} has the name of a calendar feature: set `data.calendar=none`")
    known = lengthened(panel, steps_ahead)
    times = [
        np.concatenate([panel.times[rows], panel.calendar.after(panel.times[rows.stop - 1], int(length - steps))])
        for (_, rows), length, steps in zip(panel.series(), np.diff(known.offsets), panel.lengths, strict=True)
    ]
    values = feature_values(names, np.concatenate(times), panel.calendar)
    return replace(
        panel,
        ahead=KnownAhead(
            values=np.concatenate([known.values, values], axis=1),
            masked=np.concatenate([known.masked, np.zeros(values.shape, dtype=np.bool_)], axis=1),
            offsets=known.offsets,
            channels=(*before, *channels),
        ),
    )


def feature_values(names: Sequence[str], times: TimeArray, calendar: Calendar) -> FloatArray:
    """Values of features at times of a panel, (row, column)."""
    zone = calendar.timezone
    wall = to_wall(times, zone) if zone not in {None, "UTC"} else times
    return np.concatenate([_columns(name, wall) for name in names], axis=1)


def lengthened(panel: Panel, steps_ahead: int) -> KnownAhead:
    """Extend what is known ahead to `steps_ahead` steps after each series, masked where it did not reach."""
    if panel.ahead is None:
        offsets = np.concatenate([[0], np.cumsum(panel.lengths + steps_ahead)]).astype(np.int64)
        nothing = np.zeros((int(offsets[-1]), 0))
        return KnownAhead(nothing, nothing.astype(np.bool_), offsets, ())
    old = panel.ahead
    lengths = np.maximum(panel.lengths + steps_ahead, np.diff(old.offsets))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    # (old row,) -> row of the result
    places = np.arange(len(old.values)) + np.repeat(offsets[:-1] - old.offsets[:-1], np.diff(old.offsets))
    values = np.zeros((int(offsets[-1]), len(old.channels)))
    masked = np.ones(values.shape, dtype=np.bool_)
    values[places], masked[places] = old.values, old.masked
    return KnownAhead(values, masked, offsets, old.channels)


def country_of(channels: Sequence[Channel]) -> str | None:
    """Return the country whose holidays are among the features; None where there are none."""
    names = [name for name in features_of(channels) if name.startswith(_HOLIDAY)]
    return names[0].split(" ", 1)[1] if names else None


def _channels(name: str) -> tuple[Channel, ...]:
    if name.startswith(HOLIDAYS):
        return tuple(Channel(around + name, "future", computed=name) for around in _AROUND)
    if name.startswith(_HOLIDAY):
        return (Channel(name, "future", computed=name),)
    return tuple(Channel(f"{wave}({name})", "future", computed=name) for wave in ("sin", "cos"))


def _columns(name: str, wall: TimeArray) -> FloatArray:
    """Columns of a feature at wall-clock times, (row, column)."""
    if name.startswith(_HOLIDAY):
        later = list(_AROUND.values()) if name.startswith(HOLIDAYS) else [0]
        free = public_holidays(wall, name.split(" ", 1)[-1])
        days = wall.astype("datetime64[D]")
        dates = np.array(sorted(free), dtype="datetime64[D]")
        return np.stack([np.isin(days + days_later, dates) for days_later in later], axis=1).astype(np.float64)
    if name not in FEATURES:
        raise ForecastError(f"the calendar feature {name!r} is none of {', '.join(FEATURES)}: train again")
    angle = 2 * np.pi * FEATURES[name].place(wall)  # (row,)
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def public_holidays(wall: TimeArray, country: str) -> dict[date, str]:
    """Public holidays of a country by their days, in all years of some times and a day beyond, with their names.

    Raises
    ------
    ForecastError
        A country that is not known, with the nearest name.

    """
    days = wall.astype("datetime64[D]")
    first, last = (int(str(day)[:4]) for day in (days.min() - 1, days.max() + 1))
    return _free_days(country, first, last)


@cache
def _free_days(country: str, first: int, last: int) -> dict[date, str]:
    """Public holidays of the years from the first to the last, with their names."""
    import holidays  # noqa: PLC0415  # slow to import, and needed only with `data.country`

    known = sorted(holidays.list_supported_countries())
    if country not in known:
        hint = did_you_mean(country.upper(), known, "say a code of ISO 3166, such as KR, DE or US", "{}")
        raise ForecastError(f"`data.country={country}` is no country whose holidays are known: {hint}")
    return dict(holidays.country_holidays(country, years=range(first, last + 1)))
