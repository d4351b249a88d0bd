"""Layers of an LSTM, a GRU or an RNN that take one step after the other, in the equations of `cells` and in numpy.

A call of numpy costs half a microsecond, as much as the arithmetic of a small gate: so inputs and state lie side by
side in one array and meet their weights in one product, sigma(a) = (tanh(a / 2) + 1) / 2 lets one tanh do for all
gates, with halved weights, and everything is written into arrays that were made at the beginning. They are a layer's
own; what it hands out is a copy, but for `hidden`, which the next step overwrites.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from forecast.network.fused import SigmoidRnn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reference.encoding import Float32Array


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
