"""One layer of a GRU or an RNN over all steps, compiled: what torch does step by step on a CPU.

torch has one fused kernel for the LSTM on a CPU and none for the others, whose many small calls cost several times the
arithmetic. Here numba compiles the walk forwards and the walk backwards through time. Numbers are those of torch to
single precision. The projections of the inputs are torch's, and so is the gradient of the recurrent weights: both are
one large product. This module needs numba, of the extra `[fast]`; `cells` does without where it is not there.

Arrays: `own` (step, lane, gate) what each gate gets from the inputs, `h` (step, lane, hidden) outputs, `h0` (lane,
hidden) the state before, gates in torch's order (r, z, n).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

_FAST = {"contract", "nsz", "arcp", "afn"}  # a*b + c in one operation, and nothing that changes what NaN means
_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_LARGEST = np.float32(87.0)
_LOG2_E = np.float32(1.44269504088896341)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_P0, _P1, _P2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_P3, _P4, _P5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)


@njit(inline="always", fastmath=_FAST)
def _exp(x: Any) -> Any:
    """Exponential in single precision that compiles to vector instructions (Cephes, Moshier 1989: expf)."""
    x = _LARGEST if x > _LARGEST else x  # what is not a number stays so, which min and max would hide
    x = -_LARGEST if x < -_LARGEST else x
    n = np.floor(x * _LOG2_E + _HALF)
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = ((((_P0 * r + _P1) * r + _P2) * r + _P3) * r + _P4) * r + _P5
    two_to_n = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    return (p * r * r + r + _ONE) * two_to_n


@njit(inline="always", fastmath=_FAST)
def _sigmoid(x: Any) -> Any:
    return _ONE / (_ONE + _exp(-x))


@njit(inline="always", fastmath=_FAST)
def _tanh(x: Any) -> Any:
    return _ONE - _TWO / (_exp(x + x) + _ONE)


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _gru_forward(own: Any, weight: Any, bias: Any, h0: Any, h: Any, gates: Any) -> None:
    """Fill `h` and `gates` (step, lane, r z n and the recurrent part of n); `weight` is (hidden, gate)."""
    steps, lanes, width = own.shape
    hidden = width // 3
    product = np.empty((lanes, width), np.float32)
    before = h0
    for t in range(steps):
        np.dot(before, weight, product)
        for b in range(lanes):
            for j in range(hidden):
                r = _sigmoid(own[t, b, j] + product[b, j] + bias[j])
                z = _sigmoid(own[t, b, hidden + j] + product[b, hidden + j] + bias[hidden + j])
                inner = product[b, 2 * hidden + j] + bias[2 * hidden + j]
                n = _tanh(own[t, b, 2 * hidden + j] + r * inner)
                h[t, b, j] = n + z * (before[b, j] - n)
                gates[t, b, j], gates[t, b, hidden + j] = r, z
                gates[t, b, 2 * hidden + j], gates[t, b, 3 * hidden + j] = n, inner
        before = h[t]


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _gru_backward(d_out: Any, weight: Any, h0: Any, h: Any, gates: Any, d_own: Any, d_product: Any, d_h: Any) -> None:
    """Fill `d_own`, `d_product` and `d_h`, the gradient of the state before; `weight` is (gate, hidden)."""
    steps, lanes, hidden = d_out.shape
    earlier = np.empty((lanes, hidden), np.float32)
    for t in range(steps - 1, -1, -1):
        before = h[t - 1] if t > 0 else h0
        for b in range(lanes):
            for j in range(hidden):
                r, z = gates[t, b, j], gates[t, b, hidden + j]
                n, inner = gates[t, b, 2 * hidden + j], gates[t, b, 3 * hidden + j]
                d = d_h[b, j] + d_out[t, b, j]
                d_n = d * (_ONE - z) * (_ONE - n * n)
                d_z = d * (before[b, j] - n) * z * (_ONE - z)
                d_r = d_n * inner * r * (_ONE - r)
                d_own[t, b, j], d_own[t, b, hidden + j], d_own[t, b, 2 * hidden + j] = d_r, d_z, d_n
                d_product[t, b, j], d_product[t, b, hidden + j], d_product[t, b, 2 * hidden + j] = d_r, d_z, d_n * r
                d_h[b, j] = d * z
        np.dot(d_product[t], weight, earlier)
        for b in range(lanes):
            for j in range(hidden):
                d_h[b, j] += earlier[b, j]


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _rnn_forward(own: Any, weight: Any, bias: Any, h0: Any, h: Any, relu: bool) -> None:
    """Fill `h`; `weight` is (hidden, hidden), transposed."""
    steps, lanes, hidden = own.shape
    product = np.empty((lanes, hidden), np.float32)
    before = h0
    for t in range(steps):
        np.dot(before, weight, product)
        for b in range(lanes):
            for j in range(hidden):
                a = own[t, b, j] + product[b, j] + bias[j]
                h[t, b, j] = (_ZERO if a < _ZERO else a) if relu else _tanh(a)
        before = h[t]


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _rnn_backward(d_out: Any, weight: Any, h: Any, d_own: Any, d_h: Any, relu: bool) -> None:
    """Fill `d_own` and `d_h`, the gradient of the state before."""
    steps, lanes, hidden = d_out.shape
    for t in range(steps - 1, -1, -1):
        for b in range(lanes):
            for j in range(hidden):
                d = d_h[b, j] + d_out[t, b, j]
                y = h[t, b, j]
                slope = (_ONE if y > _ZERO else _ZERO) if relu else _ONE - y * y
                d_own[t, b, j] = d * slope
        np.dot(d_own[t], weight, d_h)


class GruLayer(torch.autograd.Function):
    """One layer: `own` (step, lane, 3 hidden), recurrent weight and bias, state before -> outputs."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, weight: Tensor, bias: Tensor, h0: Tensor) -> Tensor:
        """Walk forwards."""
        steps, lanes, _ = own.shape
        hidden = h0.shape[1]
        h, gates = own.new_empty(steps, lanes, hidden), own.new_empty(steps, lanes, 4 * hidden)
        _gru_forward(*_arrays(own, weight.t(), bias, h0, h, gates))
        ctx.save_for_backward(weight, h0, h, gates)
        return h

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """Walk backwards."""
        weight, h0, h, gates = ctx.saved_tensors
        d_own, d_product = (h.new_empty(*h.shape[:2], 3 * h.shape[2]) for _ in range(2))
        d_h = torch.zeros_like(h0)
        _gru_backward(*_arrays(gradients[0], weight, h0, h, gates, d_own, d_product, d_h))
        return d_own, _weight_gradient(d_product, h0, h), d_product.sum((0, 1)), d_h


class RnnLayer(torch.autograd.Function):
    """One layer: `own` (step, lane, hidden), recurrent weight and bias, state before -> outputs; tanh, or ReLU."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, weight: Tensor, bias: Tensor, h0: Tensor, relu: bool) -> Tensor:
        """Walk forwards."""
        h = torch.empty_like(own)
        _rnn_forward(*_arrays(own, weight.t(), bias, h0, h), relu)
        ctx.relu = relu
        ctx.save_for_backward(weight, h0, h)
        return h

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Walk backwards."""
        weight, h0, h = ctx.saved_tensors
        d_own, d_h = torch.empty_like(h), torch.zeros_like(h0)
        _rnn_backward(*_arrays(gradients[0], weight, h, d_own, d_h), ctx.relu)
        return d_own, _weight_gradient(d_own, h0, h), d_own.sum((0, 1)), d_h, None


def _arrays(*tensors: Tensor) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Give numpy's views of tensors; those that are not contiguous (inputs all) are copied."""
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _weight_gradient(d_product: Tensor, h0: Tensor, h: Tensor) -> Tensor:
    before = torch.cat([h0[None], h[:-1]])
    return d_product.flatten(0, 1).t() @ before.flatten(0, 1)
