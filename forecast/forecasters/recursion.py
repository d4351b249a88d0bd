"""Forecasts that are fed back: a network of one step, asked again and again.

At each step the network's own forecast takes the place of the observation: the reference's quantities go on with it
(`HistoryBuffer`), and the cell takes one step more. Covariates that are known ahead stay known; others cannot be. Of a
distribution draws are fed back, many paths side by side (as DeepAR does, Salinas et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.draws import common_uniforms, in_blocks, independent_uniforms
from forecast.forecasters.interface import QUANTILES, Forecasts
from forecast.network.distributions import QuantileHead
from forecast.network.head import Level
from forecast.network.inference import head_on_cpu
from forecast.questions.split import Origins
from forecast.reference.history_buffer import HistoryBuffer

if TYPE_CHECKING:
    from forecast.forecasters.draws import Uniforms
    from forecast.network.inputs import NetworkInputs
    from forecast.network.network import Network
    from forecast.network.settings import StrategyName
    from forecast.network.state import StateAtOrigin
    from forecast.questions.kinds import Problem
    from forecast.reference.causal_features import CausalFeatures
    from forecast.reference.encoding import CovariateEncoding, Float32Array
    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray

PATHS = 256
"""Sample paths that quantiles are taken from."""

_SEED = 0
_NUMBERS_AT_ONCE = 2_000_000
"""paths x remembered steps that are worked on in one piece (about 120 MB)."""


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

    known: CausalFeatures
    rows: IntArray
    lived: IntArray
    reached: StateAtOrigin
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

    def forecast(self, standing: Standing) -> Forecasts:
        """Forecast each origin; of a head that is a distribution by sample paths, which give its quantiles too."""
        if not self.network.head.is_distribution:
            return Forecasts(self._in_blocks(standing, _same(1, self.horizon))[:, 0])
        same = _same(PATHS, self.horizon)
        summaries = [
            self._summary(standing.take(which), self._in_blocks(standing.take(which), same))
            for which in in_blocks(len(standing.rows), PATHS * self.horizon, _NUMBERS_AT_ONCE)
        ]
        if not summaries:
            return Forecasts(np.empty((0, self.horizon)), np.empty((0, self.horizon, len(QUANTILES))))
        y_hat, quantiles = (np.concatenate(parts) for parts in zip(*summaries, strict=True))
        return Forecasts(y_hat, quantiles)

    def paths(self, standing: Standing, count: int, seed: int) -> FloatArray:
        """Draw continuations: each step from the distribution that its own steps before lead to.

        (origin, path, horizon). Those of two series share nothing.
        """
        origins = Origins(standing.known.series(standing.rows), standing.lived - 1)
        return self._in_blocks(standing, independent_uniforms(origins, count, self.horizon, seed))

    def _in_blocks(self, standing: Standing, uniforms: Uniforms) -> FloatArray:
        """Draw paths at some uniforms, (origin, path, horizon), or (1, path, horizon) the same for all."""
        origins, count = len(standing.rows), uniforms.shape[1]
        paths = np.empty((origins, count, self.horizon))
        mine = np.broadcast_to(uniforms, paths.shape)
        for which in in_blocks(origins, count * (self.reference.memory_steps + self.horizon), _NUMBERS_AT_ONCE):
            here = standing.take(np.repeat(which, count))
            paths[which] = self._walk(here, mine[which].reshape(-1, self.horizon)).reshape(-1, count, self.horizon)
        return paths

    @torch.no_grad()
    def _summary(self, standing: Standing, paths: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Point forecasts and quantiles of paths; those of the first step are the head's own, free of chance."""
        middle = np.median if isinstance(self.network.head, QuantileHead) else np.mean
        y_hat = middle(paths, axis=1)
        quantiles = np.moveaxis(np.quantile(paths, QUANTILES, axis=1), 0, -1)
        head, raw = head_on_cpu(self.network), self._raw(standing.reached, _known_at(standing.ahead, 0))
        reference = self.reference.at(standing.known, standing.rows)
        scale = self.scale[standing.known.series(standing.rows)][:, None]
        level = _level(reference, scale)
        y_hat[:, :1] = reference + head.point(raw, level).numpy() * scale
        told = head.quantiles(raw, QUANTILES, level).numpy()
        quantiles[:, :1] = reference[..., None] + told * scale[..., None]
        return y_hat, quantiles

    @torch.no_grad()
    def _walk(self, standing: Standing, uniforms: Uniforms) -> FloatArray:
        """Walk over the horizon from each origin; what is drawn has these `uniforms`, (origin, horizon)."""
        buffer = HistoryBuffer(standing.known, standing.rows, standing.lived, self.reference, self.horizon)
        head, reached = head_on_cpu(self.network), standing.reached
        scale = self.scale[buffer.features.series(buffer.rows)]
        forecasts = np.empty((len(scale), self.horizon))
        for step in range(self.horizon):
            if step:
                buffer.push(forecasts[:, step - 1])
                reached = self._go_on(buffer, reached, scale, _known_at(standing.ahead, step - 1))
            raw = self._raw(reached, _known_at(standing.ahead, step))
            reference = self.reference.at(buffer.features, buffer.rows)
            level = _level(reference, scale[:, None])
            if head.is_distribution:
                added = head.quantile(raw, torch.from_numpy(uniforms[:, [step]]), level)
            else:
                added = head.point(raw, level)
            forecasts[:, step] = reference[:, 0] + added.numpy()[:, 0] * scale
        return forecasts

    def _raw(self, reached: StateAtOrigin, known: Float32Array | None) -> torch.Tensor:
        """Raw numbers of the head for the next step, (origin, 1, size)."""
        ahead = None if known is None else torch.from_numpy(known[:, None]).to(self.network.device)
        return self.network.forecast(reached.features, ahead).cpu()

    def _go_on(
        self, buffer: HistoryBuffer, reached: StateAtOrigin, scale: FloatArray, known: Float32Array | None
    ) -> StateAtOrigin:
        """Take one step of the cell with what was forecast for it."""
        differences = self.reference.inputs(buffer.features, buffer.rows) / scale[:, None]
        x = np.zeros((len(scale), self.network.input_spec.inputs), dtype=np.float32)  # no mark: nothing is missing
        x[:, : differences.shape[1]] = differences
        if known is not None:
            x[:, differences.shape[1] : differences.shape[1] + known.shape[1]] = known
        series = torch.from_numpy(buffer.features.series(buffer.rows))
        features, state = self.network.features(
            torch.from_numpy(x)[:, None].to(self.network.device), series[:, None].to(self.network.device), reached.state
        )
        return reached._replace(features=features[:, -1], state=state)


def own_problem(strategy: StrategyName, problem: Problem) -> Problem:
    """Return the question that a network itself answers: the next step alone, where its forecasts are fed back."""
    return replace(problem, horizon=1) if strategy == "recursive" else problem


def standing_at(
    known: CausalFeatures, inputs: NetworkInputs, rows: IntArray, reached: StateAtOrigin, horizon: int
) -> Standing:
    """Begin at some rows of a panel, (origin,)."""
    ahead = inputs.known_ahead(rows, horizon)
    lived = rows - known.starts(rows) + 1
    return Standing(known, rows, lived, reached, None if ahead is None else ahead.numpy())


def check_fed_back(encoding: CovariateEncoding) -> None:
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


def _same(count: int, horizon: int) -> Uniforms:
    """Random numbers that all origins share: no forecast depends on which others are asked for.

    What changes from origin to origin is not chance then.
    """
    return common_uniforms(count, horizon, _SEED)[None]


def _level(reference: FloatArray, scale: FloatArray) -> Level:
    return Level(*(torch.from_numpy(part.astype(np.float32)) for part in (reference, scale)))


def _known_at(ahead: Float32Array | None, step: int) -> Float32Array | None:
    return None if ahead is None else ahead[:, step]
