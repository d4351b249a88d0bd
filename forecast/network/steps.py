"""A network that goes on one step at a time: by the cells' own equations in numpy, or by torch where that is needed.

A call of torch costs more than the arithmetic of a small cell's step. All of these are of lanes side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import nn

from forecast.network.categorical import CategoricalHead
from forecast.network.cells import Recurrent
from forecast.network.decoders import DirectDecoder
from forecast.network.fused import SigmoidRnn
from forecast.network.heads import PointHead
from forecast.network.reached import Reached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.network import Network
    from forecast.series.encoding import Float32Array
    from forecast.series.panel import FloatArray


class Steps(Protocol):
    """What goes on."""

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (lane, feature)."""
        ...

    @property
    def reached(self) -> Reached:
        """What is carried after the latest step."""
        ...

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (lane, input)."""
        ...


def steps_from(network: Network, reached: Reached) -> Steps:
    """Go on from where every series of a network stands, (series, ...), the fastest way that there is."""
    if isinstance(network.backbone, Recurrent) and network.device.type == "cpu":
        return CellSteps(network, reached)
    return TorchSteps(network, reached)


class TorchSteps:
    """Any network, step by step."""

    def __init__(self, network: Network, reached: Reached) -> None:
        self._network = network
        self.reached = reached
        self._series = torch.arange(len(reached.features), device=network.device)[:, None]

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (series, feature)."""
        features: Float32Array = self.reached.features.cpu().numpy()
        return features

    @torch.no_grad()
    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        inputs = torch.from_numpy(x[:, None]).to(self._network.device)
        features, state = self._network.features(inputs, self._series, self.reached.state)
        self.reached = Reached(features[:, -1], state)


class WindowSteps:
    """A network that reads a window anew at each step, from a zero state."""

    def __init__(self, network: Network, window: Float32Array) -> None:
        """Begin with what was read last, (series, context step, input)."""
        self._network = network
        self._window = window
        self.reached = self._read()

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (series, feature)."""
        features: Float32Array = self.reached.features.cpu().numpy()
        return features

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        self._window = np.concatenate([self._window[:, 1:], x[:, None]], axis=1)
        self.reached = self._read()

    @torch.no_grad()
    def _read(self) -> Reached:
        x = torch.from_numpy(self._window).to(self._network.device)
        series = torch.arange(len(x), device=x.device)[:, None].expand(-1, x.shape[1])
        features, state = self._network.features(x, series, self._network.initial_state(len(x)))
        return Reached(features[:, -1], state)


class CellSteps:
    """An RNN, LSTM or GRU in the equations of `cells`, with the weights that the network has now."""

    def __init__(self, network: Network, reached: Reached) -> None:
        backbone = network.backbone
        if not isinstance(backbone, Recurrent):
            raise TypeError(f"no equations for {type(backbone).__name__}")
        self.features: Float32Array = reached.features.numpy()
        states = [part.numpy() for part in reached.state]
        self._layers = [
            _layer(backbone.core, layer, [np.ascontiguousarray(part[:, layer]) for part in states])
            for layer in range(backbone.core.num_layers)
        ]
        with torch.no_grad():
            static = network.statics(torch.arange(len(self.features))).numpy() if network.statics.size else None
            embedded = network.symbols.embedding.weight.numpy() if network.symbols.reads else None
        self._layers[0].fold(network.input_unit.numpy(), static, embedded)

    @property
    def reached(self) -> Reached:
        """What is carried after the latest step."""
        parts = zip(*(layer.state for layer in self._layers), strict=True)
        state = tuple(torch.from_numpy(np.stack(part, axis=1)) for part in parts)
        return Reached(torch.from_numpy(self.features), state)

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        for layer in self._layers:
            x = layer.step(x)
        self.features = x


class _Layer:
    """Weights of a layer; its gates come of own x + carried h + bias."""

    def __init__(self, own: Float32Array, carried: Float32Array, bias: Float32Array) -> None:
        """Take weights, (gate, input) and (gate, hidden), and bias, (gate,)."""
        self.own, self.carried = np.ascontiguousarray(own.T), np.ascontiguousarray(carried.T)
        self.bias = bias
        self._of_symbols: Float32Array | None = None

    def fold(self, unit: Float32Array, static: Float32Array | None, embedded: Float32Array | None) -> None:
        """Let the weights divide inputs by their units, (input,), and add what never changes, (lane, column).

        Where the first input is the code of a symbol, `embedded` is what it is read as, (symbol, number): what gates
        get of each symbol becomes a table, (symbol, gate).
        """
        if embedded is not None:
            size = embedded.shape[1]
            self._of_symbols, self.own, unit = embedded @ self.own[:size], self.own[size:], unit[1:]
        inputs = len(unit)
        if static is not None:
            self.bias = self.bias + static @ self.own[inputs:]
        self.own = np.ascontiguousarray(self.own[:inputs] / unit[:, None])

    def read(self, x: Float32Array) -> Float32Array:
        """What gates get of the inputs, (lane, input) -> (lane, gate)."""
        if self._of_symbols is None:
            return x @ self.own
        gates: Float32Array = self._of_symbols[x[:, 0].astype(np.intp)]
        if x.shape[1] > 1:
            gates += x[:, 1:] @ self.own
        return gates

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step, (lane, input) -> (lane, hidden)."""
        raise NotImplementedError


