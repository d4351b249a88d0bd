"""Metrics of probabilities that the target rises: `y` is 1 where it did and 0 where not, `y_hat` the probability.

The Brier score is the squared error of such a forecast (Brier 1950); like the log loss it is least, in expectation,
for the true probability, and tests of squared losses hold for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.columns import Metric

if TYPE_CHECKING:
    import pandas as pd

    from forecast.evaluation.metrics import Groups
    from forecast.series.panel import FloatArray

_SUREST = float(np.finfo(np.float64).eps)
"""Probabilities are kept so far from 0 and 1, as scikit-learn does, lest a sure and wrong one lose infinitely."""


def brier(groups: Groups) -> FloatArray:
    """Mean squared error of the probabilities, 0 to 1."""
    return _mean(groups, (groups.rows["y"] - groups.rows["y_hat"]) ** 2)


def accuracy(groups: Groups) -> FloatArray:
    """Share of outcomes that were given more than a half; a probability of a half says that there is no rise."""
    return _mean(groups, (groups.rows["y_hat"] > 0.5) == (groups.rows["y"] > 0.5))


def auc(groups: Groups) -> FloatArray:
    """How often a rise was given more than what was none: area under the ROC curve, 0.5 by chance; a tie is half.

    Compared are forecasts of the same horizon step, and the mean is over the steps that had both: how base rates
    differ over the horizon is no merit. NaN where no step had both.
    """
    rows = groups.rows.assign(rank=groups.rows.groupby(["group", "step"])["y_hat"].rank(), count=1.0)
    rows["up_rank"] = rows["rank"] * rows["y"]
    sums = rows.groupby(["group", "step"])[["y", "count", "up_rank"]].sum()
    up, down = sums["y"], sums["count"] - sums["y"]
    area = (sums["up_rank"] - up * (up + 1) / 2) / (up * down).where(up * down > 0)
    found: FloatArray = area.groupby("group").mean().to_numpy(dtype=np.float64)
    return found


def log_loss(groups: Groups) -> FloatArray:
    """Mean negative logarithm of the probability that was given to what came, in nats."""
    p = groups.rows["y_hat"].clip(_SUREST, 1 - _SUREST)
    return _mean(groups, -np.log(p.where(groups.rows["y"] > 0.5, 1 - p)))


def _mean(groups: Groups, losses: pd.Series) -> FloatArray:
    means: FloatArray = losses.groupby(groups.rows["group"]).mean().to_numpy(dtype=np.float64)
    return means


DIRECTION_METRICS: dict[str, Metric] = {
    "brier": Metric(
        brier, "Brier", "mean squared error of the probabilities of a rise: 0.25 is what a coin has, 0 is best"
    ),
    "accuracy": Metric(
        accuracy, "right", "share of outcomes given more than a half (a half says that there is no rise)", percent=True
    ),
    "auc": Metric(
        auc,
        "AUC",
        "how often a rise was given more than what was none, at the same step ahead: 50 % is chance",
        percent=True,
    ),
    "log_loss": Metric(
        log_loss, "log loss", "mean negative logarithm of the probability that was given to what came, in nats"
    ),
}
"""To add one: a pure function above, its line here, and an oracle in tests/evaluation/test_direction_metrics.py."""
