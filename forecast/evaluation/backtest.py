"""Fit every forecaster once, then let each forecast from the same origins and the same past.

    panel -> cut after the validation split -> `fit_all` -> `Fits`
    Fits, panel -> cut at the last origin of each series -> `forecast_all` -> `Backtest`

One fit serves all splits: validation (which decides), calibration (which says how wide intervals have to be) and
test (which is looked at once). The data that a forecaster receives end where its knowledge ends, so that it cannot see
an answer. One that raises becomes a row with its reason and does not take the others down.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import numpy as np

from forecast.errors import ForecastError
from forecast.evaluation.conformal import with_intervals
from forecast.evaluation.results import last_known, results_table
from forecast.evaluation.scales import Scales, fit_scales
from forecast.forecasters.interface import QUANTILES
from forecast.questions.kinds import VALUE
from forecast.questions.split import rolling_origins
from forecast.questions.task import forecast_task
from forecast.reference.scaling import fit_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from forecast.forecasters.interface import Fitted, Forecaster, Forecasts, Kind
    from forecast.questions.kinds import Problem, Question
    from forecast.questions.split import Origins, Split
    from forecast.series.panel import FloatArray, IntArray, Panel


SplitName: TypeAlias = Literal["validation", "calibration", "test"]
OnProgress: TypeAlias = Callable[[Literal["fit", "forecast"], str], None]
"""Called with a stage and a forecaster's name before the stage begins."""

OK = "ok"

MOST_ORIGINS = 5_000
"""Origins of a split, at most, where no stride is said: more cost minutes and change no figure that is shown."""


@dataclass(frozen=True)
class Attempt:
    """What became of one forecaster; `status` is "ok" or the reason of its failure."""

    name: str
    kind: Kind
    status: str = OK
    notes: tuple[str, ...] = ()
    fit_seconds: float = float("nan")
    forecast_seconds: float = float("nan")
    error: Exception | None = None


@dataclass(frozen=True, eq=False)
class Fits:
    """Forecasters fitted on training and validation split: `attempts` of all, `fitted` of those that could."""

    attempts: tuple[Attempt, ...]
    fitted: dict[str, Fitted]


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts from the rolling origins of one split.

    Attributes
    ----------
    question : what of each step was forecast
    results : the tidy table of `forecast.evaluation.results`, without the forecasters that failed
    known : columns `unique_id`, `cutoff`, `y`: the last value that each origin knows
    attempts : one a forecaster, in the order in which they were given, failures included
    fitted : what was fitted, by name
    scales : the denominators of MASE and RMSSE, from the training split
    units : (series,) what the misses of a series are measured in: its scale on the training split
    members : of each ensemble, by name, what its members forecast, (member, origin, horizon step); of symbols, how
        likely each said that to be which came
    quantiles : (origin, horizon step, level) by model, in the order of `results`, at `levels`: of `forecast_all` only
        what models forecast by themselves, of `backtest` and `evaluate` the conformal ones of all models

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
        """Reasons of the forecasters that failed, by name."""
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
    on_progress: OnProgress | None = None,
) -> Backtest:
    """Fit forecasters before the test split and let them forecast from the rolling origins of a split.

    Where `split` or `problem` is not given, it is that of `forecast_task(panel, horizon)`. On the test split forecasts
    of values get conformal quantiles.

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
        Two forecasters of one name, or a split without an origin.

    """
    if split is None or problem is None:
        asked = forecast_task(panel, horizon)
        split, problem = split or asked.split, problem or asked.problem
    fits = fit_all(forecasters, panel, split, problem, on_progress=on_progress)
    tested = forecast_all(fits, panel, split, problem, part=part, stride=stride, on_progress=on_progress)
    if part != "test" or problem.question.forecasts_probabilities:
        return tested
    return with_intervals(tested, forecast_calibration(fits, panel, split, problem, stride, on_progress=on_progress))


