"""Loops over all steps of a layer of an LSTM, a GRU or an RNN, compiled by numba: forwards, and backwards in time.

Matrix products are a BLAS's, what lies between them is compiled; `lstm_inference` alone has a product of its own.
`layers` makes layers of torch of them. Equations and letters as in `cells`; a gradient dL/dv is `d_v`.

Arrays, all contiguous single precision, are named alike everywhere (K gates, T steps, B lanes, I inputs, H units):

    read     (T + 1, B, 1 + I + H)   what a step reads: [1, x_t, h_{t-1}]
    weight   (K, 1 + I + H, H)       what it is multiplied with, a gate each: [b; W'; U']
    carried  (K, H, H)               U, the recurrent weights as torch has them
    h, c     (T + 1, B * H)          the state before the first and after every step
    gates    (K, T, B, H)            gates after their curves, in torch's order
    d        (K, T, B, H)            gradient of the gates before their curves
    resets   (B,)                    step before which the state of a lane is set to zero, -1: none

Every gate has a block of its own, so that a step of it is one run of memory. Loops go over whole runs, few arrays each:
where an index is computed, or arrays are many, the compiler finds no vector instructions, and a step takes five times
as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from forecast.network.compiled import cached

_FAST = {"contract", "nsz", "arcp", "afn"}
"""a*b + c in one operation, divisions as the compiler likes, and nothing that changes what NaN means."""

_ONE, _ZERO, _HALF = np.float32(1.0), np.float32(0.0), np.float32(0.5)

# The tangent as a quotient of polynomials (Eigen's `ptanh_float`): 1.6 ns a number, because loops over it are
# vectorised; math.tanh in its place takes 27 ns (a scalar call of the C library), by an exponential 4.0, numpy's own
# 4.1. A step of an LSTM of 64 units needs 320 of them: 0.5 us of its 1.6, with math.tanh 8.7.
_END = np.float32(7.90531110763549805)  # from here on it is 1 to single precision
_P1, _P3, _P5 = np.float32(4.89352455891786e-3), np.float32(6.37261928875436e-4), np.float32(1.48572235717979e-5)
_P7, _P9, _P11 = np.float32(5.12229709037114e-8), np.float32(-8.60467152213735e-11), np.float32(2.00018790482477e-13)
_P13 = np.float32(-2.76076847742355e-16)
_Q0, _Q2 = np.float32(4.89352518554385e-3), np.float32(2.26843463243900e-3)
_Q4, _Q6 = np.float32(1.18534705686654e-4), np.float32(1.19825839466702e-6)


@njit(inline="always", fastmath=_FAST)
def tanh(x: Any) -> Any:
    """Hyperbolic tangent of a number; the largest error is 1.2e-7."""
    x = _END if x > _END else x  # NaN stays NaN
    x = -_END if x < -_END else x
    s = x * x
    p = ((((((_P13 * s + _P11) * s + _P9) * s + _P7) * s + _P5) * s + _P3) * s + _P1) * x
    return p / (((_Q6 * s + _Q4) * s + _Q2) * s + _Q0)


@njit(inline="always", fastmath=_FAST)
def sigmoid(x: Any) -> Any:
    """Logistic function of a number: (tanh(x / 2) + 1) / 2."""
    return tanh(x * _HALF) * _HALF + _HALF


@njit(fastmath=_FAST, error_model="numpy")
def _tanh(a: Any) -> None:
    for k in range(len(a)):
        a[k] = tanh(a[k])


@njit(fastmath=_FAST, error_model="numpy")
def _sigmoid(a: Any) -> None:
    for k in range(len(a)):
        a[k] = sigmoid(a[k])


@njit(fastmath=_FAST, error_model="numpy")
def _add(a: Any, b: Any) -> None:
    for k in range(len(a)):
        a[k] += b[k]


@njit(fastmath=_FAST, error_model="numpy")
def _tanh_backward(d: Any, factor: Any, y: Any, out: Any) -> None:
    """Gradient before y = tanh(a): d * factor * (1 - y^2)."""
    for k in range(len(out)):
        out[k] = d[k] * factor[k] * (_ONE - y[k] * y[k])


@njit(fastmath=_FAST, error_model="numpy")
def _sigmoid_backward(d: Any, factor: Any, y: Any, out: Any) -> None:
    """Gradient before y = sigma(a): d * factor * y (1 - y)."""
    for k in range(len(out)):
        out[k] = d[k] * factor[k] * y[k] * (_ONE - y[k])


@njit(fastmath=_FAST, error_model="numpy")
def _reset(state: Any, t: Any, resets: Any) -> None:
    """Set the state, (B * H,), of lanes that are reset before step t to zero."""
    hidden = len(state) // len(resets)
    for b in range(len(resets)):
        if resets[b] == t:
            state[b * hidden : (b + 1) * hidden] = _ZERO


@njit(fastmath=_FAST, error_model="numpy")
def _state_before(states: Any, t: Any, resets: Any, scratch: Any) -> Any:
    """State before step t with its resets, (B * H,); a copy in `scratch` where there are any."""
    if not (resets == t).any():
        return states[t]
    scratch[:] = states[t]
    _reset(scratch, t, resets)
    return scratch


@njit(fastmath=_FAST, error_model="numpy")
def _read_output(read: Any, t: Any, out: Any, resets: Any) -> None:
    """Let step t read the output of the step before, (B, H)."""
    lanes, hidden = out.shape
    read[t, :, -hidden:] = out
    for b in range(lanes):
        if resets[b] == t:
            read[t, b, -hidden:] = _ZERO


@cached(fastmath=_FAST, error_model="numpy")
def lstm_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, resets: Any) -> None:
    """Fill `read`, `h`, `c` and `gates` (i, f, g, o) from the state at step 0 on."""
    _, steps, lanes, hidden = gates.shape
    flat, scratch = gates.reshape(4, steps, lanes * hidden), np.empty(lanes * hidden, np.float32)
    _read_output(read, 0, h[0].reshape(lanes, hidden), resets)
    for t in range(steps):
        for k in range(4):
            np.dot(read[t], weight[k], gates[k, t])  # W x_t + U h_{t-1} + b
        i, f, g, o = flat[0, t], flat[1, t], flat[2, t], flat[3, t]
        _sigmoid(i)
        _sigmoid(f)
        _tanh(g)
        _sigmoid(o)
        c_before, c_now, h_now = _state_before(c, t, resets, scratch), c[t + 1], h[t + 1]
        for j in range(len(c_now)):
            c_now[j] = f[j] * c_before[j] + i[j] * g[j]
        for j in range(len(c_now)):
            h_now[j] = o[j] * tanh(c_now[j])
        _read_output(read, t + 1, h_now.reshape(lanes, hidden), resets)


@cached(fastmath=_FAST, error_model="numpy")
def lstm_backward(
    carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, d_h: Any, d_c: Any, resets: Any
) -> None:
    """Fill `d` from the last step back; `d_h` and `d_c`, (B * H,), become those of the state before the first.

    `d_out` (T, B * H) is the gradient of all outputs; of no length where there is none.
    """
    _, steps, lanes, hidden = d.shape
    flat, flat_d = gates.reshape(4, steps, lanes * hidden), d.reshape(4, steps, lanes * hidden)
    back, part = d_h.reshape(lanes, hidden), np.empty((lanes, hidden), np.float32)
    flat_part, y, scratch = part.reshape(-1), np.empty(lanes * hidden, np.float32), np.empty(lanes * hidden, np.float32)
    for t in range(steps - 1, -1, -1):
        i, f, g, o = flat[0, t], flat[1, t], flat[2, t], flat[3, t]
        if len(d_out):
            _add(d_h, d_out[t])
        c_now = c[t + 1]
        for j in range(len(y)):
            y[j] = tanh(c_now[j])  # h = o y
        for j in range(len(y)):
            d_c[j] += d_h[j] * o[j] * (_ONE - y[j] * y[j])
        _sigmoid_backward(d_h, y, o, flat_d[3, t])
        _sigmoid_backward(d_c, g, i, flat_d[0, t])  # c = f c_before + i g
        _sigmoid_backward(d_c, _state_before(c, t, resets, scratch), f, flat_d[1, t])
        _tanh_backward(d_c, i, g, flat_d[2, t])
        for j in range(len(f)):
            d_c[j] *= f[j]
        np.dot(d[0, t], carried[0], back)  # d_h of the step before: the sum over gates of d U
        for k in range(1, 4):
            np.dot(d[k, t], carried[k], part)
            _add(d_h, flat_part)
        _reset(d_h, t, resets)
        _reset(d_c, t, resets)


@cached(fastmath=_FAST, error_model="numpy")
def gru_forward(weight: Any, read: Any, h: Any, c: Any, gates: Any, resets: Any) -> None:
    """Fill `read`, `h` and `gates`: r, z, n, and U h_{t-1} + b' of n, to which r is applied; `c` is not used."""
    _, steps, lanes, hidden = gates.shape
    flat, scratch = gates.reshape(4, steps, lanes * hidden), np.empty(lanes * hidden, np.float32)
    _read_output(read, 0, h[0].reshape(lanes, hidden), resets)
    for t in range(steps):
        for k in range(4):
            np.dot(read[t], weight[k], gates[k, t])
        r, z, n, inner = flat[0, t], flat[1, t], flat[2, t], flat[3, t]
        _sigmoid(r)
        _sigmoid(z)
        for j in range(len(n)):
            n[j] += r[j] * inner[j]  # W x_t + b + r * (U h_{t-1} + b')
        _tanh(n)
        h_before, h_now = _state_before(h, t, resets, scratch), h[t + 1]
        for j in range(len(n)):
            h_now[j] = n[j] + z[j] * (h_before[j] - n[j])  # (1 - z) n + z h_{t-1}
        _read_output(read, t + 1, h_now.reshape(lanes, hidden), resets)


