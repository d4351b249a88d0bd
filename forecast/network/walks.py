"""An LSTM over all steps of few lanes, compiled: forwards alone, for a network in use.

torch's own kernel is made for many lanes: of one lane and 64 units a step takes it 1.4 times as long. So does that of
`kernels`, which keeps what a gradient needs and calls a BLAS; GRU and RNN were no faster with a walk like this. Numbers
are those of torch to single precision. This module needs numba, of the extra `[fast]`; `fused` says when it is called.

Arrays: `x` (step, lane, input); `own` (input, gate) and `weight` (hidden, gate), so that a row is what one number
brings to all gates and additions run along memory; `h0` and `c` (lane, hidden); `h` (step, lane, hidden) outputs. The
first input is 1 and brings the bias, and zeros fill them up to a multiple of four. Gates are in torch's order: i, f, g,
o.
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


@njit(fastmath=FAST, error_model="numpy")
def _put_product(before: Any, weight: Any, gates: Any) -> None:
    """Let `gates`, (lane, gate), be what the first four numbers of `before` bring: there is no sum yet to add to."""
    w0, w1, w2, w3 = weight[0], weight[1], weight[2], weight[3]
    for b in range(before.shape[0]):
        sums = gates[b]
        h0, h1, h2, h3 = before[b, 0], before[b, 1], before[b, 2], before[b, 3]
        for j in range(weight.shape[1]):
            sums[j] = h0 * w0[j] + h1 * w1[j] + h2 * w2[j] + h3 * w3[j]


@njit(cache=True, fastmath=FAST, error_model="numpy")
def walk_lstm(x: Any, own: Any, weight: Any, h0: Any, c: Any, h: Any) -> None:
    """Fill `h`; `c` goes on to the last step.

    What inputs bring is added step by step as well: a matrix product of all steps has to go through memory, and with
    few inputs takes torch a third of the walk.
    """
    steps, lanes, hidden = h.shape
    gates = np.empty((lanes, 4 * hidden), np.float32)
    before = h0
    for t in range(steps):
        _put_product(x[t], own, gates)
        _add_product(x[t, :, 4:], own[4:], gates)
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
    own, weight, own_bias, bias = (part.numpy() for part in weights)
    inputs = x.shape[2]
    width = -(-(1 + inputs) // 4) * 4
    read = np.zeros((*x.shape[:2], width), np.float32)
    read[..., 0] = 1.0
    read[..., 1 : 1 + inputs] = x.numpy()
    brought = np.zeros((width, len(own)), np.float32)
    brought[0] = own_bias + bias
    brought[1 : 1 + inputs] = own.T
    h, c = np.empty((*x.shape[:2], weight.shape[1]), np.float32), np.array(c0.numpy(), order="C")
    walk_lstm(read, brought, np.ascontiguousarray(weight.T), np.ascontiguousarray(h0.numpy()), c, h)
    out = torch.from_numpy(h)
    return out, out[-1], torch.from_numpy(c)
