"""Backbones: pure functions (inputs, state) -> (features, state), recurrent in time.

    features, state = backbone(x, state)      x (lane, step, input), features (lane, step, feature)

The equations, with x_t the input, h_t the output, sigma the logistic function and * element by element:

    rnn   h_t = tanh(W x_t + U h_{t-1} + b)                      (Elman 1990; ReLU or sigma instead on request)
    lstm  i, f, o = sigma(W x_t + U h_{t-1} + b), g = tanh(...)  (Hochreiter & Schmidhuber 1997, Gers et al. 2000)
          c_t = f * c_{t-1} + i * g,  h_t = o * tanh(c_t)
    gru   r, z = sigma(W x_t + U h_{t-1} + b)                    (Cho et al. 2014, as in cuDNN)
          n = tanh(W x_t + b + r * (U h_{t-1} + b')),  h_t = (1 - z) * n + z * h_{t-1}

`mingru` and `reservoir` have the other cells, `wrappers` what may lie around and between them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from forecast.network.compiled.modules import FusedGru, FusedLstm, FusedRnn, SigmoidRnn
from forecast.network.mingru import MinGru
from forecast.network.reservoir import Reservoir
from forecast.network.settings import CELLS, EsnSettings
from forecast.network.wrappers import Bidirectional, Dilated, Patched, Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.network.compiled.modules import Core
    from forecast.network.settings import (
        Cell,
        CellSettings,
        GruSettings,
        LstmSettings,
        MinGruSettings,
        NetworkSettings,
        RnnSettings,
    )
    from forecast.network.state import State

    Learning: TypeAlias = RnnSettings | LstmSettings | GruSettings | MinGruSettings


_BYTES_A_UNIT = 32
"""What a kernel keeps of a hidden unit at a step, for the way back: gates and state of an LSTM."""

_BYTES_AT_ONCE = 16 * 2**20
"""Of what a call of torch's kernel keeps on a CPU: on its way back more no longer finds it in the cache, and half again
as much time is gone (128 windows of 168 steps and 64 units)."""

_BYTES_AT_ONCE_COMPILED = 64 * 2**20
"""Of compiled layers, which mind less; of larger buffers the C library has new pages brought by every call."""


class Backbone(Protocol):
    """What turns inputs into features, step by step, with a state handed in and out."""

    feature_size: int

    def initial_state(self, lanes: int) -> State:
        """State before the first step of a segment: zeros."""
        ...

    def __call__(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input); the state that comes out is that after the last step."""
        ...


