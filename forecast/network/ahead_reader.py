"""What is known ahead of a forecast, read of a step of the horizon and of the steps around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from forecast.network.inputs import InputSpec

_CURVES = 16
"""Nonlinear combinations of what is known ahead, besides the columns themselves."""

_SPREAD_CURVES = 32
"""The same where steps around are read as well."""

_STEEPEST = 4.0
"""Slope of the steepest curve before it is trained, per standard deviation of a column; 1 is the flattest."""

_FORGETTING = (0.1, 0.95)
"""Shares of an echo that the first and the last of the echoes keep from step to step, before they are trained."""


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
        self.weights = zero_linear(feature_size, (spec.ahead + self.curves.out_features) * size)  # A
        self.around = zero_linear(signals * (offsets + echoing), size, bias=False) if offsets else None
        self.before = zero_linear(signals * spec.lags, spec.horizon * size, bias=False) if echoing else None
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


def zero_linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Build a layer of zeros, so that an untrained network forecasts its reference."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    for part in layer.parameters():
        nn.init.zeros_(part)
    return layer
