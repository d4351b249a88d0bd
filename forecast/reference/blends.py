"""Blends: per series and horizon step a weighted sum of causal features, with weights in closed form.

The terms are the last values, values one and several seasons before, season means, moving means and the level. Terms
and targets are taken as differences to the last value y_t, so that the blend of a shifted series is the shifted blend:

    forecast of y_{t+h} = y_t + sum_j w_{h,j} (term_j - y_t)

The weights are ridge regression (Hoerl and Kennard 1970) on the training split. They minimise the squared error, or by
iteratively reweighted least squares (Schlossmacher 1973) the absolute error, which suits series that now and then jump,
or absolute and percentage error together, as the OWA of the M4 competition does. In a panel they are drawn not towards
zero but towards the weights that suit all series together (Lindley and Smith 1972), so that a short series borrows from
the others and a long one keeps its own.

The reference `ridge` is a blend with other terms: the values of the latest steps, one by one, and the mean; an
autoregression of each horizon step of its own (direct: Marcellino, Stock and Watson 2006). `ridge_channels` reads the
latest values of the numeric past covariates as well, less their training means, each in units of the target's spread,
so that one ridge constant suits all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
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

_SHARED = 300
"""Weights that all series share are fitted on at most so many of them."""

_SHARED_RIDGE = 1e-6
"""The ridge constant of these: with many series it only keeps the equations solvable."""


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


@dataclass(frozen=True, eq=False)
class BlendFit:
    """The weights of a blend, fitted on a training split.

    Attributes
    ----------
    train : its training split alone
    features : causal features of `train`
    lags : values before the last that `ridge` reads; 0 for the others
    left_out : (series, 2) first and end of steps: no origin is fitted on that shares a target with one in there

    """

    train: Panel
    features: CausalFeatures
    horizon: int
    season_steps: int
    lags: int = 0
    left_out: IntArray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Of the weights of a series, (horizon, term)."""
        return self.horizon, blend_terms(self.season_steps, self.lags, self.features.channels.shape[1])

    @cached_property
    def shared(self) -> FloatArray:
        """Least-squares weights of all series together, each in units of its scale, (horizon, term).

        Of at most `_SHARED` series, evenly spread over the panel. A series alone has nothing to share: zeros, which
        draw its forecasts towards its last value.
        """
        count = len(self.train)
        gram, cross = np.zeros((1, self.shape[1], self.shape[1])), np.zeros(self.shape)
        if count == 1:
            return cross
        unit = fit_scale(self.train, self.train.lengths, self.season_steps) ** 2
        for i in range(0, count, -(-count // _SHARED)):
            own_gram, own_cross = self._equations(i)
            gram, cross = gram + own_gram / unit[i], cross + own_cross / unit[i]
        return _solve(gram, cross, _SHARED_RIDGE, np.zeros(self.shape))

    def least_squares(self, ridges: Sequence[float]) -> FloatArray:
        """Return the weights for each of some ridge constants, (ridge, series, horizon, term)."""
        weights = np.empty((len(ridges), len(self.train), *self.shape))
        for i in range(len(self.train)):
            gram, cross = self._equations(i)
            for ridge, solution in zip(ridges, weights[:, i], strict=True):
                solution[...] = _solve(gram, cross, ridge, self.shared)
        return weights

    def reweighted(self, weights: FloatArray, criterion: Criterion, ridge: float) -> FloatArray:
        """Return the weights of a criterion, starting from those of least squares; both (series, horizon, term)."""
        if criterion == "mse":
            return weights
        train, season_steps = self.train, self.season_steps
        scale = fit_scale(train, train.lengths, season_steps)
        percentage = fit_percentage(train, train.lengths, season_steps) if criterion == "owa" else np.inf
        result = weights.copy()
        for i, series_weights in enumerate(result):  # (horizon, term), changed in place
            designs = self._designs(i)
            reweighting = _Reweighting(float(scale[i]), percentage)
            for _ in range(_REWEIGHTINGS):
                importance = partial(reweighting.importance, weights=series_weights)
                series_weights[...] = _solve(*_normal_equations(designs, self.shape, importance), ridge, self.shared)
        return result

    def _equations(self, series: int) -> tuple[FloatArray, FloatArray]:
        """Return the normal equations of a series in which all origins weigh the same; see `_normal_equations`."""
        return _normal_equations(self._designs(series), self.shape, lambda design: np.ones_like(design.difference))

    def _designs(self, series: int) -> Iterable[_Design]:
        """Return the designs of a series' origins in batches; a single one is computed once and kept."""
        row_batches = list(batches(self._rows(series), math.prod(self.shape)))
        designs = _LazyDesigns(row_batches, self._design)
        return tuple(designs) if len(row_batches) == 1 else designs

    def _rows(self, series: int) -> IntArray:
        """Origins of a series that weights are fitted on, (row,)."""
        start, end = (int(row) for row in self.train.offsets[series : series + 2])
        oldest = self.lags + 1 if self.lags else max(SEASON_LAGS) * self.season_steps  # steps back that a blend reads
        # Where a series is younger than all that a blend reads, terms fall back on later values: not to be learnt.
        first = min(oldest, (end - start) // 2)
        rows = np.arange(start + max(first - 1, 0), max(end - self.horizon, start))
        if self.left_out is not None:
            first_out, end_out = self.left_out[series]
            inside = (rows - start > first_out - self.horizon) & (rows - start < end_out + self.horizon - 1)
            rows = rows if inside.all() else rows[~inside]
        return rows[self.train.target_observed[rows]]

    def _design(self, rows: IntArray) -> _Design:
        """Terms and targets at some origins of a series."""
        steps = np.arange(1, self.horizon + 1)
        y = self.train.target[rows]
        if self.lags:
            x = lag_terms(self.features, rows, self.lags).T[None]
        else:
            x = np.empty((*self.shape, len(rows)))
            for j, term in enumerate(terms(self.features, rows, steps, self.season_steps)):
                x[:, j] = (term - y[:, None]).T  # (row, horizon) -> (horizon, row)
        ahead = rows[:, None] + steps  # (row, horizon)
        return _Design(x, self.train.target[ahead].T - y, y, self.train.target_observed[ahead].T)


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


def _solve(gram: FloatArray, cross: FloatArray, ridge: float, shared: FloatArray) -> FloatArray:
    """Return w = (X'VX + lambda I)^-1 (X'Vy + lambda w_0), (horizon, term); w_0 where the series is constant.

    w_0 is `shared`, (horizon, term).

    lambda is `ridge` times the mean of the diagonal of X'VX, so that it does not depend on the series' unit.
    """
    count = gram.shape[-1]
    size = np.trace(gram, axis1=-2, axis2=-1) / count  # (horizon,)
    penalty = np.where(size > 0, ridge * size, 1.0)[:, None]  # (horizon, 1), or (1, 1): one matrix for all steps
    matrix = gram + penalty[..., None] * np.eye(count)
    sides = cross + penalty * shared
    if len(gram) < len(cross):
        of_all_steps: FloatArray = np.linalg.solve(matrix[0], sides.T).T
        return of_all_steps
    weights: FloatArray = np.linalg.solve(matrix, sides[..., None])[..., 0].astype(np.float64)
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
