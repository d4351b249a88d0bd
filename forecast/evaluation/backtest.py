"""Fit every forecaster once, then let each forecast from the same origins and the same past.

    panel -> cut after the validation split -> `fit_all` -> `Fits`
    Fits, panel -> cut at the last origin of each series -> `forecast_all` -> `Backtest`

One fit serves all splits: validation (which decides), calibration (which says how wide intervals have to be) and
test (which is looked at once). The data that a forecaster receives end where its knowledge ends, so that it cannot see
an answer. A forecaster that raises becomes a row with its reason, and the others go on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.conformal import is_pretrained, with_intervals
from forecast.evaluation.fits import AT_ONCE, LEFT_OUT, OK, Attempt, Fits, OnProgress, fit_all, reason_of, timed
from forecast.evaluation.refits import Refits, forecast_refitted
from forecast.evaluation.results import last_known, results_table
from forecast.evaluation.scales import Scales, fit_scales
from forecast.evaluation.split_origins import SplitName, _origins_of, series_taken, split_bounds, split_origins
from forecast.forecasters.interface import QUANTILES, within_range
from forecast.questions.kinds import VALUE
from forecast.questions.split import Split, rolling_origins
from forecast.questions.task import forecast_task
from forecast.reference.scaling import fit_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from forecast.forecasters.interface import Fitted, Forecaster, Forecasts, Kind
    from forecast.questions.kinds import Problem, Question
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel


_NO_REFITS = Refits()

_MOST_AGAIN = 5_000
"""Rows of training, up to which regressors and statistical models are fitted to half of them as well."""
_ENOUGH_ORIGINS = 500
"""Of the training split: what is chosen by them needs no more."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts from the rolling origins of one split.

    Attributes
    ----------
    part : the split of which these are the origins
    results : the tidy table of `forecast.evaluation.results`, without the forecasters that failed
    known : columns `unique_id`, `cutoff`, `y`: the last value that each origin knows
    attempts : one a forecaster, in the order in which they were given, failures included
    fitted : the fitted forecasters, by name
    scales : the denominators of MASE and RMSSE, from the training split
    units : (series,) scale of each series on the training split, the unit of its conformity scores
    members : forecasts of the members of each ensemble, by name, (member, origin, step); of symbols the probability
        that each member gave to the symbol that came
    quantiles : (origin, step, level) by model, in the order of `results`, at `levels`: after `forecast_all` only
        those that models forecast by themselves, after `backtest` and `evaluate` the conformal ones of all models
    question : what is forecast of each step

    """

    part: SplitName
    results: pd.DataFrame
    known: pd.DataFrame
    attempts: tuple[Attempt, ...]
    fitted: dict[str, Fitted]
    scales: Scales
    units: FloatArray
    members: dict[str, FloatArray] = field(default_factory=dict)
    quantiles: dict[str, FloatArray] = field(default_factory=dict)
    levels: tuple[float, ...] = QUANTILES
    question: Question = VALUE

    @property
    def failures(self) -> dict[str, str]:
        """Why forecasters failed, by name."""
        return {attempt.name: attempt.status for attempt in self.attempts if attempt.status != OK}

    def of_kind(self, *kinds: Kind) -> tuple[str, ...]:
        """Names of the forecasters of these kinds that did not fail."""
        return tuple(a.name for a in self.attempts if a.kind in kinds and a.status == OK)


def backtest(
    forecasters: Iterable[Forecaster] | Mapping[str, Forecaster],
    panel: Panel,
    split: Split | None = None,
    problem: Problem | None = None,
    *,
    horizon: int = 20,
    part: SplitName = "test",
    stride: int | None = None,
    refit_every: int | None = None,
    on_progress: OnProgress | None = None,
) -> Backtest:
    """Fit forecasters before the test split and let them forecast from the rolling origins of a split.

    Where `split` or `problem` is not given, it is that of `forecast_task(panel, horizon)`. On the test split forecasts
    of values get conformal quantiles. With `refit_every` all are fitted again every so many steps after that
    (`forecast.evaluation.refits`).

    Examples
    --------
    >>> from forecast.forecasters.naive import NaiveRule, last_value
    >>> from forecast import SinewaveSettings, make_sinewave
    >>> panel = make_sinewave(SinewaveSettings())
    >>> len(backtest([NaiveRule("naive", last_value)], panel, horizon=20).results["cutoff"].unique())
    381

    Raises
    ------
    ForecastError
        Two forecasters have one name, or a split has no origin.

    """
    if split is None or problem is None:
        task = forecast_task(panel, horizon)
        split, problem = split or task.split, problem or task.problem
    fits = fit_all(forecasters, panel, split, problem, on_progress=on_progress)
    refits = Refits(refit_every)
    forecast = forecast_all(
        fits, panel, split, problem, part=part, stride=stride, refits=refits, on_progress=on_progress
    )
    if part != "test" or problem.question.forecasts_probabilities:
        return forecast
    calibration = forecast_split(
        fits, panel, split, problem, part="calibration", stride=stride, refits=refits, on_progress=on_progress
    )
    return with_intervals(forecast, calibration, problem.value_range)


def forecast_all(
    fits: Fits,
    panel: Panel,
    split: Split,
    problem: Problem,
    *,
    part: SplitName = "test",
    stride: int | None = None,
    refits: Refits = _NO_REFITS,
    on_progress: OnProgress | None = None,
) -> Backtest:
    """Let all fitted forecasters forecast from the same origins; the data that they receive end at the last one.

    After `refits.until` only the first forecasts and those that do so at once.
    """
    origins = split_origins(panel, split, problem.horizon, part, stride)
    first, ends = split_bounds(panel, split, part)
    bounds = first, np.where(series_taken(panel, origins, stride), ends, first)
    checked = partial(_checked_forecast, problem=problem)

    def forecast(fitted: Fitted) -> Forecasts:
        return forecast_refitted(fitted, panel, origins, split=split, problem=problem, refits=refits, forecast=checked)

    attempts, forecasts = _attempted(fits, forecast, refits, on_progress)
    return Backtest(
        part=part,
        results=_of_split(results_table(panel, origins, forecasts, problem.horizon, problem.question), panel, *bounds),
        known=_of_split(last_known(panel, origins), panel, *bounds),
        attempts=tuple(attempts),
        fitted=fits.fitted,
        scales=fit_scales(panel.cut(split.train), problem.season_steps),
        units=fit_scale(panel, split.train, problem.season_steps),
        members=_members(panel, origins, forecasts, problem),
        quantiles={name: of_model.quantiles for name, of_model in forecasts.items() if of_model.quantiles is not None},
        question=problem.question,
    )


def _attempted(
    fits: Fits, forecast: Callable[[Fitted], Forecasts], refits: Refits, on_progress: OnProgress | None
) -> tuple[list[Attempt], dict[str, Forecasts]]:
    """Let each fitted forecaster forecast; how each fared, and what those forecast that did not fail."""
    attempts: list[Attempt] = []
    forecasts: dict[str, Forecasts] = {}
    for attempt in fits.attempts:
        if attempt.status != OK:
            attempts.append(attempt)
            continue
        if attempts and refits.late and attempt.kind not in AT_ONCE:
            attempts.append(replace(attempt, status=LEFT_OUT))
            continue
        if on_progress:
            on_progress("forecast", attempt.name)
        outcome, seconds = timed(partial(forecast, fits.fitted[attempt.name]))
        if isinstance(outcome, Exception):
            attempts.append(replace(attempt, status=reason_of(outcome), error=outcome))
        else:
            attempts.append(replace(attempt, forecast_seconds=seconds))
            forecasts[attempt.name] = outcome
    return attempts, forecasts


def forecast_split(
    fits: Fits,
    panel: Panel,
    split: Split,
    problem: Problem,
    *,
    part: SplitName,
    stride: int | None = None,
    refits: Refits = _NO_REFITS,
    on_progress: OnProgress | None = None,
) -> Backtest | None:
    """Forecast from the origins of a split as `forecast_all` does; None where it has no origin."""
    if len(_origins_of(panel, split, problem.horizon, part, stride)) == 0:
        return None
    return forecast_all(fits, panel, split, problem, part=part, stride=stride, refits=refits, on_progress=on_progress)


def forecast_training(
    fits: Fits,
    panel: Panel,
    split: Split,
    problem: Problem,
    *,
    refits: Refits = _NO_REFITS,
    on_progress: OnProgress | None = None,
) -> Backtest | None:
    """Forecast the second half of the training split by fits on the first, with what was chosen on validation.

    These are the origins by which nothing was chosen: networks, which would take too long, do not take part, and of
    long data only what is fitted at once does. None where no series is long enough, or probabilities are forecast.
    """
    half = np.maximum(split.train // 2, 1)
    earlier = Split(train=half, validation=split.train - half)
    origins = len(_origins_of(panel, earlier, problem.horizon, "validation", 1))
    if problem.question.forecasts_probabilities or not origins:
        return None
    again = _fits_again(fits, panel.cut(half), problem, all_kinds=split.train.sum() <= _MOST_AGAIN)
    if not again.fitted:
        return None
    stride = -(-origins // _ENOUGH_ORIGINS)
    forecast = forecast_split(
        again, panel, earlier, problem, part="validation", stride=stride, refits=refits, on_progress=on_progress
    )
    return None if forecast is None else replace(forecast, part="training")


def _fits_again(fits: Fits, past: Panel, problem: Problem, *, all_kinds: bool) -> Fits:
    """Fit all but trained networks to an earlier past; without `all_kinds` only what is fitted at once."""
    attempts: list[Attempt] = []
    fitted: dict[str, Fitted] = {}
    for attempt in fits.attempts:
        if attempt.status != OK:
            continue
        first = fits.fitted[attempt.name]
        at_once = attempt.kind in AT_ONCE or is_pretrained(first)
        if not at_once and (attempt.kind == "network" or not all_kinds):
            continue
        with warnings.catch_warnings(action="ignore"):  # of fits on very few rows
            again, _ = timed(partial(first.chosen().fit, past, past.lengths, problem))
        if not isinstance(again, Exception):
            attempts.append(attempt)
            fitted[attempt.name] = again
    return Fits(tuple(attempts), fitted)


def successive_results(
    test: Backtest, panel: Panel, split: Split, problem: Problem, *, models: Sequence[str], uid: str, most: int
) -> pd.DataFrame:
    """Forecast from the first `most` origins of the test split of series `uid`, none left out, to be read as text.

    The columns are those of the results table, which is empty where there are no such origins; it is not scored.
    """
    is_series = np.array([str(name) == uid for name in panel.ids])
    ends = np.where(is_series, panel.lengths, 0)
    origins = rolling_origins(panel, split.before_test, ends, problem.horizon)[:most]
    if len(origins) == 0:
        return test.results.iloc[:0]
    past = panel.cut(np.maximum(origins.last_known(len(panel)), split.train))
    forecasts = {name: test.fitted[name].forecast(past, origins) for name in models}
    return results_table(panel, origins, forecasts, problem.horizon, problem.question)


def _of_split(table: pd.DataFrame, panel: Panel, first: IntArray, ends: IntArray) -> pd.DataFrame:
    """Drop series without rows in this split, or in the backtest."""
    without = [panel.ids[i] for i in np.flatnonzero(ends <= first)]
    return table.assign(unique_id=table["unique_id"].cat.remove_categories(without)) if without else table


def _members(
    panel: Panel, origins: Origins, forecasts: Mapping[str, Forecasts], problem: Problem
) -> dict[str, FloatArray]:
    """What is scored of the members of each ensemble, (member, origin, step)."""
    members = {name: forecast.members for name, forecast in forecasts.items() if forecast.members is not None}
    y = problem.question.outcomes(panel, origins.rows(panel), problem.horizon) if members else np.empty(0)
    return {name: problem.question.scored(of_model, y) for name, of_model in members.items()}


def _checked_forecast(fitted: Fitted, past: Panel, origins: Origins, problem: Problem) -> Forecasts:
    """Call `forecast` and validate the shape and range of its output.

    Raises
    ------
    ValueError
        Another shape than (origin, step); a number that is not finite; values where probabilities were asked for;
        quantiles of another shape or other levels.

    """
    forecasts = fitted.forecast(past, origins)
    expected = (len(origins), problem.horizon)
    if forecasts.y_hat.shape != expected:
        raise ValueError(f"the forecast has shape {forecasts.y_hat.shape}, expected (origin, step) = {expected}")
    not_finite = np.flatnonzero(~np.isfinite(forecasts.y_hat).all(axis=1))
    if len(not_finite):
        raise ValueError(f"the forecast is not finite at {len(not_finite)} of {len(origins)} origins")
    if message := problem.question.problem_with(forecasts.y_hat, forecasts.probabilities, len(past.symbols)):
        raise ValueError(message)
    quantiles = forecasts.quantiles
    expected_levels = (*expected, len(QUANTILES))
    if quantiles is not None and (quantiles.shape != expected_levels or not np.isfinite(quantiles).all()):
        raise ValueError(
            f"its quantiles have shape {quantiles.shape}, expected {expected_levels}, finite, at the levels {QUANTILES}"
        )
    return forecasts if problem.question.forecasts_probabilities else within_range(forecasts, problem.value_range)
