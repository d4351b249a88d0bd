"""Forecasters of the direction: how likely the target is higher at each step ahead than at the origin.

    base_rate      how often it was so in training: what an untrained network says
    a naive rule   how often it was so in training where the rule's own value lay above the origin, or did not

A rule says up or down and never how sure it is; counted in training it is as sure as it has been right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.forecasters.interface import Forecasts, Kind
from forecast.questions.kinds import BASE_RATE
from forecast.questions.outcomes import bounded_rate
from forecast.questions.split import rolling_origins

if TYPE_CHECKING:
    from forecast.forecasters.interface import Fitted, Forecaster
    from forecast.questions.kinds import Problem, Question
    from forecast.questions.split import Origins
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel


_COUNTED = 100_000
"""Origins that a rule's record is counted from, at most."""


@dataclass(frozen=True)
class BaseRate:
    """Says at each horizon step how often the target was higher so many steps on in training.

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
        """Say the same at each origin."""
        return Forecasts(np.tile(self.rates, (len(origins), 1)))

    def chosen(self) -> BaseRate:
        """Return the forecaster: it has nothing to choose."""
        return self.forecaster


@dataclass(frozen=True, eq=False)
class FittedLeaning:
    """Something that forecasts values, taken for its direction.

    Attributes
    ----------
    fitted : what forecasts the values
    question : the question with two outcomes
    rates : (2, horizon) how often the target rose in training, where the value forecast did not lie above the
        origin's, and where it did; at steps where it always lies on one side the base rate, twice

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
        right = f"where it says up, the target had risen one step on in {yes} of the cases in training, else in {no}"
        return (*self.fitted.notes, right)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Say how often the target rose where the value forecast lay on the same side."""
        return Forecasts(np.where(_leans_up(self.fitted, past, origins, self.question), self.rates[1], self.rates[0]))

    def chosen(self) -> Forecaster:
        """Return the forecaster of the values: it is asked for the direction again by the problem."""
        return self.fitted.chosen()


def leaning(fitted: Fitted, past: Panel, train_steps: IntArray, problem: Problem) -> FittedLeaning:
    """Count in training how often the target rose where a value forecast says so, and where it does not."""
    train = past.cut(train_steps)
    origins = rolling_origins(train, np.ones_like(train_steps), train_steps, problem.horizon)
    origins = origins[:: max(-(-len(origins) // _COUNTED), 1)]
    outcome = problem.question.outcomes(train, origins.rows(train), problem.horizon)
    up = _leans_up(fitted, train, origins, problem.question)
    counted = np.stack([_rates(outcome, ~up), _rates(outcome, up)])
    same = up.all(axis=0) | ~up.any(axis=0)
    return FittedLeaning(fitted, problem.question, np.where(same, _base_rates(past, train_steps, problem), counted))


def _base_rates(past: Panel, train_steps: IntArray, problem: Problem) -> FloatArray:
    """Base rates of a question with two outcomes, (horizon,)."""
    rates = problem.question.base_rates(past, train_steps, problem.horizon)
    if rates is None:
        raise ValueError(f"{problem.question} has no base rates")
    return rates


def _leans_up(fitted: Fitted, past: Panel, origins: Origins, question: Question) -> BoolArray:
    """Whether a value forecast implies the outcome 1, (origin, horizon)."""
    return question.implied(fitted.forecast(past, origins).y_hat, past.target[origins.rows(past)])


def _rates(outcome: FloatArray, where: BoolArray) -> FloatArray:
    """Share of rises at each step among the known outcomes (origin, horizon) of some forecasts, (horizon,)."""
    known = where & ~np.isnan(outcome)
    up = np.where(known, outcome, 0.0).sum(axis=0)
    return np.array([bounded_rate(int(k), int(n)) for k, n in zip(up, known.sum(axis=0), strict=True)])


def _percent(rates: FloatArray) -> list[str]:
    return [f"{100 * rate:.1f} %" for rate in rates]
