"""One layer of an LSTM, a GRU or an RNN over all steps, compiled: forwards, and backwards through time.

On a CPU torch has one fused kernel, the LSTM's, which takes a third more time than these loops; GRU and RNN it walks
in many small calls, which cost several times the arithmetic. Here the products are a BLAS's, and what lies between them
is compiled by numba. Numbers are torch's to single precision. This module needs numba, of the extra `[fast]`; `fused`
says when it is used.

Arrays, all contiguous: `read` (step + 1, lane, 1 + input + hidden), what a step reads: one, its inputs, the output
before; `weight` (gate, 1 + input + hidden, hidden), what it is multiplied with: bias, weights of the inputs, of the
state; `carried` (gate, hidden, hidden), the last as torch has them; `h` (step + 1, lane * hidden) and `c`, an LSTM's,
the state before and after every step; `gates` (gate, step, lane, hidden) in torch's order; `begins` (lane,) the step
before which the state of a lane is set to zero, -1 for none. `flat_...` is the same memory with lanes and units in one
axis.

Every gate has a block of its own so that a step of it is one run of memory. Loops go over whole runs, few arrays each:
where an index is computed, or arrays are many, the compiler finds no vector instructions, and a step takes five times
as long.
"""

from __future__ import annotations

from contextlib import nullcontext
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
    from contextlib import AbstractContextManager

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
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


@njit(fastmath=FAST, error_model="numpy")
def _forget(state: Any, t: Any, begins: Any) -> None:
    """Set the state of lanes that begin anew at step t to zero, (lane * hidden,)."""
    hidden = len(state) // len(begins)
    for b in range(len(begins)):
        if begins[b] == t:
            state[b * hidden : (b + 1) * hidden] = _ZERO


@njit(fastmath=FAST, error_model="numpy")
def _before(states: Any, t: Any, begins: Any, scratch: Any) -> Any:
    """Give the state before step t, (lane * hidden,)."""
    if not (begins == t).any():
        return states[t]
    scratch[:] = states[t]
    _forget(scratch, t, begins)
    return scratch


