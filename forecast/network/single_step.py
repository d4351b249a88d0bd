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
from forecast.network.compiled.modules import SigmoidRnn
from forecast.network.decoders import DirectDecoder
from forecast.network.heads import PointHead
from forecast.network.state import StateAtOrigin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.network import Network
    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import FloatArray


class Steps(Protocol):
    """What goes on."""

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (lane, feature); the next one may overwrite them."""
        ...

    @property
    def reached(self) -> StateAtOrigin:
        """What is carried after the latest step."""
        ...

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (lane, input)."""
        ...


def steps_from(network: Network, reached: StateAtOrigin) -> Steps:
    """Go on from where every series of a network stands, (series, ...), the fastest way that there is."""
    if isinstance(network.backbone, Recurrent) and network.device.type == "cpu":
        return CellSteps(network, reached)
    return TorchSteps(network, reached)


class TorchSteps:
    """Any network, step by step."""

    def __init__(self, network: Network, reached: StateAtOrigin) -> None:
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
        self.reached = StateAtOrigin(features[:, -1], state)


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
    def _read(self) -> StateAtOrigin:
        x = torch.from_numpy(self._window).to(self._network.device)
        series = torch.arange(len(x), device=x.device)[:, None].expand(-1, x.shape[1])
        features, state = self._network.features(x, series, self._network.initial_state(len(x)))
        return StateAtOrigin(features[:, -1], state)


class CellSteps:
    """An RNN, LSTM or GRU in the equations of `cells`, with the weights that the network has now."""

    def __init__(self, network: Network, reached: StateAtOrigin) -> None:
        backbone = network.backbone
        if not isinstance(backbone, Recurrent):
            raise TypeError(f"no equations for {type(backbone).__name__}")
        states = [part.numpy() for part in reached.state]
        self._layers = [
            build_layer(backbone.core, layer, [part[:, layer] for part in states])
            for layer in range(backbone.core.num_layers)
        ]
        with torch.no_grad():
            static = network.statics(torch.arange(len(states[0]))).numpy() if network.statics.size else None
            embedded = network.symbols.embedding.weight.numpy() if network.symbols.reads else None
        self._layers[0].fold(network.input_unit.numpy(), static, embedded)
        self.features: Float32Array = self._layers[-1].hidden  # each step writes there

    @property
    def reached(self) -> StateAtOrigin:
        """What is carried after the latest step."""
        parts = zip(*(layer.state for layer in self._layers), strict=True)
        state = tuple(torch.from_numpy(np.stack(part, axis=1)) for part in parts)
        return StateAtOrigin(torch.from_numpy(self.features.copy()), state)

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        for layer in self._layers:
            x = layer.step(x)


class LinearReadout:
    """Point forecasts that are linear in the features: differences to the reference in units of the series' scale."""

    def __init__(self, weight: Float32Array, bias: Float32Array) -> None:
        """Take weights (horizon, feature) and bias (horizon,)."""
        self._weight, self._bias = np.ascontiguousarray(weight.T), bias

    def of(self, features: Float32Array) -> Float32Array:
        """(lane, feature) -> (lane, horizon)."""
        # Of one lane: a vector times a matrix takes 1 us, a matrix of one row times a matrix 2.5.
        told: Float32Array = features.dot(self._weight) if len(features) > 1 else features[0].dot(self._weight)[None]
        told += self._bias
        return told


def linear_readout(network: Network) -> LinearReadout | None:
    """Return how point forecasts follow from features; None where forecasts are made otherwise."""
    straight, head = _straight(network), network.head
    if straight is None or not isinstance(head, PointHead):
        return None
    unit = head.unit.cpu().numpy()
    weight, bias = straight
    return LinearReadout(weight * unit[:, None], bias * unit)


class SoftmaxReadout:
    """Uniforms of symbols whose logarithms are, but for what they lack to add up to 1, linear in the features."""

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


def softmax_readout(network: Network) -> SoftmaxReadout | None:
    """Return how probabilities of symbols follow from features; None where forecasts are made otherwise."""
    straight, head = _straight(network), network.head
    if straight is None or not isinstance(head, CategoricalHead):
        return None
    return SoftmaxReadout(*straight, head.base.double().cpu().numpy())


def _straight(network: Network) -> tuple[Float32Array, Float32Array] | None:
    """Weights (raw number, feature) and bias (raw number,) of a decoder that is linear in the features alone."""
    decoder = network.decoder
    if not isinstance(decoder, DirectDecoder) or decoder.reader is not None:
        return None
    return decoder.out.weight.detach().cpu().numpy(), decoder.out.bias.detach().cpu().numpy()


