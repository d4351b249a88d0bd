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

if TYPE_CHECKING:
    import pandas as pd

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