def fit_all(
    forecasters: Iterable[Forecaster] | Mapping[str, Forecaster],
    panel: Panel,
    split: Split,
    problem: Problem,
    *,
    on_progress: OnProgress | None = None,
) -> Fits:
    """Fit each forecaster on training and validation split; calibration and test are not in the data at all.

    The keys of a mapping are the names in all tables; otherwise the forecasters' own names are.
    """
    past = panel.cut(split.fitted)
    attempts, fitted = [], {}
    for name, forecaster in _named(forecasters).items():
        if on_progress:
            on_progress("fit", name)
        done, seconds = timed(partial(forecaster.fit, past, split.train, problem))
        if isinstance(done, Exception):
            attempts.append(Attempt(name, forecaster.kind, status=reason_of(done), error=done))
        else:
            attempts.append(Attempt(name, forecaster.kind, notes=tuple(done.notes), fit_seconds=seconds))
            fitted[name] = done
    return Fits(tuple(attempts), fitted)


def forecast_all(
    fits: Fits,
    panel: Panel,
    split: Split,
    problem: Problem,
    *,
    part: SplitName = "test",
    stride: int | None = None,
    on_progress: OnProgress | None = None,
) -> Backtest:
    """Let everything that was fitted forecast from the same origins; their past ends at the last of these."""
    origins = split_origins(panel, split, problem.horizon, part, stride)
    past, bounds = panel.cut(np.maximum(origins.last_known(len(panel)), split.train)), _bounds(panel, split, part)
    attempts, forecasts = [], {}
    for attempt in fits.attempts:
        if attempt.status != OK:
            attempts.append(attempt)
            continue
        if on_progress:
            on_progress("forecast", attempt.name)
        done, seconds = timed(partial(checked_forecast, fits.fitted[attempt.name], past, origins, problem))
        if isinstance(done, Exception):
            attempts.append(replace(attempt, status=reason_of(done), error=done))
        else:
            attempts.append(replace(attempt, forecast_seconds=seconds))
            forecasts[attempt.name] = done
    return Backtest(
        part=part,
        results=_of_split(results_table(panel, origins, forecasts, problem.horizon, problem.question), panel, *bounds),
        known=_of_split(last_known(panel, origins), panel, *bounds),
        attempts=tuple(attempts),
        fitted=fits.fitted,
        scales=fit_scales(panel.cut(split.train), problem.season_steps),
        units=fit_scale(panel, split.train, problem.season_steps),
        members=_members(panel, origins, forecasts, problem),
        quantiles={name: one.quantiles for name, one in forecasts.items() if one.quantiles is not None},
        question=problem.question,
    )


