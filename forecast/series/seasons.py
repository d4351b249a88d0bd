"""Seasons that a calendar suggests: days, weeks and years, in steps. Whether data have one is another question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.series.step_rules import MONTHS, NS_PER_DAY, TICKS, parse_alias

if TYPE_CHECKING:
    from forecast.series.calendar import Calendar


def suggested_seasons(calendar: Calendar) -> tuple[tuple[str, float], ...]:
    """Return the seasons that a calendar suggests, shortest first: name and exact period in steps.

    >>> from forecast.series.calendar import Calendar
    >>> suggested_seasons(Calendar("h"))
    (('daily', 24.0), ('weekly', 168.0))
    """
    if calendar.sessions:
        days = len({slot // 86_400 for slot in calendar.sessions})
        return _distinct([("daily", len(calendar.sessions) / days), ("weekly", len(calendar.sessions))])
    if calendar.trades:
        return (("weekly", calendar.weekmask.count("1")),)
    alias = parse_alias(calendar.freq) if calendar.freq else None
    if alias is not None and alias.unit in MONTHS:
        return _distinct([("yearly", 12 / (alias.count * MONTHS[alias.unit][0]))])
    if alias is None or alias.unit not in TICKS:
        return ()
    day = NS_PER_DAY / (alias.count * TICKS[alias.unit])
    if day <= 1:
        return _distinct([("weekly", 7 * day), ("yearly", 365 * day if day == 1 else 365.25 * day)])
    return _distinct([("minutely", day / 1440), ("hourly", day / 24), ("daily", day), ("weekly", 7 * day)])


def _distinct(seasons: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Keep seasons of at least four steps that are nearly whole (a year is 52.18 weeks)."""
    return tuple((name, period) for name, period in seasons if period >= 4 and abs(period - round(period)) < 0.2)
