"""Blends: for each series and horizon step a weighted sum of what is known, with weights in closed form.

The terms are the last values, values one and several seasons before, season means, moving means and the level.
Weights act on differences to the last value, so that a blend of a shifted series is the shifted blend, and are
regularised (ridge, Hoerl and Kennard 1970). What they make small is the criterion: the squared error, the absolute
error by iteratively reweighted least squares (Schlossmacher 1973), or absolute and percentage error together, as
the M4 competition's OWA scores. A series that now and then jumps should be fitted by an absolute one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.series.scaling import fit_percentage, fit_scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel
    from forecast.series.quantities import Quantities

Criterion: TypeAlias = Literal["mse", "mae", "owa"]

CRITERIA: dict[str, Criterion] = {"blend": "mse", "blend_mae": "mae", "blend_owa": "owa"}
"""The blends, and the error that the weights of each make small."""

SEASON_LAGS = (1, 2, 3, 4, 5, 6, 7)
"""How many seasons back a blend looks: a week of days."""

RECENT_STEPS = (1, 2)
"""How many steps before the last value it looks, besides a season."""

_REWEIGHTINGS = 6
_SMALLEST_ERROR = 0.1
"""Errors are not taken for smaller than this part of their median, or one would get all the weight."""
_SMALLEST_VALUE = 1e-3
"""Values are not taken for smaller than this part of the scale, where a percentage is taken of them."""
_FORECASTS_AT_ONCE = 1_000_000


def blend_terms(season_steps: int) -> int:
    """How many terms a blend has besides the last value."""
    return 2 if season_steps == 1 else len(SEASON_LAGS) + len(RECENT_STEPS) + 5


def terms(known: Quantities, rows: IntArray, horizon: int, season_steps: int) -> Iterator[FloatArray]:
    """Terms of a blend at some rows, each (row, horizon) or (row, 1)."""
    m = season_steps
    if m > 1:
        phases = known.phases(rows, horizon, m)
        for seasons in SEASON_LAGS:
            yield phases.seasons_before(seasons)
        yield phases.means()
        for seasons in (1, max(SEASON_LAGS)):
            yield known.moving_mean(rows, seasons * m)[:, None]
        yield known.level[rows][:, None]
        for steps in (*RECENT_STEPS, m):
            yield known.before(rows, steps)[:, None]
    else:
        yield known.level[rows][:, None]
        yield known.mean[rows][:, None]


@dataclass(frozen=True, eq=False)
class Fit:
    """Weights so far, (series, horizon, term), whose errors say what each forecast weighs in the next fit.

    Attributes
    ----------
    scale : (series,) unit of an absolute error
    percentage : unit of a percentage error, a share; infinite where these do not count

    """

    weights: FloatArray
    scale: FloatArray
    percentage: float

    def importance(
        self, series: int, x: FloatArray, difference: FloatArray, y: FloatArray, seen: BoolArray
    ) -> FloatArray:
        """What the squared error of each forecast of a series is multiplied with, (horizon, row).

        `x` (horizon, term, row) and `difference` (horizon, row), both to the last value `y` (row,); `seen` (horizon,
        row) says which differences are of observed targets.
        """
        fitted = (self.weights[series][:, None] @ x)[:, 0]
        error, scale = np.abs(difference - fitted), self.scale[series]
        size = (np.abs(difference + y) + np.abs(fitted + y)) / 2
        unit = 1 + scale / (self.percentage * np.maximum(size, _SMALLEST_VALUE * scale))
        typical = float(np.median(error[seen])) if seen.any() else 0.0
        importance: FloatArray = unit / np.maximum(error, max(_SMALLEST_ERROR * typical, 1e-9 * scale))
        return importance


def reweighted(
    weights: FloatArray,
    train: Panel,
    known: Quantities,
    *,
    season_steps: int,
    criterion: Criterion,
    ridge: float,
    left_out: IntArray | None = None,
) -> FloatArray:
    """Bring weights of the least squared error to those of another criterion, (series, horizon, term).

    A squared error divided by the absolute error of the fit before is an absolute error.
    """
    if criterion == "mse":
        return weights
    scale = fit_scale(train, train.lengths, season_steps)
    percentage = fit_percentage(train, train.lengths, season_steps) if criterion == "owa" else np.inf
    for _ in range(_REWEIGHTINGS):
        fit = Fit(weights, scale, percentage)
        horizon = weights.shape[1]
        (weights,) = solved(
            train, known, horizon=horizon, season_steps=season_steps, ridges=(ridge,), fit=fit, left_out=left_out
        )
    return weights


def solved(
    train: Panel,
    known: Quantities,
    *,
    horizon: int,
    season_steps: int,
    ridges: Sequence[float],
    fit: Fit | None = None,
    left_out: IntArray | None = None,
) -> FloatArray:
    """Weights of the least squared error with each of some ridge constants, (ridge, series, horizon, term).

    Each forecast counts the same, or as the fit before makes it count. Nothing counts whose targets are among those of
    origins in the steps `left_out`, (series, 2) first and end.
    """
    weights = np.empty((len(ridges), len(train), horizon, blend_terms(season_steps)))
    for i in range(len(train)):
        rows = _fitted_rows(train, i, horizon, season_steps, None if left_out is None else left_out[i])
        gram, cross = moments(train, known, i, rows, horizon=horizon, season_steps=season_steps, fit=fit)
        for ridge, solution in zip(ridges, weights[:, i], strict=True):
            solution[...] = solve(gram, cross, ridge)
    return weights


def _fitted_rows(train: Panel, series: int, horizon: int, season_steps: int, left_out: IntArray | None) -> IntArray:
    """Origins of a series that weights are fitted on."""
    start, end = int(train.offsets[series]), int(train.offsets[series + 1])
    # A series' youth, when a blend falls back on fewer seasons than it has, would teach it the wrong weights.
    first = min(max(SEASON_LAGS) * season_steps, (end - start) // 2)
    rows = np.arange(start + max(first - 1, 0), max(end - horizon, start))
    if left_out is not None:
        inside = (rows - start > left_out[0] - horizon) & (rows - start < left_out[1] + horizon - 1)
        rows = rows if inside.all() else rows[~inside]
    return rows[train.target_observed[rows]]


def moments(
    train: Panel,
    known: Quantities,
    series: int,
    fitted: IntArray,
    *,
    horizon: int,
    season_steps: int,
    fit: Fit | None,
) -> tuple[FloatArray, FloatArray]:
    """Second moments of the terms at rows of a series, (horizon, term, term), and with the target, (horizon, term)."""
    count = blend_terms(season_steps)
    gram = np.zeros((horizon, count, count))
    cross = np.zeros((horizon, count))
    for rows in batches(fitted, horizon * count):
        ahead = rows[:, None] + np.arange(1, horizon + 1)
        y = train.target[rows]
        x = np.empty((horizon, count, len(rows)))
        for j, term in enumerate(terms(known, rows, horizon, season_steps)):
            x[:, j] = (term - y[:, None]).T
        difference = train.target[ahead].T - y
        seen = train.target_observed[ahead].T
        importance = np.ones_like(difference) if fit is None else fit.importance(series, x, difference, y, seen)
        importance *= seen  # an unobserved target weighs nothing
        weighted = x * importance[:, None]
        gram += weighted @ x.transpose(0, 2, 1)
        cross += (weighted @ difference[..., None])[..., 0]
    return gram, cross


def solve(gram: FloatArray, cross: FloatArray, ridge: float) -> FloatArray:
    """Ridge weights from second moments of a series, (horizon, term); zero where it does not move."""
    count = gram.shape[-1]
    size = np.trace(gram, axis1=-2, axis2=-1) / count
    penalty = np.where(size > 0, ridge * size, 1.0)[..., None, None] * np.eye(count)
    weights: FloatArray = np.linalg.solve(gram + penalty, cross[..., None])[..., 0].astype(np.float64)
    return weights


def batches(indices: IntArray, width: int) -> Iterator[IntArray]:
    """Cut indices into parts whose arrays of `width` columns stay small."""
    size = max(_FORECASTS_AT_ONCE // max(width, 1), 1)
    for first in range(0, len(indices), size):
        yield indices[first : first + size]
