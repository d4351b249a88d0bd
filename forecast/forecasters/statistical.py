"""Statistical models as forecasters, one model a series: exponential smoothing, ARIMA, Theta and a structural model.

Form and parameters come from the training split. After that they are fixed: at a later origin the Kalman filter has
gone on over what is known by then and nothing else, so that all origins of a series cost one pass over it
(`state_space`). How the form is found: `model_search`. The models are those of statsmodels (extra `[statistical]`).
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from forecast.errors import ForecastError
from forecast.forecasters.interface import Forecasts, Kind

if TYPE_CHECKING:
    from forecast.forecasters.model_search import Search
    from forecast.forecasters.state_space import Estimate
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

_NAMED_FORMS = 3


@dataclass(frozen=True)
class Statistical:
    """An unfitted method by name: "auto_ets", "auto_arima", "auto_theta" or "kalman".

    `max_steps` is how many steps, the last of the training split, a model is estimated on at most.
    """

    name: str
    method: str
    time_limit_s: float = 120.0
    max_steps: int = 1_000
    kind: Kind = "statistical"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedStatistical:
        """Find a model for each series on its training split.

        Raises
        ------
        ForecastError
            statsmodels is not installed, or the time limit was reached.

        """
        search, models = _search(self.method), []
        clock = _Clock(self.name, self.time_limit_s, len(past))
        target = _observed_target(past)
        with quietly():
            for i, (_, rows) in enumerate(past.series()):
                y = target[rows][: train_steps[i]]
                models.append(_fit_series(y, search, self.max_steps, problem.season_steps, clock))
                clock.done += 1
        return FittedStatistical(self, problem.horizon, tuple(models), _notes(self, models, train_steps))


@dataclass(frozen=True, eq=False)
class _Model:
    """The model of one series: of z = (y - origin) / scale; without an estimate it repeats the last value."""

    origin: float
    scale: float
    estimate: Estimate | None

    def forecast(self, y: FloatArray, steps: IntArray, horizon: int) -> FloatArray:
        """Forecasts of a series (step,) after some of its steps, (origin, horizon)."""
        z = (y - self.origin) / self.scale
        if self.estimate is None:
            latest = np.maximum.accumulate(np.where(np.isfinite(z), np.arange(len(z)), -1))[steps]  # observed
            ahead = np.repeat(np.where(latest >= 0, z[latest], 0.0)[:, None], horizon, axis=1)
        else:
            ahead = self.estimate.forecast(z, steps, horizon)
        return self.origin + self.scale * ahead


@dataclass(frozen=True, eq=False)
class FittedStatistical:
    """A model for each series."""

    forecaster: Statistical
    horizon: int
    models: tuple[_Model, ...]
    notes: tuple[str, ...]

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Filter each series once, up to its last origin, and forecast from the states on the way."""
        y_hat = np.zeros((len(origins), self.horizon))
        target = _observed_target(past)
        with quietly():
            for i, (_, rows) in enumerate(past.series()):
                which = origins.series == i
                if which.any():
                    y_hat[which] = self.models[i].forecast(target[rows], origins.steps[which], self.horizon)
        return Forecasts(y_hat)

    def chosen(self) -> Statistical:
        """Return the forecaster: validation chose nothing."""
        return self.forecaster


@dataclass
class _Clock:
    """Seconds since a fit began, and how many of its series are done."""

    name: str
    limit_s: float
    series: int
    done: int = 0

    def __post_init__(self) -> None:
        self.begun = time.perf_counter()

    def check(self) -> None:
        """Raise where the limit is past."""
        if time.perf_counter() - self.begun > self.limit_s:
            raise ForecastError(
                f"the time limit of {self.limit_s:g} s was reached after {self.done} of {self.series} series: raise "
                f"`baseline.{self.name}.time_limit_s`, or lower `baseline.{self.name}.max_steps`"
            )


@contextmanager
def quietly() -> Iterator[None]:
    """Silence warnings of statsmodels and numpy during an estimation, and limit BLAS to one thread.

    The matrices are small: where another program is on the second core, two threads of BLAS wait for each other at
    every step, and a fit takes ten times as long.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"), threadpool_limits(limits=1, user_api="blas"):
        warnings.simplefilter("ignore")
        yield


def _observed_target(past: Panel) -> FloatArray:
    """The target with NaN where it was not observed, (row,)."""
    return np.where(past.target_observed, past.target, np.nan)


def _search(method: str) -> Search:
    try:
        import_module("statsmodels")
    except ModuleNotFoundError as error:
        raise ForecastError(
            "statistical models need statsmodels, which is not installed: pip install 'recurrent-forecast[statistical]'"
        ) from error
    # statsmodels takes seconds to import; only who asks for it pays.
    from forecast.forecasters.model_search import SEARCHES  # noqa: PLC0415

    return SEARCHES[method]


def _fit_series(y: FloatArray, search: Search, max_steps: int, season_steps: int, clock: _Clock) -> _Model:
    """Find the model of one series from its training split, (step,)."""
    from forecast.forecasters.model_search import Task  # noqa: PLC0415 -- after `_search` has found statsmodels

    clock.check()
    seen = np.flatnonzero(np.isfinite(y))
    if len(seen) == 0:
        return _Model(0.0, 1.0, None)
    # z = (y - first) / RMS of changes: the same data at another level or in another unit are the same z.
    origin, changes = float(y[seen[0]]), np.diff(y[seen])
    scale = float(np.sqrt(np.mean(changes**2))) if len(changes) else 0.0
    if not scale > 0:
        return _Model(origin, 1.0, None)
    begin = max(int(seen[0]), len(y) - max_steps)
    task = Task((y[begin:] - origin) / scale, begin, season_steps, clock.check)
    return _Model(origin, scale, search(task))


def _notes(forecaster: Statistical, models: list[_Model], train_steps: IntArray) -> tuple[str, ...]:
    """Say which forms were found, and what they were estimated on."""
    labels = Counter(model.estimate.form.label if model.estimate else "the last value" for model in models)
    if len(models) == 1:
        notes = [f"found by AICc: {next(iter(labels))}"]
    else:
        named = [f"{label} for {count}" for label, count in labels.most_common(_NAMED_FORMS)]
        rest = len(labels) - len(named)
        others = f", and {rest} other forms" if rest > 0 else ""
        notes = [f"found by AICc, of {len(models)} series: {'; '.join(named)}{others}"]
    if (longest := int(train_steps.max(initial=0))) > forecaster.max_steps:
        notes.append(f"estimated on the last {forecaster.max_steps} of {longest} training steps")
    return tuple(notes)
