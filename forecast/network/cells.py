"""Backbones: pure functions (inputs, state) -> (features, state), recurrent in time.

    features, state = backbone(x, state)      x (lane, step, input), features (lane, step, feature)

The equations, with x_t the input, h_t the output, sigma the logistic function and * element by element:

    rnn   h_t = tanh(W x_t + U h_{t-1} + b)                      (Elman 1990; ReLU instead of tanh on request)
    lstm  i, f, o = sigma(W x_t + U h_{t-1} + b), g = tanh(...)  (Hochreiter & Schmidhuber 1997, Gers et al. 2000)
          c_t = f * c_{t-1} + i * g,  h_t = o * tanh(c_t)
    gru   r, z = sigma(W x_t + U h_{t-1} + b)                    (Cho et al. 2014, as in cuDNN)
          n = tanh(W x_t + b + r * (U h_{t-1} + b')),  h_t = (1 - z) * n + z * h_{t-1}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from forecast.network.allocator import LARGEST_KEPT
from forecast.network.fused import FusedGru, FusedRnn
from forecast.network.reservoir import Reservoir
from forecast.network.segments import Segmented
from forecast.network.settings import EsnSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.network.settings import BackboneSettings, GruSettings, LstmSettings, NetworkSettings, RnnSettings
    from forecast.network.state import State


_BYTES_A_UNIT = 32
"""What a kernel keeps of a hidden unit at a step, for the way back: gates and state of an LSTM."""


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
    """Stacked layers of an RNN, LSTM or GRU, with the fused kernels that there are: torch's, or those of `fused`.

    Dropout silences features between the layers and after the last, while training.
    """

    def __init__(self, core: nn.RNNBase, parts: int, dropout: float) -> None:
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

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        carried = tuple(part.transpose(0, 1).contiguous() for part in state)  # torch wants (layer, lane, hidden)
        parts = []
        for piece in torch.split(x, self._steps_at_once(x), dim=1):
            features, after = self.core(piece, carried if self.parts > 1 else carried[0])
            carried = after if self.parts > 1 else (after,)
            parts.append(features)
        features = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return self.dropout(features), tuple(part.transpose(0, 1) for part in carried)

    def _steps_at_once(self, x: Tensor) -> int:
        """Steps of a call of the kernel, so many that the CPU's memory for its buffers can be kept."""
        if x.device.type != "cpu":
            return x.shape[1]
        return max(LARGEST_KEPT // (_BYTES_A_UNIT * self.feature_size * x.shape[0]), 1)


def build_backbone(settings: NetworkSettings, input_size: int) -> Recurrent | Segmented | Reservoir:
    """Build the backbone that the settings name, with fresh weights from torch's random numbers."""
    if isinstance(settings, EsnSettings):
        return Reservoir(settings, input_size)
    build = CELLS[settings.name]
    if settings.segment_steps == 1:
        return build(settings, input_size)
    return Segmented(build(settings, settings.hidden_size), settings.segment_steps, input_size)


def _common(settings: BackboneSettings, input_size: int) -> dict[str, int | float | bool]:
    between = settings.dropout if settings.layers > 1 else 0.0
    return {
        "input_size": input_size,
        "hidden_size": settings.hidden_size,
        "num_layers": settings.layers,
        "dropout": between,
        "batch_first": True,
    }


def _rnn(settings: RnnSettings, input_size: int) -> Recurrent:
    core = FusedRnn(nonlinearity=settings.activation, **_common(settings, input_size))
    return Recurrent(core, 1, settings.dropout)


def _lstm(settings: LstmSettings, input_size: int) -> Recurrent:
    core = nn.LSTM(**_common(settings, input_size))
    with torch.no_grad():  # remember by default (Jozefowicz et al. 2015): the forget gate starts open
        for layer in range(settings.layers):
            getattr(core, f"bias_hh_l{layer}")[settings.hidden_size : 2 * settings.hidden_size] = 1.0
    return Recurrent(core, 2, settings.dropout)


def _gru(settings: GruSettings, input_size: int) -> Recurrent:
    return Recurrent(FusedGru(**_common(settings, input_size)), 1, settings.dropout)


CELLS: dict[str, Callable[..., Recurrent]] = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}
"""Every cell that learns, by its name in `model.name`; `esn` has a `Reservoir`."""
