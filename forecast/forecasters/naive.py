"""Forecasters without a parameter: what anything else has to beat.

A *rule* reads the past up to each origin and nothing else, for all origins at once. Values that were not observed
are passed over, so that how a hole is filled changes no naive forecast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from forecast.forecasters.direction import leaning
from forecast.forecasters.interface import Forecasts, Kind
from forecast.reference.references import Reference, fit_reference

if TYPE_CHECKING:
    from forecast.forecasters.direction import FittedLeaning
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

Rule: TypeAlias = Callable[["Panel", "Origins", "Problem"], "FloatArray"]
"""Forecasts (origin, horizon) made from the past at some origins."""


@dataclass(frozen=True)
class NaiveRule:
    """A rule under a name.

    >>> NaiveRule("naive", last_value).name
    'naive'
    """

    name: str
    rule: Rule
    kind: Kind = "naive"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedRule | FittedLeaning:
        """Take note of the problem; there is nothing to learn, but for the direction how often the rule is right."""
        fitted = FittedRule(self, problem)
        return leaning(fitted, past, train_steps, problem) if problem.question.binary else fitted


@dataclass(frozen=True)
class FittedRule:
    """A rule that knows its problem."""

    forecaster: NaiveRule
    problem: Problem

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing to note."""
        return ()

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Apply the rule at each origin."""
        return Forecasts(self.forecaster.rule(past, origins, self.problem))

    def chosen(self) -> NaiveRule:
        """Return the rule: it has nothing to choose."""
        return self.forecaster


@dataclass(frozen=True)
class UntrainedReference:
    """The reference that a network starts from, as a forecaster of its own."""

    name: str = "reference"
    reference: str | Reference = "auto"
    kind: Kind = "reference"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedReference | FittedLeaning:
        """Fit the reference, or fit again one whose constants have been chosen."""
        if isinstance(self.reference, Reference):
            fitted = FittedReference(self, self.reference.refit(past, train_steps))
        else:
            fitted = FittedReference(self, fit_reference(self.reference, past, train_steps, problem))
        return leaning(fitted, past, train_steps, problem) if problem.question.binary else fitted


@dataclass(frozen=True)
class FittedReference:
    """A fitted reference that forecasts by itself."""

    forecaster: UntrainedReference
    reference: Reference

    @property
    def notes(self) -> tuple[str, ...]:
        """Say which reference it is."""
        return (f"the closed form {self.reference.name!r}, untrained",)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast with the reference alone."""
        return Forecasts(self.reference.forecast(past, origins))

    def chosen(self) -> UntrainedReference:
        """Return the forecaster with its reference and that one's constants fixed."""
        return replace(self.forecaster, reference=self.reference)


def last_value(past: Panel, origins: Origins, problem: Problem) -> FloatArray:
    """y_{t+h} = y_t."""
    latest = past.target[_last_observed(past)[origins.rows(past)]]
    return np.repeat(latest[:, None], problem.horizon, axis=1)


def last_season(past: Panel, origins: Origins, problem: Problem) -> FloatArray:
    """y_{t+h} = y_{t+h-km} with the least k that is known; the last value where less than a season is."""
    rows, season = origins.rows(past), problem.season_steps
    first = past.offsets[origins.series][:, None]
    ahead = np.arange(1, problem.horizon + 1)
    source = rows[:, None] + ahead - season * -(-ahead // season)  # (origin, horizon)
    known = (source >= first) & past.target_observed[source]
    while (earlier := ~known & (source - season >= first)).any():
        source = np.where(earlier, source - season, source)
        known = (source >= first) & past.target_observed[source]
    return np.where(known, past.target[source], last_value(past, origins, problem))


def straight_line(past: Panel, origins: Origins, problem: Problem) -> FloatArray:
    """Go on along the line through the first and the last observed value of the series."""
    last = _last_observed(past)[origins.rows(past)]
    observed = np.append(np.flatnonzero(past.target_observed), len(past.target))
    first = np.minimum(observed[np.searchsorted(observed, past.offsets[origins.series])], last)
    slope = (past.target[last] - past.target[first]) / np.maximum(last - first, 1)
    ahead = origins.rows(past)[:, None] + np.arange(1, problem.horizon + 1) - last[:, None]
    y_hat: FloatArray = past.target[last][:, None] + slope[:, None] * ahead
    return y_hat


def last_change(past: Panel, origins: Origins, problem: Problem) -> FloatArray:
    """Go on along the line through the last two observed values."""
    rows, first, observed = origins.rows(past), past.offsets[origins.series], _last_observed(past)
    last = observed[rows]
    before = observed[np.maximum(last - 1, first)]
    slope = (past.target[last] - past.target[before]) / np.maximum(last - before, 1)
    ahead = rows[:, None] + np.arange(1, problem.horizon + 1) - last[:, None]
    y_hat: FloatArray = past.target[last][:, None] + slope[:, None] * ahead
    return y_hat


def mean_of_window(past: Panel, origins: Origins, problem: Problem, window_steps: int | None = None) -> FloatArray:
    """Mean of what was observed in the last `window_steps`; of a season where None, of a context where no season."""
    window = window_steps or (problem.season_steps if problem.season_steps > 1 else problem.context_steps)
    rows, first = origins.rows(past), past.offsets[origins.series]
    base = last_value(past, origins, problem)[:, 0]
    total, count = _running_sums(past)
    before, last = np.maximum(rows + 1 - window, first) + origins.series, rows + 1 + origins.series
    seen = count[last] - count[before]
    start = past.target[first]
    mean = np.where(seen > 0, start + (total[last] - total[before]) / np.maximum(seen, 1), base)
    return np.repeat(mean[:, None], problem.horizon, axis=1)


def window_mean(name: str = "window_mean", window_steps: int | None = None) -> NaiveRule:
    """Make the forecaster that repeats the mean of the last window."""
    return NaiveRule(name, partial(mean_of_window, window_steps=window_steps))


def _last_observed(past: Panel) -> IntArray:
    """Latest row, at or before each row of its series, that was observed; the first row where none was, (row,)."""
    known = np.where(past.target_observed, np.arange(len(past.target)), 0)
    starts = past.offsets[:-1][past.lengths > 0]
    known[starts] = starts
    return np.maximum.accumulate(known)


def _running_sums(past: Panel) -> tuple[FloatArray, IntArray]:
    """Sum of the observed values before each row, less the series' first, and their number, (row + series,) each.

    Series i begins with a zero at `offsets[i] + i`. Each is summed by itself, from its own first value on: a long
    series at a high level would otherwise eat up the digits of the one after it.
    """
    total = np.zeros(len(past.target) + len(past))
    count = np.zeros(len(total), dtype=np.int64)
    for i, (_, rows) in enumerate(past.series()):
        mine = slice(rows.start + i + 1, rows.stop + i + 1)
        seen = past.target_observed[rows]
        total[mine] = np.cumsum((past.target[rows] - past.target[rows.start : rows.start + 1]) * seen)
        count[mine] = np.cumsum(seen)
    return total, count
