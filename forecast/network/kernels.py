"""One layer of an LSTM, a GRU or an RNN over all steps, compiled: forwards, and backwards through time.

On a CPU torch has one fused kernel, the LSTM's, which takes a third more time than these loops; GRU and RNN it walks
in many small calls, which cost several times the arithmetic. Here the products are a BLAS's, and what lies between them
is compiled by numba. Numbers are torch's to single precision. This module needs numba, of the extra `[fast]`; `fused`
says when it is used.

Arrays, all contiguous: `read` (step + 1, lane, 1 + input + hidden), what a step reads: one, its inputs, the output
before; `weight` (gate, 1 + input + hidden, hidden), what it is multiplied with: bias, weights of the inputs, of the
state; `h` (step + 1, lane * hidden) and `c`, an LSTM's, the state before and after every step; `gates` (gate, step,
lane, hidden) in torch's order. `flat_...` is the same memory with lanes and units in one axis.

Every gate has a block of its own so that a step of it is one run of memory. Loops go over whole runs, few arrays each:
where an index is computed, or arrays are many, the compiler finds no vector instructions, and a step takes five times
as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numba import njit
from numba.extending import get_cython_function_address
from threadpoolctl import ThreadpoolController
from torch import Tensor

from forecast.network.curves import FAST, sigmoid, tanh

if TYPE_CHECKING:
    from collections.abc import Callable

Weights: TypeAlias = tuple[Tensor, ...]
"""torch's of a layer: of the inputs, of the state, (gate * hidden, ...), and the biases of both."""

_ONE, _ZERO = np.float32(1.0), np.float32(0.0)


@njit(fastmath=FAST, error_model="numpy")
def _tanh(a: Any) -> None:
    for k in range(len(a)):
        a[k] = tanh(a[k])


@njit(fastmath=FAST, error_model="numpy")
def _sigmoid(a: Any) -> None:
    for k in range(len(a)):
        a[k] = sigmoid(a[k])


@njit(fastmath=FAST, error_model="numpy")
def _add(a: Any, b: Any) -> None:
    for k in range(len(a)):
        a[k] += b[k]


@njit(fastmath=FAST, error_model="numpy")
def _through_tanh(d: Any, factor: Any, y: Any, out: Any) -> None:
    """Gradient before a tangent whose value is `y`, of that after it, `d * factor`."""
    for k in range(len(out)):
        out[k] = d[k] * factor[k] * (_ONE - y[k] * y[k])


