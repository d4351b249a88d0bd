"""Split conformal intervals: errors on the calibration split say how wide intervals have to be.

For each level tau and horizon step the conformity scores s = (y - q_tau) / scale are collected over the origins of the
calibration split and over all series; q_tau is the forecaster's own quantile, or its point forecast where it has none
(Romano, Patterson and Candes 2019, "Conformalized quantile regression", each level by itself; Vovk, Gammerman and
Shafer 2005 for points). The quantile that is forecast is q_tau + scale * offset, where the offset is the k-th smallest
of n scores, k = ceil((n + 1) tau) above the median and floor((n + 1) tau) below it. On exchangeable scores a share of
at least tau, and at most tau + 1 / (n + 1), lies below it; an interval between two levels thus covers its nominal share
and at most 2 / (n + 1) more. Where k is not in 1..n so few scores allow no finite offset: the quantile of a point
forecast is infinite then, and one that the forecaster gave itself stays as it is. The median stays the forecaster's.

Neighbouring origins share most of their horizon, so that their scores are dependent, and n counts more than there are
independent ones: the coverage of a single run scatters more widely than n says. A series that changes after the
calibration split is covered as it was before.

Where intervals are judged on the test split, offsets come from the calibration split alone. After the end of the data
nothing is judged any more, and the scores of both splits are pooled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.forecasters.interface import QUANTILES
from forecast.questions.value_range import ANY_VALUE, ValueRange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.evaluation.backtest import Backtest
    from forecast.forecasters.interface import Forecasts
    from forecast.series.panel import FloatArray, IntArray

_MEDIAN = 0.5
_ROUNDING_DIGITS = 9
"""Before (n + 1) tau is rounded up or down: 0.07 * 100 is 7.000000000000001 in floating point."""


def with_intervals(test: Backtest, calibration: Backtest | None, value_range: ValueRange = ANY_VALUE) -> Backtest:
    """Return the backtest with conformal quantiles of all its models, within the range of values that there can be.

    Without a calibration split they are infinite except for the median; a model that forecasts quantiles of its own
    then keeps these as they are.
    """
    offsets = offsets_of(calibration) if calibration is not None else {}
    scale = _scale(test)
    quantiles = {
        name: value_range.keep_quantiles(
            conformal_quantiles(forecast, scale, offsets.get(name, no_offsets(*forecast.shape[1:]))), QUANTILES
        )
        for name, forecast in _forecasts(test).items()
    }
    return replace(test, quantiles=quantiles, levels=QUANTILES)


def offsets_of(*backtests: Backtest) -> dict[str, FloatArray]:
    """Offsets (step, level) of each model, in units of a series' scale, from the conformity scores of all splits.

    Scores are relative to the quantiles that the models themselves forecast.
    """
    scores: dict[str, list[FloatArray]] = {}
    for backtest in backtests:
        scale = _scale(backtest)
        for name, forecast in _forecasts(backtest).items():
            y = _of_model(backtest, name, "y")
            scores.setdefault(name, []).append(conformity_scores(y, forecast, scale))
    return {name: conformal_offsets(np.concatenate(of_splits), QUANTILES) for name, of_splits in scores.items()}


def no_offsets(steps: int, levels: int = 1) -> FloatArray:
    """Offsets (step, level) of a model without conformity scores, which forecasts `levels` quantiles or 1 point.

    Quantiles of its own stay; around a point they are infinite except for the median.
    """
    return conformal_offsets(np.empty((0, steps, levels)), QUANTILES)


def conformity_scores(y: FloatArray, forecast: FloatArray, scale: FloatArray) -> FloatArray:
    """Conformity scores (y - q_tau) / scale, (origin, step, level).

    `y` (origin, step) is NaN where it was not observed, `forecast` is (origin, step, level), with one level for point
    forecasts, and `scale` (origin,).
    """
    scores: FloatArray = (y[:, :, None] - forecast) / scale[:, None, None]
    return scores


def conformal_offsets(scores: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Offsets (step, level) in units of the scale, from scores (origin, step, level or 1); NaNs are not counted.

    Where there are too few scores the offset is infinite, or 0 where the scores are of quantiles (one a level).

    >>> conformal_offsets(np.arange(1.0, 20.0)[:, None, None], (0.05, 0.5, 0.9, 0.975)).tolist()
    [[1.0, 0.0, 18.0, inf]]
    """
    ordered = np.sort(scores, axis=0)  # NaNs come last
    n = np.sum(~np.isnan(scores), axis=0)  # (step, level or 1)
    steps, score_levels = n.shape
    offsets = np.zeros((steps, len(levels)))
    for i, level in enumerate(levels):
        if level == _MEDIAN:
            continue
        j = i if score_levels == len(levels) else 0
        offsets[:, i] = _order_statistic(ordered[:, :, j], n[:, j], level)
    if score_levels == len(levels):
        offsets[~np.isfinite(offsets)] = 0.0
    return offsets


def conformal_quantiles(forecast: FloatArray, scale: FloatArray, offsets: FloatArray) -> FloatArray:
    """Quantiles (origin, step, level) from forecasts (origin, step, level or 1) and offsets (step, level).

    They are sorted, so that levels never cross: where all scores have one sign, a level above the median may come out
    below it (Chernozhukov, Fernandez-Val and Galichon 2010).
    """
    return np.sort(forecast + scale[:, None, None] * offsets, axis=2)


def calibrated(
    forecasts: Forecasts, scale: FloatArray, offsets: FloatArray, value_range: ValueRange = ANY_VALUE
) -> FloatArray:
    """Quantiles (origin, step, level) around points, or of quantiles moved by offsets (step, level), within the range.

    `scale` is (origin,).
    """
    centre = forecasts.y_hat[:, :, None] if forecasts.quantiles is None else forecasts.quantiles
    return value_range.keep_quantiles(conformal_quantiles(centre, scale, offsets), QUANTILES)


def _order_statistic(ordered: FloatArray, n: IntArray, level: float) -> FloatArray:
    """Take the k-th smallest of n scores at each step, (step,); infinite where k is not in 1..n.

    `ordered` is (origin, step), `n` (step,).
    """
    exact = np.round((n + 1) * level, _ROUNDING_DIGITS)
    k = (np.ceil(exact) if level > _MEDIAN else np.floor(exact)).astype(np.int64)
    if len(ordered) == 0:
        kth = np.zeros(len(n))
    else:
        kth = np.take_along_axis(ordered, np.clip(k - 1, 0, len(ordered) - 1)[None, :], axis=0)[0]
    offset: FloatArray = np.where((k >= 1) & (k <= n), kth, np.inf if level > _MEDIAN else -np.inf)
    return offset


def _forecasts(backtest: Backtest) -> dict[str, FloatArray]:
    """What each model forecasts by itself: (origin, step, level), or (origin, step, 1) of points."""
    models = [attempt.name for attempt in backtest.attempts if attempt.name not in backtest.failures]
    return {
        name: backtest.quantiles[name] if name in backtest.quantiles else _of_model(backtest, name, "y_hat")[:, :, None]
        for name in models
    }


def _of_model(backtest: Backtest, name: str, column: str) -> FloatArray:
    """A column of a model's rows in the results table, (origin, step)."""
    is_model = (backtest.results["model"] == name).to_numpy()
    return backtest.results[column].to_numpy(dtype=np.float64)[is_model].reshape(len(backtest.known), -1)


def _scale(backtest: Backtest) -> FloatArray:
    """Scale of each origin's series, (origin,)."""
    scale: FloatArray = backtest.units[backtest.known["unique_id"].cat.codes.to_numpy()]
    return scale
