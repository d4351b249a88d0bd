"""Whether a network that was fitted again on all rows departs from the one that the backtest judged.

Nothing is left to judge the second by, and training is not the same twice: it may have run into a bad corner. It is
held against the first on rows that both know, and by what both forecast after the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.questions.split import last_origins, rolling_origins
from forecast.reference.scaling import fit_scale
from forecast.wording import number

if TYPE_CHECKING:
    from forecast.forecasters.interface import Fitted
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

_ORIGINS = 500
_WORSE = 1.5
"""The refitted network's error on rows that both were fitted on, as a multiple of the judged one's, at most."""
_APART = 3.0
"""Distance of their forecasts after the data, as a multiple of the judged network's largest error, at most."""


def departure(judged: Fitted, refitted: Fitted, panel: Panel, train_steps: IntArray, problem: Problem) -> str:
    """Say how the refitted network departs wildly from the judged one; "" where it does not.

    Errors are means of absolute errors in units of each series' scale. Probabilities, which cannot run away, are not
    compared.
    """
    if problem.question.forecasts_probabilities:
        return ""
    scale = fit_scale(panel, train_steps, problem.season_steps)
    both_know = _sample(panel, train_steps // 2, train_steps, problem)
    before, after = (
        float(_errors(fitted, panel, both_know, scale, problem).mean()) if len(both_know) else 0.0
        for fitted in (judged, refitted)
    )
    if after > _WORSE * before + 1e-6:
        return (
            f"fitted again on all rows it erred {number(after / max(before, 1e-12))} times as much on rows that both "
            "know"
        )
    largest = _errors(judged, panel, _sample(panel, panel.lengths // 2, panel.lengths, problem), scale, problem).max(
        axis=0, initial=0.0
    )  # (step,)
    ends = last_origins(panel)
    apart = np.abs(refitted.forecast(panel, ends).y_hat - judged.forecast(panel, ends).y_hat) / scale[:, None]
    if (apart > _APART * np.maximum(largest, largest.mean())).any():
        return "fitted again on all rows its forecast after the data lay far outside the judged one's errors"
    return ""


def _errors(fitted: Fitted, panel: Panel, origins: Origins, scale: FloatArray, problem: Problem) -> FloatArray:
    """Absolute errors in units of the scale, 0 where nothing was observed, (origin, step)."""
    truth = problem.question.outcomes(panel, origins.rows(panel), problem.horizon)
    errors: FloatArray = np.abs(truth - fitted.forecast(panel, origins).y_hat) / scale[origins.series][:, None]
    return np.where(np.isnan(truth), 0.0, errors)


def _sample(panel: Panel, first: IntArray, ends: IntArray, problem: Problem) -> Origins:
    """At most 500 origins between two steps of each series, evenly spread, with a whole context before them.

    Of more series an even part is looked at: the origins of all would be more numbers than the data.
    """
    left_out = np.ones(len(panel), dtype=np.bool_)
    left_out[:: -(-len(panel) // _ORIGINS)] = False
    ends = np.where(left_out, 0, ends)
    origins = rolling_origins(panel, np.maximum(first, problem.context_steps), ends, problem.horizon)
    return origins[:: max(-(-len(origins) // _ORIGINS), 1)]
