"""Forecasts that are fed back: a network of one step, asked again and again.

At each step the network's own forecast takes the place of the observation: the reference's quantities go on with it
(`Onward`), and the cell takes one step more. Covariates that are known ahead stay known; others cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.network.heads import Level
from forecast.network.inference import head_on_cpu
from forecast.series.onward import Onward

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.network.reached import Reached
    from forecast.network.readings import Readings
    from forecast.network.settings import StrategyName
    from forecast.series.encoding import Encoding, Float32Array
    from forecast.series.panel import FloatArray, IntArray
    from forecast.series.problem import Problem
    from forecast.series.quantities import Quantities
    from forecast.series.references import Reference

_NUMBERS_AT_ONCE = 1_000_000
"""origins x remembered steps that are worked on in one piece (about 60 MB)."""


@dataclass(frozen=True, eq=False)
class Standing:
    """Where forecasts begin.

    Attributes
    ----------
    known : what the reference reads of the past
    rows : (origin,) rows of `known`
    lived : (origin,) steps from a series' first to the origin
    reached : what the network carries there
    ahead : (origin, horizon, column) what is known ahead; None where there is nothing

    """

    known: Quantities
    rows: IntArray
    lived: IntArray
    reached: Reached
    ahead: Float32Array | None

    def take(self, which: IntArray) -> Standing:
        """Return some of the origins; one may occur more than once."""
        ahead = None if self.ahead is None else self.ahead[which]
        return Standing(self.known, self.rows[which], self.lived[which], self.reached.take(which), ahead)


@dataclass(frozen=True, eq=False)
class Recursion:
    """A network of one step that forecasts `horizon`.

    Attributes
    ----------
    reference : of one step
    scale : (series,)

    """

    network: Network
    reference: Reference
    scale: FloatArray
    horizon: int

    def points(self, standing: Standing) -> FloatArray:
        """Point forecasts, each fed back as if it were what came, (origin, horizon)."""
        forecasts = np.empty((len(standing.rows), self.horizon))
        size = max(_NUMBERS_AT_ONCE // (self.reference.memory_steps + self.horizon), 1)
        for first in range(0, len(forecasts), size):
            which = np.arange(first, min(first + size, len(forecasts)))
            forecasts[which] = self._points(standing.take(which))
        return forecasts

    @torch.no_grad()
    def _points(self, standing: Standing) -> FloatArray:
        onward = Onward(standing.known, standing.rows, standing.lived, self.reference, self.horizon)
        head, reached = head_on_cpu(self.network), standing.reached
        scale = self.scale[onward.known.series[onward.rows]]
        forecasts = np.empty((len(standing.rows), self.horizon))
        for step in range(self.horizon):
            if step:
                onward.push(forecasts[:, step - 1])
                reached = self._go_on(onward, reached, scale, _known_at(standing.ahead, step - 1))
            raw = self._raw(reached, _known_at(standing.ahead, step))
            reference = self.reference.at(onward.known, onward.rows)
            level = Level(*(torch.from_numpy(part.astype(np.float32)) for part in (reference, scale[:, None])))
            forecasts[:, step] = reference[:, 0] + head.point(raw, level).numpy()[:, 0] * scale
        return forecasts

    def _raw(self, reached: Reached, known: Float32Array | None) -> torch.Tensor:
        """Raw numbers of the head for the next step, (origin, 1, size)."""
        ahead = None if known is None else torch.from_numpy(known[:, None]).to(self.network.device)
        return self.network.forecast(reached.features, ahead).cpu()

    def _go_on(self, onward: Onward, reached: Reached, scale: FloatArray, known: Float32Array | None) -> Reached:
        """Take one step of the cell with what was forecast for it."""
        differences = self.reference.inputs(onward.known, onward.rows) / scale[:, None]
        x = np.zeros((len(scale), self.network.interface.inputs), dtype=np.float32)  # no mark: nothing is missing
        x[:, : differences.shape[1]] = differences
        if known is not None:
            x[:, differences.shape[1] : differences.shape[1] + known.shape[1]] = known
        series = torch.from_numpy(onward.known.series[onward.rows])
        features, state = self.network.features(
            torch.from_numpy(x)[:, None].to(self.network.device), series[:, None].to(self.network.device), reached.state
        )
        return reached._replace(features=features[:, -1], state=state)


def own_problem(strategy: StrategyName, problem: Problem) -> Problem:
    """Return the question that a network itself answers: the next step alone, where its forecasts are fed back."""
    return replace(problem, horizon=1) if strategy == "recursive" else problem


def standing_at(known: Quantities, readings: Readings, rows: IntArray, reached: Reached, horizon: int) -> Standing:
    """Begin at some rows of a panel, (origin,)."""
    ahead = readings.known_ahead(rows, horizon)
    lived = rows - known.start[rows] + 1
    return Standing(known, rows, lived, reached, None if ahead is None else ahead.numpy())


def check_fed_back(encoding: Encoding) -> None:
    """Refuse covariates that are not known ahead: nobody could feed them back.

    Raises
    ------
    ForecastError
        There are such.

    """
    if encoding.past.size:
        names = ", ".join(repr(channel.name) for channel in encoding.past.channels[:3])
        raise ForecastError(
            f"`model.strategy=recursive` feeds forecasts of the target back and has none of the covariates that are "
            f"known up to the origin alone, found {names}: say `model.strategy=direct` or `seq2seq`, or leave them out"
        )


def _known_at(ahead: Float32Array | None, step: int) -> Float32Array | None:
    return None if ahead is None else ahead[:, step]
