"""Quantiles for everything that was backtested: the misses on the calibration split widen the forecasts of the test.

Conformal offsets come from the calibration split alone, where they are judged on the test split. After the end of
the data nothing is judged any more, and the misses of both splits are pooled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.conformal import conformal_offsets, conformal_quantiles, misses
from forecast.forecasters.interface import QUANTILES

if TYPE_CHECKING:
    from forecast.evaluation.backtest import Backtest
    from forecast.series.panel import FloatArray


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
