"""References: simple forecasts known at the origin, to which a network adds what it has learnt.

Each is a closed form. `last`, `seasonal`, `mean` and `level` have nothing or one number to fit; `blend` is, for each
series and horizon step, a ridge-regularised weighted sum of the last value, values one and several seasons before,
season means and the level, solved on the training stretch (Hoerl and Kennard 1970). Weights act on differences to
the last value, so that a blend of a shifted series is the shifted blend.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.series.quantities import Quantities, filled_target, panel_levels, panel_quantities
from forecast.series.scaling import fit_scale
from forecast.series.split import rolling_origins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.series.panel import FloatArray, IntArray, Panel
    from forecast.series.problem import Problem
    from forecast.series.split import Origins

NAMES = ("last", "seasonal", "mean", "level", "blend", "none")
"""From the simplest on: of references that are as good as each other, `auto` takes the first."""

SEASON_LAGS = (1, 2, 3, 4, 5, 6, 7)
"""How many seasons back a blend looks: a week of days."""

_SMOOTHINGS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_DEFAULT_RIDGE = 1e-3
_AS_GOOD = 1.01
"""A reference within 1 % of the best is as good as it."""
_FORECASTS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class Reference:
    """A fitted reference.

    Attributes
    ----------
    smoothing : weight of a new value in the exponential mean
    ridge : ridge constant of a blend, relative to the mean square of its terms
    centre : (series,) training mean, which `none` forecasts
    weights : (series, horizon, term) of a blend; no terms for the others

    """

    name: str
    horizon: int
    season_steps: int
    smoothing: float
    ridge: float
    centre: FloatArray
    weights: FloatArray

    def quantities(self, past: Panel) -> Quantities:
        """What `at`, `anchor` and `inputs` read, for every row of a past."""
        return panel_quantities(past, self.smoothing, self.season_steps)

    def at(self, known: Quantities, rows: IntArray) -> FloatArray:
        """Forecasts made at some rows, (row, horizon)."""
        if self.name == "seasonal":
            return known.seasons_before(rows, self.horizon, self.season_steps, 1)
        if self.name == "blend":
            return self._blend(known, rows)
        return np.repeat(self.anchor(known, rows)[:, None], self.horizon, axis=1)

    def forecast(self, past: Panel, origins: Origins) -> FloatArray:
        """Forecasts made at some origins, (origin, horizon)."""
        return self.at(self.quantities(past), origins.rows(past))

    def anchor(self, known: Quantities, rows: IntArray) -> FloatArray:
        """The level that windows ending at some rows are taken as differences to, (row,)."""
        if self.name == "none":
            return self.centre[known.series[rows]]
        if self.name == "mean":
            return known.mean[rows]
        if self.name == "level":
            return known.level[rows]
        return known.y[rows]

    def inputs(self, known: Quantities, rows: IntArray) -> FloatArray:
        """What a network reads at some rows: differences of the value to the reference's quantities, (row, input)."""
        y = known.y[rows]
        differences = [y - known.before(rows, 1), y - known.level[rows]]
        if self.season_steps > 1:
            differences.append(y - known.before(rows, self.season_steps))
        if self.name in ("mean", "none"):
            differences.append(y - self.anchor(known, rows))
        if self.name == "blend":
            differences.append(y - self._expected(known, rows))
        return np.stack(differences, axis=1)

    @property
    def input_size(self) -> int:
        """How many inputs there are."""
        return 2 + (self.season_steps > 1) + (self.name in ("mean", "none", "blend"))

    @property
    def memory_steps(self) -> int:
        """How many steps before an origin are read, the running means apart."""
        return max(SEASON_LAGS) * self.season_steps + 2

    def refit(self, past: Panel, train_steps: IntArray) -> Reference:
        """Fit again on another training stretch; what was chosen (smoothing, ridge constant) stays."""
        fresh = replace(self, centre=_centres(past, train_steps))
        return replace(fresh, weights=_blend_weights(fresh, past, train_steps)) if self.name == "blend" else fresh

    def _blend(self, known: Quantities, rows: IntArray) -> FloatArray:
        y = known.y[rows][:, None]
        total = np.repeat(y, self.horizon, axis=1)
        series = known.series[rows]
        by_term = np.ascontiguousarray(np.moveaxis(self.weights, 2, 0))  # (term, series, horizon)
        for weights, term in zip(by_term, _terms(self, known, rows), strict=True):
            total += weights[series] * (term - y)
        return total

    def _expected(self, known: Quantities, rows: IntArray) -> FloatArray:
        """What the blend one step earlier expected at each row; the value itself at a series' first, (row,)."""
        first = rows == known.start[rows]
        earlier = np.where(first, rows, rows - 1)
        one_step = replace(self, horizon=1, weights=self.weights[:, :1])
        return np.where(first, known.y[rows], one_step.at(known, earlier)[:, 0])

    def facts(self) -> dict[str, Any]:
        """Plain values which, with `arrays`, make the reference again."""
        return {
            "name": self.name,
            "horizon": self.horizon,
            "season_steps": self.season_steps,
            "smoothing": self.smoothing,
            "ridge": self.ridge,
        }

    def arrays(self) -> dict[str, FloatArray]:
        """What was fitted."""
        return {"centre": self.centre, "weights": self.weights}


