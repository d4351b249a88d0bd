"""How each statistical method finds its form: the candidates, in the order in which they are tried, judged by AICc.

    exponential smoothing   season or none, then the trend             Hyndman et al. 2008
    ARIMA                   differences, then lags, step by step       Hyndman and Khandakar 2008
    Theta                   season or none, and how much of the line   Assimakopoulos and Nikolopoulos 2000
    structural (Kalman)     season or none, then the trend             Harvey 1989

Only additive forms: forecasts move with the level of the data, and `data.transform=log` makes the others of them.
All candidates of a search are scored on the same steps, or else their likelihoods could not be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from forecast.forecasters.arima import find_orders
from forecast.forecasters.pattern import Pattern, fit_season, line_slope, season_strength
from forecast.forecasters.statespace import Estimate, Form, best, estimate, smoothing, structural

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray

_SMOOTHED_SEASON, _ARIMA_SEASON = 24, 12
"""Longer seasons are a fixed pattern: a state for every step of a season makes a filter slow with its square."""
_MOST_HARMONICS = 6
_STRONG_SEASON = 0.64


@dataclass(frozen=True, eq=False)
class Task:
    """One series to find a form for: `z` (step,), NaN where not observed, begins at `first_step` of its series."""

    z: FloatArray
    first_step: int
    season_steps: int
    on_trial: Callable[[], None]

    def estimate(self, form: Form) -> Estimate | None:
        """Estimate one form."""
        return estimate(form, self.z, self.first_step, self.on_trial)

    def best(self, *forms: Form) -> Estimate | None:
        """Estimate some forms and take the one of the least AICc."""
        return best(self.estimate(form) for form in forms)

    def season(self) -> Pattern:
        """The season as a fixed pattern; empty where there is none."""
        if self.season_steps < 2:
            return Pattern()
        return fit_season(self.z, self.first_step, self.season_steps)

    def has_seasons(self, most_steps: int) -> bool:
        """Whether there is a season of at most so many steps, and it was seen twice."""
        return 1 < self.season_steps <= most_steps and 2 * self.season_steps <= len(self.z)


Search: TypeAlias = Callable[[Task], Estimate | None]


def find_smoothing(task: Task) -> Estimate | None:
    """ETS(A, N | A | Ad, N | A)."""
    seasonal = task.has_seasons(_SMOOTHED_SEASON)
    season_steps = task.season_steps if seasonal else 1
    unscored = season_steps + 2
    if seasonal:
        start = task.best(smoothing(unscored=unscored), smoothing("N", season_steps, unscored=unscored))
    else:
        start = task.best(*(smoothing(pattern=pattern, unscored=unscored) for pattern in _patterns(task)))
    if start is None:
        return None
    season_steps = season_steps if start.form.label.endswith(",A)") else 1
    trends = (smoothing(trend, season_steps, start.form.pattern, unscored) for trend in ("A", "Ad"))
    return best((start, task.best(*trends)))


def find_theta(task: Task) -> Estimate | None:
    """Simple exponential smoothing around a part of the least-squares line: none, half (theta 2) or all of it.

    The classical Theta forecast is that of simple exponential smoothing with half the slope as its drift (Hyndman
    and Billah 2003), which is smoothing of what is left of the line.
    """
    forms = []
    for season in _patterns(task):
        slope = line_slope(task.z - season.at(np.arange(len(task.z)) + task.first_step))
        for share, name in ((0.5, "Theta"), (0.0, "Theta without a line"), (1.0, "Theta with the whole line")):
            form = smoothing(pattern=replace(season, slope=share * slope), unscored=3)
            forms.append(replace(form, label=name + (", season taken out" if season.size else "")))
    return task.best(*forms)


def find_structural(task: Task) -> Estimate | None:
    """Local level, local linear trend or smooth trend, with a season of harmonics or without."""
    seasonal = task.has_seasons(_SMOOTHED_SEASON)
    harmonics = min(task.season_steps // 2, _MOST_HARMONICS) if seasonal else 0
    unscored = 2 + 2 * harmonics
    if harmonics:
        counts = (0, harmonics)
        start = task.best(*(structural("llevel", task.season_steps, count, unscored) for count in counts))
        count = harmonics if start and "harmonics" in start.form.label else 0
    else:
        start = task.best(*(structural("llevel", 1, 0, unscored, pattern) for pattern in _patterns(task)))
        count = 0
    if start is None:
        return None
    trends = (
        structural(level, task.season_steps, count, unscored, start.form.pattern) for level in ("lltrend", "strend")
    )
    return best((start, task.best(*trends)))


def _patterns(task: Task) -> tuple[Pattern, ...]:
    """Without a season, and with it as a fixed pattern where it was found."""
    season = task.season()
    return (Pattern(), season) if season.size else (Pattern(),)


def find_arima(task: Task) -> Estimate | None:
    """Seasonal lags for a short season, differenced where it is strong; a fixed pattern for a long one."""
    season = task.season()
    if task.has_seasons(_ARIMA_SEASON):
        strength = season_strength(task.z, task.first_step, season)
        found = find_orders(task.z, task.season_steps, int(strength > _STRONG_SEASON), task.on_trial)
        pattern = Pattern()
    else:
        start = task.best(*(smoothing(pattern=pattern, unscored=3) for pattern in _patterns(task)))
        pattern = start.form.pattern if start else Pattern()
        rest = task.z - pattern.at(np.arange(len(task.z)) + task.first_step)
        found = find_orders(rest, 0, 0, task.on_trial)
    estimates = (task.estimate(replace(form, pattern=pattern)) for form in found)
    return next((one for one in estimates if one is not None), None)


SEARCHES: dict[str, Search] = {
    "auto_ets": find_smoothing,
    "auto_arima": find_arima,
    "auto_theta": find_theta,
    "kalman": find_structural,
}