@njit(fastmath=FAST, error_model="numpy")
def _through_sigmoid(d: Any, factor: Any, y: Any, out: Any) -> None:
    for k in range(len(out)):
        out[k] = d[k] * factor[k] * y[k] * (_ONE - y[k])


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _lstm_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any) -> None:
    """Fill `read`, `h`, `c` and `gates` (i, f, g, o) from the state before on."""
    _, steps, lanes, hidden = gates.shape
    for t in range(steps):
        for k in range(4):
            np.dot(read[t], weight[k], gates[k, t])
        i, f, g, o = flat_gates[0, t], flat_gates[1, t], flat_gates[2, t], flat_gates[3, t]
        _sigmoid(i)
        _sigmoid(f)
        _tanh(g)
        _sigmoid(o)
        before, now, out = c[t], c[t + 1], h[t + 1]
        for j in range(len(now)):
            now[j] = f[j] * before[j] + i[j] * g[j]
        for j in range(len(now)):
            out[j] = o[j] * tanh(now[j])
        read[t + 1, :, -hidden:] = out.reshape(lanes, hidden)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _lstm_backward(
    weight: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any
) -> None:
    """Fill `d`, the gradient of the gates before their curves; `d_h` and `d_c` go back to the state before."""
    _, steps, lanes, hidden = d.shape
    back, part = d_h.reshape(lanes, hidden), np.empty((lanes, hidden), np.float32)
    flat_part, y = part.reshape(-1), np.empty(lanes * hidden, np.float32)
    for t in range(steps - 1, -1, -1):
        i, f, g, o = gates[0, t], gates[1, t], gates[2, t], gates[3, t]
        if len(d_out):
            _add(d_h, d_out[t])
        now = c[t + 1]
        for j in range(len(y)):
            y[j] = tanh(now[j])
        for j in range(len(y)):
            d_c[j] += d_h[j] * o[j] * (_ONE - y[j] * y[j])
        _through_sigmoid(d_h, y, o, flat_d[3, t])
        _through_sigmoid(d_c, g, i, flat_d[0, t])
        _through_sigmoid(d_c, c[t], f, flat_d[1, t])
        _through_tanh(d_c, i, g, flat_d[2, t])
        for j in range(len(f)):
            d_c[j] *= f[j]
        np.dot(d[0, t], weight[0], back)
        for k in range(1, 4):
            np.dot(d[k, t], weight[k], part)
            _add(d_h, flat_part)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _gru_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any) -> None:
    """Fill `read`, `h` and `gates`: r, z, n, and what n gets of the state before r is applied to it."""
    _, steps, lanes, hidden = gates.shape
    for t in range(steps):
        for k in range(4):
            np.dot(read[t], weight[k], gates[k, t])
        r, z, n, inner = flat_gates[0, t], flat_gates[1, t], flat_gates[2, t], flat_gates[3, t]
        _sigmoid(r)
        _sigmoid(z)
        for j in range(len(n)):
            n[j] += r[j] * inner[j]
        _tanh(n)
        before, out = h[t], h[t + 1]
        for j in range(len(n)):
            out[j] = n[j] + z[j] * (before[j] - n[j])
        read[t + 1, :, -hidden:] = out.reshape(lanes, hidden)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _gru_backward(weight: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any) -> None:
    _, steps, lanes, hidden = d.shape
    part = np.empty((lanes, hidden), np.float32)
    flat_part, rest = part.reshape(-1), np.empty(lanes * hidden, np.float32)
    for t in range(steps - 1, -1, -1):
        r, z, n, inner = gates[0, t], gates[1, t], gates[2, t], gates[3, t]
        if len(d_out):
            _add(d_h, d_out[t])
        before, d_n, d_inner = h[t], flat_d[2, t], flat_d[3, t]
        for j in range(len(rest)):
            rest[j] = before[j] - n[j]
        _through_sigmoid(d_h, rest, z, flat_d[1, t])
        for j in range(len(rest)):
            rest[j] = _ONE - z[j]
        _through_tanh(d_h, rest, n, d_n)
        _through_sigmoid(d_n, inner, r, flat_d[0, t])
        for j in range(len(rest)):
            d_inner[j] = d_n[j] * r[j]
        for j in range(len(rest)):
            d_h[j] *= z[j]
        for k in (0, 1, 3):  # n itself has nothing of the state
            np.dot(d[k, t], weight[k], part)
            _add(d_h, flat_part)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _tanh_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any) -> None:
    """Fill `read` and `h`."""
    _, steps, lanes, hidden = gates.shape
    for t in range(steps):
        out = h[t + 1].reshape(lanes, hidden)
        np.dot(read[t], weight[0], out)
        _tanh(h[t + 1])
        read[t + 1, :, -hidden:] = out


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _tanh_backward(
    weight: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any
) -> None:
    _, steps, lanes, hidden = d.shape
    back = d_h.reshape(lanes, hidden)
    for t in range(steps - 1, -1, -1):
        if len(d_out):
            _add(d_h, d_out[t])
        y, own = h[t + 1], flat_d[0, t]
        for j in range(len(own)):
            own[j] = d_h[j] * (_ONE - y[j] * y[j])
        np.dot(d[0, t], weight[0], back)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _relu_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any) -> None:
    """Fill `read` and `h`."""
    _, steps, lanes, hidden = gates.shape
    for t in range(steps):
        now = h[t + 1]
        out = now.reshape(lanes, hidden)
        np.dot(read[t], weight[0], out)
        for j in range(len(now)):
            now[j] = _ZERO if now[j] < _ZERO else now[j]
        read[t + 1, :, -hidden:] = out


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _relu_backward(
    weight: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any
) -> None:
    _, steps, lanes, hidden = d.shape
    back = d_h.reshape(lanes, hidden)
    for t in range(steps - 1, -1, -1):
        if len(d_out):
            _add(d_h, d_out[t])
        y, own = h[t + 1], flat_d[0, t]
        for j in range(len(own)):
            own[j] = d_h[j] if y[j] > _ZERO else _ZERO
        np.dot(d[0, t], weight[0], back)


@dataclass(frozen=True)
class _Cell:
    """Compiled loops of a cell; those that have no use for `c` or `gates` are handed them all the same."""

    forward: Callable[..., None]
    backward: Callable[..., None]


def _run(loop: Callable[..., None], *tensors: Tensor) -> None:
    """Call a loop on numpy's views of tensors; those that are not contiguous (inputs all) are copied.

    Its BLAS has one thread: two would wait for each other at every product of every step.
    """
    with _blas().limit(limits=1):
        loop(*(tensor.detach().contiguous().numpy() for tensor in tensors))


@cache
def _blas() -> ThreadpoolController:
    get_cython_function_address("scipy.linalg.cython_blas", "sgemm")  # loads the one that compiled products call
    return ThreadpoolController().select(user_api="blas")


