"""The unit in which a series' differences are measured.

It is the denominator of the MASE (Hyndman and Koehler 2006), so that a mean absolute error in this unit is a MASE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel

_SEASONAL_FLOOR = 0.1
"""A series that repeats itself exactly has no seasonal difference; a tenth of its one-step difference then counts."""


def fit_scale(past: Panel, train_steps: IntArray, season_steps: int) -> FloatArray:
    """Mean absolute seasonal difference of each series over its first `train_steps[i]` steps, (series,) > 0.

    Only differences of two observed values count. A series that never moves is given the unit 1.
    """
    scale = np.ones(len(past))
    for i, (_, rows) in enumerate(past.series()):
        known = slice(rows.start, rows.start + int(train_steps[i]))
        y, seen = past.target[known], past.target_observed[known]
        largest = max(
            _mean_absolute_difference(y, seen, season_steps),
            _SEASONAL_FLOOR * _mean_absolute_difference(y, seen, 1),
        )
        scale[i] = largest or 1.0
    return scale


def _mean_absolute_difference(y: FloatArray, seen: BoolArray, lag: int) -> float:
    difference = np.abs(y[lag:] - y[:-lag])[seen[lag:] & seen[:-lag]]
    return float(difference.mean()) if len(difference) else 0.0


def fit_percentage(past: Panel, train_steps: IntArray, season_steps: int) -> float:
    """Symmetric percentage error of the value one season before, as a share, the mean over series; > 0.

    It is to percentage errors what `fit_scale` is to absolute ones, over the same steps.
    """
    shares = []
    for i, (_, rows) in enumerate(past.series()):
        known = slice(rows.start, rows.start + int(train_steps[i]))
        y, seen = past.target[known], past.target_observed[known]
        both = seen[season_steps:] & seen[:-season_steps]
        later, earlier = y[season_steps:][both], y[:-season_steps][both]
        size = (np.abs(later) + np.abs(earlier)) / 2
        error = np.abs(later - earlier) / np.where(size > 0, size, 1.0)
        shares.append(float(error.mean()) if len(error) else 0.0)
    return sum(shares) / max(len(shares), 1) or 1.0
