"""Decoders: from the features at an origin to raw numbers for every step of the horizon.

All raw numbers of an untrained network are zero (`heads` says what zero means).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from forecast.network.ahead_reader import AheadReader, zero_linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.head import Head
    from forecast.network.inputs import InputSpec
    from forecast.network.settings import NetworkSettings

_PLACE_SIZE = 4
"""Size of the embedding of the horizon step that a recurrent decoder is at."""

_NUMBERS_AT_ONCE = 4_000_000
"""forks x horizon x hidden units that a recurrent decoder keeps for the gradient; of more it decodes
a part at a time, and once more for the gradient (checkpointing): a part takes about 150 MB."""


class TeacherForcing(NamedTuple):
    """Ground truth for decoders that feed back their own forecast of the step before.

    Attributes
    ----------
    truth : (..., horizon) differences to the reference, in units of raw numbers
    forced : (..., horizon) bool, steps after which the truth is read instead of the forecast

    """

    truth: Tensor
    forced: Tensor


class Decoder(Protocol):
    """Raw numbers of the head from features."""

    feeds_back: bool
    """Whether a step reads the forecast of the step before, so that it can be teacher-forced."""

    def __call__(self, features: Tensor, ahead: Tensor | None, forcing: TeacherForcing | None = None) -> Tensor:
        """(..., feature) and what is known around the horizon, (..., span, column) -> (..., horizon, size)."""
        ...


class DirectDecoder(nn.Module):
    """Every horizon step at once, linear in the features, and in what is known around it.

    raw_h = V_h features + c_h + A(features) known_h, see `AheadReader`
    """

    feeds_back = False

    def __init__(self, feature_size: int, size: int, input_spec: InputSpec) -> None:
        super().__init__()
        self.horizon = input_spec.horizon
        self.size = size
        self.out = zero_linear(feature_size, self.horizon * size)
        self.reader = AheadReader(feature_size, size, input_spec) if input_spec.ahead else None

    def forward(self, features: Tensor, ahead: Tensor | None, forcing: TeacherForcing | None = None) -> Tensor:
        """(..., feature), (..., span, column) -> (..., horizon, size); nothing is fed back that could be forced."""
        raw: Tensor = self.out(features).unflatten(-1, (self.horizon, self.size))
        if self.reader is not None and ahead is not None:
            raw = raw + self.reader(features, ahead)
        return raw


def _window_size(spec: InputSpec) -> int:
    """Columns of a step together with the given ones of the steps around it."""
    return spec.ahead + spec.given * (spec.lags + spec.leads)


def windows(ahead: Tensor, spec: InputSpec) -> Tensor:
    """Put the given columns of the steps around beside all of each step, (..., lags + steps + leads, column)."""
    steps = ahead.shape[-2] - spec.lags - spec.leads
    around = [
        ahead[..., first : first + steps, : spec.given]
        for first in range(spec.lags + spec.leads + 1)
        if first != spec.lags
    ]
    return torch.cat([ahead[..., spec.lags : spec.lags + steps, :], *around], dim=-1)


class RecurrentDecoder(nn.Module):
    """A GRU that is unrolled over the horizon (Sutskever et al. 2014; Cho et al. 2014).

        s_0 = tanh(M features + m),   s_h = GRU([y_{h-1}, e_h, known_h], s_{h-1}),   raw_h = V s_h + c

    y_{h-1} is the forecast difference to the reference of the step before (zero at the first), e_h an embedding of h.

    Attributes
    ----------
    location : index of the raw number that is fed back

    """

    feeds_back = True

    def __init__(self, feature_size: int, size: int, input_spec: InputSpec, location: int) -> None:
        super().__init__()
        self.spec = input_spec
        self.horizon = horizon = input_spec.horizon
        self.location = location
        self.first = nn.Linear(feature_size, feature_size)
        self.places = nn.Embedding(horizon, _PLACE_SIZE)
        self.cell = nn.GRUCell(1 + _PLACE_SIZE + _window_size(input_spec), feature_size)
        self.out = zero_linear(feature_size, size)

    def forward(self, features: Tensor, ahead: Tensor | None, forcing: TeacherForcing | None = None) -> Tensor:
        """(..., feature), (..., span, column) -> (..., horizon, size)."""
        forks = features.shape[:-1]
        parts = max(-(-forks.numel() * self.horizon * features.shape[-1] // _NUMBERS_AT_ONCE), 1)
        truth, forced = (None, None) if forcing is None else forcing
        cut = [_cut(whole, len(forks), parts) for whole in (features, ahead, truth, forced)]
        if parts > 1 and torch.is_grad_enabled():
            raw = [checkpoint(self.decode, *part, use_reentrant=False) for part in zip(*cut, strict=True)]
        else:
            raw = [self.decode(*part) for part in zip(*cut, strict=True)]
        return torch.cat(raw).reshape(*forks, self.horizon, self.out.out_features)

    def decode(self, features: Tensor, ahead: Tensor | None, truth: Tensor | None, forced: Tensor | None) -> Tensor:
        """(fork, feature), (fork, span, column), (fork, horizon) twice -> (fork, horizon, size)."""
        known = None if ahead is None else windows(ahead, self.spec)
        state = torch.tanh(self.first(features))  # s_0, (fork, feature)
        before = torch.zeros_like(features[:, :1])  # y_0
        steps = []
        for step, place in enumerate(self.places.weight):
            read = [before, place.expand(features.shape[0], -1)]
            if known is not None:
                read.append(known[:, step])
            state = self.cell(torch.cat(read, dim=-1), state)
            raw = self.out(state)
            steps.append(raw)
            before = raw[:, self.location, None]
            if truth is not None and forced is not None:
                before = torch.where(forced[:, step, None], truth[:, step, None], before)
        return torch.stack(steps, dim=1)


def build_decoder(settings: NetworkSettings, feature_size: int, input_spec: InputSpec, head: Head) -> Decoder:
    """Build the decoder of the strategy that the settings name, with fresh weights."""
    if settings.strategy == "seq2seq":
        return RecurrentDecoder(feature_size, head.size, input_spec, head.location)
    return DirectDecoder(feature_size, head.size, input_spec)


def _cut(whole: Tensor | None, axes: int, parts: int) -> Sequence[Any]:
    """Flatten the first `axes` axes to one, and cut it into parts; None gives parts of None."""
    return [None] * parts if whole is None else torch.tensor_split(whole.flatten(0, axes - 1), parts)