_LSTM, _GRU = _Cell(_lstm_forward, _lstm_backward), _Cell(_gru_forward, _gru_backward)
_TANH, _RELU = _Cell(_tanh_forward, _tanh_backward), _Cell(_relu_forward, _relu_backward)


class _Walk(torch.autograd.Function):
    """All steps of a cell: outputs (step, lane, hidden), and the last h and c, (lane, hidden)."""

    @staticmethod
    def forward(ctx: Any, cell: _Cell, x: Tensor, weight: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, ...]:
        """Walk forwards; `x` (step, lane, input), `weight` (gate, hidden, 1 + input + hidden)."""
        (steps, lanes, inputs), hidden = x.shape, h0.shape[1]
        read = x.new_empty(steps + 1, lanes, weight.shape[2])
        read[..., 0] = 1.0
        read[:-1, :, 1 : 1 + inputs] = x
        read[0, :, 1 + inputs :] = h0
        h = x.new_empty(steps + 1, lanes, hidden)
        h[0] = h0
        c = x.new_empty(steps + 1 if len(c0) else 1, lanes, hidden)
        c[0] = c0 if len(c0) else 0.0
        gates = x.new_empty(len(weight), steps, lanes, hidden)
        _run(cell.forward, weight.transpose(1, 2), read, h.flatten(1), c.flatten(1), gates, gates.flatten(2))
        ctx.cell = cell
        ctx.save_for_backward(weight, read, h, c, gates)
        ctx.set_materialize_grads(False)
        return h[1:], h[-1].clone(), c[-1].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Walk backwards; a gradient that is not there costs nothing."""
        weight, read, h, c, gates = ctx.saved_tensors
        d_out, *d_last = gradients
        d_h, d_c = (h.new_zeros(h.shape[1:]) if d is None else d.clone(memory_format=_DENSE) for d in d_last)
        d_out = h.new_empty(0, 0) if d_out is None else d_out.flatten(1)
        d, inputs = torch.empty_like(gates), weight.shape[2] - h.shape[2] - 1
        own, carried = weight[:, :, 1 : 1 + inputs], weight[:, :, 1 + inputs :]
        past = (h.flatten(1), c.flatten(1), gates.flatten(2))
        _run(ctx.cell.backward, carried, *past, d_out, d, d.flatten(2), d_h.view(-1), d_c.view(-1))
        by_gate = d.flatten(1, 2)
        d_weight = by_gate.transpose(1, 2) @ read[:-1].flatten(0, 1)
        d_x = None
        if ctx.needs_input_grad[1]:
            d_x = by_gate[0] @ own[0]
            for d_gate, of_inputs in zip(by_gate[1:], own[1:], strict=True):
                d_x.addmm_(d_gate, of_inputs)
            d_x = d_x.view(*h[1:].shape[:2], inputs)
        return None, d_x, d_weight, d_h, d_c if len(c) > 1 else None


_DENSE = torch.contiguous_format


def lstm_layer(x: Tensor, weights: Weights, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, (step, lane, hidden), and the last h and c, (lane, hidden)."""
    return _walked(_LSTM, x, _joined(*weights).view(4, h0.shape[1], -1), h0, c0)


def gru_layer(x: Tensor, weights: Weights, h0: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs, (step, lane, hidden), and the last."""
    (own, carried, own_bias, bias), hidden = weights, h0.shape[1]
    reset_update, new = slice(0, 2 * hidden), slice(2 * hidden, None)
    of_inputs = _joined(own[new], carried.new_zeros(hidden, hidden), own_bias[new])
    of_state = _joined(own.new_zeros(hidden, own.shape[1]), carried[new], bias[new])
    both = _joined(own[reset_update], carried[reset_update], own_bias[reset_update], bias[reset_update])
    weight = torch.cat([both, of_inputs, of_state]).view(4, hidden, -1)
    return _walked(_GRU, x, weight, h0, h0.new_empty(0, 0))[:2]


def rnn_layer(x: Tensor, weights: Weights, h0: Tensor, *, relu: bool = False) -> tuple[Tensor, Tensor]:
    """Outputs, (step, lane, hidden), and the last; with tanh, or ReLU."""
    return _walked(_RELU if relu else _TANH, x, _joined(*weights)[None], h0, h0.new_empty(0, 0))[:2]


def _joined(own: Tensor, carried: Tensor, bias: Tensor, more_bias: Tensor | None = None) -> Tensor:
    """Put side by side what is multiplied with one, with the inputs, with the state."""
    bias = bias if more_bias is None else bias + more_bias
    return torch.cat([bias[:, None], own, carried], dim=1)


def _walked(cell: _Cell, x: Tensor, weight: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    out, h, c = _Walk.apply(cell, x, weight, h0, c0)  # type: ignore[no-untyped-call]
    return out, h, c