@cached(fastmath=_FAST, error_model="numpy")
def gru_backward(carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, d_h: Any, d_c: Any, resets: Any) -> None:
    """Fill `d` from the last step back; `d_h` becomes that of the state before the first. As `lstm_backward`."""
    _, steps, lanes, hidden = d.shape
    flat, flat_d = gates.reshape(4, steps, lanes * hidden), d.reshape(4, steps, lanes * hidden)
    part, scratch = np.empty((lanes, hidden), np.float32), np.empty(lanes * hidden, np.float32)
    flat_part, factor = part.reshape(-1), np.empty(lanes * hidden, np.float32)
    for t in range(steps - 1, -1, -1):
        r, z, n, inner = flat[0, t], flat[1, t], flat[2, t], flat[3, t]
        if len(d_out):
            _add(d_h, d_out[t])
        h_before, d_n, d_inner = _state_before(h, t, resets, scratch), flat_d[2, t], flat_d[3, t]
        for j in range(len(factor)):
            factor[j] = h_before[j] - n[j]  # dh / dz
        _sigmoid_backward(d_h, factor, z, flat_d[1, t])
        for j in range(len(factor)):
            factor[j] = _ONE - z[j]  # dh / dn
        _tanh_backward(d_h, factor, n, d_n)
        _sigmoid_backward(d_n, inner, r, flat_d[0, t])
        for j in range(len(factor)):
            d_inner[j] = d_n[j] * r[j]
        for j in range(len(factor)):
            d_h[j] *= z[j]
        for k in range(3):
            np.dot(d[k if k < 2 else 3, t], carried[k], part)  # of n the part of the state is `inner`
            _add(d_h, flat_part)
        _reset(d_h, t, resets)


