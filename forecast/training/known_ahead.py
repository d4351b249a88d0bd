"""Where training begins for what is known ahead: in closed form, so that epochs need not find it from nothing.

Of a direct decoder that reads steps around the horizon, the weights that do not depend on the features (those of A
alone, a and W: `network.decoders.AheadReader`) are those of a ridge regression of the targets on what is known ahead
and on the other inputs at the origin. The penalty is the best on the last fifth of the training rows; where none is
better than no weights at all they stay zero, as everything else of an untrained network is: no evidence, no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from forecast.network.decoders import DirectDecoder
from forecast.training.ridge import Ridge, SufficientStatistics

if TYPE_CHECKING:
    from forecast.network.ahead_reader import AheadReader
    from forecast.network.network import Network
    from forecast.series.panel import IntArray
    from forecast.training.data import NetworkData
    from forecast.training.ridge import Solution

_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 0.1)
_LAST = 0.2
_ENOUGH = 0.99
"""Share of the squared error without any effect that has to be left, at most, for effects to be taken."""
_MOST_WORK = 3e9
"""Products that the sums over forks may take: of more forks, as many are used, evenly spread."""
_FORKS_AT_ONCE = 2_000


@torch.no_grad()
def begin_known_ahead(network: Network, data: NetworkData, ends: IntArray) -> None:
    """Fit what a fresh network adds for what is known ahead, on the rows before `ends[i]` of each series."""
    decoder = network.decoder
    if not isinstance(decoder, DirectDecoder) or decoder.reader is None or decoder.reader.around is None:
        return
    if data.question.forecasts_probabilities or data.needs_level:
        return  # raw numbers of these heads are no differences
    regression = _Regression(network, decoder.reader, data)
    starts = data.past.offsets[:-1]
    borders = ends - np.floor((ends - starts) * _LAST).astype(np.int64)
    first, last = regression.rows(starts, borders), regression.rows(borders, ends)
    if not len(first) or not len(last):
        return
    judged = regression.forks(last, ends)
    ridge = Ridge(regression.sums(first, borders))
    errors = [judged.left_over(ridge.solve(penalty)) for penalty in _PENALTIES]
    if min(errors) < _ENOUGH * float((judged.target.square() * judged.exists).sum()):
        sums = regression.sums(regression.rows(starts, ends), ends)
        _put(
            decoder, decoder.reader, network.head.location, sums, Ridge(sums).solve(_PENALTIES[int(np.argmin(errors))])
        )


class _Forks(NamedTuple):
    """Forks: what is known up to each, of each step ahead, and the targets in units of raw numbers."""

    features: Tensor  # (fork, feature)
    known: Tensor  # (fork, horizon, known)
    target: Tensor  # (fork, horizon)
    exists: Tensor

    def left_over(self, solution: Solution) -> float:
        """Squared error that a solution leaves of the targets."""
        predicted = self.features @ solution.weights.T + solution.bias + self.known @ solution.ahead
        return float(((self.target - predicted).square() * self.exists).sum())


@dataclass(frozen=True)
class _Regression:
    network: Network
    reader: AheadReader
    data: NetworkData

    def rows(self, starts: IntArray, ends: IntArray) -> IntArray:
        """Rows `starts[i]` to `ends[i]` of each series, or as many, evenly spread, as do not take too long."""
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        rows = np.concatenate([np.arange(start, end) for start, end in pairs])
        work = self.reader.spec.horizon * self.reader.known_size**2
        most = min(len(rows), max(int(_MOST_WORK / work), 500))
        spread: IntArray = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
        return spread

    def forks(self, rows: IntArray, ends: IntArray) -> _Forks:
        """Forks at some rows; other inputs stand beside what is known ahead, so that it takes no part of theirs."""
        reader, unit = self.reader, self.network.head.unit
        ahead = cast("Tensor", self.data.inputs.known_ahead(rows, reader.spec.horizon))
        inputs = torch.from_numpy(self.data.inputs.at(rows)) / self.network.input_unit
        first = self.data.reference.input_size + self.data.encoding.past.size
        others = torch.cat([inputs[:, :first], inputs[:, first + reader.spec.ahead :]], dim=1)
        before = reader.signals(ahead)[:, : reader.spec.lags if reader.before is not None else 0].flatten(1)
        target, exists = (torch.from_numpy(part) for part in self.data.differences(rows, ends))
        return _Forks(
            torch.cat([before, others], dim=1).double(),
            reader.read(ahead).double(),
            (target / torch.where(unit > 0, unit, 1.0)).double(),
            exists * (unit > 0),
        )

    def sums(self, rows: IntArray, ends: IntArray) -> SufficientStatistics:
        """Sums over the forks at some rows."""
        parts = [rows[first : first + _FORKS_AT_ONCE] for first in range(0, len(rows), _FORKS_AT_ONCE)]
        ones = self.forks(rows[:1], ends)
        sums = SufficientStatistics(ones.features.shape[1], *ones.known.shape[1:])
        for part in parts:
            forks = self.forks(part, ends)
            sums.add(forks.features, forks.target, forks.exists, forks.known)
        return sums


def _put(
    decoder: DirectDecoder, reader: AheadReader, location: int, sums: SufficientStatistics, solution: Solution
) -> None:
    """Write the effects of what is known ahead into the decoder; what else was in the regression is for the network."""
    horizon, size = decoder.horizon, decoder.size
    own = 0 if reader.before is None else reader.before.in_features
    others = (sums.features[:, own:] / sums.count.clamp(min=1)[:, None] * solution.weights[:, own:]).sum(dim=1)
    reader.put(solution.ahead, location)
    decoder.out.bias.view(horizon, size)[:, location] = (solution.bias + others).float()
    if reader.before is not None:
        reader.before.weight.view(horizon, size, own)[:, location] = solution.weights[:, :own].float()
