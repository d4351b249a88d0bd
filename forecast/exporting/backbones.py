"""Backbones as ONNX has them: its own LSTM, GRU and RNN for stacked cells, a loop where it has no operation.

The older exporter of torch writes `nn.LSTM`, `nn.GRU` and `nn.RNN` as one operation a layer, whatever the batch and the
length. Ours are subclasses that may run compiled, so that a twin with the same weights takes their place.
"""

from __future__ import annotations

import copy
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from forecast.errors import ForecastError
from forecast.network.cells import Recurrent
from forecast.network.compiled.modules import FusedGru, FusedLstm, FusedRnn, SigmoidRnn, layer_weights, tanh_weights
from forecast.network.decoders import RecurrentDecoder
from forecast.network.mingru import MinGru
from forecast.network.reservoir import Reservoir
from forecast.network.wrappers import Bidirectional, Dilated, Patched, Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.network.cells import Backbone
    from forecast.network.network import Network
    from forecast.network.state import State


def exportable(network: Network) -> Network:
    """Return a copy of a network that a graph can hold.

    Raises
    ------
    ForecastError
        There is none.

    """
    twin: Any = copy.deepcopy(network).cpu().eval()
    twin.backbone = _backbone_of(network.backbone)
    if isinstance(twin.decoder, RecurrentDecoder):
        twin.decoder = _Decoder(twin.decoder)
    elif twin.decoder.reader is not None:
        twin.decoder.reader.keep_kernel()
    return cast("Network", twin)


def _backbone_of(backbone: Backbone) -> Backbone:
    """Return a backbone with the same weights that a graph can hold."""
    if isinstance(backbone, Recurrent) and isinstance(backbone.core, SigmoidRnn):
        return _Sigmoid(backbone.core)
    if isinstance(backbone, Recurrent):
        return _Stacked(backbone.core, backbone.parts, both_ends=False)
    if isinstance(backbone, Bidirectional):
        return _Stacked(backbone.core, 0, both_ends=True)
    if isinstance(backbone, MinGru):
        return _Linear(backbone)
    if isinstance(backbone, Reservoir):
        return _Leaky(backbone)
    if isinstance(backbone, Stack):
        return _stack_of(backbone)
    if isinstance(backbone, Patched):
        raise ForecastError("`model.segment_steps` above 1 cannot be exported: its steps are no operation of ONNX")
    if isinstance(backbone, Dilated):
        raise ForecastError("`model.dilations` above 1 cannot be exported: their steps are no operation of ONNX")
    raise ForecastError(f"the cell {type(backbone).__name__} is not known to the export: train an LSTM, GRU or RNN")


class _Stacked(nn.Module):
    """`nn.LSTM`, `nn.GRU` or `nn.RNN`, batches first, as it is in torch; its state is (lane, layer, hidden) each."""

    def __init__(self, core: nn.RNNBase, parts: int, *, both_ends: bool) -> None:
        super().__init__()
        self.core = _twin(core)
        self.parts, self.both_ends = parts, both_ends
        self.feature_size = core.hidden_size * (1 + both_ends)

    def initial_state(self, lanes: int) -> State:
        zero = torch.zeros(lanes, self.core.num_layers, self.core.hidden_size)
        return (zero,) * self.parts

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if self.both_ends:
            out, size = self.core(x)[0], self.core.hidden_size
            both = torch.cat([out[:, -1, :size], out[:, 0, size:]], dim=-1)  # each way where it has read all
            return both[:, None], ()
        before = tuple(part.transpose(0, 1).contiguous() for part in state)  # (layer, lane, hidden), as torch has it
        features, after = self.core(x, before if self.parts > 1 else before[0])
        parts = after if self.parts > 1 else (after,)
        return features, tuple(part.transpose(0, 1) for part in parts)


def _twin(core: nn.RNNBase) -> nn.RNNBase:
    """Return torch's own module with the weights of ours."""
    kinds: dict[type[nn.RNNBase], Any] = {FusedLstm: nn.LSTM, FusedGru: nn.GRU, FusedRnn: nn.RNN}
    options: dict[str, Any] = {"num_layers": core.num_layers, "batch_first": True, "bidirectional": core.bidirectional}
    if isinstance(core, nn.RNN):
        options["nonlinearity"] = core.nonlinearity
    twin = kinds[type(core)](core.input_size, core.hidden_size, **options)
    twin.load_state_dict(core.state_dict())
    return cast("nn.RNNBase", twin)


