"""The forecaster of symbols that knows no past: how often each came in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.forecasters.interface import Forecasts, Kind, of_probabilities
from forecast.questions.kinds import BASE_RATE
from forecast.questions.outcomes import alphabet_size, symbol_base_rates

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel


@dataclass(frozen=True)
class SymbolRates:
    """Says at each horizon step how often each symbol came in training.

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
        """Say the same at each origin."""
        return of_probabilities(np.tile(self.rates, (len(origins), 1, 1)))

    def chosen(self) -> SymbolRates:
        """Return the forecaster: it has nothing to choose."""
        return self.forecaster
