"""One layer of an LSTM, a GRU or an RNN over all steps, in compiled loops, with its gradient.

On a CPU torch has one fused kernel, the LSTM's, which takes a third more time than the loops; GRU and RNN it walks in
many small calls, which cost several times the arithmetic. Numbers are torch's to single precision. This module needs
numba, of the extra `[fast]`; `fused` says when it is used. What its arrays are, `loops` says.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numba.extending import get_cython_function_address
from threadpoolctl import ThreadpoolController
from torch import Tensor

from forecast.network import loops

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Weights: TypeAlias = tuple[Tensor, ...]
"""torch's of a layer: of the inputs, of the state, (gate * hidden, ...), and the biases of both."""


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


_LSTM, _GRU = (
    _Cell(loops.lstm_forward, loops.lstm_backward),
    _Cell(loops.gru_forward, loops.gru_backward, _gru_together, _gru_apart),
)
_TANH, _RELU = _Cell(loops.tanh_forward, loops.tanh_backward), _Cell(loops.relu_forward, loops.relu_backward)


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