@njit(fastmath=FAST, error_model="numpy")
def _read_next(read: Any, t: Any, out: Any, begins: Any) -> None:
    """Let step t read the outputs before it, (lane, hidden)."""
    lanes, hidden = out.shape
    read[t, :, -hidden:] = out
    for b in range(lanes):
        if begins[b] == t:
            read[t, b, -hidden:] = _ZERO


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _lstm_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any, begins: Any) -> None:
    """Fill `read`, `h`, `c` and `gates` (i, f, g, o) from the state before on."""
    _, steps, lanes, hidden = gates.shape
    scratch = np.empty(lanes * hidden, np.float32)
    _read_next(read, 0, h[0].reshape(lanes, hidden), begins)
    for t in range(steps):
        for k in range(4):
            np.dot(read[t], weight[k], gates[k, t])
        i, f, g, o = flat_gates[0, t], flat_gates[1, t], flat_gates[2, t], flat_gates[3, t]
        _sigmoid(i)
        _sigmoid(f)
        _tanh(g)
        _sigmoid(o)
        before, now, out = _before(c, t, begins, scratch), c[t + 1], h[t + 1]
        for j in range(len(now)):
            now[j] = f[j] * before[j] + i[j] * g[j]
        for j in range(len(now)):
            out[j] = o[j] * tanh(now[j])
        _read_next(read, t + 1, out.reshape(lanes, hidden), begins)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _lstm_backward(
    carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any, begins: Any
) -> None:
    """Fill `d`, the gradient of the gates before their curves; `d_h` and `d_c` go back to the state before."""
    _, steps, lanes, hidden = d.shape
    back, part = d_h.reshape(lanes, hidden), np.empty((lanes, hidden), np.float32)
    flat_part, y, scratch = part.reshape(-1), np.empty(lanes * hidden, np.float32), np.empty(lanes * hidden, np.float32)
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
        _through_sigmoid(d_c, _before(c, t, begins, scratch), f, flat_d[1, t])
        _through_tanh(d_c, i, g, flat_d[2, t])
        for j in range(len(f)):
            d_c[j] *= f[j]
        np.dot(d[0, t], carried[0], back)
        for k in range(1, 4):
            np.dot(d[k, t], carried[k], part)
            _add(d_h, flat_part)
        _forget(d_h, t, begins)
        _forget(d_c, t, begins)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _gru_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any, begins: Any) -> None:
    """Fill `read`, `h` and `gates`: r, z, n, and what n gets of the state before r is applied to it."""
    _, steps, lanes, hidden = gates.shape
    scratch = np.empty(lanes * hidden, np.float32)
    _read_next(read, 0, h[0].reshape(lanes, hidden), begins)
    for t in range(steps):
        for k in range(4):
            np.dot(read[t], weight[k], gates[k, t])
        r, z, n, inner = flat_gates[0, t], flat_gates[1, t], flat_gates[2, t], flat_gates[3, t]
        _sigmoid(r)
        _sigmoid(z)
        for j in range(len(n)):
            n[j] += r[j] * inner[j]
        _tanh(n)
        before, out = _before(h, t, begins, scratch), h[t + 1]
        for j in range(len(n)):
            out[j] = n[j] + z[j] * (before[j] - n[j])
        _read_next(read, t + 1, out.reshape(lanes, hidden), begins)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _gru_backward(
    carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any, begins: Any
) -> None:
    _, steps, lanes, hidden = d.shape
    part = np.empty((lanes, hidden), np.float32)
    flat_part, rest, scratch = (
        part.reshape(-1),
        np.empty(lanes * hidden, np.float32),
        np.empty(lanes * hidden, np.float32),
    )
    for t in range(steps - 1, -1, -1):
        r, z, n, inner = gates[0, t], gates[1, t], gates[2, t], gates[3, t]
        if len(d_out):
            _add(d_h, d_out[t])
        before, d_n, d_inner = _before(h, t, begins, scratch), flat_d[2, t], flat_d[3, t]
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
        for k in range(3):
            np.dot(d[k if k < 2 else 3, t], carried[k], part)  # n has its part of the state before r is applied
            _add(d_h, flat_part)
        _forget(d_h, t, begins)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _tanh_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any, begins: Any) -> None:
    """Fill `read` and `h`."""
    _, steps, lanes, hidden = gates.shape
    _read_next(read, 0, h[0].reshape(lanes, hidden), begins)
    for t in range(steps):
        out = h[t + 1].reshape(lanes, hidden)
        np.dot(read[t], weight[0], out)
        _tanh(h[t + 1])
        _read_next(read, t + 1, out, begins)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _tanh_backward(
    carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any, begins: Any
) -> None:
    _, steps, lanes, hidden = d.shape
    back = d_h.reshape(lanes, hidden)
    for t in range(steps - 1, -1, -1):
        if len(d_out):
            _add(d_h, d_out[t])
        y, own = h[t + 1], flat_d[0, t]
        for j in range(len(own)):
            own[j] = d_h[j] * (_ONE - y[j] * y[j])
        np.dot(d[0, t], carried[0], back)
        _forget(d_h, t, begins)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _relu_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any, begins: Any) -> None:
    """Fill `read` and `h`."""
    _, steps, lanes, hidden = gates.shape
    _read_next(read, 0, h[0].reshape(lanes, hidden), begins)
    for t in range(steps):
        now = h[t + 1]
        out = now.reshape(lanes, hidden)
        np.dot(read[t], weight[0], out)
        for j in range(len(now)):
            now[j] = _ZERO if now[j] < _ZERO else now[j]
        _read_next(read, t + 1, out, begins)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _relu_backward(
    carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any, begins: Any
) -> None:
    _, steps, lanes, hidden = d.shape
    back = d_h.reshape(lanes, hidden)
    for t in range(steps - 1, -1, -1):
        if len(d_out):
            _add(d_h, d_out[t])
        y, own = h[t + 1], flat_d[0, t]
        for j in range(len(own)):
            own[j] = d_h[j] if y[j] > _ZERO else _ZERO
        np.dot(d[0, t], carried[0], back)
        _forget(d_h, t, begins)


