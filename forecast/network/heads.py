"""Heads: from the features at an origin to the forecast of the whole horizon, and the loss that trains it.

A head starts at zero, so that an untrained network is its reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

HUBER_DELTA = 1.0
"""Where the Huber loss turns from square to straight, in units of a series' scale."""


class PointHead(nn.Module):
    """One number a horizon step, linear in the features: all steps are read off the same origin."""

    def __init__(self, feature_size: int, horizon: int) -> None:
        super().__init__()
        self.out = nn.Linear(feature_size, horizon)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(..., feature) -> (..., horizon)."""
        forecast: Tensor = self.out(features)
        return forecast


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mae": lambda forecast, target: (forecast - target).abs(),
    "mse": lambda forecast, target: (forecast - target).square(),
    "huber": lambda forecast, target: functional.huber_loss(forecast, target, reduction="none", delta=HUBER_DELTA),
}
"""Loss of each forecast, element by element, in units of a series' scale."""


def mean_loss(loss: str, forecast: Tensor, target: Tensor, exists: Tensor) -> Tensor:
    """Mean over the (lane, step, horizon) whose target exists; 0 where none does.

    Examples
    --------
    >>> mean_loss("mae", torch.zeros(2), torch.tensor([3.0, 5.0]), torch.tensor([1.0, 0.0])).item()
    3.0

    """
    errors = LOSSES[loss](forecast, target) * exists
    return errors.sum() / torch.clamp(exists.sum(), min=1.0)
