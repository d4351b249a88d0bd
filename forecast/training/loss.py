"""The loss of a batch: what training makes small, and what the inspection of gradients differentiates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from forecast.network.decoders import Taught
    from forecast.network.network import Network
    from forecast.training.data import Batch


def fork_losses(network: Network, features: Tensor, batch: Batch, taught: Taught | None) -> Tensor:
    """Loss of every fork of a batch, (lane, fork, horizon), of the features at its steps, (lane, step, feature)."""
    forks = batch.target.shape[1]
    if forks < features.shape[1]:  # a slice of everything is not for nothing: its gradient is copied
        features = features[:, -forks:]
    raw = network.forecast(features, batch.ahead, taught)
    return network.head.loss(raw, batch.target, batch.level)
