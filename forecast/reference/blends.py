"""Blends: per series and horizon step a weighted sum of causal features, with weights in closed form.

The terms are the last values, values one and several seasons before, season means, moving means and the level. Terms
and targets are taken as differences to the last value y_t, so that the blend of a shifted series is the shifted blend:

    forecast of y_{t+h} = y_t + sum_j w_{h,j} (term_j - y_t)

The weights are ridge regression (Hoerl and Kennard 1970) on the training split. They minimise the squared error, or by
iteratively reweighted least squares (Schlossmacher 1973) the absolute error, which suits series that now and then jump,
or absolute and percentage error together, as the OWA of the M4 competition does.

The reference `ridge` is a blend with other terms: the values of the latest steps, one by one, and the mean; an
autoregression of each horizon step of its own (direct: Marcellino, Stock and Watson 2006). `ridge_channels` reads the
latest values of the numeric past covariates as well, less their training means, each in units of the target's spread,
so that one ridge constant suits all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.reference.scaling import fit_percentage, fit_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from forecast.reference.causal_features import CausalFeatures
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel

Criterion: TypeAlias = Literal["mse", "mae", "owa"]

LAGGED = ("ridge", "ridge_channels")
"""References with the latest values one by one as their terms."""

CRITERIA: dict[str, Criterion] = {
    "blend": "mse",
    "blend_mae": "mae",
    "blend_owa": "owa",
    **dict.fromkeys(LAGGED, "mse"),
}
"""The blends by name, and the error that the weights of each minimise."""

SEASON_LAGS = (1, 2, 3, 4, 5, 6, 7)
"""Seasons back that a blend reads: a week of days."""

RECENT_STEPS = (1, 2)
"""Steps before the last value that a blend reads, besides one season."""

_REWEIGHTINGS = 6
_SMALLEST_ERROR = 0.1
"""Errors below this share of the median error count as that much, or one forecast would get all the weight."""
_SMALLEST_VALUE = 1e-3
"""The denominator of a percentage error is at least this share of the scale."""
_FORECASTS_AT_ONCE = 1_000_000


def blend_terms(season_steps: int, lags: int = 0, channels: int = 0) -> int:
    """Return the number of terms of a blend, without the last value; with `lags`, of the reference `ridge`."""
    if lags:
        return (lags + 1) * (1 + channels)
    return 2 if season_steps == 1 else len(SEASON_LAGS) + len(RECENT_STEPS) + 5


def terms(features: CausalFeatures, rows: IntArray, ahead: IntArray, season_steps: int) -> Iterator[FloatArray]:
    """Yield the terms of a blend at some rows for the steps t + `ahead`, each (row, step) or (row, 1)."""
    m = season_steps
    if m > 1:
        phases = features.phases(rows, ahead, m)
        for seasons in SEASON_LAGS:
            yield phases.seasons_before(seasons)
        yield phases.means()
        for seasons in (1, max(SEASON_LAGS)):
            yield features.moving_mean(rows, seasons * m)[:, None]
        yield features.level[rows][:, None]
        for steps in (*RECENT_STEPS, m):
            yield features.before(rows, steps)[:, None]
    else:
        yield features.level[rows][:, None]
        yield features.mean[rows][:, None]


def lag_terms(features: CausalFeatures, rows: IntArray, lags: int) -> FloatArray:
    """Terms of `ridge` at some rows, the same for all steps ahead, as differences to the last value, (row, term).

    They are the values 1 to `lags` steps before, 0 where the series is too young, and the mean so far; then, as they
    are, the channels that are read, 0 to `lags` steps before.
    """
    earlier = rows[:, None] - np.arange(1, lags + 1)
    y = features.y[rows][:, None]
    before = np.where(earlier >= features.starts(rows)[:, None], features.y[np.maximum(earlier, 0)], y)
    result: FloatArray = np.concatenate([before, features.mean[rows][:, None]], axis=1) - y
    if not features.channels.shape[1]:
        return result
    steps = rows[:, None] - np.arange(lags + 1)
    seen = (steps >= features.starts(rows)[:, None])[..., None]
    lagged = np.where(seen, features.channels[np.maximum(steps, 0)], 0.0)  # (row, lag, channel)
    return np.concatenate([result, lagged.reshape(len(rows), -1)], axis=1)


def solved(
    train: Panel,
    features: CausalFeatures,
    *,
    horizon: int,
    season_steps: int,
    ridges: Sequence[float],
    lags: int = 0,
    left_out: IntArray | None = None,
) -> FloatArray:
    """Return the least-squares weights for each of some ridge constants, (ridge, series, horizon, term).

    Origins that share a target with an origin in the steps `left_out`, (series, 2) first and end, are not fitted on.
    """
    count = blend_terms(season_steps, lags, features.channels.shape[1])
    weights = np.empty((len(ridges), len(train), horizon, count))
    oldest = lags + 1 if lags else max(SEASON_LAGS) * season_steps
    for i in range(len(train)):
        rows = _fitted_rows(train, i, horizon, oldest, left_out)
        designs = _designs(train, features, rows, horizon=horizon, season_steps=season_steps, lags=lags)
        gram, cross = _normal_equations(designs, weights.shape[2:], lambda design: np.ones_like(design.difference))
        for ridge, solution in zip(ridges, weights[:, i], strict=True):
            solution[...] = _solve(gram, cross, ridge)
    return weights


def reweighted(
    weights: FloatArray,
    train: Panel,
    features: CausalFeatures,
    *,
    season_steps: int,
    criterion: Criterion,
    ridge: float,
    left_out: IntArray | None = None,
) -> FloatArray:
    """Return the weights of a criterion, starting from those of least squares; both (series, horizon, term)."""
    if criterion == "mse":
        return weights
    scale = fit_scale(train, train.lengths, season_steps)
    percentage = fit_percentage(train, train.lengths, season_steps) if criterion == "owa" else np.inf
    result = weights.copy()
    for i, series_weights in enumerate(result):  # (horizon, term), changed in place
        rows = _fitted_rows(train, i, weights.shape[1], max(SEASON_LAGS) * season_steps, left_out)
        designs = _designs(train, features, rows, horizon=weights.shape[1], season_steps=season_steps)
        reweighting = _Reweighting(float(scale[i]), percentage)
        for _ in range(_REWEIGHTINGS):
            importance = partial(reweighting.importance, weights=series_weights)
            series_weights[...] = _solve(*_normal_equations(designs, series_weights.shape, importance), ridge)
    return result


def _fitted_rows(train: Panel, series: int, horizon: int, oldest: int, left_out: IntArray | None) -> IntArray:
    """Origins of a series that weights are fitted on, (row,); `oldest` is how many steps back a blend reads."""
    start, end = int(train.offsets[series]), int(train.offsets[series + 1])
    # Where a series is younger than all that a blend reads, terms fall back on later values: not to be learnt.
    first = min(oldest, (end - start) // 2)
    rows = np.arange(start + max(first - 1, 0), max(end - horizon, start))
    if left_out is not None:
        first_out, end_out = left_out[series]
        inside = (rows - start > first_out - horizon) & (rows - start < end_out + horizon - 1)
        rows = rows if inside.all() else rows[~inside]
    return rows[train.target_observed[rows]]


@dataclass(frozen=True, eq=False)
class _Design:
    """Terms and targets at some origins of a series, as differences to the last value.

    Attributes
    ----------
    x : (horizon, term, row) terms; (1, term, row) where they are the same for all steps
    difference : (horizon, row) targets
    y : (row,) the last values
    seen : (horizon, row) whether the target was observed

    """

    x: FloatArray
    difference: FloatArray
    y: FloatArray
    seen: BoolArray


@dataclass(frozen=True, eq=False)
class _LazyDesigns:
    """Designs of consecutive batches of a long series: made when they are read, not kept."""

    batches: Sequence[IntArray]
    make: Callable[[IntArray], _Design]

    def __iter__(self) -> Iterator[_Design]:
        return map(self.make, self.batches)


def _designs(
    train: Panel, features: CausalFeatures, rows: IntArray, *, horizon: int, season_steps: int, lags: int = 0
) -> Iterable[_Design]:
    """Return the designs of some origins of a series in batches; a single one is computed once and kept."""
    count = blend_terms(season_steps, lags, features.channels.shape[1])
    row_batches = list(batches(rows, horizon * count))
    shape = horizon, season_steps, lags
    designs = _LazyDesigns(row_batches, lambda batch: _design(train, features, batch, shape))
    return tuple(designs) if len(row_batches) == 1 else designs


def _design(train: Panel, features: CausalFeatures, rows: IntArray, shape: tuple[int, int, int]) -> _Design:
    horizon, season_steps, lags = shape
    steps = np.arange(1, horizon + 1)
    y = train.target[rows]
    if lags:
        x = lag_terms(features, rows, lags).T[None]
    else:
        x = np.empty((horizon, blend_terms(season_steps), len(rows)))
        for j, term in enumerate(terms(features, rows, steps, season_steps)):
            x[:, j] = (term - y[:, None]).T  # (row, horizon) -> (horizon, row)
    ahead = rows[:, None] + steps  # (row, horizon)
    return _Design(x, train.target[ahead].T - y, y, train.target_observed[ahead].T)


def _normal_equations(
    designs: Iterable[_Design], shape: tuple[int, ...], importance_of: Callable[[_Design], FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Return X'VX, (horizon, term, term), and X'Vy, (horizon, term); V holds each forecast's importance.

    `shape` is (horizon, term). Where the terms are the same for all steps and every target of the same importance, so
    is X'VX, and it is (1, term, term).
    """
    gram = np.zeros((1, shape[1], shape[1]))
    cross = np.zeros(shape)
    for design in designs:
        importance = importance_of(design) * design.seen  # (horizon, row); unobserved targets weigh nothing
        if len(design.x) == 1 and (importance == 1).all():
            gram = gram + design.x[0] @ design.x[0].T
            cross += design.difference @ design.x[0].T
            continue
        if len(gram) < shape[0]:
            gram = np.repeat(gram, shape[0], axis=0)
        weighted = design.x * importance[:, None]  # X'V, (horizon, term, row)
        gram += weighted @ design.x.transpose(0, 2, 1)
        cross += (weighted @ design.difference[..., None])[..., 0]
    return gram, cross


