"""Stretches of a training split at whose ends gradients begin their way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from forecast.inspection.copies import batch_as, lanes_of
from forecast.network.state import detach_state
from forecast.series.panel import window_rows
from forecast.training.batches import Targets, window_batch

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.series.panel import IntArray
    from forecast.training.batches import Batch
    from forecast.training.job import TrainingJob

MOST_STEPS = 1024
_WARMUP_STEPS = 512
_ENDS = 8
_STEPS_IN_ALL = 2048


class Excerpt(NamedTuple):
    """Some spans of equal length, a lane each, in double precision; only the last step of each forks.

    Attributes
    ----------
    before : steps that warm the state up, none in the windows regime
    batch : the steps that a gradient can travel back over while training: a chunk, or a window

    """

    before: tuple[torch.Tensor, torch.Tensor]
    batch: Batch

    def state(self, network: Network) -> State:
        """State that the spans begin with."""
        state = network.initial_state(len(self.batch.x))
        if not self.before[0].shape[1]:
            return state
        with torch.no_grad():
            _, after = network.features(*self.before, state)
        return detach_state(after)

    def lane(self, lane: int) -> Batch:
        """One span alone."""
        return lanes_of(self.batch, slice(lane, lane + 1))


def excerpt(job: TrainingJob) -> Excerpt | None:
    """Take up to 8 spans, evenly from the training split; None where no step of it has a target."""
    windows = job.training.regime == "windows"
    longest = job.context_steps if windows else job.training.chunk_steps
    steps = min(longest, MOST_STEPS, max(int(job.train_steps.max()) - 1, 1))
    ends = _ends(job, steps)
    if not len(ends):
        return None
    known = ends - job.data.past.offsets[job.data.known.series(ends)] + 1 - steps  # steps before each span
    warmup = max(longest - steps, 0) if windows else _WARMUP_STEPS
    warmup = min(warmup, int(known.min()))
    rows = window_rows(ends, warmup + steps)
    batch = batch_as(window_batch(job.data, Targets(job.data, job.ends), rows), torch.float64)
    before = batch.x[:, :warmup], batch.series[:, :warmup]
    return Excerpt(before, batch._replace(x=batch.x[:, warmup:], series=batch.series[:, warmup:]))


def _ends(job: TrainingJob, steps: int) -> IntArray:
    """Rows of the training split with so many steps up to them and a target after them, few and evenly."""
    starts = job.data.past.offsets[:-1]
    rows = np.concatenate([np.arange(a + steps - 1, b) for a, b in zip(starts, job.ends, strict=True)])
    count = int(np.clip(_STEPS_IN_ALL // steps, 2, _ENDS))
    rows = rows[min(_WARMUP_STEPS, len(rows) // 4) :]
    tried = _evenly(rows, 4 * count)  # more than are wanted, as some may have no target
    _, exists = job.data.differences(tried, job.ends)
    return _evenly(tried[exists.any(axis=1)], count)


def _evenly(rows: IntArray, count: int) -> IntArray:
    """Take so many rows, or all where there are no more."""
    if len(rows) <= count:
        return rows
    taken: IntArray = rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]
    return taken
