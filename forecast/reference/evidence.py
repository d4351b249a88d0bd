"""Whether a gain that was seen on some origins will be there again: a lower bound of it, by groups of origins.

Forecasts of neighbouring origins share most of what they are scored on, and those of one time share what happened
then. So origins are grouped, and the groups counted: by time, half a horizon at once, or where a panel has few such
times by series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray

_MANY_GROUPS = 8


def assured_gain(
    gains: FloatArray, counts: FloatArray, origins: Origins, horizon: int, *, confidence: float
) -> FloatArray:
    """Lower bound of the mean gain of each candidate, by Student's t over groups, (candidate,).

    `gains` are sums over an origin's `counts` forecasts, (candidate, origin) and (origin,). One group assures nothing:
    its bound is -inf.
    """
    groups = groups_of(origins, horizon)
    count = int(groups.max(initial=-1)) + 1
    sums = np.stack([np.bincount(groups, weights=of_one) for of_one in gains])  # (candidate, group)
    weights = np.bincount(groups, weights=counts)
    if count < 2 or not weights.any():
        return np.full(len(gains), -np.inf)
    mean = sums.sum(axis=1) / weights.sum()
    squares = ((sums - mean[:, None] * weights) ** 2).sum(axis=1)
    error = np.sqrt(squares * count / (count - 1)) / weights.sum()
    assured: FloatArray = mean - special.stdtrit(count - 1, confidence) * error
    return assured


def groups_of(origins: Origins, horizon: int) -> IntArray:
    """Return the number of each origin's group, from 0 on, (origin,)."""
    count = int(origins.series.max(initial=-1)) + 1
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, origins.series, origins.steps)
    since = origins.steps - first[origins.series]
    length = max((horizon + 1) // 2, 1)
    times = max((int(since.max(initial=0)) + 1) // length, 1)
    by_time: IntArray = np.minimum(since // length, times - 1)  # an incomplete last group joins the one before
    if times >= _MANY_GROUPS or count == 1:
        return by_time
    if count >= _MANY_GROUPS:
        return origins.series
    groups: IntArray = origins.series * times + by_time
    return groups
