"""Copies to be examined: of networks with a head that lets gradients through, of batches in double precision."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from forecast.network.head import Level

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.training.batches import Batch

M = TypeVar("M", bound=nn.Module)


def examined(network: M) -> M:
    """Copy a network to the CPU, without dropout."""
    return copy.deepcopy(network).cpu().eval()


def doubled(network: M) -> M:
    """Copy a network to the CPU in double precision, without dropout; compiled kernels take no part then."""
    return examined(network).double()


def with_random_head(network: Network, seed: int) -> Network:
    """Copy a network and draw those layers of its decoder that are zero, as in an untrained one.

    Behind them no weight has a gradient. They are drawn as torch draws linear layers; the caller's random numbers stay
    as they were.
    """
    network = copy.deepcopy(network)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for layer in network.decoder.modules():  # type: ignore[attr-defined]  # every decoder is a module
            if isinstance(layer, nn.Linear) and not layer.weight.any():
                layer.reset_parameters()
    return network


def lanes_of(batch: Batch, here: slice) -> Batch:
    """Keep some lanes of a batch."""
    resets, exists, level = batch.resets[here], batch.exists[here], batch.level
    return batch._replace(
        x=batch.x[here],
        series=batch.series[here],
        resets=resets,
        reset_steps=tuple(torch.unique(resets[resets >= 0]).tolist()),
        target=batch.target[here],
        exists=exists,
        ahead=None if batch.ahead is None else batch.ahead[here],
        level=None if level is None else Level(*(part[here] for part in level)),
        forks=int(exists.sum()),
        rows=batch.rows[here],
    )


def batch_as(batch: Batch, precision: torch.dtype) -> Batch:
    """Convert the floating-point numbers of a batch."""
    level = batch.level
    return batch._replace(
        x=batch.x.to(precision),
        target=batch.target.to(precision),
        exists=batch.exists.to(precision),
        ahead=None if batch.ahead is None else batch.ahead.to(precision),
        level=None if level is None else Level(*(part.to(precision) for part in level)),
    )