def term_count(name: str, season_steps: int) -> int:
    """How many terms the blend has besides the last value (none for the other references)."""
    if name != "blend":
        return 0
    return 2 if season_steps == 1 else len(SEASON_LAGS) + 4


def fit_reference(name: str, past: Panel, train_steps: IntArray, problem: Problem) -> Reference:
    """Fit a reference on the first `train_steps[i]` steps of each series.

    What of `past` lies after them is the validation stretch, on which the constants are chosen, and with
    `name="auto"` the reference itself.

    Raises
    ------
    ForecastError
        An unknown name, or `seasonal` where there is no season.

    """
    if name == "auto":
        return _choose(past, train_steps, problem)
    _check_name(name, problem)
    return _fit_named(name, past, train_steps, problem, _smoothing(past.cut(train_steps), problem))


def _check_name(name: str, problem: Problem) -> None:
    if name not in NAMES:
        raise ForecastError(f"`model.reference` should be one of {', '.join(NAMES)} or auto, found {name!r}")
    if name == "seasonal" and problem.season_steps == 1:
        raise ForecastError(
            "`model.reference=seasonal` needs a season, and none was found: say `data.season_steps=...`"
        )


def _fit_named(name: str, past: Panel, train_steps: IntArray, problem: Problem, smoothing: float) -> Reference:
    bare = Reference(
        name=name,
        horizon=problem.horizon,
        season_steps=problem.season_steps,
        smoothing=smoothing,
        ridge=_DEFAULT_RIDGE,
        centre=_centres(past, train_steps),
        weights=np.zeros((len(past), problem.horizon, 0)),
    )
    return _fit_blend(bare, past, train_steps) if name == "blend" else bare


def _choose(past: Panel, train_steps: IntArray, problem: Problem) -> Reference:
    candidates = [n for n in NAMES if n != "none" and (n != "seasonal" or problem.season_steps > 1)]
    smoothing = _smoothing(past.cut(train_steps), problem)
    fitted = [_fit_named(name, past, train_steps, problem, smoothing) for name in candidates]
    errors = [validation_error(reference, past, train_steps) for reference in fitted]
    good_enough = min(errors) * _AS_GOOD
    return next(reference for reference, error in zip(fitted, errors, strict=True) if error <= good_enough)


def validation_error(reference: Reference, past: Panel, train_steps: IntArray) -> float:
    """Mean absolute error over the validation stretch, in units of each series' scale; 0 where there is none."""
    origins = rolling_origins(past, train_steps, past.lengths, reference.horizon)
    if not len(origins):
        return 0.0
    scale = fit_scale(past, train_steps, reference.season_steps)
    known = reference.quantities(past)
    total = count = 0.0
    for part in _batches(np.arange(len(origins)), reference.horizon):
        rows = origins[part].rows(past)
        ahead = rows[:, None] + np.arange(1, reference.horizon + 1)
        error = np.abs(past.target[ahead] - reference.at(known, rows)) / scale[origins.series[part], None]
        seen = past.target_observed[ahead]
        total += float(error[seen].sum())
        count += float(seen.sum())
    return total / count if count else 0.0


def _centres(past: Panel, train_steps: IntArray) -> FloatArray:
    """Mean of what was observed in training, (series,); of all its values where nothing was."""
    known = past.cut(train_steps)
    centres = []
    for _, rows in known.series():
        y, seen = known.target[rows], known.target_observed[rows]
        centres.append((y[seen] if seen.any() else y).mean())
    return np.array(centres)


