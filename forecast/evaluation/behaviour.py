"""Two habits of forecasts that no error shows: copying the last value, and being revised from origin to origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from forecast.evaluation.scales import Scales
    from forecast.series.panel import FloatArray, IntArray

_WILD = 100  # times the changes of a series; beyond that a number says nothing more
_COPY_MOVES = 0.5
_COPY_EXPLAINS = 0.1


@dataclass(frozen=True)
class CopyTest:
    """Whether a model copies the last value; `copy` is None where that cannot be tested, and `sentence` says why."""

    model: str
    copy: bool | None
    moves: float
    explained: float
    sentence: str


def copy_test(results: pd.DataFrame, known: pd.DataFrame, model: str) -> CopyTest:
    """Test whether a model's forecasts are, up to little noise, the last known value, as often with stock prices.

    Drawn beside the truth such forecasts look excellent, one step late. Over all origins and horizon steps, with the
    actual change a = y_{t+k} - y_t and the forecast change f = y_hat_{t+k} - y_t, each series in its own units:

        moves     = sqrt(sum f^2 / sum a^2)            how far forecasts leave the last value, 0 for a copy
        explained = 1 - sum (a - f)^2 / sum a^2        share of the changes that they foresee, 0 for a copy

    A copy moves less than half as far as the series and foresees less than a tenth. A forecast that moves more and
    foresees nothing is no copy, and no better for it.

    `known` has the last known value `y` of each `unique_id` and `cutoff`.
    """
    rows = results[(results["model"] == model) & results["y"].notna()]
    last_values = known.set_index(["unique_id", "cutoff"])["y"]
    last = last_values.reindex([rows["unique_id"], rows["cutoff"]]).to_numpy()  # y_t
    a, f = (rows["y"] - last).to_numpy(), (rows["y_hat"] - last).to_numpy()
    squares = rows[["unique_id"]].assign(a=a**2, f=f**2, e=(a - f) ** 2)
    by_series = squares.groupby("unique_id", observed=True)[["a", "f", "e"]].sum()
    by_series = by_series[by_series["a"] > 0]
    if by_series.empty:
        return CopyTest(
            model, None, math.nan, math.nan, f"copy test of {model}: not possible, the series never changes"
        )
    shares = by_series.div(by_series["a"], axis=0).mean()  # series count alike
    moves, explained = float(np.sqrt(shares["f"])), float(1 - shares["e"])
    copy = moves < _COPY_MOVES and explained < _COPY_EXPLAINS
    return CopyTest(model, copy, moves, explained, _sentence(model, moves, explained, copy=copy))


def _sentence(model: str, moves: float, explained: float, *, copy: bool) -> str:
    foreseen = f"{max(explained, 0.0):.0%}" if explained > -0.005 else f"less than nothing ({explained:.0%})"
    distance = f"{moves:.0%} as far"
    if moves > _WILD:
        distance, foreseen = f"more than {_WILD} times as far", "less than nothing"
    if copy:
        return (
            f"{model} copies the last value: its forecasts move {distance} from it as the series does "
            f"and foresee {foreseen} of the changes"
        )
    if explained < _COPY_EXPLAINS:
        return (
            f"{model} does not copy the last value, but gains nothing by it: its forecasts move {distance} "
            f"from it as the series does and foresee {foreseen} of the changes"
        )
    return f"{model} does not copy the last value: its forecasts foresee {foreseen} of the changes from it"


@dataclass(frozen=True, eq=False)
class Revisions:
    """Mean absolute revisions.

    Attributes
    ----------
    by_model : mean over the series, in units of the MASE denominator; NaN where there is none
    stride : steps from one origin to the next; 0 where no two successive origins forecast the same date

    """

    by_model: pd.Series
    stride: int

    @property
    def note(self) -> str:
        """Say why there are none, or that origins are more than one step apart; "" where neither is so."""
        if self.stride == 1:
            return ""
        if self.stride == 0:
            return (
                "how steady forecasts are (the column revision) was not measured: no two origins in a row forecast the "
                "same date; that takes two origins, and a `horizon` longer than `backtest.stride`"
            )
        return (
            f"how steady forecasts are (the column revision) was measured between origins {self.stride} steps apart; "
            "`backtest.stride=1` measures it from step to step"
        )


def revisions(results: pd.DataFrame, scales: Scales) -> Revisions:
    """Measure the mean of |F(t + s, h - s) - F(t, h)| over all steps h and successive origins t and t + s.

    F(t, h) is the forecast of step h from origin t; s is the stride. Of two forecasts that err alike the steadier one
    is easier to act upon ("Forking-Sequences", arXiv 2510.04487). `results` is ordered as `results_table` makes it.
    Successive origins that are further apart than most, as where some are missing, do not count.
    """
    models = list(results["model"].cat.categories)
    if not len(results):
        return Revisions(pd.Series(np.nan, index=models), 0)
    horizon = int(results["step"].max())
    first = results.iloc[: len(results) // len(models)]  # rows of the first model: all have the same origins
    series: IntArray = first["unique_id"].cat.codes.to_numpy()[::horizon].astype(np.int64)  # (origin,)
    apart = _steps_apart(first, series, horizon)
    stride = int(np.bincount(apart)[1:].argmax()) + 1 if (apart > 0).any() else 0  # the most frequent distance
    pairs = np.flatnonzero(apart == stride)
    if stride in (0, horizon):
        return Revisions(pd.Series(np.nan, index=models), 0)
    scale = scales.of(pd.Series(first["unique_id"].cat.categories))[0]
    y_hat = results["y_hat"].to_numpy().reshape(len(models), -1, horizon)  # (model, origin, step)
    changes = [_mean_change(of_model, pairs, stride, series, scale) for of_model in y_hat]
    return Revisions(pd.Series(changes, index=models), stride)


def _steps_apart(rows: pd.DataFrame, series: IntArray, horizon: int) -> IntArray:
    """Steps from each origin to the next, (origin - 1,); 0 where that is of another series or beyond the horizon."""
    cutoff = rows["cutoff"].to_numpy()[::horizon]
    ds = rows["ds"].to_numpy().reshape(-1, horizon)
    same = (ds[:-1] == cutoff[1:, None]) & (series[:-1] == series[1:])[:, None]  # (origin - 1, step)
    return np.where(same.any(axis=1), same.argmax(axis=1) + 1, 0)


def _mean_change(y_hat: FloatArray, pairs: IntArray, stride: int, series: IntArray, scale: FloatArray) -> float:
    """Mean over series of the mean change from the origins `pairs` to those after them, `y_hat` (origin, step)."""
    later, earlier = y_hat[pairs + 1, :-stride], y_hat[pairs, stride:]  # the same dates, (pair, step)
    change = np.abs(later - earlier).mean(axis=1) / scale[series[pairs]]
    return float(pd.Series(change).groupby(series[pairs]).mean().mean())
