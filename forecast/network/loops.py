"""Loops over all steps of a layer of an LSTM, a GRU or an RNN, compiled: forwards, and backwards through time.

The products are a BLAS's; what lies between them is compiled. This module needs numba, of the extra `[fast]`; `kernels`
makes layers of torch with it.

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

from typing import Any

import numpy as np
from numba import njit

from forecast.network.curves import FAST, sigmoid, tanh

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
def lstm_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any, begins: Any) -> None:
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
def lstm_backward(
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
def gru_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any, begins: Any) -> None:
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
def gru_backward(
    carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any, begins: Any
) -> None:
    """Fill `d`, the gradient of the gates before their curves; `d_h` goes back to the state before."""
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


@njit(fastmath=FAST, error_model="numpy")
def _rnn_forward(weight: Any, read: Any, h: Any, gates: Any, begins: Any, relu: Any) -> None:
    """Fill `read` and `h`."""
    _, steps, lanes, hidden = gates.shape
    _read_next(read, 0, h[0].reshape(lanes, hidden), begins)
    for t in range(steps):
        now = h[t + 1]
        out = now.reshape(lanes, hidden)
        np.dot(read[t], weight[0], out)
        if relu:
            for j in range(len(now)):
                now[j] = _ZERO if now[j] < _ZERO else now[j]
        else:
            _tanh(now)
        _read_next(read, t + 1, out, begins)


@njit(fastmath=FAST, error_model="numpy")
def _rnn_backward(carried: Any, h: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, begins: Any, relu: Any) -> None:
    """Fill `d`, the gradient of the sums before their curve; `d_h` goes back to the state before."""
    _, steps, lanes, hidden = d.shape
    back = d_h.reshape(lanes, hidden)
    for t in range(steps - 1, -1, -1):
        if len(d_out):
            _add(d_h, d_out[t])
        y, own = h[t + 1], flat_d[0, t]
        if relu:
            for j in range(len(own)):
                own[j] = d_h[j] if y[j] > _ZERO else _ZERO
        else:
            for j in range(len(own)):
                own[j] = d_h[j] * (_ONE - y[j] * y[j])
        np.dot(d[0, t], carried[0], back)
        _forget(d_h, t, begins)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def tanh_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any, begins: Any) -> None:
    """Fill `read` and `h`."""
    _rnn_forward(weight, read, h, gates, begins, False)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def tanh_backward(
    carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any, begins: Any
) -> None:
    """Fill `d`, the gradient of the sums before their curve; `d_h` goes back to the state before."""
    _rnn_backward(carried, h, d_out, d, flat_d, d_h, begins, False)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def relu_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, flat_gates: Any, begins: Any) -> None:
    """Fill `read` and `h`."""
    _rnn_forward(weight, read, h, gates, begins, True)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def relu_backward(
    carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, flat_d: Any, d_h: Any, d_c: Any, begins: Any
) -> None:
    """Fill `d`, the gradient of the sums before their curve; `d_h` goes back to the state before."""
    _rnn_backward(carried, h, d_out, d, flat_d, d_h, begins, True)