def _smoothing(train: Panel, problem: Problem) -> float:
    """Return the smoothing whose level has been the best forecast over the training stretch, scaled and pooled."""
    scale = fit_scale(train, train.lengths, problem.season_steps)
    origins = rolling_origins(train, np.ones(len(train), dtype=np.int64), train.lengths, problem.horizon)
    if not len(origins):
        return _SMOOTHINGS[2]
    rows = origins.rows(train)
    y = filled_target(train)
    steps_ahead = sorted({1, (problem.horizon + 1) // 2, problem.horizon})

    def error(smoothing: float) -> float:
        level = panel_levels(train, y, smoothing)[rows]
        misses = [np.abs(train.target[rows + h] - level) / scale[origins.series] for h in steps_ahead]
        seen = [train.target_observed[rows + h] for h in steps_ahead]
        return float(np.mean(misses, where=seen)) if np.any(seen) else 0.0

    return min(_SMOOTHINGS, key=error)


def _fit_blend(bare: Reference, past: Panel, train_steps: IntArray) -> Reference:
    """Choose the ridge constant on the validation stretch; the default where there is none."""
    if np.array_equal(train_steps, past.lengths):
        return replace(bare, weights=_blend_weights(bare, past, train_steps))
    moments = _moments(bare, past.cut(train_steps))
    candidates = [replace(bare, ridge=r, weights=_solve(*moments, r)) for r in _RIDGES]
    return min(candidates, key=lambda reference: validation_error(reference, past, train_steps))


def _terms(reference: Reference, known: Quantities, rows: IntArray) -> Iterator[FloatArray]:
    """Terms of a blend at some rows, each (row, horizon) or (row, 1)."""
    m = reference.season_steps
    if m > 1:
        phases = known.phases(rows, reference.horizon, m)
        for seasons in SEASON_LAGS:
            yield phases.seasons_before(seasons)
        yield phases.means()
        for seasons in (1, max(SEASON_LAGS)):
            yield known.moving_mean(rows, seasons * m)[:, None]
        yield known.level[rows][:, None]
    else:
        yield known.level[rows][:, None]
        yield known.mean[rows][:, None]


def _blend_weights(reference: Reference, past: Panel, train_steps: IntArray) -> FloatArray:
    return _solve(*_moments(reference, past.cut(train_steps)), reference.ridge)


def _moments(reference: Reference, train: Panel) -> tuple[FloatArray, FloatArray]:
    """Second moments of the terms, (series, horizon, term, term), and with the target, (series, horizon, term)."""
    terms, horizon = term_count("blend", reference.season_steps), reference.horizon
    gram = np.zeros((len(train), horizon, terms, terms))
    cross = np.zeros((len(train), horizon, terms))
    known = reference.quantities(train)
    # A series' youth, when a blend falls back on fewer seasons than it has, would teach it the wrong weights.
    first = np.minimum(max(SEASON_LAGS) * reference.season_steps, train.lengths // 2)
    origins = rolling_origins(train, first, train.lengths, horizon)
    for i in range(len(train)):
        for part in _batches(np.flatnonzero(origins.series == i), horizon * terms):
            rows = origins[part].rows(train)
            ahead = rows[:, None] + np.arange(1, horizon + 1)
            y = train.target[rows][:, None]
            x = np.empty((horizon, terms, len(rows)))
            for j, term in enumerate(_terms(reference, known, rows)):
                x[:, j] = (term - y).T
            if not train.target_observed[ahead].all():
                x *= train.target_observed[ahead].T[:, None]  # an unobserved target weighs nothing
            gram[i] += x @ x.transpose(0, 2, 1)
            cross[i] += (x @ (train.target[ahead] - y).T[..., None])[..., 0]
    return gram, cross


def _solve(gram: FloatArray, cross: FloatArray, ridge: float) -> FloatArray:
    """Ridge weights from second moments, (series, horizon, term); zero for a series that does not move."""
    terms = gram.shape[-1]
    size = np.trace(gram, axis1=-2, axis2=-1) / terms
    penalty = np.where(size > 0, ridge * size, 1.0)[..., None, None] * np.eye(terms)
    weights: FloatArray = np.linalg.solve(gram + penalty, cross[..., None])[..., 0].astype(np.float64)
    return weights


def _batches(indices: IntArray, width: int) -> Iterator[IntArray]:
    """Cut indices into parts whose arrays of `width` columns stay small."""
    size = max(_FORECASTS_AT_ONCE // max(width, 1), 1)
    for first in range(0, len(indices), size):
        yield indices[first : first + size]
