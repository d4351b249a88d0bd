"""Layers of an RNN, LSTM or GRU that take one step at a time, in numpy.

A call of torch costs more than the arithmetic of a small cell's step: of one row and 64 units a step takes 11 us here,
by `nn.LSTM` and its head 230. So the cells' equations (`cells`) stand here once more. A call of numpy costs half a
microsecond, as much as a small gate: [x, h, 1] lie side by side in one array and meet [W'; U'; b] in one product, and
as sigma(a) = (tanh(a / 2) + 1) / 2, one tanh with halved weights does for all gates. Everything is written into arrays
that a layer keeps; what it hands out is a copy, except `hidden`, which the next step overwrites.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from forecast.network.compiled.modules import SigmoidRnn, layer_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reference.encoding import Float32Array


def build_layer(core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> Layer:
    """Build a layer of torch's core, with copies of its weights and of the state before, (lane, hidden) each."""
    build = _LstmLayer if isinstance(core, nn.LSTM) else _GruLayer if isinstance(core, nn.GRU) else _RnnLayer
    return build(core, layer, state)


class Layer:
    """Base of the layers: gates are curves of W x + U h + b.

    Attributes
    ----------
    hidden : (lane, hidden) outputs of the latest step; overwritten by the next

    """

    def __init__(self, w: Float32Array, u: Float32Array, bias: Float32Array, state: Sequence[Float32Array]) -> None:
        """Take W (gate, input), U (gate, hidden), b (gate,), and the state before, (lane, hidden) each."""
        self._w, self._u, self._bias = w.T, u.T, bias
        self._of_symbols: Float32Array | None = None
        self._begin(state[0])

    def _begin(self, h: Float32Array) -> None:
        """Lay inputs and state side by side, and their weights below each other."""
        lanes, inputs = len(h), len(self._w)
        # The bias is the weight of a 1; where lanes differ in it, it is added apart.
        self._bias_apart = self._bias if self._bias.ndim == 2 and lanes > 1 else None
        bias = np.zeros((1, self._w.shape[1]), np.float32) if lanes > 1 and self._bias.ndim == 2 else self._bias
        self._weights = np.concatenate([self._w, self._u, bias.reshape(1, -1)])  # (input + hidden + 1, gate)
        self._read = np.ones((lanes, len(self._weights)), dtype=np.float32)  # (lane, [x, h, 1])
        self._inputs, self.hidden = self._read[:, :inputs], self._read[:, inputs:-1]
        self.hidden[:] = h
        self._gates = np.zeros((lanes, self._weights.shape[1]), dtype=np.float32)

    @property
    def state(self) -> tuple[Float32Array, ...]:
        """State after the latest step, (lane, hidden) each."""
        return (self.hidden.copy(),)

    def remember(self, state: Sequence[Float32Array]) -> None:
        """Put a state back, (lane, hidden) each."""
        self.hidden[:] = state[0]

    def fold(self, unit: Float32Array, static: Float32Array | None, embedded: Float32Array | None) -> None:
        """Fold all that precedes the first layer into its weights.

        Inputs are divided by their units, (input,); static inputs, (lane, column), become part of the bias. Where the
        first input is the code of a symbol, with embeddings (symbol, number), W times them becomes a table, (symbol,
        gate).
        """
        if embedded is not None:
            size = embedded.shape[1]
            self._of_symbols, self._w, unit = embedded @ self._w[:size], self._w[size:], unit[1:]
        inputs = len(unit)
        if static is not None:
            self._bias = self._bias + static @ self._w[inputs:]
        self._w = self._w[:inputs] / unit[:, None]
        self._begin(self.hidden)

    def sums(self, x: Float32Array) -> Float32Array:
        """W x + U h + b of all gates, (lane, input) -> (lane, gate); overwritten by the next step."""
        gates = self._gates
        self._inputs[:] = x if self._of_symbols is None else x[:, 1:]
        np.dot(self._read, self._weights, out=gates)
        if self._bias_apart is not None:
            gates += self._bias_apart
        if self._of_symbols is not None:
            gates += self._of_symbols[x[:, 0].astype(np.intp)]
        return gates

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step, (lane, input) -> `hidden`."""
        raise NotImplementedError


class _LstmLayer(Layer):
    """One layer of an LSTM; gates lie in the order i, f, o, g, those with sigma first."""

    def __init__(self, core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> None:
        w, u, b_in, b = (part.detach().numpy() for part in layer_weights(core, layer))
        size = core.hidden_size
        order = np.concatenate([np.arange(2 * size), np.arange(3 * size, 4 * size), np.arange(2 * size, 3 * size)])
        half = _halved(3 * size, 4 * size)
        super().__init__(half[:, None] * w[order], half[:, None] * u[order], half * (b_in + b)[order], state)
        self._c = state[1].copy()

    def _begin(self, h: Float32Array) -> None:
        super()._begin(h)
        gates, size = self._gates, h.shape[1]
        self._i_f_o = gates[:, : 3 * size]
        self._i, self._f, self._o, self._g = (gates[:, at : at + size] for at in range(0, 4 * size, size))

    @property
    def state(self) -> tuple[Float32Array, ...]:
        """Return h and c after the latest step."""
        return self.hidden.copy(), self._c.copy()

    def remember(self, state: Sequence[Float32Array]) -> None:
        """Put h and c back."""
        super().remember(state)
        self._c[:] = state[1]

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step."""
        gates, i_f_o, c, g, h = self.sums(x), self._i_f_o, self._c, self._g, self.hidden
        np.tanh(gates, out=gates)
        i_f_o *= 0.5  # sigma(a) = (tanh(a / 2) + 1) / 2
        i_f_o += 0.5
        g *= self._i
        c *= self._f
        c += g  # c = f c + i g
        np.tanh(c, out=h)
        h *= self._o  # h = o tanh(c)
        return h


