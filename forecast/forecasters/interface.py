"""The two types that everything which forecasts has in common: before fitting, and after.

`Forecaster.fit(past) -> Fitted` and `Fitted.forecast(past, origins) -> Forecasts`. Fitting never changes the
forecaster, forecasting never changes the fitted object, and the data handed to a call end at its last origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

Kind: TypeAlias = Literal["network", "reference", "naive", "scikit-learn", "statistical"]


QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
"""Uniforms of the quantiles that are forecast: the ends of the 50, 80, 90 and 95 % intervals, and the median."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts in the target's own units; where the problem asks for the direction, probabilities of a rise.

    Attributes
    ----------
    y_hat : (origin, horizon step) float64, point forecasts, or probabilities of a rise, or the codes of symbols
    quantiles : (origin, horizon step, probability) float64 at `QUANTILES`, never crossing; None: points alone
    members : (member, origin, horizon step) float64, what each member of an ensemble forecasts, of symbols its
        `probabilities`; None: it is none
    probabilities : (origin, horizon step, symbol) float64, probability of each symbol by its code, where the problem
        asks for symbols: `y_hat` is then the likeliest, of equals the first; None elsewhere

    """

    y_hat: FloatArray
    quantiles: FloatArray | None = None
    members: FloatArray | None = None
    probabilities: FloatArray | None = None


def of_probabilities(probabilities: FloatArray) -> Forecasts:
    """Make forecasts of probabilities of symbols, (origin, horizon step, symbol)."""
    return Forecasts(probabilities.argmax(axis=-1).astype(np.float64), probabilities=probabilities)


class Fitted(Protocol):
    """Something that has learnt from a past and can forecast from any later one."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the leaderboard should know, a sentence each ("fitted on 20000 of 91333 windows")."""
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
    """Something that can be fitted: settings only, nothing learnt."""

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

        What of `past` lies after them is the validation split: it chooses (when to stop, a ridge constant, a
        reference) and is never fitted on. Where `train_steps` covers all of `past` nothing can be chosen, and a
        forecaster falls back on its setting's default.
        """
        ...
