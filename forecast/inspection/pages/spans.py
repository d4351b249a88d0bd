"""Seasons in words: a day of 24 hourly steps is a day to its reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.reporting.lines import Array

_DAYS = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30.44, "quarter": 91.31, "year": 365.25}
_NEAR = 0.02


def season_name(season_steps: int, times: Array) -> str:
    """Name the time that a season takes at the distances of these times, (step,); "season" where it has no name.

    >>> season_name(24, np.arange(9).astype("datetime64[h]")), season_name(20, np.arange(9))
    ('day', 'season')
    """
    if times.dtype.kind != "M" or len(times) < 2:
        return "season"
    distances = np.diff(times.astype("datetime64[ns]").astype(np.int64))
    days = season_steps * float(np.median(distances)) / 86_400e9
    return next((name for name, length in _DAYS.items() if abs(days / length - 1) < _NEAR), "season")


def seasons_back(count: int, name: str) -> str:
    """Write how far back some whole seasons are.

    >>> seasons_back(1, "hour"), seasons_back(2, "day")
    ('an hour before', '2 days before')
    """
    if count == 1:
        return f"{'an' if name == 'hour' else 'a'} {name} before"
    return f"{count} {name}s before"
