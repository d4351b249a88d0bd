"""Which plan a calendar regression is fitted by: the best on the validation split, one for all series.

One question after the other is asked, each with the answers before: a season of the year, logarithms, more or fewer
bends, more shrinkage, covariates that are known up to a row. How what is left over is carried on is chosen with each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from forecast.reference.calendar_regression import (
    SLOW,
    Plan,
    carried_on,
    exponential_mean,
    filled,
    normal_equations,
    regression_of,
)
from forecast.series.calendar_columns import YEAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reference.calendar_regression import Design, NormalEquations, SeriesDesign
    from forecast.series.panel import IntArray, Panel

_MOST_ORIGINS = 60
"""Of a series on the validation split that choices are made by."""
_SMOOTHING, _DECAY = (0.05, 0.2, 0.5, 1.0), (0.0, 0.7, 0.9, 0.97, 1.0)
_ENOUGH = 0.99
"""Share of the plainer choice's error that another must be at, at most, to be chosen."""


def choose_plan(series: Sequence[SeriesDesign], design: Design, past: Panel, horizon: int) -> Plan:
    """Choose a plan by the mean absolute error on the validation split; without one, the usual plan."""
    positive = bool((past.target[past.target_observed] > 0).all())
    judged = []
    for one, rows in zip(series, design.train_steps.tolist(), strict=True):
        if len(origins := _origins(one, rows, horizon)):
            scales = (False, True) if positive else (False,)
            judged.append(_Judged(one, rows, {log: normal_equations(one, rows, log=log) for log in scales}, origins))
    if not judged:
        return Plan()
    questions: list[list[dict[str, Any]]] = [
        [{"year": True}] if YEAR in design.calendar.orders else [],
        [{"log": True}] if positive else [],
        [{"bend": 0.03}, {"bend": 3.0}],
        [{"shrink": 3.0}],
        [{"past": True}] if design.encoding.past.size else [],
    ]
    best, plan = _error(judged, Plan(year=False, past=False), horizon)
    for question in questions:
        for change in question:
            error, other = _error(judged, plan._replace(**change), horizon)
            if error < _ENOUGH * best:
                best, plan = error, other
    return plan


class _Judged(NamedTuple):
    """A series that plans are judged on.

    Attributes
    ----------
    rows : that are fitted
    equations : of values (False) and of logarithms (True)
    origins : steps to forecast from, (origin,)

    """

    series: SeriesDesign
    rows: int
    equations: dict[bool, NormalEquations]
    origins: IntArray


def _origins(series: SeriesDesign, train_steps: int, horizon: int) -> IntArray:
    """Steps of the validation split to forecast from, evenly spread."""
    steps = np.arange(max(train_steps - 1, 0), len(series.y) - horizon)
    return steps[np.linspace(0, len(steps) - 1, min(len(steps), _MOST_ORIGINS)).astype(np.int64)]


def _error(judged: Sequence[_Judged], plan: Plan, horizon: int) -> tuple[float, Plan]:
    """Mean absolute error in units of each series, and the plan with the best way to carry on what is left over."""
    errors = np.zeros((len(_SMOOTHING), len(_DECAY)))
    for series, rows, equations, origins in judged:
        truth = series.y[origins[:, None] + np.arange(1, horizon + 1)]  # (origin, horizon)
        if not np.isfinite(truth).any():
            continue
        unit = float(np.nanmean(np.abs(np.diff(series.y[:rows])))) or 1.0
        regression, residuals = regression_of(series, plan, equations[plan.log].fit(plan).by_column, rows)
        residuals = filled(residuals)
        slow, *quick = (exponential_mean(residuals, of, 0.0)[origins, None] for of in (SLOW, *_SMOOTHING))
        levels = np.stack(quick)[:, None], slow  # (smoothing, 1, origin, 1)
        # (smoothing, decay, origin, horizon)
        y_hat = carried_on(regression, levels, np.array(_DECAY)[:, None, None], origins, horizon)
        with np.errstate(over="ignore"):
            y_hat = np.exp(y_hat) if plan.log else y_hat
        errors += np.nanmean(np.abs(y_hat - truth), axis=(2, 3)) / unit
    i, j = divmod(int(errors.argmin()), len(_DECAY))
    return float(errors[i, j]), plan._replace(smoothing=_SMOOTHING[i], decay=_DECAY[j])
