"""The question of direction: is the target higher h steps after an origin than at it.

The outcome at step h is 1 if y_{t+h} > y_t and 0 if not: a value that is the same again has not risen. It is there
where both were observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError

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


def rise_rates(past: Panel, train_steps: IntArray, horizon: int) -> FloatArray:
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


def alphabet_size(panel: Panel) -> int:
    """Return how many symbols there are.

    Raises
    ------
    ForecastError
        A target of numbers.

    """
    target = panel.channels[0]
    if not target.categories:
        raise ForecastError(
            f"the target {target.name!r} should be a column of symbols, found numbers: say another `model.head` than "
            f"categorical"
        )
    return len(target.categories)


def symbol_codes(panel: Panel) -> IntArray:
    """Code of the symbol at each row, -1 where none was observed, (row,)."""
    seen = panel.target_observed
    if panel.masked is not None:
        seen = seen & ~panel.masked[:, 0]
    return np.where(seen, panel.target, -1.0).astype(np.int64)


def target_rows(panel: Panel, first: IntArray, step: int) -> IntArray:
    """Rows of the targets at a step of the horizon that lie in the steps `first[i] <= s` of series i, (target,)."""
    at = np.arange(len(panel.target)) - np.repeat(panel.offsets[:-1], panel.lengths)
    inside = at >= np.repeat(np.maximum(first, step), panel.lengths)
    return np.flatnonzero(inside & (symbol_codes(panel) >= 0))


def symbol_base_rates(past: Panel, train_steps: IntArray, horizon: int, size: int) -> FloatArray:
    """Share of each of `size` symbols among the targets of the training split h steps on, (horizon, symbol).

    Of all series together. Half an occurrence is added to each (Krichevsky and Trofimov 1981), so that what training
    has not seen is no impossibility; without any target all are equally likely.
    """
    train = past.cut(train_steps)
    codes, everywhere = symbol_codes(train), np.zeros_like(train_steps)
    rates = np.empty((horizon, size))
    for h in range(1, horizon + 1):
        counts = np.bincount(codes[target_rows(train, everywhere, h)], minlength=size) + 0.5
        rates[h - 1] = counts / counts.sum()
    return rates


def probability_of(probabilities: FloatArray, y: FloatArray) -> FloatArray:
    """Probability given to what came, (..., origin, step, symbol) and codes (origin, step) -> (..., origin, step).

    NaN where nothing was observed.
    """
    codes = np.broadcast_to(np.where(np.isnan(y), 0, y).astype(np.int64), probabilities.shape[:-1])
    found = np.take_along_axis(probabilities, codes[..., None], axis=-1)[..., 0]
    return np.where(np.isnan(y), np.nan, found)
