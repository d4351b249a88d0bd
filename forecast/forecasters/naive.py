"""Forecasters without a parameter: naive rules, the untrained reference, base rates; what anything else has to beat.

A *rule* reads the past up to each origin and nothing else, for all origins at once. Values that were not observed
are passed over, so that how a hole is filled changes no naive forecast.

    base rate             how often each outcome came in training, whatever the past
    directional wrapper   a rule that forecasts values, asked for the direction: how often the target rose in training
                          where the rule's value lay above the origin, and where it did not
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from forecast.forecasters.interface import Forecasts, Kind, of_probabilities
from forecast.questions.kinds import BASE_RATE
from forecast.questions.outcomes import alphabet_size, bounded_rate, symbol_base_rates
from forecast.questions.split import rolling_origins
from forecast.reference.fit import fit_reference
from forecast.reference.references import Reference

if TYPE_CHECKING:
    from forecast.forecasters.interface import Fitted, Forecaster
    from forecast.questions.kinds import Problem, Question
    from forecast.questions.split import Origins
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel


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

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedRule | DirectionalWrapper:
        """Keep the problem; for the direction, count how often the rule is right."""
        fitted = FittedRule(self, problem)
        return directional(fitted, past, train_steps, problem) if problem.question.binary else fitted


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
        """Return the rule: there is nothing to choose."""
        return self.forecaster


@dataclass(frozen=True)
class UntrainedReference:
    """The reference that a network starts from, as a forecaster of its own."""

    name: str = "reference"
    reference: str | Reference = "auto"
    kind: Kind = "reference"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedReference | DirectionalWrapper:
        """Fit the reference, or fit again one whose constants have been chosen."""
        if isinstance(self.reference, Reference):
            fitted = FittedReference(self, self.reference.refit(past, train_steps))
        else:
            fitted = FittedReference(self, fit_reference(self.reference, past, train_steps, problem))
        return directional(fitted, past, train_steps, problem) if problem.question.binary else fitted


@dataclass(frozen=True)
class FittedReference:
    """A fitted reference that forecasts by itself."""

    forecaster: UntrainedReference
    reference: Reference

    @property
    def notes(self) -> tuple[str, ...]:
        """Say which reference it is."""
        return (f"the simple forecast {self.reference.name!r} alone, without any training",)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast with the reference alone."""
        return Forecasts(self.reference.forecast(past, origins))

    def chosen(self) -> UntrainedReference:
        """Return the forecaster with its reference and that one's constants fixed."""
        return replace(self.forecaster, reference=self.reference)


def last_value(past: Panel, origins: Origins, problem: Problem) -> FloatArray:
    """y_{t+h} = y_t."""
    latest = past.target[_last_observed(past, origins.rows(past), past.offsets[origins.series])]
    return np.repeat(latest[:, None], problem.horizon, axis=1)