def _together(own: Array, carried: Array, own_bias: Array, bias: Array) -> Array:
    """Put the weights of an LSTM or an RNN side by side: `weight` of what torch has."""
    hidden, inputs = carried.shape[1], own.shape[1]
    weight = np.empty((len(own) // hidden, 1 + inputs + hidden, hidden), np.float32)
    weight[:, 0] = (own_bias + bias).reshape(-1, hidden)
    weight[:, 1 : 1 + inputs] = own.reshape(-1, hidden, inputs).transpose(0, 2, 1)
    weight[:, 1 + inputs :] = carried.reshape(-1, hidden, hidden).transpose(0, 2, 1)
    return weight


def _apart(d: Tensor, inputs: int) -> tuple[Tensor, ...]:
    """Gradients of what `_together` had, of (gate, hidden, 1 + input + hidden)."""
    flat = d.flatten(0, 1)
    bias = flat[:, 0]
    return flat[:, 1 : 1 + inputs], flat[:, 1 + inputs :], bias, bias


def _gru_together(own: Array, carried: Array, own_bias: Array, bias: Array) -> Array:
    """The same of a GRU: what n gets of the inputs and of the state are two gates."""
    hidden, inputs = carried.shape[1], own.shape[1]
    both = _together(own, carried, own_bias, bias)
    weight = np.concatenate([both, both[2:]])
    weight[2, 0], weight[3, 0] = own_bias[2 * hidden :], bias[2 * hidden :]
    weight[2, 1 + inputs :] = weight[3, 1 : 1 + inputs] = 0.0
    return weight


def _gru_apart(d: Tensor, inputs: int) -> tuple[Tensor, ...]:
    (own, _, own_bias, _), (_, carried, _, bias) = (_apart(d[gates], inputs) for gates in ([0, 1, 2], [0, 1, 3]))
    return own, carried, own_bias, bias


@dataclass(frozen=True)
class _Cell:
    """Compiled loops of a cell; those that have no use for `c` or `gates` are handed them all the same.

    Attributes
    ----------
    together : `weight` of torch's weights
    apart : gradients of these, of a gradient (gate, hidden, 1 + input + hidden) and the number of inputs

    """

    forward: Callable[..., None]
    backward: Callable[..., None]
    together: Callable[..., Array] = _together
    apart: Callable[[Tensor, int], tuple[Tensor, ...]] = _apart


_LSTM, _GRU = _Cell(_lstm_forward, _lstm_backward), _Cell(_gru_forward, _gru_backward, _gru_together, _gru_apart)
_TANH, _RELU = _Cell(_tanh_forward, _tanh_backward), _Cell(_relu_forward, _relu_backward)


class _Walk(torch.autograd.Function):
    """All steps of a cell: outputs (step, lane, hidden), and the last h and c, (lane, hidden).

    What is between lies in numpy's arrays, whose views cost a tenth of a tensor's.
    """

    @staticmethod
    def forward(
        ctx: Any, cell: _Cell, begins: Array, x: Tensor, h0: Tensor, c0: Tensor, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        """Walk forwards; `x` (step, lane, input)."""
        (steps, lanes, inputs), hidden = x.shape, h0.shape[1]
        weight = cell.together(*map(_array, weights))
        read = np.empty((steps + 1, lanes, weight.shape[1]), np.float32)
        read[..., 0] = 1.0
        read[:-1, :, 1 : 1 + inputs] = x.detach().numpy()
        h = np.empty((steps + 1, lanes * hidden), np.float32)
        h[0] = _array(h0).reshape(-1)
        c = np.empty((steps + 1 if len(c0) else 1, lanes * hidden), np.float32)
        c[0] = _array(c0).reshape(-1) if len(c0) else 0.0
        gates = np.empty((len(weight), steps, lanes, hidden), np.float32)
        with _one_thread(read[0].size * hidden):
            cell.forward(weight, read, h, c, gates, gates.reshape(*gates.shape[:2], -1), begins)
        ctx.cell, ctx.walked, ctx.inputs = cell, (read, h, c, gates, begins), inputs
        ctx.save_for_backward(*weights[:2])
        ctx.set_materialize_grads(False)
        out, last = torch.from_numpy(h).view(-1, lanes, hidden), torch.from_numpy(c[-1].copy())
        return out[1:], out[-1].clone(), last.view(lanes, hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Walk backwards; a gradient that is not there costs nothing."""
        (own, carried), (read, h, c, gates, begins) = ctx.saved_tensors, ctx.walked
        _, steps, lanes, hidden = gates.shape
        d_out, *d_last = (None if one is None else _array(one) for one in gradients)
        d_h, d_c = (np.zeros(lanes * hidden, np.float32) if one is None else one.flatten() for one in d_last)
        flat_out = np.empty((0, 0), np.float32) if d_out is None else d_out.reshape(steps, -1)
        d, flat = np.empty_like(gates), (*gates.shape[:2], -1)
        back = _array(carried).reshape(-1, hidden, hidden)
        with _one_thread(lanes * hidden * hidden):
            ctx.cell.backward(back, h, c, gates.reshape(flat), flat_out, d, d.reshape(flat), d_h, d_c, begins)
        by_gate = torch.from_numpy(d).flatten(1, 2)
        d_weight = by_gate.transpose(1, 2) @ torch.from_numpy(read[:-1]).flatten(0, 1)
        d_x = None
        if ctx.needs_input_grad[2]:
            d_x, *others = (
                d_gate @ of_inputs
                for d_gate, of_inputs in zip(by_gate, own.chunk(own.shape[0] // hidden), strict=False)
            )
            for other in others:
                d_x += other
            d_x = d_x.view(steps, lanes, -1)
        states = (torch.from_numpy(one).view(lanes, hidden) for one in (d_h, d_c))
        d_h0, d_c0 = states
        return None, None, d_x, d_h0, d_c0 if len(c) > 1 else None, *ctx.cell.apart(d_weight, ctx.inputs)


def lstm_layer(
    x: Tensor, weights: Weights, h0: Tensor, c0: Tensor, begins: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, (step, lane, hidden), and the last h and c, (lane, hidden); `begins` as above."""
    return _walked(_LSTM, x, weights, h0, c0, begins)


def gru_layer(x: Tensor, weights: Weights, h0: Tensor, begins: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Outputs, (step, lane, hidden), and the last; `begins` as above."""
    return _walked(_GRU, x, weights, h0, None, begins)[:2]


def rnn_layer(
    x: Tensor, weights: Weights, h0: Tensor, begins: Tensor | None = None, *, relu: bool = False
) -> tuple[Tensor, Tensor]:
    """Outputs, (step, lane, hidden), and the last; with tanh, or ReLU; `begins` as above."""
    return _walked(_RELU if relu else _TANH, x, weights, h0, None, begins)[:2]


def _walked(
    cell: _Cell, x: Tensor, weights: Weights, h0: Tensor, c0: Tensor | None, begins: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    zeroed = np.full(x.shape[1], -1) if begins is None else begins.numpy()
    c0 = h0.new_empty(0, 0) if c0 is None else c0
    out, h, c = _Walk.apply(cell, zeroed, x, h0, c0, *weights)  # type: ignore[no-untyped-call]
    return out, h, c


def _array(tensor: Tensor) -> Array:
    """Give numpy's view of a tensor, of a copy where it is not contiguous."""
    return tensor.detach().contiguous().numpy()


def _one_thread(work: int) -> AbstractContextManager[Any]:
    """Let a BLAS have one thread where it would take more: they would wait for each other at every product."""
    return _blas().limit(limits=1) if work > _ALONE else nullcontext()


_ALONE = 2**17
"""Multiplications of a product below which OpenBLAS takes one thread by itself (2**18 in its version 0.3)."""


@cache
def _blas() -> ThreadpoolController:
    get_cython_function_address("scipy.linalg.cython_blas", "sgemm")  # loads the one that compiled products call
    return ThreadpoolController().select(user_api="blas")
