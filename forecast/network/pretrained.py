"""The network that has seen many series before: it weighs forecasts in closed form, corrects them, and adds quantiles.

An LSTM reads at each step what the bank of smoothers found out about the series (`reference.bank`): their errors and
mean errors, without unit or level. For each step ahead one small network, the same for all of them, reads the state,
every candidate's forecast of that step and its place in the horizon, and returns

    softmax weights over the candidates, to which it may trust by their errors so far as much as it sees fit,
    a bounded correction of their weighted mean, widths between the quantiles

so that it serves any horizon and any season, and the quantiles cannot cross. Its last layer begins at zero: untrained
it is the mean of its candidates. Weighing classical methods by what a series is like: FFORMA (Montero-Manso et al.
2020); an LSTM beside exponential smoothing: ES-RNN (Smyl 2020).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from forecast.reference.candidates import candidates, log_path_error
from forecast.reference.smoothers import CANDIDATES, FEATURES

if TYPE_CHECKING:
    from forecast.reference.encoding import Float32Array
    from forecast.reference.running import Snapshot
    from forecast.series.panel import FloatArray

    State: TypeAlias = tuple[Tensor, Tensor]

LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
"""Probabilities of the quantiles."""
MEDIAN = LEVELS.index(0.5)
GAPS = torch.tensor((0.3151, 0.3633, 0.6071, 0.6745))
"""Between the quantiles of a normal distribution, from outside to the median."""
FARTHEST = 2000.0
"""Candidates farther from the last value than so many units are read as if they were so far; an evening may be some
hundreds away from the hour before it, where each day is much like the last."""
ALWAYS_THE_SAME = 10
"""Values after which a series that never changed is taken to stay as it is: by the rule of succession the next one
differs with a probability of 1 / (n + 2), half of it on either side, which leaves 90 % intervals without a width."""
_PLACE = 5
PLAIN = 0.4
"""Share of plain weighing, which learnt nothing, in a forecast: series that people have are other than made-up ones.
Without it yearly series of the M-competition of 1982 are forecast 5 % worse, white noise 2 % better."""
WIDER = 1.2
"""Times the widths that the network finds are those of a forecast, for the same reason: quantile losses are 3 % larger
without it on M1 and 0.4 % smaller on made-up series."""


class Scaled(NamedTuple):
    """Candidates as the network reads them.

    Attributes
    ----------
    differences : (origin, horizon, candidate) float32, to the last value, in units
    errors : (origin, mean or recent mean, candidate) float32, logarithms of errors along paths in units
    place : (horizon, feature) float32

    """

    differences: Tensor
    errors: Tensor
    place: Tensor


class Weighed(NamedTuple):
    """What the network makes of the candidates at each step of the horizon.

    Attributes
    ----------
    weights : (origin, horizon, candidate), they add up to one
    correction : (origin, horizon) of their weighted mean, in units
    scale : (origin, horizon) that correction and widths are bounded by, in units
    free : (origin, horizon, level) what widths are made of

    """

    weights: Tensor
    correction: Tensor
    scale: Tensor
    free: Tensor


def scaled(forecasts: FloatArray, at: Snapshot, season: int) -> Scaled:
    """Free forecasts of the candidates, (origin, horizon, candidate), and their errors of level and unit."""
    last, unit = at.sums.last[0], at.sums.unit
    differences = (forecasts - last[:, None, None]) / unit[:, None, None]
    bounded = np.clip(np.nan_to_num(differences), -FARTHEST, FARTHEST).astype(np.float32)
    errors = np.clip(log_path_error(at.path_error, unit), -8, 8).astype(np.float32).transpose(2, 0, 1)
    return Scaled(torch.from_numpy(bounded), torch.from_numpy(errors), place_in_horizon(bounded.shape[1], season))


def spread_of(at: Scaled) -> Tensor:
    """Return how far a forecast may be off, (origin, horizon) in units.

    It is how far the last candidate, the mean by errors along paths, was off along them, and how far others lie from
    it now, those most that were off least.
    """
    likely = torch.softmax(-2 * at.errors[:, 0], dim=-1)[:, None]
    apart = (likely * (at.differences - at.differences[..., -1:]).abs()).sum(dim=-1)
    return 0.3 + at.errors[:, 0, -1:].exp() + apart


@cache
def place_in_horizon(horizon: int, season: int) -> Tensor:
    """Return what says how far ahead a step is, in steps and in seasons, (horizon, feature)."""
    h = torch.arange(1, horizon + 1, dtype=torch.float32)
    phase = 2 * torch.pi * h / season
    seasonal = [torch.log1p(h / season), torch.full_like(h, float(np.log(season)) / 3)]
    return torch.stack([torch.log(h) / 2, *seasonal, torch.cos(phase), (h > season).float()], dim=-1)


class PretrainedNetwork(nn.Module):
    """Encoder and query decoder.

    Parameters
    ----------
    hidden : units of the LSTM
    width : units of the decoder's layers

    """

    def __init__(self, hidden: int = 80, width: int = 96) -> None:
        super().__init__()
        self.encoder = nn.Linear(FEATURES, hidden)
        self.rnn = nn.LSTM(hidden, hidden, batch_first=True)
        self.state = nn.Linear(hidden + FEATURES, width)
        self.candidates = nn.Linear(CANDIDATES, width)
        self.place = nn.Linear(_PLACE, width, bias=False)
        self.middle = nn.Linear(width, width)
        self.weights = nn.Linear(width, CANDIDATES)
        self.trust = nn.Linear(width, 2)
        self.spread = nn.Linear(width, len(LEVELS))
        for last in (self.weights, self.trust, self.spread):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def encode(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Unroll over features, (series, step, feature): what the decoder reads of each step, and the state after."""
        read, state = self.unroll(features, state)
        return self.state(read), state

    def unroll(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return outputs of the recurrent layer and features, (series, step, unit + feature), and the state after."""
        encoded, state = self.rnn(torch.tanh(self.encoder(features)), state)
        return torch.cat([encoded, features], dim=-1), state

    def decoder_parameters(self) -> list[nn.Parameter]:
        """Weights of what follows the recurrent layer."""
        layers = (self.state, self.candidates, self.place, self.middle, self.weights, self.trust, self.spread)
        return [part for layer in layers for part in layer.parameters()]

    def weigh(self, context: Tensor, at: Scaled) -> Weighed:
        """Weigh the candidates and correct them; `context` is (origin, width)."""
        shrunk = at.differences.sign() * at.differences.abs().log1p()
        read = self.candidates(shrunk) + self.place(at.place) + context[:, None]
        z = nn.functional.silu(self.middle(nn.functional.silu(read)))  # (origin, horizon, width)
        # a weight is proportional to powers of the candidate's errors, whose exponents are found for each step ahead
        likely = self.weights(z) - 4 * self.trust(z) @ at.errors
        scale, free = spread_of(at), self.spread(z)
        correction = scale * torch.tanh(0.3 * free[..., MEDIAN])
        return Weighed(torch.softmax(likely, dim=-1), correction, scale, free)

    def decode(self, context: Tensor, at: Scaled) -> Tensor:
        """Return quantiles (origin, horizon, level) in units from the last value; `context` is (origin, width)."""
        weights, correction, scale, free = self.weigh(context, at)
        median = (weights * at.differences).sum(dim=-1) + correction
        # widths of a normal distribution, each stretched or shrunk
        gaps = GAPS.to(scale)
        below = scale[..., None] * gaps * torch.exp(free[..., :MEDIAN].clamp(-7, 5))
        above = scale[..., None] * gaps.flip(0) * torch.exp(free[..., MEDIAN + 1 :].clamp(-7, 5))
        low = median[..., None] - below.flip(-1).cumsum(dim=-1).flip(-1)
        high = median[..., None] + above.cumsum(dim=-1)
        return torch.cat([low, median[..., None], high], dim=-1)

    def forecast(self, context: Tensor, at: Scaled) -> Tensor:
        """Return quantiles (origin, horizon, level) about a mean of the median of `decode` and plain weighing.

        The latter is the last candidate, the mean by errors along paths.
        """
        quantiles = self.decode(context, at)
        median = quantiles[..., MEDIAN, None]
        return (1 - PLAIN) * median + PLAIN * at.differences[..., -1:] + WIDER * (quantiles - median)

    @torch.no_grad()
    def read(self, features: Float32Array, state: State | None = None) -> tuple[Tensor, State]:
        """Unroll as `encode` does, without gradients; features are an array (series, step, feature)."""
        return self.encode(torch.from_numpy(features), state)

    @torch.no_grad()
    def weighing(
        self, context: Tensor, at: Snapshot, horizon: int, seasons: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """Return weights (origin, horizon, candidate) and the correction (origin, horizon) in the target's unit."""
        weighed = self.weigh(context, scaled(candidates(at, horizon, *seasons), at, seasons[0]))
        weights = (1 - PLAIN) * weighed.weights.double().numpy()
        weights[..., -1] += PLAIN
        return weights, (1 - PLAIN) * at.sums.unit[:, None] * weighed.correction.double().numpy()

    @torch.no_grad()
    def quantiles(self, context: Tensor, at: Snapshot, horizon: int, seasons: tuple[int, int]) -> FloatArray:
        """Return quantiles (origin, horizon, level) in the target's unit, at `LEVELS`; `context` is (origin, width)."""
        last = at.sums.last[0]
        spread = np.where((at.sums.changes == 0) & (at.sums.seen >= ALWAYS_THE_SAME), 0.0, at.sums.unit)
        read = scaled(candidates(at, horizon, *seasons), at, seasons[0])
        quantiles = self.forecast(context, read).double().numpy()
        values: FloatArray = last[:, None, None] + spread[:, None, None] * quantiles
        return values
