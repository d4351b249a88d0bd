"""The reservoir of an echo state network: a recurrence with random weights that stay as they are.

    h~_t = tanh(V x_t + W h_{t-1} + b),   h_t = (1 - a) h_{t-1} + a h~_t        a = `leak`

Jaeger 2001, "The echo state approach to analysing and training recurrent neural networks"; the leaky units and the
choice of the numbers after Lukosevicius 2012, "A practical guide to applying echo state networks". V and b are uniform
within `input_scale` of zero. Every unit reads the same number of others, chosen at random, and W is scaled to the
`spectral_radius`. The features are the states with the inputs beside them, [h_t, x_t], so that what is linear in the
latest inputs need not be found again in the states.

The state is forgotten wherever the largest singular value of W is below 1: two states then come closer at each step, by
a factor of at least 1 - a (1 - that value). A spectral radius below 1 promises it for no input but zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from forecast.network.settings import EsnSettings
    from forecast.network.state import State


class Reservoir(nn.Module):
    """A backbone whose weights are drawn once, from torch's random numbers, and never trained.

    Attributes
    ----------
    weight_in, bias : V (hidden, input) and b (hidden,)
    weight : W (hidden, hidden)

    """

    weight_in: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, settings: EsnSettings, input_size: int) -> None:
        super().__init__()
        size = settings.units
        self.leak = settings.leak
        self.feature_size = size + input_size
        self.register_buffer("weight_in", torch.zeros(size, input_size))
        self.register_buffer("weight", torch.zeros(size, size))
        self.register_buffer("bias", torch.zeros(size))
        if not self.weight.is_meta:  # on that device only shapes matter
            self._draw(settings)

    def _draw(self, settings: EsnSettings) -> None:
        size = settings.units
        self.weight_in.uniform_(-settings.input_scale, settings.input_scale)
        self.bias.uniform_(-settings.input_scale, settings.input_scale)
        # Each unit reads as many others as the sparsity leaves, (unit, read).
        read = torch.rand(size, size).topk(max(round((1 - settings.sparsity) * size), 1), dim=1).indices
        self.weight.scatter_(1, read, torch.empty(read.shape).uniform_(-1, 1))
        radius = spectral_radius(self.weight)
        if radius > 0:
            self.weight.mul_(settings.spectral_radius / radius)

    def initial_state(self, lanes: int) -> State:
        """Zeros, (lane, layer, hidden): there is one layer."""
        return (self.weight.new_zeros(lanes, 1, len(self.weight)),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        driven = functional.linear(x, self.weight_in, self.bias).transpose(0, 1)  # V x_t + b, (step, lane, hidden)
        before = state[0][:, 0]  # (lane, hidden)
        plain = driven.device.type == "cpu" and not (driven.requires_grad or before.requires_grad)
        states = (_unroll_in_place if plain else _unroll)(driven, before, self.weight.t(), self.leak)
        return torch.cat([states.transpose(0, 1), x], dim=-1), (states[-1][:, None],)


def spectral_radius(weight: Tensor) -> float:
    """Largest size of an eigenvalue.

    >>> round(spectral_radius(torch.tensor([[0.0, 2.0], [-2.0, 0.0]])), 6)
    2.0
    """
    return float(torch.linalg.eigvals(weight.double()).abs().max())


def _unroll(driven: Tensor, before: Tensor, weight: Tensor, leak: float) -> Tensor:
    """h_t of all steps, (step, lane, hidden), from V x_t + b; `weight` is W transposed."""
    states = []
    for now in driven:
        before = torch.lerp(before, torch.tanh(torch.addmm(now, before, weight)), leak)  # (1 - a) h + a h~
        states.append(before)
    return torch.stack(states)


def _unroll_in_place(driven: Tensor, before: Tensor, weight: Tensor, leak: float) -> Tensor:
    """Do the same on a CPU without a gradient, in half the time: numpy's calls cost less than torch's.

    The product is torch's, whose threads are those that were asked for.
    """
    states, change = torch.empty(driven.shape, dtype=driven.dtype), torch.empty_like(before)
    inputs, old, new, moved = driven.numpy(), before.numpy(), states.numpy(), change.numpy()
    for step, now in enumerate(states):
        torch.mm(before, weight, out=change)  # W h_{t-1}
        np.add(moved, inputs[step], out=moved)
        np.tanh(moved, out=moved)  # h~_t
        np.subtract(moved, old, out=moved)
        np.multiply(moved, leak, out=moved)
        np.add(old, moved, out=new[step])  # h_t = h_{t-1} + a (h~_t - h_{t-1})
        before, old = now, new[step]
    return states