class _Sigmoid(nn.Module):
    """An RNN with the logistic function: layers with tanh, whose outputs g are 2 h - 1, as `SigmoidRnn` has them."""

    def __init__(self, core: SigmoidRnn) -> None:
        super().__init__()
        self.layers, self.feature_size = nn.ModuleList(), core.hidden_size
        for number in range(core.num_layers):
            layer = nn.RNN(core.input_size if number == 0 else core.hidden_size, core.hidden_size, batch_first=True)
            for own, weight in zip(layer_weights(layer, 0), tanh_weights(layer_weights(core, number)), strict=True):
                own.detach().copy_(weight.detach())
            self.layers.append(layer)

    def initial_state(self, lanes: int) -> State:
        return (torch.zeros(lanes, len(self.layers), self.feature_size),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        after = []
        for number, layer in enumerate(self.layers):
            g, end = layer(x, (2 * state[0][:, number] - 1)[None])
            x = (g + 1) / 2  # h = (g + 1) / 2, since sigmoid(a) = (tanh(a / 2) + 1) / 2
            after.append((end[0] + 1) / 2)
        return x, (torch.stack(after, dim=1),)


def _stack_of(stack: Stack) -> Stack:
    """Return the stack with layers that a graph can hold."""
    layers: Any = stack.layers
    inner = [_backbone_of(layer) for layer in layers]
    twin = copy.deepcopy(stack)
    twin.layers = nn.ModuleList(inner)  # type: ignore[arg-type]  # backbones are modules
    return twin


def looped(function: Callable[..., Tensor], x: Tensor) -> Callable[..., Tensor]:
    """Return a function that runs over the steps of (lane, step, input): a single one needs no loop in the graph."""
    return function if x.shape[1] == 1 else _scripted(function)


@cache
def _scripted(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function whose loop stays a loop in the graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted: Callable[..., Tensor] = torch.jit.script(function)
    return scripted


def _recurrence(kept: Tensor, added: Tensor, h: Tensor) -> Tensor:
    """h_t = kept_t h_{t-1} + added_t, (lane, step, hidden)."""
    steps: list[Tensor] = []
    for t in range(kept.shape[1]):
        h = kept[:, t] * h + added[:, t]
        steps.append(h)
    return torch.stack(steps, dim=1)


class _Linear(nn.Module):
    """A layer of minGRU."""

    def __init__(self, layer: MinGru) -> None:
        super().__init__()
        self.gates, self.feature_size = layer.gates, layer.feature_size

    def initial_state(self, lanes: int) -> State:
        return (torch.zeros(lanes, self.feature_size),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        z, candidate = self.gates(x).chunk(2, dim=-1)
        z = torch.sigmoid(z)
        h = looped(_recurrence, x)(1 - z, z * candidate, state[0])  # h_t = (1 - z_t) h_{t-1} + z_t c_t
        return h, (h[:, -1],)


def _leaky(driven: Tensor, h: Tensor, weight: Tensor, leak: float) -> Tensor:
    """h_t = (1 - a) h_{t-1} + a tanh(driven_t + W h_{t-1}), (lane, step, hidden); `weight` is W transposed."""
    steps: list[Tensor] = []
    for t in range(driven.shape[1]):
        h = h + leak * (torch.tanh(driven[:, t] + h @ weight) - h)
        steps.append(h)
    return torch.stack(steps, dim=1)


class _Leaky(nn.Module):
    """The reservoir of an echo state network."""

    def __init__(self, reservoir: Reservoir) -> None:
        super().__init__()
        self.inner, self.feature_size = reservoir, reservoir.feature_size

    def initial_state(self, lanes: int) -> State:
        return self.inner.initial_state(lanes)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        driven = nn.functional.linear(x, self.inner.weight_in, self.inner.bias)  # W_in x_t + b
        h = looped(_leaky, x)(driven, state[0][:, 0], self.inner.weight.t(), float(self.inner.leak))
        return torch.cat([h, x], dim=-1), (h[:, -1:],)


class _Decoder(nn.Module):
    """A recurrent decoder from one origin a lane, (lane, feature)."""

    def __init__(self, decoder: RecurrentDecoder) -> None:
        super().__init__()
        self.inner = decoder
        self.inner.cell = _GruCell(decoder.cell)  # type: ignore[assignment]  # it computes the same

    def forward(self, features: Tensor, ahead: Tensor | None, forcing: None = None) -> Tensor:
        return self.inner.decode(features, ahead, None, None)


class _GruCell(nn.Module):
    """A step of a GRU, (lane, input) and (lane, hidden) -> (lane, hidden)."""

    def __init__(self, cell: nn.GRUCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        cell, size = self.cell, self.cell.hidden_size
        read = nn.functional.linear(x, cell.weight_ih, cell.bias_ih)
        kept = nn.functional.linear(h, cell.weight_hh, cell.bias_hh)
        r, z = (torch.sigmoid(read[:, i : i + size] + kept[:, i : i + size]) for i in (0, size))
        # Reset gate r, update gate z, candidate n; the reset gate acts after the product, as in torch.
        n = torch.tanh(read[:, 2 * size :] + r * kept[:, 2 * size :])
        return (1 - z) * n + z * h
