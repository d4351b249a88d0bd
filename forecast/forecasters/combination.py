"""A weighted mean of forecasters: of their points, and level by level of their quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.forecasters.interface import Forecasts, Kind
from forecast.wording import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.forecasters.interface import Fitted, Forecaster
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

COMBINATION = "combination"


@dataclass(frozen=True)
class Combination:
    """Forecasters of values with the weights, above zero and adding up to one, with which they forecast together."""

    members: tuple[Forecaster, ...]
    weights: tuple[float, ...]
    name: str = COMBINATION
    kind: Kind = "combination"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedCombination:
        """Fit all members; the weights stay as they are."""
        return FittedCombination(
            tuple(member.fit(past, train_steps, problem) for member in self.members),
            tuple(member.name for member in self.members),
            self.weights,
        )


@dataclass(frozen=True, eq=False)
class FittedCombination:
    """Fitted members, their names and weights."""

    members: tuple[Fitted, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what it is made of, the heaviest first."""
        return (f"the weighted mean of {weights_in_words(dict(zip(self.names, self.weights, strict=True)))}",)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Combine what the members forecast from each origin."""
        return combined([member.forecast(past, origins) for member in self.members], self.weights)

    def chosen(self) -> Combination:
        """Return the combination with everything fixed that its members chose, and its weights."""
        return Combination(tuple(member.chosen() for member in self.members), self.weights)


def weights_in_words(weights: dict[str, float]) -> str:
    """Write the weights of members, the heaviest first.

    >>> weights_in_words({"ridge": 0.3, "lstm": 0.7})
    'lstm (70 %) and ridge (30 %)'
    """
    heaviest = sorted(weights, key=lambda name: -weights[name])
    return listed([f"{name} ({100 * weights[name]:.0f} %)" for name in heaviest])


def combined(forecasts: Sequence[Forecasts], weights: Sequence[float]) -> Forecasts:
    """Return the weighted mean of points and of quantiles.

    A member that forecasts points alone is given the spread about its points that the others have on average. Where no
    member has quantiles the combination has none.
    """
    y_hat = np.einsum("m,mos->os", weights, [of.y_hat for of in forecasts])
    spreads = [
        (weight, of.quantiles - of.y_hat[:, :, None])
        for weight, of in zip(weights, forecasts, strict=True)
        if of.quantiles is not None
    ]
    if not spreads:
        return Forecasts(y_hat)
    total = sum(weight for weight, _ in spreads)
    spread: FloatArray = np.sum([weight / total * of_member for weight, of_member in spreads], axis=0)
    return Forecasts(y_hat, y_hat[:, :, None] + spread)
