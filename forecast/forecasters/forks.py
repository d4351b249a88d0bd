"""Forecasts averaged over forks: the forecast for a date is the mean of those that the latest origins make for it.

"Forking-Sequences" (arXiv 2510.04487): neighbouring origins forecast the same dates, and their mean is revised less
from origin to origin. A recurrent network forks at every step anyway, so that one walk gives them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.forecasters.interface import Forecasts
from forecast.questions.split import Origins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from forecast.series.panel import FloatArray, IntArray


def forecast_by_forks(
    forecast: Callable[[Origins], Forecasts], origins: Origins, forks: int, first_step: int = 0
) -> Forecasts:
    """Average forecasts over the latest `forks` origins that reach a date, quantile by quantile.

    With F(t, h) the forecast of step h that is made at step t of a series, it is the mean of F(t - j, h + j) over
    j = 0 ... forks - 1 for which h + j is within the horizon and t - j not before `first_step`.
    """
    if forks == 1:
        return forecast(origins)
    ages = np.arange(forks)
    steps = origins.steps[:, None] - ages  # (origin, age)
    there = (steps >= first_step) | (ages == 0)
    series = np.broadcast_to(origins.series[:, None], steps.shape)
    pairs, place = np.unique(np.stack([series[there], steps[there]], axis=1), axis=0, return_inverse=True)
    made = forecast(Origins(pairs[:, 0], pairs[:, 1]))
    places = np.full(steps.shape, -1)
    places[there] = place.reshape(-1)
    return averaged([_at(made, age) for age in places.T])


def earlier_forecasts(
    forecast: Callable[[Origins], Forecasts], lengths: IntArray, forks: int, first_step: int = 0
) -> tuple[Forecasts, ...]:
    """Forecasts of the `forks` - 1 origins before the end of each series, newest first, an origin a series each.

    NaN where a series of `lengths`, (series,), has no such origin.
    """
    if forks == 1:
        return ()
    steps = lengths[:, None] - 1 - np.arange(1, forks)  # (series, age)
    series, ages = np.nonzero(steps >= first_step)
    made = forecast(Origins(series, steps[series, ages]))
    places = np.full(steps.shape, -1)
    places[series, ages] = np.arange(len(series))
    return tuple(_at(made, age) for age in places.T)


def averaged(made: Sequence[Forecasts]) -> Forecasts:
    """Average forecasts of the latest origins, newest first, quantile by quantile; NaN where there is none."""
    quantiles = [one.quantiles for one in made if one.quantiles is not None]
    return Forecasts(mean_over_forks([one.y_hat for one in made]), mean_over_forks(quantiles) if quantiles else None)


def mean_over_forks(made: Sequence[FloatArray]) -> FloatArray:
    """Average forecasts of the latest origins, newest first; each (origin, horizon, ...), NaN where there is none.

    The forecast of age j says for step h + j what the newest says for step h.
    """
    total, count = made[0].copy(), np.ones(made[0].shape)
    horizon = total.shape[1]
    for age, one in enumerate(made[1:horizon], start=1):
        reaching = one[:, age:]
        there = ~np.isnan(reaching)
        total[:, : horizon - age] += np.where(there, reaching, 0.0)
        count[:, : horizon - age] += there
    mean: FloatArray = total / count
    return mean


def _at(made: Forecasts, places: IntArray) -> Forecasts:
    """Forecasts at some places, NaN where the place is -1."""
    return Forecasts(_rows(made.y_hat, places), None if made.quantiles is None else _rows(made.quantiles, places))


def _rows(table: FloatArray, places: IntArray) -> FloatArray:
    rows = np.full((len(places), *table.shape[1:]), np.nan)
    rows[places >= 0] = table[places[places >= 0]]
    return rows
