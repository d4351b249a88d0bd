"""What of a forecast is examined: the value, or, of a network that is asked for the direction, the logit of a rise.

A probability is pressed together near 0 and 1; its logit log(p / (1 - p)) is what the network's decoder says as it
stands, so that answers can be larger or smaller, and contributions add up. The base rate is part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.network.heads import DirectionHead

if TYPE_CHECKING:
    from torch import Tensor

    from forecast.network.head import Head, Level
    from forecast.series.panel import FloatArray

_NEAREST = 1e-15
"""Uniforms are not taken for closer to 0 or 1 than this, so that their logits stay finite."""


def answer_of(head: Head, raw: Tensor, level: Level | None) -> Tensor:
    """Point forecasts, differences in units of the scale, or logits of a rise; (..., horizon, size) -> (..., horizon).

    Gradients go through.
    """
    return head.logit(raw) if isinstance(head, DirectionHead) else head.point(raw, level)


def logits(probabilities: FloatArray) -> FloatArray:
    """Make logits of probabilities.

    >>> logits(np.array([0.5, 1 / (1 + np.exp(-2.0))])).round(6).tolist()
    [0.0, 2.0]
    """
    p = np.clip(probabilities, _NEAREST, 1 - _NEAREST)
    return np.log(p) - np.log1p(-p)


def probabilities(of: FloatArray) -> FloatArray:
    """Make probabilities of logits.

    >>> probabilities(np.array([0.0])).tolist()
    [0.5]
    """
    return 1 / (1 + np.exp(-of))
