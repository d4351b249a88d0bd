"""How much the forecast for one date is revised from origin to origin.

Of two forecasts that err alike the steadier one is easier to act upon ("Forking-Sequences", arXiv 2510.04487).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from forecast.evaluation.scales import Scales
    from forecast.series.panel import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Revisions:
    """Mean absolute revision.

    Attributes
    ----------
    by_model : in units of the MASE's denominator, the mean of the series' means; NaN where there is none
    stride : steps from one origin to the next; 0 where no two neighbours forecast the same date

    """

    by_model: pd.Series
    stride: int

    @property
    def note(self) -> str:
        """What is to be said of it, "" where each step is an origin."""
        if self.stride == 1:
            return ""
        if self.stride == 0:
            return "revision is empty: no two origins that follow one another forecast the same date"
        return f"revision is from origins {self.stride} steps apart"


def revisions(results: pd.DataFrame, scales: Scales) -> Revisions:
    """Measure |F(t + s, h - s) - F(t, h)| over all steps h and neighbouring origins s, the stride, apart.

    F(t, h) is the forecast of step h that is made at t. `results` is ordered as `results_table` makes it. Where
    origins are left out, so that two neighbours are further apart than most, that pair does not count.
    """
    models = list(results["model"].cat.categories)
    if not len(results):
        return Revisions(pd.Series(np.nan, index=models), 0)
    horizon = int(results["step"].max())
    first = results.iloc[: len(results) // len(models)]
    series: IntArray = first["unique_id"].cat.codes.to_numpy()[::horizon].astype(np.int64)
    apart = _steps_apart(first, series, horizon)
    stride = int(np.bincount(apart)[1:].argmax()) + 1 if (apart > 0).any() else 0
    pairs = np.flatnonzero(apart == stride)
    if stride in (0, horizon):
        return Revisions(pd.Series(np.nan, index=models), 0)
    scale = scales.of(pd.Series(first["unique_id"].cat.categories))[0]
    y_hat = results["y_hat"].to_numpy().reshape(len(models), -1, horizon)
    found = [_mean_change(one, pairs, stride, series, scale) for one in y_hat]
    return Revisions(pd.Series(found, index=models), stride)


def _steps_apart(rows: pd.DataFrame, series: IntArray, horizon: int) -> IntArray:
    """Steps from each origin to the one after it; 0 where that is of another series, or beyond the horizon."""
    cutoff = rows["cutoff"].to_numpy()[::horizon]
    same = (rows["ds"].to_numpy().reshape(-1, horizon)[:-1] == cutoff[1:, None]) & (series[:-1] == series[1:])[:, None]
    return np.where(same.any(axis=1), same.argmax(axis=1) + 1, 0)


def _mean_change(y_hat: FloatArray, pairs: IntArray, stride: int, series: IntArray, scale: FloatArray) -> float:
    """Mean over series of the mean change between origins and those after them, `y_hat` (origin, horizon)."""
    change = np.abs(y_hat[pairs + 1, :-stride] - y_hat[pairs, stride:]).mean(axis=1) / scale[series[pairs]]
    of_series = pd.Series(change).groupby(series[pairs]).mean()
    return float(of_series.mean())
