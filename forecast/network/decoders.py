"""Decoders: from the features at an origin to raw numbers for every step of the horizon.

All steps are read off the same origin, and all raw numbers of an untrained network are zero (`heads` says what zero
means).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CURVES = 16
"""Bent combinations of what is known ahead, beside the plain ones."""


class DirectDecoder(nn.Module):
    """Every horizon step at once, linear in the features, and in what is known ahead of the step."""

    def __init__(self, feature_size: int, horizon: int, size: int, ahead_size: int) -> None:
        super().__init__()
        self.horizon = horizon
        self.size = size
        self.out = _zero_linear(feature_size, horizon * size)
        self.reader = AheadReader(feature_size, size, ahead_size) if ahead_size else None

    def forward(self, features: Tensor, ahead: Tensor | None) -> Tensor:
        """(..., feature), (..., horizon, column) -> (..., horizon, size)."""
        raw: Tensor = self.out(features).unflatten(-1, (self.horizon, self.size))
        if self.reader is not None and ahead is not None:
            raw = raw + self.reader(features, ahead)
        return raw


class AheadReader(nn.Module):
    """Reads what is known ahead of a step with weights that depend on the features at the origin.

    raw_h = A(features) [known_h, tanh(B known_h)]: one A for all steps, so that an effect seen at one step of the
    horizon is known at the others.
    """

    def __init__(self, feature_size: int, size: int, ahead_size: int) -> None:
        super().__init__()
        self.size = size
        self.curves = nn.Linear(ahead_size, _CURVES)
        self.weights = _zero_linear(feature_size, (ahead_size + _CURVES) * size)

    def forward(self, features: Tensor, ahead: Tensor) -> Tensor:
        """(..., feature), (..., horizon, column) -> (..., horizon, size)."""
        known = torch.cat([ahead, torch.tanh(self.curves(ahead))], dim=-1)
        weights = self.weights(features).unflatten(-1, (known.shape[-1], self.size))
        raw: Tensor = known @ weights
        return raw


def _zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """Make a layer that begins at zero, so that an untrained network is its reference."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