class Layer:
    """What all of them have: gates come of own x + carried h + bias.

    Attributes
    ----------
    hidden : (lane, hidden) outputs of the latest step; overwritten by the next

    """

    def __init__(
        self, own: Float32Array, carried: Float32Array, bias: Float32Array, state: Sequence[Float32Array]
    ) -> None:
        """Take weights, (gate, input) and (gate, hidden), bias, (gate,), and the state before, (lane, hidden) each."""
        self._own, self._carried, self._bias = own.T, carried.T, bias
        self._of_symbols: Float32Array | None = None
        self._begin(state[0])

    def _begin(self, h: Float32Array) -> None:
        """Lay inputs and state side by side, and their weights below each other."""
        lanes, inputs = len(h), len(self._own)
        self._weights = np.concatenate([self._own, self._carried])
        self._seen = np.zeros((lanes, len(self._weights)), dtype=np.float32)
        self._inputs, self.hidden = self._seen[:, :inputs], self._seen[:, inputs:]
        self.hidden[:] = h
        self._gates = np.zeros((lanes, self._weights.shape[1]), dtype=np.float32)

    @property
    def state(self) -> tuple[Float32Array, ...]:
        """What is carried after the latest step, (lane, hidden) each."""
        return (self.hidden.copy(),)

    def fold(self, unit: Float32Array, static: Float32Array | None, embedded: Float32Array | None) -> None:
        """Let the weights divide inputs by their units, (input,), and add what never changes, (lane, column).

        Where the first input is the code of a symbol, `embedded` is what it is read as, (symbol, number): what gates
        get of each symbol becomes a table, (symbol, gate).
        """
        if embedded is not None:
            size = embedded.shape[1]
            self._of_symbols, self._own, unit = embedded @ self._own[:size], self._own[size:], unit[1:]
        inputs = len(unit)
        if static is not None:
            self._bias = self._bias + static @ self._own[inputs:]
        self._own = self._own[:inputs] / unit[:, None]
        self._begin(self.hidden)

    def read(self, x: Float32Array) -> Float32Array:
        """What gates get of inputs and state, (lane, input) -> (lane, gate); overwritten by the next step."""
        gates = self._gates
        self._inputs[:] = x if self._of_symbols is None else x[:, 1:]
        np.dot(self._seen, self._weights, out=gates)
        gates += self._bias
        if self._of_symbols is not None:
            gates += self._of_symbols[x[:, 0].astype(np.intp)]
        return gates

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step, (lane, input) -> `hidden`."""
        raise NotImplementedError


class LstmLayer(Layer):
    """One layer of an LSTM; gates are kept in the order i, f, o, g."""

    def __init__(self, core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> None:
        own, carried, bias, other = _weights(core, layer)
        size = core.hidden_size
        order = np.concatenate([np.arange(2 * size), np.arange(3 * size, 4 * size), np.arange(2 * size, 3 * size)])
        half = _halved(3 * size, 4 * size)
        super().__init__(
            half[:, None] * own[order], half[:, None] * carried[order], half * (bias + other)[order], state
        )
        self._c = state[1].copy()

    def _begin(self, h: Float32Array) -> None:
        super()._begin(h)
        gates, size = self._gates, h.shape[1]
        self._opened = gates[:, : 3 * size]
        self._i, self._f, self._o, self._g = (gates[:, at : at + size] for at in range(0, 4 * size, size))

    @property
    def state(self) -> tuple[Float32Array, ...]:
        """Return h and c after the latest step."""
        return self.hidden.copy(), self._c.copy()

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step."""
        gates, opened, c, added, h = self.read(x), self._opened, self._c, self._g, self.hidden
        np.tanh(gates, out=gates)
        opened *= 0.5
        opened += 0.5
        added *= self._i
        c *= self._f
        c += added
        np.tanh(c, out=h)
        h *= self._o
        return h


class GruLayer(Layer):
    """One layer of a GRU; gates are r, z, and the two parts of n: of the input, and of the state."""

    def __init__(self, core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> None:
        own, carried, bias, other = _weights(core, layer)
        size = core.hidden_size
        half = _halved(2 * size, 4 * size)
        nothing, n = slice(3 * size, 4 * size), slice(2 * size, 3 * size)
        wide = [np.concatenate([part, part[n]]) for part in (own, carried, bias, other)]
        for part, without in zip(wide, (nothing, n, nothing, n), strict=True):
            part[without] = 0.0
        own, carried, bias, other = wide
        super().__init__(half[:, None] * own, half[:, None] * carried, half * (bias + other), state)

    def _begin(self, h: Float32Array) -> None:
        super()._begin(h)
        gates, size = self._gates, h.shape[1]
        self._opened = gates[:, : 2 * size]
        self._r, self._z, self._n, self._of_state = (gates[:, at : at + size] for at in range(0, 4 * size, size))

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step."""
        self.read(x)
        opened, n, of_state, h = self._opened, self._n, self._of_state, self.hidden
        np.tanh(opened, out=opened)
        opened *= 0.5
        opened += 0.5
        of_state *= self._r
        n += of_state
        np.tanh(n, out=n)
        h -= n
        h *= self._z
        h += n
        return h


class RnnLayer(Layer):
    """One layer of an RNN."""

    def __init__(self, core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> None:
        own, carried, bias, other = _weights(core, layer)
        self._sigmoid = isinstance(core, SigmoidRnn)
        self._relu = core.nonlinearity == "relu"
        half = np.float32(0.5 if self._sigmoid else 1.0)
        super().__init__(half * own, half * carried, half * (bias + other), state)

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step."""
        gates, h = self.read(x), self.hidden
        if self._relu and not self._sigmoid:
            np.maximum(gates, 0.0, out=h)
            return h
        np.tanh(gates, out=h)
        if self._sigmoid:
            h *= 0.5
            h += 0.5
        return h


def build_layer(core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> Layer:
    """Build a layer of torch's, with copies of its weights and of the state before, (lane, hidden) each."""
    build = LstmLayer if isinstance(core, nn.LSTM) else GruLayer if isinstance(core, nn.GRU) else RnnLayer
    return build(core, layer, state)


def _halved(first: int, gates: int) -> Float32Array:
    """One half for the first gates, whose sigma is of tanh(a / 2), one for the others, (gate,)."""
    return np.where(np.arange(gates) < first, np.float32(0.5), np.float32(1.0))


def _weights(core: nn.RNNBase, layer: int) -> list[Float32Array]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [getattr(core, f"{name}_l{layer}").detach().numpy() for name in names]
