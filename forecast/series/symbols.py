"""The question of symbols: which comes h steps after an origin. A target is the code of one, its place among all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray, Panel


def symbol_base_rates(past: Panel, train_steps: IntArray, horizon: int, size: int) -> FloatArray:
    """Share of each of `size` symbols among the targets of the training stretch h steps on, (horizon, symbol)."""
    step = np.arange(len(past.times)) - np.repeat(past.offsets[:-1], past.lengths)
    counted = past.first_rows(train_steps) & past.target_observed
    rates = np.empty((horizon, size))
    for h in range(1, horizon + 1):
        counts = np.bincount(past.target[counted & (step >= h)].astype(np.int64), minlength=size) + 0.5
        rates[h - 1] = counts / counts.sum()
    return rates