def forecast_calibration(
    fits: Fits,
    panel: Panel,
    split: Split,
    problem: Problem,
    stride: int | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> Backtest | None:
    """Forecast from the origins of the calibration split; None where it has none."""
    if len(_origins_of(panel, split, problem.horizon, "calibration", stride)) == 0:
        return None
    return forecast_all(fits, panel, split, problem, part="calibration", stride=stride, on_progress=on_progress)


def split_origins(panel: Panel, split: Split, horizon: int, part: SplitName, stride: int | None = None) -> Origins:
    """Origins whose whole horizon lies in a split, every `stride`-th; None takes all, or an even part of very many.

    Raises
    ------
    ForecastError
        There is none: the split is shorter than the horizon, or no value before it was observed.

    """
    origins = _origins_of(panel, split, horizon, part, stride)
    if len(origins) == 0:
        first, ends = _bounds(panel, split, part)
        if panel.at_end:
            raise ForecastError(
                f"no series of the {part} stretch has a label: lengthen `split.{part}`, or give more series"
            )
        longest = int((ends - first).max())
        raise ForecastError(
            f"the {part} split of {longest} steps has no origin with an observed value and {horizon} steps "
            f"after it: shorten `horizon` or lengthen `split.{part}`"
        )
    return origins


def _origins_of(panel: Panel, split: Split, horizon: int, part: SplitName, stride: int | None) -> Origins:
    first, ends = _bounds(panel, split, part)
    origins = rolling_origins(panel, first, ends, horizon, stride or 1)
    if stride is None and len(origins) > MOST_ORIGINS:
        origins = rolling_origins(panel, first, ends, horizon, -(-len(origins) // MOST_ORIGINS))
    return origins


def _bounds(panel: Panel, split: Split, part: SplitName) -> tuple[IntArray, IntArray]:
    """First step of a split and the first after it, each (series,)."""
    return {
        "validation": (split.train, split.fitted),
        "calibration": (split.fitted, split.before_test),
        "test": (split.before_test, panel.lengths),
    }[part]


def _of_split(table: pd.DataFrame, panel: Panel, first: IntArray, ends: IntArray) -> pd.DataFrame:
    """Let a table know nothing of series that have no steps in a split: nobody misses a score of theirs."""
    elsewhere = [panel.ids[i] for i in np.flatnonzero(ends <= first)]
    return table.assign(unique_id=table["unique_id"].cat.remove_categories(elsewhere)) if elsewhere else table


def _named(forecasters: Iterable[Forecaster] | Mapping[str, Forecaster]) -> dict[str, Forecaster]:
    if isinstance(forecasters, Mapping):
        return dict(forecasters)
    wanted = tuple(forecasters)
    names = [forecaster.name for forecaster in wanted]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ForecastError(f"{names.count(twice[0])} forecasters are called {twice[0]!r}: give each its own name")
    return dict(zip(names, wanted, strict=True))


def _members(
    panel: Panel, origins: Origins, forecasts: Mapping[str, Forecasts], problem: Problem
) -> dict[str, FloatArray]:
    """Gather what is compared of the members of each ensemble, (member, origin, horizon step)."""
    members = {name: forecast.members for name, forecast in forecasts.items() if forecast.members is not None}
    y = problem.question.outcomes(panel, origins.rows(panel), problem.horizon) if members else np.empty(0)
    return {name: problem.question.scored(of_model, y) for name, of_model in members.items()}


logger = logging.getLogger(__name__)
T = TypeVar("T")


def timed(call: Callable[[], T]) -> tuple[T | Exception, float]:
    """Return what a call gave or raised, and its seconds; an interrupt goes through."""
    begun = time.perf_counter()
    try:
        return call(), time.perf_counter() - begun
    except Exception as error:  # whatever a forecaster raises is its row's reason
        logger.debug("a forecaster failed", exc_info=True)
        return error, time.perf_counter() - begun


def reason_of(error: Exception) -> str:
    """Say in one line, for the leaderboard, why a call failed."""
    said = " ".join(str(error).split())
    if isinstance(error, ForecastError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def checked_forecast(fitted: Fitted, past: Panel, origins: Origins, problem: Problem) -> Forecasts:
    """Let a forecaster forecast, and demand the form that was asked for: nobody is scored on anything else.

    Raises
    ------
    ValueError
        Another shape than (origin, step); a number that is not finite; values where probabilities were asked for;
        quantiles of another shape or other levels.

    """
    made = fitted.forecast(past, origins)
    expected = (len(origins), problem.horizon)
    if made.y_hat.shape != expected:
        raise ValueError(f"the forecast has shape {made.y_hat.shape} where (origin, step) = {expected} was asked")
    wrong = np.flatnonzero(~np.isfinite(made.y_hat).all(axis=1))
    if len(wrong):
        raise ValueError(f"the forecast is not finite at {len(wrong)} of {len(origins)} origins")
    if message := problem.question.problem_with(made.y_hat, made.probabilities, len(past.symbols)):
        raise ValueError(message)
    if made.quantiles is None:
        return made
    expected_levels = (*expected, len(QUANTILES))
    if made.quantiles.shape != expected_levels or not np.isfinite(made.quantiles).all():
        found = made.quantiles.shape
        raise ValueError(f"its quantiles have shape {found}, expected {expected_levels} finite ones of {QUANTILES}")
    return made


def successive_results(
    test: Backtest, panel: Panel, split: Split, problem: Problem, *, models: Sequence[str], uid: str, most: int
) -> pd.DataFrame:
    """Let `models` that were fitted forecast from the first `most` origins of the test split of one series.

    Columns as in the results table, which is empty where there are no such origins; no scores are made of it.
    """
    only = np.array([str(one) == uid for one in panel.ids])
    ends = np.where(only, panel.lengths, 0)
    origins = rolling_origins(panel, split.before_test, ends, problem.horizon)[:most]
    if len(origins) == 0:
        return test.results.iloc[:0]
    past = panel.cut(np.maximum(origins.last_known(len(panel)), split.train))
    made = {name: test.fitted[name].forecast(past, origins) for name in models}
    return results_table(panel, origins, made, problem.horizon, problem.question)