@cached(fastmath=_FAST, error_model="numpy")
def rnn_forward(relu: Any, weight: Any, read: Any, h: Any, c: Any, gates: Any, resets: Any) -> None:
    """Fill `read` and `h`; with ReLU or tanh. `c` and the values of `gates` are not used."""
    _, steps, lanes, hidden = gates.shape
    _read_output(read, 0, h[0].reshape(lanes, hidden), resets)
    for t in range(steps):
        h_now = h[t + 1]
        out = h_now.reshape(lanes, hidden)
        np.dot(read[t], weight[0], out)  # W x_t + U h_{t-1} + b
        if relu:
            for j in range(len(h_now)):
                h_now[j] = _ZERO if h_now[j] < _ZERO else h_now[j]
        else:
            _tanh(h_now)
        _read_output(read, t + 1, out, resets)


@cached(fastmath=_FAST, error_model="numpy")
def rnn_backward(
    relu: Any, carried: Any, h: Any, c: Any, gates: Any, d_out: Any, d: Any, d_h: Any, d_c: Any, resets: Any
) -> None:
    """Fill `d` from the last step back; `d_h` becomes that of the state before the first. As `lstm_backward`."""
    _, steps, lanes, hidden = d.shape
    flat_d, back = d.reshape(1, steps, lanes * hidden), d_h.reshape(lanes, hidden)
    for t in range(steps - 1, -1, -1):
        if len(d_out):
            _add(d_h, d_out[t])
        y, d_sum = h[t + 1], flat_d[0, t]
        if relu:
            for j in range(len(d_sum)):
                d_sum[j] = d_h[j] if y[j] > _ZERO else _ZERO
        else:
            for j in range(len(d_sum)):
                d_sum[j] = d_h[j] * (_ONE - y[j] * y[j])
        np.dot(d[0, t], carried[0], back)
        _reset(d_h, t, resets)


