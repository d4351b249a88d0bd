"""Reading a segment of the past at a time: a recurrence that goes back a day at each step, not an hour.

    u_t = relu(W [x_{t-S+1}, ..., x_t] + b),   features_t, state_t = cell(u_t, state_{t-S})     S = `segment_steps`

A GRU over segments was proposed by Lin et al. 2023, "SegRNN" (arXiv 2308.11200), for windows that are cut into
segments. Here every step has the segment that ends at it and goes on from the state S steps earlier, so that every
step forks as in any other backbone, and a gradient over n recurrent steps reaches n S steps back. The S recurrences
are independent of each other: they run side by side as lanes, a chunk of T steps in T / S calls of the cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from forecast.network.cells import Recurrent
    from forecast.network.state import State


class Segmented(nn.Module):
    """A backbone that reads the last S = `segment_steps` inputs at each step, and goes on from its state S steps ago.

    `inner` reads what is made of a segment, `inner.feature_size` numbers. The state is the last S - 1 inputs,
    (lane, step, input), and every part of the inner state after each of the last S steps, (lane, step, ...); both
    oldest first.
    """

    def __init__(self, inner: Recurrent, segment_steps: int, input_size: int) -> None:
        super().__init__()
        self.segment_steps = segment_steps
        self.input_size = input_size
        self.reader = nn.Linear(segment_steps * input_size, inner.feature_size)
        self.inner = inner
        self.feature_size = inner.feature_size

    def initial_state(self, lanes: int) -> State:
        """Zeros: no inputs, and the inner state's own zeros at each of the steps before."""
        inputs = self.reader.weight.new_zeros(lanes, self.segment_steps - 1, self.input_size)
        before = self.inner.initial_state(lanes)
        return (inputs, *(part[:, None].expand(-1, self.segment_steps, *part.shape[1:]) for part in before))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        inputs, *before = state
        seen = torch.cat([inputs, x], dim=1)
        segments = seen.unfold(1, self.segment_steps, 1).transpose(2, 3).flatten(2)  # (lane, step, S * input)
        read = torch.relu(self.reader(segments))
        whole = x.shape[1] - x.shape[1] % self.segment_steps
        features, after = self._side_by_side(read[:, :whole], tuple(before))
        rest, after = self._side_by_side(read[:, whole:], after)
        return torch.cat([features, rest], dim=1), (seen[:, x.shape[1] :], *after)

    def _side_by_side(self, read: Tensor, before: State) -> tuple[Tensor, State]:
        """Run over steps of which there are a whole number of segments, or less than one: (lane, step, feature).

        Step t goes on from the state S steps before it, so the steps t, t + S, ... are a recurrence of their own.
        """
        lanes, steps = read.shape[:2]
        if not steps:
            return read, before
        phases = min(steps, self.segment_steps)
        own = (
            read.reshape(lanes, -1, phases, read.shape[2]).transpose(1, 2).flatten(0, 1)
        )  # (lane * phase, turn, feature)
        state = tuple(part[:, :phases].flatten(0, 1) for part in before)
        features, after = self.inner(own, state)
        in_order = features.reshape(lanes, phases, -1, self.feature_size).transpose(1, 2).flatten(1, 2)
        moved = tuple(
            torch.cat([old[:, phases:], new.reshape(lanes, phases, *new.shape[1:])], dim=1)
            for old, new in zip(before, after, strict=True)
        )
        return in_order, moved
