"""References: simple forecasts in closed form; a network forecasts the difference to one.

`last`, `seasonal`, `mean` and `level` have at most one constant to fit; the blends are, for each series and horizon
step, a weighted sum of these and more, fitted on the training split (`blends`), and `ridge` one of the latest values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.questions.split import rolling_origins
from forecast.reference.blends import (
    CRITERIA,
    SEASON_LAGS,
    batches,
    blend_terms,
    cross_fitted,
    lag_terms,
    reweighted,
    solved,
    terms,
)
from forecast.reference.causal_features import CausalFeatures, PanelFeatures, by_series, exponential_mean, filled_target
from forecast.reference.evidence import assured_gain
from forecast.reference.scaling import fit_scale
from forecast.wording import percentage

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.reference.blends import CrossFitted
    from forecast.series.panel import FloatArray, IntArray, Panel

CANDIDATES = ("last", "seasonal", "mean", "level", "blend", "ridge")
"""Candidates of `auto`, simplest first: it leaves one for a later one where that is assured to be better."""

NAMES = (*CANDIDATES, "blend_mae", "blend_owa", "none")
"""Every value of `model.reference` but `auto`."""

_COURSE_STEPS = 12
"""At most so many steps of a blend's forecast are inputs of the network that corrects it."""

_SMOOTHINGS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_DEFAULT_RIDGE = 1e-3
_JUDGED = 1_000_000
"""At most so many origins judge a constant or a reference."""

_CONFIDENCE, _WITHOUT_SEASON = 0.95, 0.99
"""One-sided, of a gain for which a reference is left; where no season speaks against a random walk it must be surer."""

_FEW_ROWS, _BLOCKS = 20_000, 4
"""A panel of at most so many rows has a short validation split: its training rows take part in the choice, of which a
blend's forecasts come from weights that were fitted on the other quarters."""

_FEWEST_LAGS, _MOST_LAGS, _ROWS_A_LAG = 16, 512, 24
"""Values before the last that `ridge` reads where rows are enough, at least and at most, and rows for each of them."""

_MOST_WORK = 1e10
"""Products that the sums of `ridge` may take for it to be tried, some seconds."""

_FAR_OUT = 3.0
"""Quartile ranges beyond the quartiles from which on a value does not widen the range that a network reads."""

