"""Refits as the origins go on (`backtest.refit_every`): what series that change ask for.

Without it one fit, on training and validation split, serves all origins. With N every model is fitted again N, 2 N,
... steps after that, on all rows up to there and with everything as it was chosen on validation; a forecast comes from
the last fit that lies at or before its origin. Networks are trained anew, from new weights and with the epochs and
learning rates that the first fit chose, so that the refit is the one that the final forecast has; none goes on from the
weights before.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.forecasters.interface import Forecasts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from forecast.forecasters.interface import Fitted
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins, Split
    from forecast.series.panel import FloatArray, IntArray, Panel


@dataclass(frozen=True)
class Refits:
    """When to fit again: `every` so many steps; never after `until`, a time of `time.perf_counter`. None: no refits."""

    every: int | None = None
    until: float | None = None

    def before(self, origins: Origins, split: Split) -> IntArray:
        """Return how many refits lie at or before each origin, (origin,)."""
        if self.every is None:
            return np.zeros(len(origins), dtype=np.int64)
        since = origins.steps + 1 - split.fitted[origins.series]  # rows known beyond those of the first fit
        counts: IntArray = np.maximum(since, 0) // self.every
        return counts

    @property
    def late(self) -> bool:
        """Whether there is no time for another."""
        return self.until is not None and time.perf_counter() > self.until


def forecast_refitted(
    fitted: Fitted,
    panel: Panel,
    origins: Origins,
    *,
    split: Split,
    problem: Problem,
    refits: Refits,
    forecast: Callable[[Fitted, Panel, Origins], Forecasts],
) -> Forecasts:
    """Forecast from each origin by the last fit at or before it; `forecast` is called once a fit, with its origins.

    Data end at the last step of a refit, or the last of its origins. After `refits.until` the last fit serves the rest.
    """
    before = refits.before(origins, split)
    parts, places = [], []
    for number in np.unique(before):
        if number and not refits.late:
            past = panel.cut(split.fitted + number * (refits.every or 0))
            fitted = fitted.chosen().fit(past, past.lengths, problem)
        at = np.flatnonzero(before == number)
        known = origins[at].last_known(len(panel))
        parts.append(forecast(fitted, panel.cut(np.maximum(known, split.train)), origins[at]))
        places.append(at)
    return parts[0] if len(parts) == 1 else _in_order(parts, np.concatenate(places))


def _in_order(parts: Sequence[Forecasts], places: IntArray) -> Forecasts:
    """Put the forecasts of all fits back in the order of the origins."""

    def merged(of_parts: list[FloatArray | None], axis: int) -> FloatArray | None:
        known = [part for part in of_parts if part is not None]
        if len(known) < len(of_parts):
            return None
        return np.take(np.concatenate(known, axis=axis), np.argsort(places), axis=axis)

    y_hat = merged([part.y_hat for part in parts], 0)
    if y_hat is None:
        raise TypeError("forecasts without y_hat")
    return Forecasts(
        y_hat,
        merged([part.quantiles for part in parts], 0),
        merged([part.members for part in parts], 1),
        merged([part.probabilities for part in parts], 0),
    )