def _solve(gram: FloatArray, cross: FloatArray, ridge: float) -> FloatArray:
    """Return w = (X'VX + lambda I)^-1 X'Vy, (horizon, term); zero where the series is constant.

    lambda is `ridge` times the mean of the diagonal of X'VX, so that it does not depend on the series' unit.
    """
    count = gram.shape[-1]
    size = np.trace(gram, axis1=-2, axis2=-1) / count  # (horizon,)
    penalty = np.where(size > 0, ridge * size, 1.0)[..., None, None] * np.eye(count)
    if len(gram) < len(cross):  # one matrix for all steps
        shared: FloatArray = np.linalg.solve(gram[0] + penalty[0], cross.T).T
        return shared
    weights: FloatArray = np.linalg.solve(gram + penalty, cross[..., None])[..., 0].astype(np.float64)
    return weights


@dataclass(frozen=True, eq=False)
class _Reweighting:
    """Importance of each forecast of a series in the next least-squares fit.

    Attributes
    ----------
    scale : unit of an absolute error
    percentage : unit of a percentage error, a share; infinite where these do not count

    """

    scale: float
    percentage: float

    def importance(self, design: _Design, weights: FloatArray) -> FloatArray:
        """Return the factor of each squared error, (horizon, row), after a fit with `weights` (horizon, term).

        A squared error divided by the absolute error of the fit before is an absolute error: v = 1 / |e|. With
        percentage errors it is v = (1 + scale / (percentage * size)) / |e|, where size = (|y| + |forecast|) / 2.
        """
        fitted = (weights[:, None] @ design.x)[:, 0]  # (horizon, row)
        error = np.abs(design.difference - fitted)
        size = (np.abs(design.difference + design.y) + np.abs(fitted + design.y)) / 2
        unit = 1 + self.scale / (self.percentage * np.maximum(size, _SMALLEST_VALUE * self.scale))
        typical = float(np.median(error[design.seen])) if design.seen.any() else 0.0
        importance: FloatArray = unit / np.maximum(error, max(_SMALLEST_ERROR * typical, 1e-9 * self.scale))
        return importance


def batches(indices: IntArray, width: int) -> Iterator[IntArray]:
    """Cut indices into consecutive batches whose arrays of `width` columns hold at most a million numbers."""
    size = max(_FORECASTS_AT_ONCE // max(width, 1), 1)
    for first in range(0, len(indices), size):
        yield indices[first : first + size]
