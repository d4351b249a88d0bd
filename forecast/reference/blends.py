"""Blends: for each series and horizon step a weighted sum of what is known, with weights in closed form.

The terms are the last values, values one and several seasons before, season means, moving means and the level.
Weights act on differences to the last value, so that a blend of a shifted series is the shifted blend, and are
regularised (ridge, Hoerl and Kennard 1970). What they make small is the criterion: the squared error, the absolute
error by iteratively reweighted least squares (Schlossmacher 1973), or absolute and percentage error together, as
the M4 competition's OWA scores. A series that now and then jumps should be fitted by an absolute one.
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
    from forecast.reference.references import Reference
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel


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


def terms(known: CausalFeatures, rows: IntArray, ahead: IntArray, season_steps: int) -> Iterator[FloatArray]:
    """Terms of a blend at some rows for the steps so many `ahead` of them, each (row, step) or (row, 1)."""
    m = season_steps
    if m > 1:
        phases = known.phases(rows, ahead, m)
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
class Design:
    """What the blends at some origins of a series are made of, and what came, as differences to the last value.

    Attributes
    ----------
    x : (horizon, term, row)
    difference : (horizon, row)
    y : (row,) the last values
    seen : (horizon, row) which differences are of observed targets

    """

    x: FloatArray
    difference: FloatArray
    y: FloatArray
    seen: BoolArray


@dataclass(frozen=True, eq=False)
class Weighing:
    """What each forecast of a series weighs in a fit, by its error in the fit before.

    Attributes
    ----------
    scale : unit of an absolute error
    percentage : unit of a percentage error, a share; infinite where these do not count

    """

    scale: float
    percentage: float

    def importance(self, design: Design, weights: FloatArray) -> FloatArray:
        """What the squared error of each forecast is multiplied with, (horizon, row), after `weights` (horizon, term).

        A squared error divided by the absolute error of the fit before is an absolute error.
        """
        fitted = (weights[:, None] @ design.x)[:, 0]
        error = np.abs(design.difference - fitted)
        size = (np.abs(design.difference + design.y) + np.abs(fitted + design.y)) / 2
        unit = 1 + self.scale / (self.percentage * np.maximum(size, _SMALLEST_VALUE * self.scale))
        typical = float(np.median(error[design.seen])) if design.seen.any() else 0.0
        importance: FloatArray = unit / np.maximum(error, max(_SMALLEST_ERROR * typical, 1e-9 * self.scale))
        return importance


def reweighted(
    weights: FloatArray,
    train: Panel,
    known: CausalFeatures,
    *,
    season_steps: int,
    criterion: Criterion,
    ridge: float,
    left_out: IntArray | None = None,
) -> FloatArray:
    """Bring weights of the least squared error to those of another criterion, (series, horizon, term)."""
    if criterion == "mse":
        return weights
    scale = fit_scale(train, train.lengths, season_steps)
    percentage = fit_percentage(train, train.lengths, season_steps) if criterion == "owa" else np.inf
    brought = weights.copy()
    for i, own in enumerate(brought):
        rows = _fitted_rows(train, i, weights.shape[1], season_steps, left_out)
        designs = _designs(train, known, rows, horizon=weights.shape[1], season_steps=season_steps)
        weighing = Weighing(float(scale[i]), percentage)
        for _ in range(_REWEIGHTINGS):
            own[...] = solve(*moments(designs, own.shape, partial(weighing.importance, weights=own)), ridge)
    return brought


def solved(
    train: Panel,
    known: CausalFeatures,
    *,
    horizon: int,
    season_steps: int,
    ridges: Sequence[float],
    left_out: IntArray | None = None,
) -> FloatArray:
    """Weights of the least squared error with each of some ridge constants, (ridge, series, horizon, term).

    Nothing counts whose targets are among those of origins in the steps `left_out`, (series, 2) first and end.
    """
    weights = np.empty((len(ridges), len(train), horizon, blend_terms(season_steps)))
    for i in range(len(train)):
        rows = _fitted_rows(train, i, horizon, season_steps, left_out)
        designs = _designs(train, known, rows, horizon=horizon, season_steps=season_steps)
        gram, cross = moments(designs, weights.shape[2:], lambda design: np.ones_like(design.difference))
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
        first_out, end_out = left_out[series]
        inside = (rows - start > first_out - horizon) & (rows - start < end_out + horizon - 1)
        rows = rows if inside.all() else rows[~inside]
    return rows[train.target_observed[rows]]


def _designs(
    train: Panel, known: CausalFeatures, fitted: IntArray, *, horizon: int, season_steps: int
) -> Iterable[Design]:
    """What blends at rows of a series are made of, in parts; of a long series each is made again when it is read."""
    parts = list(batches(fitted, horizon * blend_terms(season_steps)))
    made = _Made(parts, lambda rows: _design(train, known, rows, horizon, season_steps))
    return tuple(made) if len(parts) == 1 else made


@dataclass(frozen=True, eq=False)
class _Made:
    """Designs of some parts, which are let go as soon as they have been read."""

    parts: Sequence[IntArray]
    make: Callable[[IntArray], Design]

    def __iter__(self) -> Iterator[Design]:
        return map(self.make, self.parts)


def _design(train: Panel, known: CausalFeatures, rows: IntArray, horizon: int, season_steps: int) -> Design:
    """Differences of terms and targets to the last value."""
    steps = np.arange(1, horizon + 1)
    y = train.target[rows]
    x = np.empty((horizon, blend_terms(season_steps), len(rows)))
    for j, term in enumerate(terms(known, rows, steps, season_steps)):
        x[:, j] = (term - y[:, None]).T
    ahead = rows[:, None] + steps
    return Design(x, train.target[ahead].T - y, y, train.target_observed[ahead].T)


def moments(
    designs: Iterable[Design], shape: tuple[int, ...], importance_of: Callable[[Design], FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Second moments of the terms, (horizon, term, term), and with the target, (horizon, term) as `shape` says."""
    gram = np.zeros((*shape, shape[-1]))
    cross = np.zeros(shape)
    for design in designs:
        importance = importance_of(design) * design.seen  # an unobserved target weighs nothing
        weighted = design.x * importance[:, None]
        gram += weighted @ design.x.transpose(0, 2, 1)
        cross += (weighted @ design.difference[..., None])[..., 0]
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


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """A reference as training sees it; `Reference` says what the methods give.

    Attributes
    ----------
    reference : what forecasts after the training split
    blocks : the same with weights of all other blocks, for the rows of each
    borders : (series, block + 1) steps at which blocks begin, and the end of the training split

    """

    reference: Reference
    blocks: tuple[Reference, ...]
    borders: IntArray

    @property
    def horizon(self) -> int:
        """Steps."""
        return self.reference.horizon

    @property
    def input_size(self) -> int:
        """How many inputs there are."""
        return self.reference.input_size

    def causal_features(self, past: Panel) -> CausalFeatures:
        """What is read of every row."""
        return self.reference.causal_features(past)

    def at(self, known: CausalFeatures, rows: IntArray) -> FloatArray:
        """Forecasts made at some rows, (row, horizon)."""
        return self._of_blocks(known, rows, self.horizon, lambda reference, mine: reference.at(known, mine))

    def inputs(self, known: CausalFeatures, rows: IntArray) -> FloatArray:
        """What a network reads at some rows, (row, input)."""
        return self._of_blocks(known, rows, self.input_size, lambda reference, mine: reference.inputs(known, mine))

    def _of_blocks(
        self,
        known: CausalFeatures,
        rows: IntArray,
        width: int,
        forecast_task: Callable[[Reference, IntArray], FloatArray],
    ) -> FloatArray:
        steps = rows - known.starts(rows)
        block = (steps[:, None] >= self.borders[known.series(rows), 1:]).sum(axis=1)
        result = np.empty((len(rows), width))
        for number, reference in enumerate((*self.blocks, self.reference)):
            mine = block == number
            if mine.any():
                result[mine] = forecast_task(reference, rows[mine])
        return result


def cross_fitted(reference: Reference, past: Panel, train_steps: IntArray, blocks: int) -> Reference | CrossFitted:
    """Fit weights for each of so many blocks of the training split; a reference without weights stays as it is."""
    if reference.name not in CRITERIA or blocks < 2:
        return reference
    borders = (np.arange(blocks + 1) * train_steps[:, None]) // blocks
    fitted = tuple(
        reference.refit(past, train_steps, left_out=borders[:, block : block + 2]) for block in range(blocks)
    )
    return CrossFitted(reference, fitted, borders)
