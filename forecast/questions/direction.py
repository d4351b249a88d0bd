"""The question of direction: is the target higher h steps after an origin than at it.

The outcome at step h is 1 if y_{t+h} > y_t and 0 if not: a value that is the same again has not risen. It is there
where both were observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray, Panel


def risen(panel: Panel, rows: IntArray, horizon: int) -> FloatArray:
    """Whether the target is higher at each step after some rows than at them, (row, horizon): 1, 0, NaN if not known.

    All the rows after them are in the panel, and of the same series.
    """
    ahead = rows[:, None] + np.arange(1, horizon + 1)
    seen = panel.target_observed[ahead] & panel.target_observed[rows][:, None]
    outcome: FloatArray = np.where(seen, panel.target[ahead] > panel.target[rows][:, None], np.nan)
    return outcome


def base_rates(past: Panel, train_steps: IntArray, horizon: int) -> FloatArray:
    """Share of the steps of the training split after which the target was higher h steps on, (horizon,).

    Of all series together. A rate of 0 or 1 is taken for that of one step more, which went the other way and so is
    no certainty; where there is no step at all it is a half.
    """
    train = past.cut(train_steps)
    series = np.repeat(np.arange(len(train)), train.lengths)
    rates = np.empty(horizon)
    for h in range(1, horizon + 1):
        rows = np.flatnonzero(series[h:] == series[:-h]) if h < len(series) else np.zeros(0, dtype=np.int64)
        seen = train.target_observed[rows] & train.target_observed[rows + h]
        up, count = int((train.target[rows + h] > train.target[rows])[seen].sum()), int(seen.sum())
        rates[h - 1] = bounded_rate(up, count)
    return rates


def bounded_rate(up: int, count: int) -> float:
    """Share of `up` among `count`, kept away from 0 and 1 by half a step of one more.

    >>> bounded_rate(3, 12), bounded_rate(0, 9), bounded_rate(9, 9), bounded_rate(0, 0)
    (0.25, 0.05, 0.95, 0.5)
    """
    least = 0.5 / (count + 1)
    return min(max(up / max(count, 1), least), 1.0 - least)
