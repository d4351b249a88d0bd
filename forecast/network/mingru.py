"""The minGRU, a recurrence that is linear in its state, over all steps in parallel.

    h_t = (1 - z_t) * h_{t-1} + z_t * n_t,   z_t = sigma(W_z x_t + b_z),   n_t = W_n x_t + b_n

Feng et al. 2024, "Were RNNs All We Needed?" (arXiv 2410.01201): gate and candidate do not read the state, so that steps
combine like a_2 (a_1 h + b_1) + b_2, which is associative: log2 T passes over T steps do (Hillis and Steele 1986).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from forecast.network.state import State


class MinGru(nn.Module):
    """One layer; the state is h, (lane, hidden)."""

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float) -> None:
        super().__init__()
        self.feature_size = hidden_size
        self.gates = nn.Linear(input_size, 2 * hidden_size)  # z, n
        with torch.no_grad():
            self.gates.bias[:hidden_size] -= forget_bias  # z small: h is kept

    def initial_state(self, lanes: int) -> State:
        """Zeros, (lane, hidden)."""
        return (self.gates.weight.new_zeros(lanes, self.feature_size),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        z, candidate = self.gates(x).chunk(2, dim=-1)  # (lane, step, hidden) each
        z = torch.sigmoid(z)
        h: Tensor = _LinearRecurrence.apply(1 - z, z * candidate, state[0])  # type: ignore[no-untyped-call]
        return h, (h[:, -1],)


class _LinearRecurrence(torch.autograd.Function):
    """h_t = a_t h_{t-1} + b_t for (lane, step, hidden), from h_{-1} = h0, (lane, hidden)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
        first = (a[:, 0] * h0 + b[:, 0])[:, None]  # h_0 takes the place of b_0: the scan begins at zero
        h = _scan(a, torch.cat([first, b[:, 1:]], dim=1))
        ctx.save_for_backward(a, h, h0)
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the same recurrence backwards in time: d_t = d_out_t + a_{t+1} d_{t+1}."""
        a, h, h0 = ctx.saved_tensors
        a_next = torch.cat([a[:, 1:], torch.zeros_like(a[:, :1])], dim=1)
        d = _scan(a_next.flip(1), d_out.flip(1)).flip(1)  # dL / dh_t
        h_before = torch.cat([h0[:, None], h[:, :-1]], dim=1)
        return d * h_before, d, a[:, 0] * d[:, 0]


def _scan(a: Tensor, b: Tensor) -> Tensor:
    """h_t = a_t h_{t-1} + b_t from zero, (lane, step, hidden): each pass doubles how far every h_t looks back."""
    a, h = a.clone(), b.clone()
    reach = 1
    while reach < h.shape[1]:
        h[:, reach:] += a[:, reach:] * h[:, :-reach].clone()
        a[:, reach:] *= a[:, :-reach].clone()
        reach *= 2
    return h
