"""A recurrence that goes back several steps at once.

    features_t, state_t = cell(x_t, state_{t-S})        S = `steps`

Stacked with S growing from layer to layer this is the Dilated RNN (Chang et al. 2017, arXiv 1710.02224): a gradient
over n recurrent steps reaches n S steps back. The S recurrences are independent of each other: they run side by side as
lanes, a chunk of T steps in T / S calls of the cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from forecast.network.cells import Backbone
    from forecast.network.state import State


class Dilated(nn.Module):
    """A backbone that goes on from its state S steps ago.

    The state is every part of the inner one after each of the last S steps, (lane, S, ...), oldest first.
    """

    def __init__(self, inner: Backbone, steps: int) -> None:
        super().__init__()
        self.inner = inner
        self.steps = steps
        self.feature_size = inner.feature_size

    def initial_state(self, lanes: int) -> State:
        """Return the inner state's own zeros at each of the steps before."""
        before = self.inner.initial_state(lanes)
        return tuple(part[:, None].expand(-1, self.steps, *part.shape[1:]) for part in before)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        whole = x.shape[1] - x.shape[1] % self.steps
        features, after = self._side_by_side(x[:, :whole], state)
        rest, after = self._side_by_side(x[:, whole:], after)
        return torch.cat([features, rest], dim=1), after

    def _side_by_side(self, x: Tensor, before: State) -> tuple[Tensor, State]:
        """Run over a whole number of times S steps, or less than S: (lane, step, input).

        Step t goes on from the state S steps before it, so the steps t, t + S, ... are a recurrence of their own.
        """
        lanes, steps = x.shape[:2]
        if not steps:
            return x.new_zeros(lanes, 0, self.feature_size), before
        phases = min(steps, self.steps)
        own = x.reshape(lanes, -1, phases, x.shape[2]).transpose(1, 2).flatten(0, 1)  # (lane * phase, turn, input)
        state = tuple(part[:, :phases].flatten(0, 1) for part in before)
        features, after = self.inner(own, state)
        in_order = features.reshape(lanes, phases, -1, self.feature_size).transpose(1, 2).flatten(1, 2)
        moved = tuple(
            torch.cat([old[:, phases:], new.reshape(lanes, phases, *new.shape[1:])], dim=1)
            for old, new in zip(before, after, strict=True)
        )
        return in_order, moved
