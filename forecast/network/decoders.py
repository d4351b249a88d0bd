"""Decoders: from the features at an origin to raw numbers for every step of the horizon.

All raw numbers of an untrained network are zero (`heads` says what zero means).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.head import Head
    from forecast.network.inputs import InputSpec
    from forecast.network.settings import NetworkSettings

_CURVES = 16
"""Nonlinear combinations of what is known ahead, besides the columns themselves."""

_SPREAD_CURVES = 32
"""The same where steps around are read as well."""

_STEEPEST = 4.0
"""Slope of the steepest curve before it is trained, per standard deviation of a column; 1 is the flattest."""

_FORGETTING = (0.1, 0.95)
"""Shares of an echo that the first and the last of the echoes keep from step to step, before they are trained."""

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
        self.out = _zero_linear(feature_size, self.horizon * size)
        self.reader = AheadReader(feature_size, size, input_spec) if input_spec.ahead else None

    def forward(self, features: Tensor, ahead: Tensor | None, forcing: TeacherForcing | None = None) -> Tensor:
        """(..., feature), (..., span, column) -> (..., horizon, size); nothing is fed back that could be forced."""
        raw: Tensor = self.out(features).unflatten(-1, (self.horizon, self.size))
        if self.reader is not None and ahead is not None:
            raw = raw + self.reader(features, ahead)
        return raw


class AheadReader(nn.Module):
    """Reads what is known ahead, of a step and of the steps around it.

        z_i = tanh(B u_i + b),   s_i = [c_i, z_i],   e_i = r e_{i-1} + s_i,   e_t = 0
        raw_h = A(features) [u, z]_{t+h} + a [s_{t+h-lags}, ..., s_{t+h+leads}, e_{t+h}] + W_h [s_{t-lags+1}, ..., s_t]

    u_i are the columns of step i, c_i the given ones among them. One A and a for all steps, so that an effect seen at
    one step of the horizon is known at the others; what was before the origin has weights of its own for each step (W),
    as all its effects on the series so far are known. The echoes e, of what goes on acting, begin at the origin for the
    same reason. Only the effect of a step on itself depends on the features at the origin. Without lags and leads it is
    all that there is.

    Attributes
    ----------
    around : a; None without lags and leads
    before : W, and `forgetting` the logits of r; None where there is no step before the last that could go on acting

    """

    def __init__(self, feature_size: int, size: int, input_spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec = input_spec
        self.size = size
        offsets, echoing = spec.lags + spec.leads, bool(spec.lags and spec.horizon > 1)
        self.curves = _spread_curves(spec.ahead, spec.given) if offsets else nn.Linear(spec.ahead, _CURVES)
        signals = spec.given + self.curves.out_features
        self.weights = _zero_linear(feature_size, (spec.ahead + self.curves.out_features) * size)  # A
        self.around = _zero_linear(signals * (offsets + echoing), size, bias=False) if offsets else None
        self.before = _zero_linear(signals * spec.lags, spec.horizon * size, bias=False) if echoing else None
        self.forgetting = nn.Parameter(_shares(signals)) if echoing else None
        self._kept: Tensor | None = None

    def forward(self, features: Tensor, ahead: Tensor) -> Tensor:
        """(..., feature), (..., span, column) -> (..., horizon, size)."""
        known_features = self.weights.out_features // self.size
        weights = self.weights(features).unflatten(-1, (known_features, self.size))  # A, (..., known, size)
        run = _run_of(ahead)
        steps = ahead if run is None else run
        signals = self.signals(steps)
        now = self._now(steps, signals)
        raw: Tensor = now @ weights if run is None else _diagonals(weights, now, self.spec.horizon)
        if self.around is None:
            return raw
        if run is None:
            added = signals.flatten(-2) @ self._kernel()
            return raw + torch.unflatten(added, -1, (self.spec.horizon, self.size))
        return raw + self._along(self.around, signals, ahead.shape[1])

    def read(self, ahead: Tensor) -> Tensor:
        """All that A and a weigh of each step, (..., span, column) -> (..., horizon, known)."""
        signals = self.signals(ahead)
        return torch.cat([self._now(ahead, signals), *self._around(signals)], dim=-1)

    @property
    def known_size(self) -> int:
        """Numbers that A and a weigh."""
        return (self.weights.out_features // self.size) + (0 if self.around is None else self.around.in_features)

    def put(self, known: Tensor, location: int = 0) -> None:
        """Write weights of all that `read` gives, (known,), the same whatever the features, for one raw number."""
        own = self.weights.out_features // self.size
        self.weights.bias.view(own, self.size)[:, location] = known[:own].to(self.weights.bias)
        if self.around is not None:
            self.around.weight[location] = known[own:].to(self.around.weight)

    def signals(self, ahead: Tensor) -> Tensor:
        """Signals s of steps in a row, (..., step, column) -> (..., step, signal)."""
        return torch.cat([ahead[..., : self.spec.given], torch.tanh(self.curves(ahead))], dim=-1)

    def _now(self, ahead: Tensor, signals: Tensor) -> Tensor:
        """[u, z] of steps in a row, less those at both ends that are only read for others."""
        rows = slice(self.spec.lags, ahead.shape[-2] - self.spec.leads)
        return torch.cat([ahead[..., rows, :], signals[..., rows, self.spec.given :]], dim=-1)

    def _around(self, signals: Tensor) -> list[Tensor]:
        """Signals of the steps before and after each, and the echoes, which begin with the first: what a weighs."""
        lags, steps = self.spec.lags, signals.shape[-2] - self.spec.lags - self.spec.leads
        shifted = [signals[..., first : first + steps, :] for first in range(lags + self.spec.leads + 1)]
        echoes = shifted.pop(lags)
        if self.forgetting is None:
            return shifted
        r, reach = torch.sigmoid(self.forgetting), 1
        while reach < steps:  # sums over 1, 2, 4, ... steps
            echoes = echoes + r**reach * functional.pad(echoes[..., :-reach, :], (0, 0, reach, 0))
            reach *= 2
        return [*shifted, echoes]

    def _along(self, around: nn.Linear, signals: Tensor, forks: int) -> Tensor:
        """What a and W add at forks in a row, (lane, step, signal) -> (lane, fork, horizon, size).

        Echoes run on from the first step of all, e_{t+h} = E_{t+h} - r^h E_t, so that each step is computed once.
        """
        horizon, parts = self.spec.horizon, self._around(signals)
        added: Tensor = around(torch.cat(parts, dim=-1)).unfold(1, horizon, 1).transpose(2, 3)
        if self.forgetting is None or self.before is None:
            return added
        echoes = functional.pad(parts[-1][:, : forks - 1], (0, 0, 1, 0))  # E_t, (lane, fork, echo)
        fading = self._powers()[1:, None] * around.weight[:, -echoes.shape[-1] :]  # r^h a, (horizon, size, echo)
        faded = echoes @ fading.flatten(0, 1).T
        before = signals.unfold(1, self.spec.lags, 1)[:, :forks].transpose(2, 3).flatten(2)
        of_past: Tensor = self.before(before) - faded
        return added + of_past.view(*of_past.shape[:2], horizon, self.size)

    def _powers(self) -> Tensor:
        """R^0 to r^horizon, (horizon + 1, echo)."""
        r = torch.sigmoid(cast("Tensor", self.forgetting))
        return torch.pow(r, torch.arange(self.spec.horizon + 1, device=r.device)[:, None])

    def _kernel(self) -> Tensor:
        """What a and W add at one fork, as a matrix: (span * signal, horizon * size)."""
        around = cast("nn.Linear", self.around)
        if self._kept is not None:
            return self._kept
        spec, steps = self.spec, torch.arange(self.spec.horizon)
        signals = self.curves.out_features + spec.given
        blocks = around.weight.view(self.size, -1, signals).permute(1, 2, 0)  # (offset, signal, size)
        kernel = blocks.new_zeros(spec.horizon, spec.lags + spec.horizon + spec.leads, *blocks.shape[1:])
        offsets = [offset for offset in range(spec.lags + spec.leads + 1) if offset != spec.lags]
        for offset, block in zip(offsets, blocks, strict=False):  # the last block may be that of the echoes
            kernel[steps, steps + offset] = block
        if self.before is not None:
            age = (steps[:, None] - steps).clamp(min=0)  # of an echo, (horizon, step)
            echo = self._powers()[age] * (steps[:, None] >= steps)[..., None]  # (horizon, step, echo)
            kernel[:, spec.lags : spec.lags + spec.horizon] += echo[..., None] * blocks[-1]
            of_past = self.before.weight.view(spec.horizon, self.size, spec.lags, -1)
            kernel[:, : spec.lags] += of_past.permute(0, 2, 3, 1)
        return kernel.permute(1, 2, 0, 3).flatten(2).flatten(0, 1)

    @torch.no_grad()
    def keep_kernel(self) -> None:
        """Compute it once for all forks to come: weights must not change any more, unless they are trained again."""
        if self.around is not None:
            self._kept = self._kernel()

    def train(self, mode: bool = True) -> Self:  # as torch has it
        """Forget what was computed of weights that are about to change."""
        self._kept = None if mode else self._kept
        return super().train(mode)


def _run_of(ahead: Tensor) -> Tensor | None:
    """Steps that forks share, (lane, fork + span - 1, column): those of `NetworkInputs.known_along`; None elsewhere."""
    if ahead.dim() != 4 or ahead.shape[1] == 1 or ahead.stride(1) != ahead.stride(2):
        return None
    lanes, forks, span, columns = ahead.shape
    size, strides = (lanes, forks + span - 1, columns), (ahead.stride(0), ahead.stride(1), ahead.stride(3))
    return ahead.as_strided(size, strides)


def _diagonals(weights: Tensor, known: Tensor, horizon: int) -> Tensor:
    """Weigh the steps after each fork: (lane, fork, known, size), (lane, step, known) -> (lane, fork, horizon, size).

    All steps are weighed for all forks, which takes one product of matrices and no copy of steps for each fork.
    """
    forks, steps = weights.shape[1], known.shape[1]
    weighed: Tensor = torch.einsum("lfks,ltk->lsft", weights, known)
    # Rows one longer than they are: row i begins at its step i.
    padded: Tensor = functional.pad(weighed.flatten(2), (0, forks))
    return padded.view(*padded.shape[:2], forks, steps + 1)[..., :horizon].permute(0, 2, 3, 1)


def _spread_curves(columns: int, given: int) -> nn.Linear:
    """Curves tanh(w (u - v)) at places v that are spread as the columns are, steep and flat ones.

    Half of them read one given column each, half of them all columns. A smooth curve of a column is then a weighted sum
    of them from the start.
    """
    layer = nn.Linear(columns, _SPREAD_CURVES)
    with torch.no_grad():
        directions = torch.randn(_SPREAD_CURVES, columns) / columns**0.5
        alone = torch.arange(0, _SPREAD_CURVES, 2)
        directions[alone] = 0.0
        directions[alone, torch.arange(len(alone)) % given] = 1.0
        steepness = _STEEPEST ** torch.rand(_SPREAD_CURVES, 1)
        layer.weight.copy_(directions * steepness)
        layer.bias.copy_(-(layer.weight * torch.randn(_SPREAD_CURVES, columns)).sum(dim=1))
    return layer


def _shares(echoes: int) -> Tensor:
    """Logits of the shares that echoes keep, from short to long ones, neighbours far from each other."""
    shares = torch.linspace(*_FORGETTING, echoes)
    return torch.logit(torch.cat([shares[::2], shares[1::2]]))


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
        self.out = _zero_linear(feature_size, size)

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


def _zero_linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Build a layer of zeros, so that an untrained network forecasts its reference."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    for part in layer.parameters():
        nn.init.zeros_(part)
    return layer
