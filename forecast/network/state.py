"""The state of a backbone: an opaque tree of tensors, each with the lanes first.

Nobody but the backbone looks inside; the others only detach it, or set the state of some lanes to zero.
"""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor

State: TypeAlias = tuple[Tensor, ...]


def detach_state(state: State) -> State:
    """Cut the gradient: the same values, without their history."""
    return tuple(part.detach() for part in state)


def reset_lanes(state: State, begins: Tensor) -> State:
    """Set the state to zero in the lanes where `begins`, (lane,) bool, is True."""
    return tuple(part.masked_fill(begins.view(-1, *[1] * (part.dim() - 1)), 0.0) for part in state)
