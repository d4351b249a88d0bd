"""Split conformal intervals: how far forecasts erred where nothing was fitted says how far they will.

For each level tau and each horizon step the *misses* s = (y - q_tau) / scale are collected over the origins of the
calibration split and over all series, each in its own scale; q_tau is the forecaster's own quantile, or the point
forecast where it has none (Romano, Patterson and Candes 2019, "Conformalized quantile regression", each level by
itself; Vovk, Gammerman and Shafer 2005 for points). Then q_tau + scale * offset is the quantile that is forecast, where
the offset is the k-th smallest of n misses, k = ceil((n + 1) tau) above the median and floor((n + 1) tau) below it. On
exchangeable misses a share of at least tau, and at most tau + 1 / (n + 1), lies below it; an interval of two levels
thus covers its nominal share and at most 2 / (n + 1) more. Where k is none of 1..n the offset is infinite: so few
misses allow no finite one. The median stays the forecaster's.

What this rests on: neighbouring origins share most of their horizon, and so their misses. They are dependent, and the
n above counts more than there are independent ones; the coverage of a single run then scatters more widely around its
nominal value than n says, and a series that changes after the calibration split is covered as it was before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.forecasters.interface import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.evaluation.backtest import Backtest
    from forecast.series.panel import FloatArray, IntArray


_ROUNDING_DIGITS = 9
"""(n + 1) * tau is a whole number, or further from one than this; 0.07 * 100 is 7.000000000000001."""


def misses(y: FloatArray, told: FloatArray, scale: FloatArray) -> FloatArray:
    """How far the truth lies above what was told, in units of each origin's scale: (origin, step, level).

    `y` (origin, step) is NaN where it was not observed, `told` is (origin, step, level), with one level for point
    forecasts, and `scale` (origin,).
    """
    missed: FloatArray = (y[:, :, None] - told) / scale[:, None, None]
    return missed


def conformal_offsets(missed: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Offsets (step, level) in units of the scale, from misses (origin, step, level or 1); NaNs are not counted.

    >>> conformal_offsets(np.arange(1.0, 20.0)[:, None, None], (0.05, 0.5, 0.9, 0.975)).tolist()
    [[1.0, 0.0, 18.0, inf]]
    """
    ordered = np.sort(missed, axis=0)  # NaNs come last
    count = np.sum(~np.isnan(missed), axis=0)  # (step, level or 1)
    steps, own = count.shape
    offsets = np.zeros((steps, len(levels)))
    for i, level in enumerate(levels):
        if level == 0.5:
            continue
        of = i if own == len(levels) else 0
        offsets[:, i] = _order_statistic(ordered[:, :, of], count[:, of], level)
    return offsets


def conformal_quantiles(told: FloatArray, scale: FloatArray, offsets: FloatArray) -> FloatArray:
    """Quantiles (origin, step, level): what was told (origin, step, level or 1) with the offsets (step, level).

    They are sorted at the end, so that levels never cross: where the misses all lie on one side, a level that should
    be beyond the median may come out on its other side (Chernozhukov, Fernandez-Val and Galichon 2010).
    """
    return np.sort(told + scale[:, None, None] * offsets, axis=2)


def _order_statistic(ordered: FloatArray, count: IntArray, level: float) -> FloatArray:
    """Take the miss of the finite-sample rank at each step, (step,); infinite where there is none of that rank."""
    exact = np.round((count + 1) * level, _ROUNDING_DIGITS)
    rank = (np.ceil(exact) if level > 0.5 else np.floor(exact)).astype(np.int64)
    inside = (rank >= 1) & (rank <= count)
    if len(ordered) == 0:
        found = np.zeros(len(count))
    else:
        found = np.take_along_axis(ordered, np.clip(rank - 1, 0, len(ordered) - 1)[None, :], axis=0)[0]
    taken: FloatArray = np.where(inside, found, np.inf if level > 0.5 else -np.inf)
    return taken


def with_intervals(test: Backtest, calibration: Backtest | None) -> Backtest:
    """Return the backtest with quantiles of all its models.

    Without a calibration split they are infinite but for the median; a model that forecasts quantiles of its own
    keeps these as they are then.
    """
    offsets = offsets_of(calibration) if calibration is not None else {}
    scale = _scale(test)
    quantiles = {}
    for name, told in _told(test).items():
        if calibration is None and name in test.quantiles:
            quantiles[name] = told
        else:
            quantiles[name] = conformal_quantiles(told, scale, offsets.get(name, no_offsets(told.shape[1])))
    return replace(test, quantiles=quantiles, levels=QUANTILES)


def offsets_of(*parts: Backtest) -> dict[str, FloatArray]:
    """Conformal offsets (step, level) of each model, in units of a series' scale, from the misses of all splits.

    The quantiles in them are those that the models themselves forecast.
    """
    missed: dict[str, list[FloatArray]] = {}
    for one in parts:
        scale = _scale(one)
        for name, told in _told(one).items():
            missed.setdefault(name, []).append(misses(_of_model(one, name, "y"), told, scale))
    return {name: conformal_offsets(np.concatenate(parts), QUANTILES) for name, parts in missed.items()}


def no_offsets(steps: int) -> FloatArray:
    """Offsets (step, level) of a model of which no miss is known: infinite, but for the median."""
    return conformal_offsets(np.empty((0, steps, 1)), QUANTILES)


def _told(tested: Backtest) -> dict[str, FloatArray]:
    """What each model said by itself: (origin, step, level), or (origin, step, 1) where it gives points alone."""
    models = [attempt.name for attempt in tested.attempts if attempt.name not in tested.failures]
    return {
        name: tested.quantiles[name] if name in tested.quantiles else _of_model(tested, name, "y_hat")[:, :, None]
        for name in models
    }


def _of_model(tested: Backtest, name: str, column: str) -> FloatArray:
    """A column of the results table, (origin, step)."""
    mine = (tested.results["model"] == name).to_numpy()
    return tested.results[column].to_numpy(dtype=np.float64)[mine].reshape(len(tested.known), -1)


def _scale(tested: Backtest) -> FloatArray:
    """Scale of each origin's series, (origin,)."""
    scale: FloatArray = tested.units[tested.known["unique_id"].cat.codes.to_numpy()]
    return scale
