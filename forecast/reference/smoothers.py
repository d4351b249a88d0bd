"""What the bank is made of: its exponential smoothers by family, its rules, and how far back and ahead it looks.

`reference.bank` has the equations, `reference.candidates` what all of these forecast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from forecast.reference.discounted import MEMORIES

if TYPE_CHECKING:
    from forecast.series.panel import IntArray


class _Smoother(NamedTuple):
    """Constants of one exponential smoother; `seasonal` and `seasonal2` are gamma of the first and second season."""

    level: float
    trend: float = 0.0
    damping: float = 1.0
    seasonal: float | None = None
    seasonal2: float | None = None


_FAMILIES = {
    "level": (_Smoother(1.0), _Smoother(0.6), _Smoother(0.3), _Smoother(0.1), _Smoother(0.0)),
    "damped trend": (
        _Smoother(0.7, 0.2, 0.9),
        _Smoother(0.4, 0.1, 0.95),
        _Smoother(0.9, 0.4, 0.9),
        _Smoother(0.9, 0.8, 0.98),
    ),
    "trend": (_Smoother(0.2, 0.05),),
    "season": (
        _Smoother(0.6, seasonal=0.1),
        _Smoother(0.2, seasonal=0.1),
        _Smoother(0.05, seasonal=0.1),
        _Smoother(0.3, seasonal=0.4),
        _Smoother(0.9, seasonal=0.02),
        _Smoother(0.0, seasonal=0.0),
    ),
    "trend and season": (
        _Smoother(0.4, 0.08, 0.95, seasonal=0.2),
        _Smoother(0.15, 0.03, 1.0, seasonal=0.1),
    ),
    "two seasons": (
        _Smoother(0.3, seasonal=0.1, seasonal2=0.2),
        _Smoother(0.05, seasonal=0.1, seasonal2=0.3),
        _Smoother(0.6, 0.05, 0.9, seasonal=0.1, seasonal2=0.05),
        _Smoother(0.02, seasonal=0.02, seasonal2=0.02),
    ),
}
"""A level of 1 is the last value, of 0 the mean of all values so far; a seasonal of 0 is the mean of all cycles."""
SMOOTHERS = tuple(smoother for family in _FAMILIES.values() for smoother in family)
RULES = (
    *("drift", "theta", "mean of two seasons", "season and drift", "seasonal theta"),
    *(f"line and waves of a season, over {seasons} seasons" for seasons in MEMORIES),
)
"""Rules that are computed on values and on logarithms, after the smoothers; the last are `discounted` regressions."""
VALUE_RULES = ("last season", "last second season", "second season and level", "intermittent slow", "intermittent fast")
"""Rules on values alone (TSB: Teunter, Syntetos and Babai 2011)."""
AUTOREGRESSIONS = 2
"""One on values, one on logarithms."""
_POOLED = 2
"""The mean of all smoothers by the inverse square of their recent errors from step to step, and, last of all, the mean
of all other candidates by an inverse power of their errors along paths."""
CANDIDATES = 2 * (len(SMOOTHERS) + len(RULES)) + len(VALUE_RULES) + AUTOREGRESSIONS + _POOLED
FEATURES = 3 * 2 * (len(SMOOTHERS) + 1) + 2 * CANDIDATES + 14
"""Size of what `features` returns of a step."""

CONSTANTS = tuple(
    np.array([value or 0.0 for value in column])[:, None, None] for column in zip(*SMOOTHERS, strict=True)
)
"""Alpha, beta, phi, gamma of the first and of the second season, (smoother, 1, 1) each."""
ALPHA, BETA, PHI, GAMMA, GAMMA2 = CONSTANTS
TREND = BETA > 0
_SEASONAL = np.array([smoother.seasonal is not None for smoother in SMOOTHERS])
SEASONAL2 = np.array([smoother.seasonal2 is not None for smoother in SMOOTHERS])
FIRST_SEASONAL = int(_SEASONAL.argmax())
"""Smoothers from here on are seasonal."""
MEANS = [3, 4]
"""Smoothers whose levels the autoregression reads: a slow mean and the mean of all values."""
THETA, SEASONAL_THETA = 2, 11
"""Smoothers to which the Theta rules add half the drift (Assimakopoulos and Nikolopoulos 2000)."""
GROWN = 100
"""After so many values, and a season, gains are the constants, but for means."""
MOST_UNITS = 30.0
"""Units that the mean change from step to step is, at most: seasons that repeat to the last digit have no unit else."""
TSB_GAINS = np.array([0.05, 0.2])[:, None]
"""Of the rules for intermittent demand, (gain, 1)."""
FAST = 0.15
"""Share of a step in the recent mean of a smoother's errors."""
REGRESSORS = 10
PENALTY = 4.0
"""Of the autoregression's squared weights, against squared errors in units."""
POWERS = 4.0, 10.0
"""Of errors along paths, by whose inverse candidates are weighed, of few and of many steps: half the square root of
their number, but from 4 (64 steps) to 10 (400)."""
LEAST_ERROR = 0.05
"""Errors in units are told apart from here on; smaller ones are none."""
_SHORTEST_PATH, _LONGEST_PATH = 6, 24
LOG_REACH = 2.0
"""Forecasts by logarithms end at e^2 times the largest value so far."""


_SECOND_SEASONS = {5: 260, 7: 364, 24: 168, 48: 336, 96: 672, 144: 1008, 288: 2016}
"""Weeks above days, and years above weeks."""


def second_season(season: int) -> int:
    """Return the longer season that the calendar sets above one of so many steps; 1 where it sets none.

    >>> second_season(24)
    168
    """
    return _SECOND_SEASONS.get(season, 1)


def path_of(season: int) -> int:
    """Steps ahead along which the bank compares its forecasts with what came: a season, but 6 to 24.

    >>> path_of(1), path_of(12), path_of(168)
    (6, 12, 24)
    """
    return min(max(season, _SHORTEST_PATH), _LONGEST_PATH)


def lags_of(season: int, season2: int) -> IntArray:
    """Steps before the next value that it is regressed on, (regressor,); 1, which adds nothing, without a season."""
    seasons = (season, season + 1, 2 * season) if season > 1 else (1, 1, 1)
    return np.array([2, 3, 4, *seasons, *((season2, season2 + 1) if season2 > 1 else (1, 1))])