def last_season(past: Panel, origins: Origins, problem: Problem) -> FloatArray:
    """y_{t+h} = y_{t+h-km} with the least k that is observed; the last value where there is none."""
    rows, season = origins.rows(past), problem.season_steps
    first = past.offsets[origins.series][:, None]
    ahead = np.arange(1, problem.horizon + 1)
    source = rows[:, None] + ahead - season * -(-ahead // season)  # (origin, horizon): whole seasons before the target
    known = (source >= first) & past.target_observed[source]
    while (earlier := ~known & (source - season >= first)).any():
        source = np.where(earlier, source - season, source)
        known = (source >= first) & past.target_observed[source]
    return np.where(known, past.target[source], last_value(past, origins, problem))


def straight_line(past: Panel, origins: Origins, problem: Problem) -> FloatArray:
    """Extend the line through the first and the last observed value of the series."""
    last = _last_observed(past, origins.rows(past), past.offsets[origins.series])
    observed = np.append(np.flatnonzero(past.target_observed), len(past.target))
    first = np.minimum(observed[np.searchsorted(observed, past.offsets[origins.series])], last)
    slope = (past.target[last] - past.target[first]) / np.maximum(last - first, 1)
    ahead = origins.rows(past)[:, None] + np.arange(1, problem.horizon + 1) - last[:, None]
    y_hat: FloatArray = past.target[last][:, None] + slope[:, None] * ahead
    return y_hat


def last_change(past: Panel, origins: Origins, problem: Problem) -> FloatArray:
    """Extend the line through the last two observed values."""
    rows, first = origins.rows(past), past.offsets[origins.series]
    last = _last_observed(past, rows, first)
    before = _last_observed(past, np.maximum(last - 1, first), first)
    slope = (past.target[last] - past.target[before]) / np.maximum(last - before, 1)
    ahead = rows[:, None] + np.arange(1, problem.horizon + 1) - last[:, None]
    y_hat: FloatArray = past.target[last][:, None] + slope[:, None] * ahead
    return y_hat


def mean_of_window(past: Panel, origins: Origins, problem: Problem, window_steps: int | None = None) -> FloatArray:
    """Mean of what was observed in the last `window_steps`; None: in a season, or in a context where none is."""
    window = window_steps or (problem.season_steps if problem.season_steps > 1 else problem.context_steps)
    rows, first = origins.rows(past), past.offsets[origins.series]
    base = last_value(past, origins, problem)[:, 0]
    total, count = _running_sums(past)  # (row + series,)
    before, last = np.maximum(rows + 1 - window, first) + origins.series, rows + 1 + origins.series
    seen = count[last] - count[before]
    start = past.target[first]
    mean = np.where(seen > 0, start + (total[last] - total[before]) / np.maximum(seen, 1), base)
    return np.repeat(mean[:, None], problem.horizon, axis=1)


def window_mean(name: str = "window_mean", window_steps: int | None = None) -> NaiveRule:
    """Make the forecaster that repeats the mean of the last window."""
    return NaiveRule(name, partial(mean_of_window, window_steps=window_steps))


def _last_observed(past: Panel, rows: IntArray, first: IntArray) -> IntArray:
    """Latest rows, at or before some rows, that were observed; the `first` of their series where none was, (origin,).

    Origins are few beside the rows of a panel, and mostly observed: each is followed back by itself.
    """
    latest, which = rows.copy(), np.arange(len(rows))
    while len(which := which[~past.target_observed[latest[which]] & (latest[which] > first[which])]):
        latest[which] -= 1
    return latest


def _running_sums(past: Panel) -> tuple[FloatArray, IntArray]:
    """Sum of the observed values before each row, less the series' first, and their number, (row + series,) each.

    Series i begins with a zero at `offsets[i] + i`. Each is summed from its own first value on: running on from a long
    series at a high level would cost the next one its digits.
    """
    total = np.zeros(len(past.target) + len(past))
    count = np.zeros(len(total), dtype=np.int64)
    for i, (_, rows) in enumerate(past.series()):
        after = slice(rows.start + i + 1, rows.stop + i + 1)
        seen = past.target_observed[rows]
        total[after] = np.cumsum((past.target[rows] - past.target[rows.start : rows.start + 1]) * seen)
        count[after] = np.cumsum(seen)
    return total, count


_MOST_COUNTED = 100_000
"""Origins that the directional wrapper counts, at most."""


@dataclass(frozen=True)
class BaseRate:
    """Forecasts at each step of the horizon how often the target was higher so many steps on in training.

    >>> BaseRate().name
    'base_rate'
    """

    name: str = BASE_RATE
    kind: Kind = "naive"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedBaseRate:
        """Count over the training splits of all series."""
        return FittedBaseRate(self, _base_rates(past, train_steps, problem))


@dataclass(frozen=True, eq=False)
class FittedBaseRate:
    """Base rates, (horizon,)."""

    forecaster: BaseRate
    rates: FloatArray

    @property
    def notes(self) -> tuple[str, ...]:
        """Say the first and the last."""
        first, last = _percent(self.rates[[0, -1]])
        ends = f", {len(self.rates)} steps on after {last}" if len(self.rates) > 1 else ""
        return (f"the target was higher one step on after {first} of the steps in training{ends}",)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast the same at each origin."""
        return Forecasts(np.tile(self.rates, (len(origins), 1)))

    def chosen(self) -> BaseRate:
        """Return the forecaster: it has nothing to choose."""
        return self.forecaster


@dataclass(frozen=True, eq=False)
class DirectionalWrapper:
    """A forecaster of values, asked for the direction.

    Attributes
    ----------
    fitted : what forecasts the values
    question : the question with two outcomes
    rates : (2, horizon) share of rises in training, where the forecast value did not lie above the origin's, and where
        it did; at steps where it always lies on one side the base rate, twice

    """

    fitted: Fitted
    question: Question
    rates: FloatArray

    @property
    def notes(self) -> tuple[str, ...]:
        """Say how often it was right."""
        if np.array_equal(*self.rates):
            return (*self.fitted.notes, "it says the same at all steps of training, which leaves the base rate")
        no, yes = _percent(self.rates[:, 0])
        record = f"where it says up, the target had risen one step on in {yes} of the cases in training, else in {no}"
        return (*self.fitted.notes, record)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Return how often the target rose where the forecast value lay on the same side."""
        return Forecasts(np.where(_implied(self.fitted, past, origins, self.question), self.rates[1], self.rates[0]))

    def chosen(self) -> Forecaster:
        """Return the forecaster of values: `fit` wraps it again where the problem is a direction."""
        return self.fitted.chosen()


def directional(fitted: Fitted, past: Panel, train_steps: IntArray, problem: Problem) -> DirectionalWrapper:
    """Wrap a forecaster of values: count in training how often the target rose where it said so, and where not."""
    train = past.cut(train_steps)
    origins = rolling_origins(train, np.ones_like(train_steps), train_steps, problem.horizon)
    origins = origins[:: max(-(-len(origins) // _MOST_COUNTED), 1)]
    # (origin, horizon), NaN where not observed.
    outcome = problem.question.outcomes(train, origins.rows(train), problem.horizon)
    up = _implied(fitted, train, origins, problem.question)
    counted = np.stack([_rates(outcome, ~up), _rates(outcome, up)])
    same = up.all(axis=0) | ~up.any(axis=0)
    return DirectionalWrapper(
        fitted, problem.question, np.where(same, _base_rates(past, train_steps, problem), counted)
    )


def _base_rates(past: Panel, train_steps: IntArray, problem: Problem) -> FloatArray:
    """Base rates of a question with two outcomes, (horizon,)."""
    rates = problem.question.base_rates(past, train_steps, problem.horizon)
    if rates is None:
        raise ValueError(f"{problem.question} has no base rates")
    return rates


def _implied(fitted: Fitted, past: Panel, origins: Origins, question: Question) -> BoolArray:
    """Whether a forecast value implies the outcome 1, (origin, horizon)."""
    return question.implied(fitted.forecast(past, origins).y_hat, past.target[origins.rows(past)])


def _rates(outcome: FloatArray, where: BoolArray) -> FloatArray:
    """Share of rises at each step, (horizon,), among some observed outcomes, (origin, horizon)."""
    known = where & ~np.isnan(outcome)
    up = np.where(known, outcome, 0.0).sum(axis=0)
    return np.array([bounded_rate(int(k), int(n)) for k, n in zip(up, known.sum(axis=0), strict=True)])


def _percent(rates: FloatArray) -> list[str]:
    return [f"{100 * rate:.1f} %" for rate in rates]


@dataclass(frozen=True)
class SymbolRates:
    """Forecasts at each step of the horizon how often each symbol came in training.

    >>> SymbolRates().name
    'base_rate'
    """

    name: str = BASE_RATE
    kind: Kind = "naive"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedSymbolRates:
        """Count over the training splits of all series.

        Raises
        ------
        ForecastError
            A target of numbers.

        """
        rates = symbol_base_rates(past, train_steps, problem.horizon, alphabet_size(past))
        return FittedSymbolRates(self, past.channels[0].categories, rates)


@dataclass(frozen=True, eq=False)
class FittedSymbolRates:
    """Base rates, (horizon, symbol), of the symbols with these texts."""

    forecaster: SymbolRates
    symbols: tuple[str, ...]
    rates: FloatArray

    @property
    def notes(self) -> tuple[str, ...]:
        """Name the likeliest."""
        first = self.rates[0]
        likeliest = int(first.argmax())
        share = f"{100 * first[likeliest]:.1f} %"
        return (f"the likeliest of {len(first)} symbols in training is {self.symbols[likeliest]!r}, with {share}",)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast the same at each origin."""
        return of_probabilities(np.tile(self.rates, (len(origins), 1, 1)))

    def chosen(self) -> SymbolRates:
        """Return the forecaster: it has nothing to choose."""
        return self.forecaster