class _LstmLayer(_Layer):
    """One layer of an LSTM; gates are kept in the order i, f, o, g."""

    def __init__(self, core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> None:
        own, carried, bias, other = _weights(core, layer)
        size = core.hidden_size
        order = np.concatenate([np.arange(2 * size), np.arange(3 * size, 4 * size), np.arange(2 * size, 3 * size)])
        half = np.where(np.arange(4 * size) < 3 * size, np.float32(0.5), np.float32(1.0))  # sigma(a) is of tanh(a / 2)
        super().__init__(half[:, None] * own[order], half[:, None] * carried[order], half * (bias + other)[order])
        self._size = size
        self.state = tuple(state)

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step."""
        h, c = self.state
        size = self._size
        gates = self.read(x)
        gates += h @ self.carried
        gates += self.bias
        np.tanh(gates, out=gates)
        opened = gates[:, : 3 * size]
        opened *= 0.5
        opened += 0.5
        c = gates[:, size : 2 * size] * c
        c += gates[:, :size] * gates[:, 3 * size :]
        h = np.tanh(c)
        h *= gates[:, 2 * size : 3 * size]
        self.state = (h, c)
        return h


class _GruLayer(_Layer):
    """One layer of a GRU; gates come in the order r, z, n."""

    def __init__(self, core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> None:
        own, carried, bias, self._carried_bias = _weights(core, layer)
        super().__init__(own, carried, bias)
        self._size = core.hidden_size
        self.state = tuple(state)

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step."""
        (h,) = self.state
        size = self._size
        own, carried = self.read(x), h @ self.carried
        own += self.bias
        carried += self._carried_bias
        gates: Float32Array = own[:, : 2 * size] + carried[:, : 2 * size]
        gates *= 0.5
        np.tanh(gates, out=gates)
        gates *= 0.5
        gates += 0.5
        n: Float32Array = gates[:, :size] * carried[:, 2 * size :]
        n += own[:, 2 * size :]
        np.tanh(n, out=n)
        moved: Float32Array = n + gates[:, size:] * (h - n)
        self.state = (moved,)
        return moved


class _RnnLayer(_Layer):
    """One layer of an RNN."""

    def __init__(self, core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> None:
        own, carried, bias, other = _weights(core, layer)
        super().__init__(own, carried, bias + other)
        self._sigmoid = isinstance(core, SigmoidRnn)
        self._relu = core.nonlinearity == "relu"
        self.state = tuple(state)

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step."""
        (h,) = self.state
        raw = self.read(x)
        raw += h @ self.carried
        raw += self.bias
        if self._sigmoid:
            h = (np.tanh(raw * np.float32(0.5)) + np.float32(1.0)) * np.float32(0.5)
        else:
            h = np.maximum(raw, 0.0) if self._relu else np.tanh(raw)
        self.state = (h,)
        return h


def _layer(core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> _LstmLayer | _GruLayer | _RnnLayer:
    build = _LstmLayer if isinstance(core, nn.LSTM) else _GruLayer if isinstance(core, nn.GRU) else _RnnLayer
    return build(core, layer, state)


def _weights(core: nn.RNNBase, layer: int) -> list[Float32Array]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [getattr(core, f"{name}_l{layer}").detach().numpy() for name in names]


def straight_forecast(network: Network) -> tuple[Float32Array, Float32Array] | None:
    """Weights (feature, horizon) and bias (horizon,) of point forecasts that are linear in the features.

    They are differences to the reference in units of the series' scale. None where forecasts are made otherwise.
    """
    straight, head = _straight(network), network.head
    if straight is None or not isinstance(head, PointHead):
        return None
    unit = head.unit.cpu().numpy()
    weight, bias = straight
    return np.ascontiguousarray((weight * unit[:, None]).T), bias * unit


class StraightChances:
    """Probabilities of symbols whose logarithms are, but for what they lack to add up to 1, linear in the features."""

    def __init__(self, weight: Float32Array, bias: Float32Array, base: FloatArray) -> None:
        """Take weights (horizon and symbol, feature), bias (same,) and logarithms of base rates (horizon, symbol)."""
        self._weight = np.ascontiguousarray(weight.T)
        self._base = bias.reshape(base.shape) + base

    def of(self, features: Float32Array) -> FloatArray:
        """(lane, feature) -> (lane, horizon, symbol)."""
        logits: FloatArray = (features @ self._weight).reshape(-1, *self._base.shape) + self._base
        logits -= logits.max(axis=-1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=-1, keepdims=True)
        return logits


def straight_chances(network: Network) -> StraightChances | None:
    """Return how probabilities of symbols follow from features; None where forecasts are made otherwise."""
    straight, head = _straight(network), network.head
    if straight is None or not isinstance(head, CategoricalHead):
        return None
    return StraightChances(*straight, head.base.double().cpu().numpy())


def _straight(network: Network) -> tuple[Float32Array, Float32Array] | None:
    """Weights (raw number, feature) and bias (raw number,) of a decoder that is linear in the features alone."""
    decoder = network.decoder
    if not isinstance(decoder, DirectDecoder) or decoder.reader is not None:
        return None
    return decoder.out.weight.detach().cpu().numpy(), decoder.out.bias.detach().cpu().numpy()
