"""The question of symbols: which of an alphabet comes h steps after an origin, as a probability of each.

The target's channel has categories, the alphabet, and its values are codes, places in it. A target at step h is an
observed symbol that has a row h steps before it in its series; nothing is asked of that row, its origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray, Panel


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
