"""One layer of an LSTM, a GRU or an RNN over all steps, in compiled loops, with its gradient.

On a CPU torch has one fused kernel, the LSTM's, which takes a third more time than the loops; GRU and RNN it runs in
many small calls, which cost several times the arithmetic. Numbers are torch's to single precision. This module imports
numba, of the extra `[fast]`; `modules` says when it is used, `loops` what its arrays are.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numba.extending import get_cython_function_address
from threadpoolctl import ThreadpoolController
from torch import Tensor

from forecast.network.compiled import loops

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
_Weights: TypeAlias = tuple[Tensor, ...]
"""torch's of a layer: W, (gate * hidden, input), U, (gate * hidden, hidden), and the biases of both."""


def lstm_layer(
    x: Tensor, weights: _Weights, h0: Tensor, c0: Tensor, resets: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Run over (step, lane, input) -> outputs, (step, lane, hidden), and the last h and c, (lane, hidden).

    `resets` (lane,) is the step before which the state of a lane is set to zero, -1: none.
    """
    return _run(_LSTM, x, weights, h0, c0, resets)


def gru_layer(x: Tensor, weights: _Weights, h0: Tensor, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Outputs, (step, lane, hidden), and the last; as `lstm_layer`."""
    return _run(_GRU, x, weights, h0, None, resets)[:2]


def rnn_layer(
    x: Tensor, weights: _Weights, h0: Tensor, resets: Tensor | None = None, *, relu: bool = False
) -> tuple[Tensor, Tensor]:
    """Outputs, (step, lane, hidden), and the last, with tanh or ReLU; as `lstm_layer`."""
    return _run(_RELU if relu else _TANH, x, weights, h0, None, resets)[:2]


def lstm_inference_layer(x: Tensor, weights: _Weights, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Like `lstm_layer`, without a gradient: for few lanes."""
    w, u, b_in, b = (part.numpy() for part in weights)
    inputs = x.shape[2]
    width = -(-(1 + inputs) // 4) * 4  # rounded up to a multiple of four
    read = np.zeros((*x.shape[:2], width), np.float32)  # (step, lane, [1, x, 0])
    read[..., 0] = 1.0
    read[..., 1 : 1 + inputs] = x.numpy()
    weight_in = np.zeros((width, len(w)), np.float32)  # ([b, W', 0], gate)
    weight_in[0] = b_in + b
    weight_in[1 : 1 + inputs] = w.T
    h, c = np.empty((*x.shape[:2], u.shape[1]), np.float32), np.array(c0.numpy(), order="C")
    loops.lstm_inference(read, weight_in, np.ascontiguousarray(u.T), np.ascontiguousarray(h0.numpy()), c, h)
    out = torch.from_numpy(h)
    return out, out[-1], torch.from_numpy(c)


def _stack_weights(w: Array, u: Array, b_in: Array, b: Array) -> Array:
    """`weight` of the loops, (gate, 1 + input + hidden, hidden), of torch's weights of an LSTM or an RNN."""
    hidden, inputs = u.shape[1], w.shape[1]
    weight = np.empty((len(w) // hidden, 1 + inputs + hidden, hidden), np.float32)
    weight[:, 0] = (b_in + b).reshape(-1, hidden)
    weight[:, 1 : 1 + inputs] = w.reshape(-1, hidden, inputs).transpose(0, 2, 1)
    weight[:, 1 + inputs :] = u.reshape(-1, hidden, hidden).transpose(0, 2, 1)
    return weight


def _split_gradient(d: Tensor, inputs: int) -> tuple[Tensor, ...]:
    """Gradients of torch's weights, of that of `weight`, (gate, hidden, 1 + input + hidden)."""
    flat = d.flatten(0, 1)
    bias = flat[:, 0]
    return flat[:, 1 : 1 + inputs], flat[:, 1 + inputs :], bias, bias


def _stack_gru_weights(w: Array, u: Array, b_in: Array, b: Array) -> Array:
    """The same of a GRU, with four gates: r, z, and of n the part of the inputs and the part of the state."""
    hidden, inputs = u.shape[1], w.shape[1]
    three = _stack_weights(w, u, b_in, b)
    weight = np.concatenate([three, three[2:]])
    weight[2, 0], weight[3, 0] = b_in[2 * hidden :], b[2 * hidden :]
    weight[2, 1 + inputs :] = weight[3, 1 : 1 + inputs] = 0.0
    return weight


def _split_gru_gradient(d: Tensor, inputs: int) -> tuple[Tensor, ...]:
    (w, _, b_in, _), (_, u, _, b) = (_split_gradient(d[gates], inputs) for gates in ([0, 1, 2], [0, 1, 3]))
    return w, u, b_in, b


@dataclass(frozen=True)
class _Cell:
    """Compiled loops of a cell, which all take the same arrays, and the layout of its weights."""

    forward: Callable[..., None]
    backward: Callable[..., None]
    stack_weights: Callable[..., Array] = _stack_weights
    split_gradient: Callable[[Tensor, int], tuple[Tensor, ...]] = _split_gradient


_LSTM = _Cell(loops.lstm_forward, loops.lstm_backward)
_GRU = _Cell(loops.gru_forward, loops.gru_backward, _stack_gru_weights, _split_gru_gradient)
_TANH, _RELU = (_Cell(partial(loops.rnn_forward, relu), partial(loops.rnn_backward, relu)) for relu in (False, True))


class _Unroll(torch.autograd.Function):
    """All steps of a cell: outputs (step, lane, hidden), and the last h and c, (lane, hidden).

    What is between lies in numpy's arrays, whose views cost a tenth of a tensor's.
    """

    @staticmethod
    def forward(
        ctx: Any, cell: _Cell, resets: Array, x: Tensor, h0: Tensor, c0: Tensor, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        """Run forwards; `x` (step, lane, input)."""
        (steps, lanes, inputs), hidden = x.shape, h0.shape[1]
        weight = cell.stack_weights(*map(_array, weights))
        read = np.empty((steps + 1, lanes, weight.shape[1]), np.float32)  # [1, x_t, h_{t-1}]
        read[..., 0] = 1.0
        read[:-1, :, 1 : 1 + inputs] = x.detach().numpy()
        h = np.empty((steps + 1, lanes * hidden), np.float32)
        h[0] = _array(h0).reshape(-1)
        c = np.empty((steps + 1 if len(c0) else 1, lanes * hidden), np.float32)  # one row where the cell has none
        c[0] = _array(c0).reshape(-1) if len(c0) else 0.0
        gates = np.empty((len(weight), steps, lanes, hidden), np.float32)
        with _one_thread(read[0].size * hidden):
            cell.forward(weight, read, h, c, gates, resets)
        ctx.cell, ctx.arrays, ctx.inputs = cell, (read, h, c, gates, resets), inputs
        ctx.save_for_backward(*weights[:2])
        ctx.set_materialize_grads(False)
        out, last = torch.from_numpy(h).view(-1, lanes, hidden), torch.from_numpy(c[-1].copy())
        return out[1:], out[-1].clone(), last.view(lanes, hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Run backwards; of outputs that have no gradient nothing is computed."""
        (w, u), (read, h, c, gates, resets) = ctx.saved_tensors, ctx.arrays
        _, steps, lanes, hidden = gates.shape
        d_out, *d_last = (None if part is None else _array(part) for part in gradients)
        d_h, d_c = (np.zeros(lanes * hidden, np.float32) if part is None else part.flatten() for part in d_last)
        d_out = np.empty((0, 0), np.float32) if d_out is None else d_out.reshape(steps, -1)
        d = np.empty_like(gates)
        with _one_thread(lanes * hidden * hidden):
            ctx.cell.backward(_array(u).reshape(-1, hidden, hidden), h, c, gates, d_out, d, d_h, d_c, resets)
        by_gate = torch.from_numpy(d).flatten(1, 2)  # (gate, step * lane, hidden)
        d_weight = by_gate.transpose(1, 2) @ torch.from_numpy(read[:-1]).flatten(0, 1)
        d_x = _input_gradient(by_gate, w).view(steps, lanes, -1) if ctx.needs_input_grad[2] else None
        d_h0, d_c0 = (torch.from_numpy(part).view(lanes, hidden) for part in (d_h, d_c))
        return None, None, d_x, d_h0, d_c0 if len(c) > 1 else None, *ctx.cell.split_gradient(d_weight, ctx.inputs)


def _input_gradient(by_gate: Tensor, w: Tensor) -> Tensor:
    """Sum over gates of d W, (step * lane, input); a GRU's fourth gate reads no inputs."""
    d_x: Tensor
    d_x, *others = (d @ of_gate for d, of_gate in zip(by_gate, w.chunk(len(w) // by_gate.shape[2]), strict=False))
    for other in others:
        d_x += other
    return d_x


def _run(
    cell: _Cell, x: Tensor, weights: _Weights, h0: Tensor, c0: Tensor | None, resets: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    steps = np.full(x.shape[1], -1) if resets is None else resets.numpy()
    c0 = h0.new_empty(0, 0) if c0 is None else c0
    out, h, c = _Unroll.apply(cell, steps, x, h0, c0, *weights)  # type: ignore[no-untyped-call]
    return out, h, c


def _array(tensor: Tensor) -> Array:
    """Return numpy's view of a tensor, or of a copy where it is not contiguous."""
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
