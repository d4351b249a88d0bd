"""An LSTM over all steps of few lanes, compiled: forwards alone, for a network in use.

torch's own kernel is made for many lanes: of one lane and 64 units a step takes it 1.6 times as long, whatever the
machine is busy with beside. GRU and RNN have their compiled walk in `kernels`; one like this was no faster. Numbers are
those of torch to single precision. This module needs numba, of the extra `[fast]`; `fused` says when it is called.

Arrays: `x` (step, lane, input); `own` (input, gate) and `weight` (hidden, gate), so that a row is what one number
brings to all gates and additions run along memory; `bias` (gate,), both together; `h0` and `c` (lane, hidden); `h`
(step, lane, hidden) outputs. Gates are in torch's order: i, f, g, o.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numba import njit

if TYPE_CHECKING:
    from torch import Tensor

_FAST = {"contract", "nsz", "arcp", "afn"}  # as in `kernels`: nothing that changes what NaN means
_HALF = np.float32(0.5)
_ONE = np.float32(7.90531110763549805)
"""Where the tangent is 1 to single precision."""

_P1, _P3, _P5 = np.float32(4.89352455891786e-3), np.float32(6.37261928875436e-4), np.float32(1.48572235717979e-5)
_P7, _P9, _P11 = np.float32(5.12229709037114e-8), np.float32(-8.60467152213735e-11), np.float32(2.00018790482477e-13)
_P13 = np.float32(-2.76076847742355e-16)
_Q0, _Q2 = np.float32(4.89352518554385e-3), np.float32(2.26843463243900e-3)
_Q4, _Q6 = np.float32(1.18534705686654e-4), np.float32(1.19825839466702e-6)


@njit(inline="always", fastmath=_FAST)
def _tanh(x: Any) -> Any:
    """Hyperbolic tangent in single precision, a quotient of polynomials (as in Eigen's `ptanh_float`).

    With one exponential a gate, as in `kernels`, the whole step takes twice as long.
    """
    x = _ONE if x > _ONE else x  # what is not a number stays so
    x = -_ONE if x < -_ONE else x
    s = x * x
    p = ((((((_P13 * s + _P11) * s + _P9) * s + _P7) * s + _P5) * s + _P3) * s + _P1) * x
    return p / (((_Q6 * s + _Q4) * s + _Q2) * s + _Q0)


@njit(inline="always", fastmath=_FAST)
def _sigmoid(x: Any) -> Any:
    return _tanh(x * _HALF) * _HALF + _HALF


@njit(fastmath=_FAST, error_model="numpy")
def _add_product(before: Any, weight: Any, gates: Any) -> None:
    """Add `before @ weight` to `gates`, (lane, gate), four units at a time: as many as share a sum in registers.

    Lanes are inside, so that a second one finds the weights in the first cache.
    """
    lanes, hidden = before.shape
    width = weight.shape[1]
    fours = hidden - hidden % 4
    for k in range(0, fours, 4):
        w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
        for b in range(lanes):
            sums = gates[b]
            h0, h1, h2, h3 = before[b, k], before[b, k + 1], before[b, k + 2], before[b, k + 3]
            for j in range(width):
                sums[j] += h0 * w0[j] + h1 * w1[j] + h2 * w2[j] + h3 * w3[j]
    for k in range(fours, hidden):
        for b in range(lanes):
            for j in range(width):
                gates[b, j] += before[b, k] * weight[k, j]


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def walk_lstm(x: Any, own: Any, weight: Any, bias: Any, h0: Any, c: Any, h: Any) -> None:
    """Fill `h`; `c` goes on to the last step.

    What inputs bring is added step by step as well: a matrix product of all steps has to go through memory, and with
    few inputs takes torch a third of the walk.
    """
    steps, lanes, hidden = h.shape
    gates = np.empty((lanes, 4 * hidden), np.float32)
    before = h0
    for t in range(steps):
        for b in range(lanes):
            gates[b] = bias
        _add_product(x[t], own, gates)
        _add_product(before, weight, gates)
        for b in range(lanes):
            for j in range(hidden):
                kept = _sigmoid(gates[b, hidden + j]) * c[b, j]
                c[b, j] = kept + _sigmoid(gates[b, j]) * _tanh(gates[b, 2 * hidden + j])
                h[t, b, j] = _sigmoid(gates[b, 3 * hidden + j]) * _tanh(c[b, j])
        before = h[t]


def lstm_layer(x: Tensor, weights: tuple[Tensor, ...], h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor]:
    """One layer: outputs, (step, lane, hidden), and c after the last, (lane, hidden).

    `weights` are torch's: of the inputs, of the state, both biases.
    """
    own, weight, own_bias, bias = weights
    h, c = x.new_empty(*x.shape[:2], h0.shape[1]), c0.clone(memory_format=torch.contiguous_format)
    read = (x, own.t(), weight.t(), own_bias + bias, h0)
    walk_lstm(*(part.contiguous().numpy() for part in read), c.numpy(), h.numpy())
    return h, c
