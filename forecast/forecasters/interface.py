"""The two types that all forecasters share: before fitting, and after.

`Forecaster.fit(past) -> Fitted` and `Fitted.forecast(past, origins) -> Forecasts`. Fitting never changes the
forecaster, forecasting never changes the fitted object, and the data handed to a call end at its last origin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from forecast.questions.value_range import ANY_VALUE, ValueRange

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

Kind: TypeAlias = Literal[
    "network", "reference", "naive", "scikit-learn", "statistical", "calendar", "pretrained", "combination"
]


QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
"""Levels of the quantiles that are forecast: the ends of the 50, 80, 90 and 95 % intervals, and the median."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts in the target's units, or of directions and symbols their probabilities.

    Attributes
    ----------
    y_hat : (origin, horizon step) float64, point forecasts, or probabilities of a rise, or the codes of symbols
    quantiles : (origin, horizon step, level) float64 at `QUANTILES`, never crossing; None: points alone
    members : (member, origin, horizon step) float64, forecasts of each member of an ensemble, of symbols its
        `probabilities`; None: not an ensemble
    probabilities : (origin, horizon step, symbol) float64, probability of each symbol by its code, where symbols are
        forecast: `y_hat` is then the likeliest, of equals the first; None elsewhere

    """

    y_hat: FloatArray
    quantiles: FloatArray | None = None
    members: FloatArray | None = None
    probabilities: FloatArray | None = None


def within_range(forecasts: Forecasts, value_range: ValueRange) -> Forecasts:
    """Move point forecasts, quantiles and forecasts of members into the range of values that there can be."""
    if value_range == ANY_VALUE:
        return forecasts
    quantiles, members = forecasts.quantiles, forecasts.members
    return replace(
        forecasts,
        y_hat=value_range.keep(forecasts.y_hat),
        quantiles=None if quantiles is None else value_range.keep_quantiles(quantiles, QUANTILES),
        members=None if members is None else value_range.keep(members),
    )


def of_probabilities(probabilities: FloatArray) -> Forecasts:
    """Make forecasts of probabilities of symbols, (origin, horizon step, symbol)."""
    return Forecasts(probabilities.argmax(axis=-1).astype(np.float64), probabilities=probabilities)


class Fitted(Protocol):
    """A fitted forecaster: it forecasts from any later past, and never changes."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the leaderboard, a sentence each ("fitted on 20000 of 91333 windows")."""
        ...

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast the horizon after each origin, each from nothing later than itself.

        `past` has the same series as the one fitted on, from their first steps on, and may end at the last origin.
        """
        ...

    def chosen(self) -> Forecaster:
        """Return the forecaster with everything fixed that was chosen on validation (epochs, constants, reference).

        Fitted on all rows it makes the final model. One that chooses nothing returns itself.
        """
        ...


class Forecaster(Protocol):
    """An unfitted forecaster: settings only."""

    @property
    def name(self) -> str:
        """The name in tables, unique within a job."""
        ...

    @property
    def kind(self) -> Kind:
        """The sort of forecaster that it is."""
        ...

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> Fitted:
        """Fit on the first `train_steps[i]` steps of each series.

        The rest of `past` is the validation split: it chooses (when to stop, a ridge constant, a reference) and is
        never fitted on. Where `train_steps` covers all of `past` nothing can be chosen, and defaults hold.
        """
        ...