# The LSTM once more, for forecasts: few lanes, no gradient. A call of a BLAS for so small a product costs more than the
# product, and nothing has to be kept. Microseconds a step of one lane: here 1.6, `lstm_forward` 2.1, torch 2.6 to 3.3
# (64 units); 0.42, 0.98, 1.0 (32 units). GRU and RNN gained nothing by such a loop.


@cached(fastmath=_FAST, error_model="numpy")
def lstm_inference(x: Any, weight_in: Any, weight: Any, h0: Any, c: Any, h: Any) -> None:
    """Fill `h`, (T, B, H), from `h0` and `c`, (B, H); `c` becomes that after the last step.

    `x` is (T, B, I'): 1, the inputs, and zeros up to a multiple of four; `weight_in` (I', 4 H) and `weight` (H, 4 H),
    so that a row is what one number adds to all gates, and additions run along memory. What inputs add is computed step
    by step as well: the product of all steps at once has to go through memory, and with few inputs takes a third of all
    the time.
    """
    steps, lanes, hidden = h.shape
    gates = np.empty((lanes, 4 * hidden), np.float32)  # i, f, g, o
    h_before = h0
    for t in range(steps):
        _put_product(x[t], weight_in, gates)
        _add_product(x[t, :, 4:], weight_in[4:], gates)
        _add_product(h_before, weight, gates)
        for b in range(lanes):
            for j in range(hidden):
                kept = sigmoid(gates[b, hidden + j]) * c[b, j]
                c[b, j] = kept + sigmoid(gates[b, j]) * tanh(gates[b, 2 * hidden + j])
                h[t, b, j] = sigmoid(gates[b, 3 * hidden + j]) * tanh(c[b, j])
        h_before = h[t]


@njit(fastmath=_FAST, error_model="numpy")
def _put_product(v: Any, weight: Any, gates: Any) -> None:
    """Gates = v[:, :4] @ weight[:4], (B, 4 H)."""
    w0, w1, w2, w3 = weight[0], weight[1], weight[2], weight[3]
    for b in range(v.shape[0]):
        sums = gates[b]
        v0, v1, v2, v3 = v[b, 0], v[b, 1], v[b, 2], v[b, 3]
        for j in range(weight.shape[1]):
            sums[j] = v0 * w0[j] + v1 * w1[j] + v2 * w2[j] + v3 * w3[j]


@njit(fastmath=_FAST, error_model="numpy")
def _add_product(v: Any, weight: Any, gates: Any) -> None:
    """Gates += v @ weight, (B, 4 H), four rows of the weights at a time: as many as share a sum in registers.

    Lanes are inside, so that a second one finds the weights in the first cache.
    """
    lanes, rows = v.shape
    width = weight.shape[1]
    fours = rows - rows % 4
    for k in range(0, fours, 4):
        w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
        for b in range(lanes):
            sums = gates[b]
            v0, v1, v2, v3 = v[b, k], v[b, k + 1], v[b, k + 2], v[b, k + 3]
            for j in range(width):
                sums[j] += v0 * w0[j] + v1 * w1[j] + v2 * w2[j] + v3 * w3[j]
    for k in range(fours, rows):
        for b in range(lanes):
            for j in range(width):
                gates[b, j] += v[b, k] * weight[k, j]
