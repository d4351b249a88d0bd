"""Scale of each series: the denominator of the MASE (Hyndman and Koehler 2006).

A mean absolute error divided by it is a MASE, so that errors of all series can be pooled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel

_SEASONAL_FLOOR = 0.1
"""The scale is at least this share of the one-step difference: an exactly periodic series has no seasonal one."""


def fit_scale(past: Panel, train_steps: IntArray, season_steps: int) -> FloatArray:
    """Return mean |y_t - y_{t-m}| of each series i over its first `train_steps[i]` steps, (series,) > 0.

    Only differences of two observed values count. A constant series has the scale 1.
    """
    scale = np.ones(len(past))
    for i, (_, rows) in enumerate(past.series()):
        train = slice(rows.start, rows.start + int(train_steps[i]))
        y, seen = past.target[train], past.target_observed[train]
        seasonal = _mean_absolute_difference(y, seen, season_steps)
        scale[i] = max(seasonal, _SEASONAL_FLOOR * _mean_absolute_difference(y, seen, 1)) or 1.0
    return scale


def _mean_absolute_difference(y: FloatArray, seen: BoolArray, lag: int) -> float:
    difference = np.abs(y[lag:] - y[:-lag])[seen[lag:] & seen[:-lag]]
    return float(difference.mean()) if len(difference) else 0.0


def fit_percentage(past: Panel, train_steps: IntArray, season_steps: int) -> float:
    """Return the sMAPE of seasonal naive, mean |y_t - y_{t-m}| / ((|y_t| + |y_{t-m}|) / 2), over series; > 0.

    It is to percentage errors what `fit_scale` is to absolute ones, over the same steps.
    """
    shares = []
    for i, (_, rows) in enumerate(past.series()):
        train = slice(rows.start, rows.start + int(train_steps[i]))
        y, seen = past.target[train], past.target_observed[train]
        both = seen[season_steps:] & seen[:-season_steps]
        later, earlier = y[season_steps:][both], y[:-season_steps][both]
        size = (np.abs(later) + np.abs(earlier)) / 2
        error = np.abs(later - earlier) / np.where(size > 0, size, 1.0)
        shares.append(float(error.mean()) if len(error) else 0.0)
    return sum(shares) / max(len(shares), 1) or 1.0
