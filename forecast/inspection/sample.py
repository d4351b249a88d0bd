"""A chunk of a job's own data to examine gradients on, cut down where that would take long."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from forecast.inspection.copies import lanes_of
from forecast.network.head import Level
from forecast.network.state import detach_state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.training.batches import Batch

MOST_LANES = 8
MOST_STEPS = 128
_MOST_NUMBERS = 40_000
"""Lanes x steps x horizon, at most."""


class Sample(NamedTuple):
    """A batch, and the state that is carried into it; `size` says what of the job's own batch it is."""

    batch: Batch
    state: State
    size: str


def sample_of(network: Network, batches: Iterable[Batch]) -> Sample | None:
    """Take the second batch of an epoch, into which a state is carried, or the first that has forks.

    `batches` are in the precision of `network`. None where no batch has forks.
    """
    chosen = None
    carried: State | None = None
    for number, batch in enumerate(batches):
        state = network.initial_state(len(batch.x)) if carried is None or not batch.carried else carried
        sample, carried = _walk(network, batch, state)
        chosen = sample if sample.batch.forks else chosen
        if chosen is not None and number:
            break
    return chosen


@torch.no_grad()
def _walk(network: Network, batch: Batch, state: State) -> tuple[Sample, State]:
    """Give the end of a batch as a sample, and the state after the batch."""
    lanes, steps = batch.x.shape[:2]
    kept = min(steps, MOST_STEPS)
    some = max(min(lanes, MOST_LANES, _MOST_NUMBERS // (kept * batch.target.shape[2])), 1)
    before, piece = _part(batch, 0, steps - kept), _part(batch, steps - kept, steps)
    if kept < steps:
        _, state = network.features_with_resets(before.x, before.series, state, before.resets, before.reset_steps)
    _, after = network.features_with_resets(piece.x, piece.series, state, piece.resets, piece.reset_steps)
    taken = tuple(part[:some] for part in detach_state(state))
    return Sample(
        lanes_of(piece, slice(some)), taken, f"{_of(some, lanes, 'lane')} x {_of(kept, steps, 'step')}"
    ), after


def _part(batch: Batch, start: int, end: int) -> Batch:
    """Cut steps `start` to `end` out of a batch."""
    resets = torch.where((batch.resets >= start) & (batch.resets < end), batch.resets - start, -1)
    forks = batch.target.shape[1]
    first = max(start - (batch.x.shape[1] - forks), 0)
    last = max(end - (batch.x.shape[1] - forks), 0)
    return batch._replace(
        x=batch.x[:, start:end],
        series=batch.series[:, start:end],
        resets=resets,
        reset_steps=tuple(torch.unique(resets[resets >= 0]).tolist()),
        target=batch.target[:, first:last],
        exists=batch.exists[:, first:last],
        ahead=None if batch.ahead is None else batch.ahead[:, first:last],
        level=None if batch.level is None else Level(*(part[:, first:last] for part in batch.level)),
    )


def _of(some: int, whole: int, thing: str) -> str:
    """Say how many of how many."""
    plural = thing if whole == 1 else thing + "s"
    return f"{some} {plural}" if some == whole else f"{some} of {whole} {plural}"