_NEAR_ZERO, _SOMETIMES = 0.1, 0.1
"""A reference suits a head that multiplies it if at most 10 % of its forecasts are below a tenth of the mean."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A fitted reference: forecasts, and the inputs of a network that corrects them.

    Attributes
    ----------
    smoothing : weight of a new value in the exponential mean, alpha
    ridge : ridge constant of a blend, relative to the mean square of its terms
    centre : (series,) training mean, the forecast of `none`
    weights : (series, horizon, term) of a blend; the others have no terms
    bounds : (series, 2) within which a network reads the value itself; (series, 0): it reads differences alone
    lags : values before the last that `ridge` reads; the others read none of them one by one

    """

    name: str
    horizon: int
    season_steps: int
    smoothing: float
    ridge: float
    centre: FloatArray
    weights: FloatArray
    bounds: FloatArray
    lags: int = 0

    def causal_features(self, past: Panel) -> CausalFeatures:
        """Causal features of every row of a past: what `at`, `anchor` and `inputs` read."""
        return PanelFeatures(past, self.smoothing, self.season_steps)

    def at(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Forecasts made at some rows, (row, horizon)."""
        if self.name == "seasonal":
            return features.seasons_before(rows, self.horizon, self.season_steps, 1)
        if self.name in CRITERIA:
            return self._blend(features, rows, np.arange(1, self.horizon + 1))
        return np.repeat(self.anchor(features, rows)[:, None], self.horizon, axis=1)

    def forecast(self, past: Panel, origins: Origins) -> FloatArray:
        """Forecasts made at some origins, (origin, horizon)."""
        return self.at(self.causal_features(past), origins.rows(past))

    def anchor(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Level that is subtracted from windows ending at some rows, (row,)."""
        if self.name == "none":
            return self.centre[features.series(rows)]
        if self.name == "mean":
            return features.mean[rows]
        if self.name == "level":
            return features.level[rows]
        return features.y[rows]

    def inputs(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Network inputs at some rows, (row, input): differences of the value to causal features and the reference.

        The last is the value itself (`level_of`), where the network reads it.
        """
        y = features.y[rows]
        differences = [y - features.before(rows, 1), y - features.level[rows]]
        if self.season_steps > 1:
            differences.append(y - features.before(rows, self.season_steps))
        if self._reads_anchor:
            differences.append(y - self.anchor(features, rows))
        if self.name in CRITERIA:
            differences.append(y - self._previous_forecast(features, rows))  # error of the blend one step ahead
            differences.extend(self._course(features, rows).T)
        if self.reads_level:
            differences.append(self.level_of(y, features.series(rows)))
        return np.stack(differences, axis=1)  # (row, input)

    @property
    def input_size(self) -> int:
        """Number of inputs."""
        course = len(self.course_steps) if self.name in CRITERIA else 0
        reference = self._reads_anchor or self.name in CRITERIA
        return 2 + (self.season_steps > 1) + reference + course + self.reads_level

    @property
    def reads_level(self) -> bool:
        """Whether the last input is the value itself."""
        return bool(self.bounds.size)

    @property
    def _reads_anchor(self) -> bool:
        """Whether the difference to the anchor is an input; that to the centre is the level, without bounds."""
        return self.name == "mean" or (self.name == "none" and not self.reads_level)

    def level_of(self, y: FloatArray, series: IntArray) -> FloatArray:
        """Values within the bounds of their series, about the middle of these, (row,)."""
        low, high = self.bounds[series].T
        level: FloatArray = np.minimum(np.maximum(y, low), high) - (low + high) / 2
        return level

    @property
    def expected_input(self) -> int | None:
        """Position of the input that is the reference's one-step error, None where there is none."""
        return 2 + (self.season_steps > 1) if self.name in CRITERIA else None

    @property
    def memory_steps(self) -> int:
        """Steps up to an origin whose values are read one by one; running means summarise all before."""
        return max(max(SEASON_LAGS) * self.season_steps, self.lags) + 2

    def refit(self, past: Panel, train_steps: IntArray, left_out: IntArray | None = None) -> Reference:
        """Fit centres and weights on another training split; the chosen smoothing and ridge constant stay.

        Weights of a blend are fitted without the steps `left_out`, (series, 2) first and end.
        """
        past = past.target_alone()
        bounds = _bounds(past, train_steps) if self.reads_level else self.bounds
        refitted = replace(self, centre=_centres(past, train_steps), bounds=bounds)
        if self.name not in CRITERIA:
            return refitted
        return replace(refitted, weights=_blend_weights(refitted, past, train_steps, left_out))

    def _blend(self, features: CausalFeatures, rows: IntArray, ahead: IntArray) -> FloatArray:
        """Forecasts of the steps t + `ahead`, y_t + sum_j w_j (term_j - y_t), (row, step)."""
        y = features.y[rows][:, None]
        series = features.series(rows)
        if self.lags:
            return y + self._weighted_lags(lag_terms(features, rows, self.lags), series, ahead)
        total = np.repeat(y, len(ahead), axis=1)
        by_term = np.ascontiguousarray(np.moveaxis(self.weights[:, ahead - 1], 2, 0))  # (term, series, step)
        for weights, term in zip(by_term, terms(features, rows, ahead, self.season_steps), strict=True):
            total += weights[series] * (term - y)
        return total

    def _weighted_lags(self, lagged: FloatArray, series: IntArray, ahead: IntArray) -> FloatArray:
        """Sum of w_j (term_j - y_t) over the terms of `ridge`, (row, term) -> (row, step)."""
        total = np.empty((len(lagged), len(ahead)))
        for i in np.unique(series):
            of_series = series == i
            total[of_series] = lagged[of_series] @ self.weights[i, ahead - 1].T
        return total

    def _previous_forecast(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Forecast of each row's value made one row earlier; the value itself at a series' first row, (row,)."""
        first = rows == features.starts(rows)
        earlier = np.where(first, rows, rows - 1)
        return np.where(first, features.y[rows], self._blend(features, earlier, np.array([1]))[:, 0])

    @property
    def course_steps(self) -> IntArray:
        """Steps of the horizon, evenly spread, whose forecasts are inputs, (step,)."""
        return np.unique(np.linspace(1, self.horizon, _COURSE_STEPS).round().astype(np.int64))

    def _course(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Forecasts at `course_steps` less the last value, (row, step)."""
        steps = self.course_steps
        course = np.empty((len(rows), len(steps)))
        for part in batches(np.arange(len(rows)), len(steps)):
            course[part] = self._blend(features, rows[part], steps) - features.y[rows[part]][:, None]
        return course

    def facts(self) -> dict[str, Any]:
        """Fields of plain values, for JSON; `arrays` holds the others."""
        return {
            "name": self.name,
            "horizon": self.horizon,
            "season_steps": self.season_steps,
            "smoothing": self.smoothing,
            "ridge": self.ridge,
            "lags": self.lags,
        }

    def arrays(self) -> dict[str, FloatArray]:
        """Fitted arrays by name."""
        return {"centre": self.centre, "weights": self.weights, "bounds": self.bounds}


def term_count(name: str, season_steps: int, lags: int) -> int:
    """Return the number of a blend's terms, without the last value; 0 for other references."""
    return blend_terms(season_steps, lags) if name in CRITERIA else 0


def fit_reference(
    name: str,
    past: Panel,
    train_steps: IntArray,
    problem: Problem,
    *,
    multiplied: bool = False,
    reads_level: bool = False,
    candidates: tuple[str, ...] = CANDIDATES,
) -> Reference:
    """Fit a reference on the first `train_steps[i]` steps of each series i.

    The rest of `past` is the validation split, on which the ridge constant is chosen, and with `name="auto"` the
    reference itself, among `candidates`. With `multiplied` it is for a network that multiplies it, and must not be near
    zero: a factor that is right after a zero is far too large after a demand. With `reads_level` the value itself is an
    input of the network, within the range of the training split.

    Raises
    ------
    ForecastError
        An unknown name, `seasonal` without a season, or a given reference near zero that is multiplied.

    """
    past = past.target_alone()
    if reads_level:
        reference = fit_reference(name, past, train_steps, problem, multiplied=multiplied, candidates=candidates)
        return replace(reference, bounds=_bounds(past, train_steps))
    if name == "auto":
        return _choose(candidates, past, train_steps, problem, multiplied=multiplied)
    _check_name(name, problem)
    reference = _fit_named(name, past, train_steps, problem, _smoothing(past, train_steps, problem))
    if multiplied and (share := _share_near_zero(reference, past, train_steps)) > _SOMETIMES:
        raise ForecastError(
            f"`model.reference={name}` is near zero at {percentage(share)} of the steps, and "
            "`model.head=negative_binomial` multiplies it: set `model.reference=mean`, or `auto`, or "
            "`model.head=quantile`"
        )
    return reference


def _check_name(name: str, problem: Problem) -> None:
    if name not in NAMES:
        raise ForecastError(f"`model.reference` should be one of {', '.join(NAMES)} or auto, found {name!r}")
    if name == "seasonal" and problem.season_steps == 1:
        raise ForecastError(
            "`model.reference=seasonal` needs a season, and none was found: set `data.season_steps=...`"
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
        bounds=np.zeros((len(past), 0)),
        lags=_lags(train_steps, problem) if name == "ridge" else 0,
    )
    return _fit_blend(bare, past, train_steps) if name in CRITERIA else bare


def _choose(
    candidates: tuple[str, ...], past: Panel, train_steps: IntArray, problem: Problem, *, multiplied: bool
) -> Reference:
    """Go from the simplest reference to another only where its gain over the one before is assured."""
    excluded = {"seasonal"} if problem.season_steps == 1 else set()
    excluded |= {"ridge"} if _lags(train_steps, problem) ** 2 * int(train_steps.sum()) > _MOST_WORK else set()
    smoothing = _smoothing(past, train_steps, problem)
    fitted = [_fit_named(name, past, train_steps, problem, smoothing) for name in candidates if name not in excluded]
    if multiplied:  # the expanding mean is last to be near zero
        fitted = [r for r in fitted if r.name == "mean" or _share_near_zero(r, past, train_steps) <= _SOMETIMES]
    first = train_steps
    if not np.array_equal(train_steps, past.lengths) and len(past.times) <= _FEW_ROWS:
        first = train_steps // 4  # a blend is judged there by weights that were fitted on other rows
    origins = _judged_origins(past, first, past.lengths, problem)
    errors = [
        _errors(
            cross_fitted(reference, past, train_steps, _BLOCKS) if len(past.times) <= _FEW_ROWS else reference,
            past,
            train_steps,
            origins,
        )
        for reference in fitted
    ]
    best, confidence = 0, _CONFIDENCE if problem.season_steps > 1 else _WITHOUT_SEASON
    for candidate in range(1, len(fitted)):
        gain = (errors[best][0] - errors[candidate][0])[None]
        if assured_gain(gain, errors[best][1], origins, problem.horizon, confidence=confidence)[0] > 0:
            best = candidate
    return fitted[best]


def _lags(train_steps: IntArray, problem: Problem) -> int:
    """Return how many values before the last `ridge` reads: a context or more, if the training split has the rows."""
    most = min(int(np.median(train_steps)) // _ROWS_A_LAG, _MOST_LAGS)
    return max(min(max(problem.context_steps, _FEWEST_LAGS), most), 1)


def _share_near_zero(reference: Reference, past: Panel, train_steps: IntArray) -> float:
    """Share of a reference's forecasts in the training split that are a small part of the series' mean, or less."""
    origins = _judged_origins(past, np.ones(len(past), dtype=np.int64), train_steps, reference)
    features, near, count = reference.causal_features(past), 0, 0
    for batch in batches(np.arange(len(origins)), reference.horizon):
        least = _NEAR_ZERO * reference.centre[origins.series[batch], None]
        forecasts = reference.at(features, origins.rows(past)[batch])
        near, count = near + int(np.sum(forecasts <= least)), count + forecasts.size
    return near / count if count else 0.0


def validation_error(reference: Reference, past: Panel, train_steps: IntArray) -> float:
    """Return the mean absolute error over the validation split, in units of each series' scale; 0 without one."""
    errors, counts = _errors(reference, past, train_steps, _judged_origins(past, train_steps, past.lengths, reference))
    return float(errors.sum() / counts.sum()) if counts.any() else 0.0


def _errors(
    reference: Reference | CrossFitted, past: Panel, train_steps: IntArray, origins: Origins
) -> tuple[FloatArray, FloatArray]:
    """Sum of each origin's absolute errors, in units of its series' scale, and how many there are, (origin,) both."""
    scale = fit_scale(past, train_steps, reference.season_steps)
    features = reference.causal_features(past)
    errors, counts = np.zeros(len(origins)), np.zeros(len(origins))
    for batch in batches(np.arange(len(origins)), reference.horizon):
        rows = origins[batch].rows(past)
        ahead = rows[:, None] + np.arange(1, reference.horizon + 1)  # (row, horizon)
        error = np.abs(past.target[ahead] - reference.at(features, rows)) / scale[origins.series[batch], None]
        seen = past.target_observed[ahead]
        errors[batch], counts[batch] = np.where(seen, error, 0.0).sum(axis=1), seen.sum(axis=1)
    return errors, counts


def _judged_origins(past: Panel, first: IntArray, ends: IntArray, shape: Problem | Reference) -> Origins:
    """Origins between two steps of each series, every k-th where there are many.

    k has no factor in common with the season, so that all phases of a season occur equally often. `shape` has the
    horizon and the season.
    """
    stride = max(-(-int(np.maximum(ends - first, 0).sum()) // _JUDGED), 1)
    while math.gcd(stride, shape.season_steps) > 1:
        stride += 1
    return rolling_origins(past, first, ends, shape.horizon, stride)


def _centres(past: Panel, train_steps: IntArray) -> FloatArray:
    """Mean of the observed training values, (series,); of all training values if none was observed, 0 without any.

    Where the target is one label at the end of each series it has no level: 0.
    """
    if past.at_end:
        return np.zeros(len(past))
    centres = []
    for (_, rows), steps in zip(past.series(), train_steps.tolist(), strict=True):
        trained = slice(rows.start, rows.start + steps)
        y, seen = past.target[trained], past.target_observed[trained]
        centres.append((y[seen] if seen.any() else y).mean() if len(y) else 0.0)
    return np.array(centres)


def _bounds(past: Panel, train_steps: IntArray) -> FloatArray:
    """Range of the observed training values, without those far out (Tukey 1977: 3 quartile ranges), (series, 2)."""
    bounds = np.zeros((len(past), 2))
    for i, ((_, rows), steps) in enumerate(zip(past.series(), train_steps.tolist(), strict=True)):
        trained = slice(rows.start, rows.start + steps)
        y = past.target[trained][past.target_observed[trained]]
        if len(y):
            low, high = np.quantile(y, (0.25, 0.75))
            far = _FAR_OUT * (high - low)
            bounds[i] = max(y.min(), low - far), min(y.max(), high + far)
    return bounds


def _smoothing(past: Panel, train_steps: IntArray, problem: Problem) -> float:
    """Return the alpha whose level has the least absolute error on the training split, scaled and pooled."""
    scale = fit_scale(past, train_steps, problem.season_steps)
    origins = _judged_origins(past, np.ones(len(past), dtype=np.int64), train_steps, problem)
    if not len(origins):
        return _SMOOTHINGS[2]
    rows = origins.rows(past)
    y = filled_target(past)
    steps_ahead = sorted({1, (problem.horizon + 1) // 2, problem.horizon})

    def error(smoothing: float) -> float:
        level = by_series(past, y, exponential_mean, smoothing)[rows]
        errors = [np.abs(past.target[rows + h] - level) / scale[origins.series] for h in steps_ahead]
        seen = [past.target_observed[rows + h] for h in steps_ahead]
        return float(np.mean(errors, where=seen)) if np.any(seen) else 0.0

    return min(_SMOOTHINGS, key=error)


def _fit_blend(bare: Reference, past: Panel, train_steps: IntArray) -> Reference:
    """Fit a blend; the ridge constant is chosen on the validation split, the default where there is none."""
    if np.array_equal(train_steps, past.lengths):  # no validation split
        return replace(bare, weights=_blend_weights(bare, past, train_steps))
    train = past.cut(train_steps)
    weights = solved(
        train,
        bare.causal_features(train),
        horizon=bare.horizon,
        season_steps=bare.season_steps,
        lags=bare.lags,
        ridges=_RIDGES,
    )
    candidates = [replace(bare, ridge=r, weights=w) for r, w in zip(_RIDGES, weights, strict=True)]
    best = min(candidates, key=lambda reference: validation_error(reference, past, train_steps))
    return replace(best, weights=_reweighted(best, train))


def _blend_weights(
    reference: Reference, past: Panel, train_steps: IntArray, left_out: IntArray | None = None
) -> FloatArray:
    train = past.cut(train_steps)
    (weights,) = solved(
        train,
        reference.causal_features(train),
        horizon=reference.horizon,
        season_steps=reference.season_steps,
        lags=reference.lags,
        ridges=(reference.ridge,),
        left_out=left_out,
    )
    return _reweighted(replace(reference, weights=weights), train, left_out)


def _reweighted(reference: Reference, train: Panel, left_out: IntArray | None = None) -> FloatArray:
    """Weights of the blend's own criterion from those of least squares, (series, horizon, term)."""
    return reweighted(
        reference.weights,
        train,
        reference.causal_features(train),
        season_steps=reference.season_steps,
        criterion=CRITERIA[reference.name],
        ridge=reference.ridge,
        left_out=left_out,
    )
