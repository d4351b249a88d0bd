"""Reading a segment of the past at a time: a recurrence that goes back a day at each step, not an hour.

    u_t = relu(W [x_{t-S+1}, ..., x_t] + b),   features_t, state_t = cell(u_t, state_{t-S})     S = `segment_steps`

A GRU over segments was proposed by Lin et al. 2023, "SegRNN" (arXiv 2308.11200), for windows that are cut into
segments. Here every step has the segment that ends at it and goes on from the state S steps earlier, so that every
step forks as in any other backbone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from forecast.network.dilation import Dilated

if TYPE_CHECKING:
    from forecast.network.cells import Backbone
    from forecast.network.state import State


class Segmented(Dilated):
    """A backbone that reads the last S = `segment_steps` inputs at each step, and goes on from its state S steps ago.

    `inner` reads what is made of a segment, `inner.feature_size` numbers. The state is the last S - 1 inputs,
    (lane, step, input), and then that of a dilated recurrence.
    """

    def __init__(self, inner: Backbone, segment_steps: int, input_size: int) -> None:
        super().__init__(inner, segment_steps)
        self.input_size = input_size
        self.reader = nn.Linear(segment_steps * input_size, inner.feature_size)

    def initial_state(self, lanes: int) -> State:
        """Zeros: no inputs, and the inner state's own zeros at each of the steps before."""
        inputs = self.reader.weight.new_zeros(lanes, self.steps - 1, self.input_size)
        return (inputs, *super().initial_state(lanes))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        inputs, *before = state
        seen = torch.cat([inputs, x], dim=1)
        segments = seen.unfold(1, self.steps, 1).transpose(2, 3).flatten(2)  # (lane, step, S * input)
        features, after = super().forward(torch.relu(self.reader(segments)), tuple(before))
        return features, (seen[:, x.shape[1] :], *after)
