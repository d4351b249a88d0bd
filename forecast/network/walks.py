"""An LSTM over all steps of few lanes, compiled: forwards alone, for a network in use.

torch's own kernel is made for many lanes: of one lane and 64 units a step takes it 1.4 times as long. So does that of
`kernels`, which keeps what a gradient needs and calls a BLAS; GRU and RNN were no faster with a walk like this. Numbers
are those of torch to single precision. This module needs numba, of the extra `[fast]`; `fused` says when it is called.

Arrays: `x` (step, lane, input); `own` (input, gate) and `weight` (hidden, gate), so that a row is what one number
brings to all gates and additions run along memory; `bias` (gate,), both together; `h0` and `c` (lane, hidden); `h`
(step, lane, hidden) outputs. Gates are in torch's order: i, f, g, o.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numba import njit

from forecast.network.curves import FAST, sigmoid, tanh

if TYPE_CHECKING:
    from torch import Tensor


@njit(fastmath=FAST, error_model="numpy")
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


@njit(cache=True, fastmath=FAST, error_model="numpy")
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
                kept = sigmoid(gates[b, hidden + j]) * c[b, j]
                c[b, j] = kept + sigmoid(gates[b, j]) * tanh(gates[b, 2 * hidden + j])
                h[t, b, j] = sigmoid(gates[b, 3 * hidden + j]) * tanh(c[b, j])
        before = h[t]


def walked_lstm_layer(x: Tensor, weights: tuple[Tensor, ...], h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One layer: outputs, (step, lane, hidden), and h and c after the last, (lane, hidden).

    `weights` are torch's: of the inputs, of the state, both biases.
    """
    own, weight, own_bias, bias = weights
    h, c = x.new_empty(*x.shape[:2], h0.shape[1]), c0.clone(memory_format=torch.contiguous_format)
    read = (x, own.t(), weight.t(), own_bias + bias, h0)
    walk_lstm(*(part.contiguous().numpy() for part in read), c.numpy(), h.numpy())
    return h, h[-1], c
