"""Metrics of probabilities of symbols: `y` is the code that came, `y_hat` the likeliest, `chance` what came was given.

Bits a symbol are what an ideal code made of the probabilities would need (Shannon 1948): the cross entropy to base 2,
least, in expectation, for the true probabilities. Of characters they are called bits per character.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.columns import Metric

if TYPE_CHECKING:
    import pandas as pd

    from forecast.evaluation.metrics import Groups
    from forecast.series.panel import FloatArray


def bits(groups: Groups) -> FloatArray:
    """Mean negative logarithm to base 2 of the probability that was given to what came."""
    return _mean(groups, 0.0 - np.log2(groups.rows["chance"]))  # 0.0: a chance of 1 costs 0, and not -0


def accuracy(groups: Groups) -> FloatArray:
    """Share of symbols that were the likeliest."""
    return _mean(groups, groups.rows["y_hat"] == groups.rows["y"])


def perplexity(groups: Groups) -> FloatArray:
    """2 to the power of the bits: as hard as to choose among so many symbols that are all as likely."""
    found: FloatArray = np.exp2(bits(groups))
    return found


def _mean(groups: Groups, losses: pd.Series) -> FloatArray:
    means: FloatArray = losses.groupby(groups.rows["group"]).mean().to_numpy(dtype=np.float64)
    return means


SYMBOL_METRICS: dict[str, Metric] = {
    "bits": Metric(
        bits, "bits", "bits a symbol: what the symbols that came cost in an ideal code of the probabilities"
    ),
    "accuracy": Metric(accuracy, "right", "share of symbols that were the likeliest", percent=True),
    "perplexity": Metric(
        perplexity, "perplexity", "2 to the power of the bits: as hard as a choice among so many alike"
    ),
}
"""To add one: a pure function above, its line here, and an oracle in tests/evaluation/test_symbol_metrics.py."""