class _GruLayer(Layer):
    """One layer of a GRU; gates are r, z, and the two parts of n: W x + b and U h + b'."""

    def __init__(self, core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> None:
        w, u, b_in, b = (part.detach().numpy() for part in layer_weights(core, layer))
        size = core.hidden_size
        half = _halved(2 * size, 4 * size)
        n, inner = slice(2 * size, 3 * size), slice(3 * size, 4 * size)
        w, u, b_in, b = (np.concatenate([part, part[n]]) for part in (w, u, b_in, b))  # four gates: n twice
        w[inner], b_in[inner] = 0.0, 0.0
        u[n], b[n] = 0.0, 0.0
        super().__init__(half[:, None] * w, half[:, None] * u, half * (b_in + b), state)

    def _begin(self, h: Float32Array) -> None:
        super()._begin(h)
        gates, size = self._gates, h.shape[1]
        self._r_z = gates[:, : 2 * size]
        self._r, self._z, self._n, self._inner = (gates[:, at : at + size] for at in range(0, 4 * size, size))

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step."""
        self.sums(x)
        r_z, n, inner, h = self._r_z, self._n, self._inner, self.hidden
        np.tanh(r_z, out=r_z)
        r_z *= 0.5
        r_z += 0.5
        inner *= self._r
        n += inner
        np.tanh(n, out=n)  # n = tanh(W x + b + r (U h + b'))
        h -= n
        h *= self._z
        h += n  # h = n + z (h - n)
        return h


class _RnnLayer(Layer):
    """One layer of an RNN."""

    def __init__(self, core: nn.RNNBase, layer: int, state: Sequence[Float32Array]) -> None:
        w, u, b_in, b = (part.detach().numpy() for part in layer_weights(core, layer))
        self._sigmoid = isinstance(core, SigmoidRnn)
        self._relu = core.nonlinearity == "relu"
        half = np.float32(0.5 if self._sigmoid else 1.0)
        super().__init__(half * w, half * u, half * (b_in + b), state)

    def step(self, x: Float32Array) -> Float32Array:
        """Take one step."""
        gates, h = self.sums(x), self.hidden
        if self._relu and not self._sigmoid:
            np.maximum(gates, 0.0, out=h)
            return h
        np.tanh(gates, out=h)
        if self._sigmoid:
            h *= 0.5  # sigma, of halved weights
            h += 0.5
        return h


def _halved(first: int, gates: int) -> Float32Array:
    """Factors of the weights, (gate,): 0.5 for the first gates, whose sigma is computed of a / 2, 1 for the others."""
    return np.where(np.arange(gates) < first, np.float32(0.5), np.float32(1.0))
