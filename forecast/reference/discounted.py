"""A line and a season of waves, fitted by least squares in which older values count for less, as a recurrence.

The regressors are functions of time, so that from one step to the next their coefficients, as seen from the latest
value, turn by a fixed matrix, and what an error teaches depends on how many values came before it and on nothing else:

    c_t = L c_{t-1} + g_n e_t,   e_t = y_t - r' L c_{t-1}

(Brown 1963, *Smoothing, Forecasting and Prediction*, chapters 11 and 12; with L and g from discounted least squares).
The gains are computed once, so that a step costs no more than that of a smoother.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import block_diag

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray

MEMORIES = (4, 16)
"""Seasons after which a value counts for a 1 / e of the latest, one regression each."""
_WAVES = 6
"""Waves of a season, at most: of one cycle in it, two, and so on."""
_GAINS = 256
"""From so many values on gains stay as they are."""
_PRECISIONS = (1e-6, 1e-3, 1.0)
"""Of level, slope and waves before the first value: a few values are not taken for waves."""


class Discounted(NamedTuple):
    """What the regressions of a season are made of.

    Attributes
    ----------
    turn : (coefficient, coefficient) L: level, slope, and a wave's place and where it goes
    now : (coefficient,) r: what of the coefficients the latest value is made of
    gains : (value, regression, coefficient) g, by how many values came before

    """

    turn: FloatArray
    now: FloatArray
    gains: FloatArray

    def ahead(self, horizon: int) -> FloatArray:
        """What the next values are made of, (step, coefficient)."""
        rows = [self.now @ self.turn]
        for _ in range(horizon - 1):
            rows.append(rows[-1] @ self.turn)
        return np.array(rows)


@cache
def discounted(season: int) -> Discounted:
    """Return what the regressions of a season are made of.

    >>> discounted(1).ahead(2)
    array([[1., 1.],
           [1., 2.]])
    """
    angles = 2 * np.pi * np.arange(1, min(season // 2, _WAVES) + 1) / season
    waves = [np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) for a in angles]
    if season % 2 == 0 and len(waves) == season // 2:  # up and down in turn: nothing is between
        waves[-1] = waves[-1][:1, :1]
    turn = block_diag(np.array([[1.0, 1.0], [0.0, 1.0]]), *waves)
    now = np.concatenate([[1.0, 0.0], *(np.eye(len(wave))[0] for wave in waves)])
    precision = np.full(len(now), _PRECISIONS[2])
    precision[:2] = _PRECISIONS[:2]
    gains = np.empty((_GAINS, len(MEMORIES), len(now)))
    for place, seasons in enumerate(MEMORIES):
        kept, covariance = 1 - 1 / (seasons * season), np.diag(1 / precision)
        for n in range(_GAINS):
            gain = covariance @ now / (1 + now @ covariance @ now)
            gains[n, place] = gain
            covariance = turn @ (covariance - np.outer(gain, now @ covariance)) @ turn.T / kept
    return Discounted(turn, now, gains)
