"""Fit a reference by its name, or choose one by the errors that closed forms make where they were not fitted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.questions.split import rolling_origins
from forecast.reference.blends import CRITERIA, LAGGED, batches
from forecast.reference.causal_features import by_series, exponential_mean, filled_target
from forecast.reference.cross_fitting import cross_fitted
from forecast.reference.evidence import assured_gain
from forecast.reference.references import (
    CALENDAR,
    CANDIDATES,
    NAMES,
    READ_COVARIATES,
    Reference,
    blend_fit,
    blend_weights,
    centres,
    channel_units,
    value_bounds,
)
from forecast.reference.scaling import fit_scale
from forecast.wording import percentage

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.reference.cross_fitting import CrossFitted
    from forecast.series.panel import FloatArray, IntArray, Panel

_SMOOTHINGS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_STRONG_RIDGES = (10.0, 100.0)
"""For a panel: a series alone is drawn by them so near to its last value that errors differ by next to nothing, but
often all in one direction, and its blend would be taken for better than that on too many random walks."""
_DEFAULT_RIDGE = 1e-3
_JUDGED = 1_000_000
"""At most so many origins judge a constant or a reference."""

_CONFIDENCE, _WITHOUT_SEASON = 0.95, 0.9975
"""One-sided, of a gain for which a reference is left. Where no season speaks against a random walk it must be surer:
the four others together leave the last value on 1 % of the walks, a quarter of that each (Bonferroni)."""

_FEW_ROWS, _BLOCKS = 20_000, 4
"""A panel of at most so many rows has a short validation split: its training rows take part in the choice, of which a
blend's forecasts come from weights that were fitted on the other quarters."""

_FEWEST_LAGS, _MOST_LAGS, _ROWS_A_LAG = 16, 512, 24
"""Values before the last that `ridge` reads where rows are enough, at least and at most, and rows for each of them."""

_MOST_WORK = 1e10
"""Products that the sums of `ridge` may take for it to be tried, some seconds."""

_MOST_REGRESSED = 10_000_000
"""Rows times steps of the horizon, 100 of these at least, up to which `calendar` is tried."""

_NEAR_ZERO, _SOMETIMES = 0.1, 0.1
"""A reference suits a head that multiplies it if at most 10 % of its forecasts are below a tenth of the mean."""


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
    reference itself, among `candidates`; `calendar` is one where covariates or holidays are known ahead. With
    `multiplied` it is for a network that multiplies it, and must not be near zero: a factor that is right after a zero
    is far too large after a demand. With `reads_level` the value itself is an input of the network, within the range of
    the training split.

    Raises
    ------
    ForecastError
        An unknown name, `seasonal` without a season, or a given reference near zero that is multiplied.

    """
    past = past if name in (*READ_COVARIATES, "auto") else past.target_alone()
    if reads_level:
        reference = fit_reference(name, past, train_steps, problem, multiplied=multiplied, candidates=candidates)
        return replace(reference, bounds=value_bounds(past, train_steps))
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
    channels = channel_units(past, train_steps) if name == "ridge_channels" else np.zeros((len(past), 0, 2))
    bare = Reference(
        name=name,
        horizon=problem.horizon,
        season_steps=problem.season_steps,
        smoothing=smoothing,
        ridge=_DEFAULT_RIDGE,
        centre=centres(past, train_steps),
        weights=np.zeros((len(past), problem.horizon, 0)),
        bounds=np.zeros((len(past), 0)),
        lags=_lags(train_steps, problem, channels.shape[1]) if name in LAGGED else 0,
        channels=channels,
    )
    if name == CALENDAR:
        from forecast.reference.calendar_reference import fit_calendar  # noqa: PLC0415  # dates need pandas

        return fit_calendar(bare, past, train_steps, problem)
    return _fit_blend(bare, past, train_steps) if name in CRITERIA else bare


def _choose(
    candidates: tuple[str, ...], past: Panel, train_steps: IntArray, problem: Problem, *, multiplied: bool
) -> Reference:
    """Go from the simplest reference to another only where its gain over the one before is assured."""
    excluded = {"seasonal"} if problem.season_steps == 1 else set()
    excluded |= {"ridge"} if _lags(train_steps, problem) ** 2 * int(train_steps.sum()) > _MOST_WORK else set()
    excluded |= set() if _acts_ahead(past, problem) else {CALENDAR}
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


def _acts_ahead(past: Panel, problem: Problem) -> bool:
    """Whether covariates or holidays are known ahead, and a regression on them takes some seconds at most."""
    if past.ahead is None or past.at_end or len(past.times) * max(problem.horizon, 100) > _MOST_REGRESSED:
        return False
    from forecast.series.date_features import HOLIDAYS  # noqa: PLC0415  # dates need pandas

    channels = past.ahead.channels
    return any(channel.computed is None or channel.computed.startswith(HOLIDAYS) for channel in channels)


def _lags(train_steps: IntArray, problem: Problem, channels: int = 0) -> int:
    """Return how many values before the last `ridge` reads: a context or more, if the training split has the rows."""
    most = min(int(np.median(train_steps)) // _ROWS_A_LAG, _MOST_LAGS) // (1 + channels)
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


def _smoothing(past: Panel, train_steps: IntArray, problem: Problem) -> float:
    """Return the alpha whose level has the least absolute error on the training split, scaled and pooled."""
    scale = fit_scale(past, train_steps, problem.season_steps)
    origins = _judged_origins(past, np.ones(len(past), dtype=np.int64), train_steps, problem)
    if not len(origins):
        return _SMOOTHINGS[2]
    rows = origins.rows(past)
    y = filled_target(past, problem.season_steps)
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
        return replace(bare, weights=blend_weights(bare, past, train_steps))
    fit = blend_fit(bare, past, train_steps)
    ridges = _RIDGES if len(past) == 1 else (*_RIDGES, *_STRONG_RIDGES)
    weights = fit.least_squares(ridges)
    candidates = [replace(bare, ridge=r, weights=w) for r, w in zip(ridges, weights, strict=True)]
    best = min(candidates, key=lambda reference: validation_error(reference, past, train_steps))
    return replace(best, weights=fit.reweighted(best.weights, CRITERIA[best.name], best.ridge))
