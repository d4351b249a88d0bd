"""The copy test: whether a forecast is, up to little noise, the last known value shifted along.

The usual self-deception with stock prices: drawn beside the truth such a forecast looks excellent, one step late.
Two figures over all origins and horizon steps, in changes from the last known value (a = y_{t+k} - y_t happened,
f = y_hat_{t+k} - y_t was forecast), each series in its own units:

    moves     = sqrt(sum f^2 / sum a^2)            how far the forecast leaves the last value, 0 for a copy
    explained = 1 - sum (a - f)^2 / sum a^2        share of the changes that it foresaw, 0 for a copy

A forecast is a copy where it moves less than half as far as the series and foresees less than a tenth. One that moves
more and foresees nothing is no copy, and no better for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import pandas as pd

    from forecast.evaluation.scales import Scales
    from forecast.series.panel import FloatArray, IntArray


_MOVES = 0.5
_EXPLAINED = 0.1


@dataclass(frozen=True)
class CopyTest:
    """What the test found; `copy` is None where nothing can be said, and `sentence` then says why."""

    model: str
    copy: bool | None
    moves: float
    explained: float
    sentence: str


def copy_test(results: pd.DataFrame, known: pd.DataFrame, model: str) -> CopyTest:
    """Test one model of a results table; `known` has the last known value of each `unique_id` and `cutoff`."""
    mine = results[(results["model"] == model) & results["y"].notna()]
    last = known.set_index(["unique_id", "cutoff"])["y"]
    y = last.reindex([mine["unique_id"], mine["cutoff"]]).to_numpy()
    happened, forecast = (mine["y"] - y).to_numpy(), (mine["y_hat"] - y).to_numpy()
    squares = mine[["unique_id"]].assign(a=happened**2, f=forecast**2, e=(happened - forecast) ** 2)
    by_series = squares.groupby("unique_id", observed=True)[["a", "f", "e"]].sum()
    by_series = by_series[by_series["a"] > 0]
    if by_series.empty:
        return CopyTest(model, None, math.nan, math.nan, f"copy test of {model}: empty, the series never moves")
    shares = by_series.div(by_series["a"], axis=0).mean()
    moves, explained = float(np.sqrt(shares["f"])), float(1 - shares["e"])
    copy = moves < _MOVES and explained < _EXPLAINED
    return CopyTest(model, copy, moves, explained, _sentence(model, moves, explained, copy=copy))


def _sentence(model: str, moves: float, explained: float, *, copy: bool) -> str:
    foreseen = f"{max(explained, 0.0):.0%}" if explained > -0.005 else f"less than nothing ({explained:.0%})"
    if copy:
        return (
            f"{model} copies the last value: its forecasts move {moves:.0%} as far from it as the series does "
            f"and foresee {foreseen} of the changes"
        )
    if explained < _EXPLAINED:
        return (
            f"{model} does not copy the last value, but gains nothing by it: its forecasts move {moves:.0%} as far "
            f"from it as the series does and foresee {foreseen} of the changes"
        )
    return f"{model} does not copy the last value: its forecasts foresee {foreseen} of the changes from it"


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
