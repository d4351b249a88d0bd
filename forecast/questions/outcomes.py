"""Outcomes and base rates of directions and symbols.

Direction: the outcome at step h after row t is 1 if y_{t+h} > y_t and 0 if not; an equal value has not risen. It
exists where both were observed.

Symbol: the target's channel has categories (the alphabet) and its values are codes, places among them. A target at step
h is an observed symbol with a row h steps before it in its series; that row, its origin, need not be observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray, Panel


def risen(panel: Panel, rows: IntArray, horizon: int) -> FloatArray:
    """Return 1 where the target at each step after some rows is higher than at them, else 0, NaN if not observed.

    (row,) -> (row, horizon). All steps of the horizon must be rows of the same series.
    """
    ahead = rows[:, None] + np.arange(1, horizon + 1)  # (row, horizon)
    seen = panel.target_observed[ahead] & panel.target_observed[rows][:, None]
    outcome: FloatArray = np.where(seen, panel.target[ahead] > panel.target[rows][:, None], np.nan)
    return outcome


def rise_rates(past: Panel, train_steps: IntArray, horizon: int) -> FloatArray:
    """Return the share of training rows after which the target was higher h steps on, (horizon,), over all series.

    Bounded away from 0 and 1 (`bounded_rate`); 0.5 where there is no such row.
    """
    train = past.cut(train_steps)
    series = np.repeat(np.arange(len(train)), train.lengths)
    rates = np.empty(horizon)
    for h in range(1, horizon + 1):  # rows t with t + h in the same series
        rows = np.flatnonzero(series[h:] == series[:-h]) if h < len(series) else np.zeros(0, dtype=np.int64)
        seen = train.target_observed[rows] & train.target_observed[rows + h]
        up, count = int((train.target[rows + h] > train.target[rows])[seen].sum()), int(seen.sum())
        rates[h - 1] = bounded_rate(up, count)
    return rates


def bounded_rate(up: int, count: int) -> float:
    """Return up / count, at least as far from 0 and 1 as half an occurrence in one more trial would be.

    >>> bounded_rate(3, 12), bounded_rate(0, 9), bounded_rate(9, 9), bounded_rate(0, 0)
    (0.25, 0.05, 0.95, 0.5)
    """
    least = 0.5 / (count + 1)
    return min(max(up / max(count, 1), least), 1.0 - least)


def alphabet_size(panel: Panel) -> int:
    """Return the number of symbols.

    Raises
    ------
    ForecastError
        The target is a column of numbers.

    """
    target = panel.channels[0]
    if not target.categories:
        raise ForecastError(
            f"the target {target.name!r} should be a column of symbols, found numbers: choose another "
            f"`model.head` than categorical"
        )
    return len(target.categories)


def symbol_codes(panel: Panel) -> IntArray:
    """Return the code of the symbol at each row, -1 where none was observed, (row,)."""
    seen = panel.target_observed
    if panel.masked is not None:
        seen = seen & ~panel.masked[:, 0]
    return np.where(seen, panel.target, -1.0).astype(np.int64)


def target_rows(panel: Panel, first: IntArray, step: int) -> IntArray:
    """Return the rows of the targets at a step of the horizon, from step `first[i]` of each series i on, (target,)."""
    at = np.arange(len(panel.target)) - np.repeat(panel.offsets[:-1], panel.lengths)  # step within the series
    inside = at >= np.repeat(np.maximum(first, step), panel.lengths)
    return np.flatnonzero(inside & (symbol_codes(panel) >= 0))


def symbol_base_rates(past: Panel, train_steps: IntArray, horizon: int, size: int) -> FloatArray:
    """Return the share of each of `size` symbols among the training targets h steps on, (horizon, symbol).

    Over all series: (n_k + 1/2) / sum_k (n_k + 1/2), the estimator of Krichevsky and Trofimov (1981), so that a symbol
    that training has not seen is not impossible. Without any target all are equally likely.
    """
    train = past.cut(train_steps)
    codes, everywhere = symbol_codes(train), np.zeros_like(train_steps)
    rates = np.empty((horizon, size))
    for h in range(1, horizon + 1):
        counts = np.bincount(codes[target_rows(train, everywhere, h)], minlength=size) + 0.5
        rates[h - 1] = counts / counts.sum()
    return rates


def probability_of(probabilities: FloatArray, y: FloatArray) -> FloatArray:
    """Return the probability of the symbol that came, NaN where none was observed.

    (..., origin, step, symbol) and codes (origin, step) -> (..., origin, step).
    """
    codes = np.broadcast_to(np.where(np.isnan(y), 0, y).astype(np.int64), probabilities.shape[:-1])
    probability = np.take_along_axis(probabilities, codes[..., None], axis=-1)[..., 0]
    return np.where(np.isnan(y), np.nan, probability)