class Recurrent(nn.Module):
    """Stacked layers of an RNN, LSTM or GRU, with the fused kernels that there are: torch's, or those of `compiled`.

    Dropout silences features between the layers and after the last, while training.
    """

    def __init__(self, core: Core, parts: int, dropout: float) -> None:
        super().__init__()
        self.core = core
        self.parts = parts  # tensors in a state: h, or h and c
        self.dropout = nn.Dropout(dropout)
        self.feature_size = core.hidden_size

    def initial_state(self, lanes: int) -> State:
        """Zeros, (lane, layer, hidden) each."""
        weight = next(self.core.parameters())
        zero = weight.new_zeros(lanes, self.core.num_layers, self.core.hidden_size)
        return (zero,) * self.parts

    def can_reset(self, x: Tensor) -> bool:
        """Whether lanes of these inputs may be reset at any step, so that a chunk need not be cut there."""
        return self.core.can_reset(x)

    def forward(self, x: Tensor, state: State, resets: Tensor | None = None) -> tuple[Tensor, State]:
        """Run over (lane, step, input); if it `can_reset`, the state of a lane is zero before its step in `resets`."""
        parts, after = self._run(x, state, resets)
        features = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return self.dropout(features), tuple(part.transpose(0, 1) for part in after)

    def last(self, x: Tensor, state: State) -> Tensor:
        """Features of the last step alone, (lane, feature), out of the state that comes out.

        A gradient that enters there needs no zeros for all the steps before.
        """
        last: Tensor = self.dropout(self._run(x, state)[1][0][-1])
        return last

    def _run(self, x: Tensor, state: State, resets: Tensor | None = None) -> tuple[list[Tensor], State]:
        """Features piece by piece, (lane, step, feature), and the state after the last, (layer, lane, hidden)."""
        carried = tuple(part.transpose(0, 1).contiguous() for part in state)  # torch wants (layer, lane, hidden)
        parts, steps = [], self._steps_at_once(x)
        for number, piece in enumerate(torch.split(x, steps, dim=1)):
            in_piece = () if resets is None else (resets - number * steps,)
            features, after = self.core(piece, carried if self.parts > 1 else carried[0], *in_piece)
            carried = after if self.parts > 1 else (after,)
            parts.append(features)
        return parts, carried

    def _steps_at_once(self, x: Tensor) -> int:
        """Steps of a call of the kernel, so many that it is quick about what it keeps of them for the way back."""
        if x.device.type != "cpu" or not torch.is_grad_enabled():
            return x.shape[1]
        most = _BYTES_AT_ONCE_COMPILED if self.core.compiled(x) else _BYTES_AT_ONCE
        return max(most // (_BYTES_A_UNIT * self.feature_size * x.shape[0]), 1)


def build_backbone(settings: NetworkSettings, input_size: int) -> Backbone:
    """Build the backbone that the settings name, with fresh weights from torch's random numbers."""
    if isinstance(settings, EsnSettings):
        return Reservoir(settings, input_size)
    if settings.segment_steps == 1:
        return _layers(settings, input_size)
    return Patched(_layers(settings, settings.units), settings.segment_steps, input_size)


def _layers(settings: Learning, input_size: int) -> Backbone:
    """Build all layers: in one kernel where there is one and nothing but dropout lies between them."""
    cell = CELLS[settings.name]
    build = _built_by(cell)
    dilations = settings.dilations or (1,) * settings.depth
    plain = not settings.residual and not settings.layer_norm and max(dilations) == 1
    if plain and cell.layers_in_one:
        return build(settings, input_size, settings.depth, settings.dropout)
    layers, size = [], input_size
    for steps in dilations:
        layer = build(settings, size)
        layers.append(Dilated(layer, steps) if steps > 1 else layer)
        size = layer.feature_size
    return Stack(layers, residual=settings.residual, layer_norm=settings.layer_norm, dropout=settings.dropout)


def _built_by(cell: Cell) -> Callable[..., Backbone]:
    if callable(cell.build):
        return cell.build
    module, _, function = cell.build.partition(":")
    build: Callable[..., Backbone] = getattr(import_module(module), function)
    return build


def rnn(settings: RnnSettings, input_size: int, layers: int = 1, dropout: float = 0.0) -> Backbone:
    """Build an Elman network of torch's kernel, or of ours for the logistic function."""
    options = _options(settings, input_size, layers, dropout)
    if settings.activation == "sigmoid":
        return _begun(SigmoidRnn(**options), 1, settings, dropout)
    return _begun(FusedRnn(nonlinearity=settings.activation, **options), 1, settings, dropout)


def lstm(settings: LstmSettings, input_size: int, layers: int = 1, dropout: float = 0.0) -> Backbone:
    """Build an LSTM whose forget gate begins at `forget_bias`."""
    core = FusedLstm(**_options(settings, input_size, layers, dropout))
    size = settings.units
    # The forget gate starts open: remember by default (Jozefowicz et al. 2015).
    _set_gate(core, slice(size, 2 * size), settings.forget_bias)
    return _begun(core, 2, settings, dropout)


def gru(settings: GruSettings, input_size: int, layers: int = 1, dropout: float = 0.0) -> Backbone:
    """Build a GRU whose update gate begins at `forget_bias`, if it is said."""
    core = FusedGru(**_options(settings, input_size, layers, dropout))
    size = settings.units
    if settings.forget_bias is not None:
        _set_gate(core, slice(size, 2 * size), settings.forget_bias)
    return _begun(core, 1, settings, dropout)


def mingru(settings: MinGruSettings, input_size: int) -> Backbone:
    """Build one layer of minGRU."""
    return MinGru(input_size, settings.units, settings.forget_bias)


def _options(settings: CellSettings, input_size: int, layers: int, dropout: float) -> dict[str, Any]:
    return {
        "input_size": input_size,
        "hidden_size": settings.units,
        "num_layers": layers,
        "dropout": dropout if layers > 1 else 0.0,
        "batch_first": True,
        "bidirectional": settings.bidirectional,
    }


def _set_gate(core: nn.RNNBase, gate: slice, bias: float) -> None:
    """Let a gate of every layer and direction begin at a bias of its state, beside that of its input."""
    with torch.no_grad():
        for name, parameter in core.named_parameters():
            if name.startswith("bias_hh"):
                parameter[gate] = bias


def _begun(core: Core, parts: int, settings: CellSettings, dropout: float) -> Backbone:
    """Give recurrent weights their first values, each gate's matrix by itself."""
    fill = _RECURRENT_INITS[settings.recurrent_init]
    for name, parameter in core.named_parameters():
        if fill is not None and name.startswith("weight_hh"):
            for gate in torch.split(parameter.detach(), settings.units):
                fill(gate)
    return Bidirectional(core, dropout) if settings.bidirectional else Recurrent(core, parts, dropout)


_RECURRENT_INITS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "uniform": None,
    "xavier": nn.init.xavier_uniform_,
    "kaiming": nn.init.kaiming_uniform_,
    "orthogonal": nn.init.orthogonal_,
}
"""What fills a recurrent matrix, by its name in `model.recurrent_init`: torch's own (uniform within 1 / sqrt(hidden)),
Glorot and Bengio 2010, He et al. 2015, Saxe et al. 2014."""
