"""Rows of the past that a model did not expect: outside the band in which 99 in 100 should lie, one step ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.questions.split import rolling_origins

if TYPE_CHECKING:
    from forecast.forecasters.interface import Fitted
    from forecast.series.panel import Panel

_ANOMALY_COLUMNS = ("unique_id", "ds", "expected", "low", "high", "y")
_BAND = 2.576
"""Standard deviations on each side of what was expected, of which a normal distribution has 99 % between."""
_NINETY = 1.645
_MOST_ROWS = 20_000
_FEWEST = 30


def find_anomalies(fitted: Fitted, panel: Panel, first_step: int) -> tuple[pd.DataFrame, int]:
    """List the rows outside the band of a model's forecasts one step ahead, and say how many rows were looked at.

    Columns unique_id, ds, expected, low, high, y; times as in the panel. The width of the band is that of the errors of
    each series themselves: what nine in ten of them lie within, made 99 % as if they were normal, so that what stands
    out does not widen it. Of long data the latest rows are looked at. Forecasts start after `first_step` steps.
    """
    most = max(_MOST_ROWS // len(panel), _FEWEST)
    first = np.maximum(panel.lengths - most, np.minimum(first_step, panel.lengths))
    origins = rolling_origins(panel, np.maximum(first, 1), panel.lengths, 1)
    rows = origins.rows(panel)
    expected, y = fitted.forecast(panel, origins).y_hat[:, 0], panel.target[rows + 1]
    seen = panel.target_observed[rows + 1] & np.isfinite(expected)
    looked_at, outside, widths = 0, [], []
    ends = np.searchsorted(origins.series, np.arange(len(panel) + 1))  # origins stand series by series
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        which = begin + np.flatnonzero(seen[begin:end])
        if len(which) < _FEWEST:
            continue
        looked_at += len(which)
        error = np.abs(y[which] - expected[which])
        width = _BAND * float(np.quantile(error, 0.9)) / _NINETY
        if width > 0:
            outside.append(which[error > width])
            widths.append(np.full(len(outside[-1]), width))
    if not outside:
        return pd.DataFrame(columns=list(_ANOMALY_COLUMNS)), looked_at
    found, wide = np.concatenate(outside), np.concatenate(widths)
    ids = np.array(panel.ids, dtype=object)[origins.series[found]]
    middle, at = expected[found], rows[found] + 1
    columns = (ids, panel.times[at], middle, middle - wide, middle + wide, panel.target[at])
    return pd.DataFrame(dict(zip(_ANOMALY_COLUMNS, columns, strict=True))), looked_at
