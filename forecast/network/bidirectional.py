"""Reading a window from both of its ends (Schuster and Paliwal 1997).

What reads backwards begins at the origin, so a step's features know the steps after it: only the last step of a window
may be forecast from, and no state can be carried on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from forecast.network.state import State


class Bidirectional(nn.Module):
    """Features of a window: where both directions end, at each of its steps; there is no state.

    `core` is bidirectional, batches first.
    """

    def __init__(self, core: nn.RNNBase, dropout: float) -> None:
        super().__init__()
        self.core = core
        self.dropout = nn.Dropout(dropout)
        self.feature_size = 2 * core.hidden_size

    def initial_state(self, lanes: int) -> State:
        """Nothing is carried."""
        return ()

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input) -> (lane, step, 2 hidden)."""
        out, _ = self.core(x)
        size = self.core.hidden_size
        both = torch.cat([out[:, -1, :size], out[:, 0, size:]], dim=-1)
        return self.dropout(both)[:, None].expand(-1, x.shape[1], -1), state
