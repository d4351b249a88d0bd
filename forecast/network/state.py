"""The state of a backbone: an opaque tuple of tensors, each (lane, ...).

Only the backbone looks inside; all others detach it, set some lanes to zero, or pick some lanes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from forecast.series.panel import IntArray

State: TypeAlias = tuple[Tensor, ...]


def detach_state(state: State) -> State:
    """Cut the gradient: the same values, without their history."""
    return tuple(part.detach() for part in state)


def reset_lanes(state: State, reset: Tensor) -> State:
    """Set the state to zero in the lanes where `reset`, (lane,) bool, is True."""
    return tuple(part.masked_fill(reset.view(-1, *[1] * (part.dim() - 1)), 0.0) for part in state)


class StateAtOrigin(NamedTuple):
    """What a network carries after the row of each origin.

    Attributes
    ----------
    features : (origin, feature)
    state : each part (origin, ...)

    """

    features: Tensor
    state: State

    def take(self, which: IntArray) -> StateAtOrigin:
        """Return some of the origins; one may occur more than once."""
        rows = torch.from_numpy(which).to(self.features.device)
        return StateAtOrigin(self.features[rows], tuple(part[rows] for part in self.state))
