"""Epochs of batches: small iterables, as Lightning takes them. What an epoch draws depends on (seed, epoch) alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from forecast.series.panel import draw_windows, whole_windows, window_rows
from forecast.training.data import Targets, chunk_batch, window_batch
from forecast.training.lanes import cut_segments, full_last_chunks, walk_chunks, whole_segments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.series.panel import IntArray
    from forecast.training.data import Batch, NetworkData
    from forecast.training.lanes import Segments
    from forecast.training.settings import TrainingSettings


class Epochs(Protocol):
    """Something whose every iteration is one epoch."""

    @property
    def steps(self) -> int:
        """Steps of lanes that an epoch walks."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the next epoch."""
        ...


@dataclass
class StreamEpochs:
    """Chunks of all segments in lanes; every step of the training split is trained once an epoch.

    `offsets` are the empty steps before each segment; None: drawn anew each epoch.
    """

    data: NetworkData
    targets: Targets
    segments: Segments
    lanes: int
    chunk_steps: int
    seed: int
    epoch: int = 0
    offsets: IntArray | None = None

    @property
    def steps(self) -> int:
        """Steps of all segments."""
        return int((self.segments.end - self.segments.first).sum())

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the next epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        for chunk in walk_chunks(self.segments, self.lanes, self.chunk_steps, rng, self.offsets):
            yield chunk_batch(self.data, self.targets, chunk)


@dataclass
class WindowEpochs:
    """Windows at random origins of the training split."""

    data: NetworkData
    targets: Targets
    origin_rows: IntArray
    context_steps: int
    batch_size: int
    batches: int
    seed: int
    epoch: int = 0

    @property
    def steps(self) -> int:
        """Steps of all windows."""
        return self.batches * self.batch_size * self.context_steps

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the next epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        for origins in draw_windows(self.origin_rows, self.batch_size, self.batches, rng):
            yield window_batch(self.data, self.targets, window_rows(origins, self.context_steps))


def training_epochs(
    data: NetworkData, ends: IntArray, settings: TrainingSettings, context_steps: int, seed: int
) -> Epochs:
    """Epochs over rows before `ends[i]` of each series, in the regime that the settings name."""
    starts, targets = data.past.offsets[:-1], Targets(data, ends)
    if settings.regime == "windows":
        origins = whole_windows(starts, ends, context_steps)
        if data.past.at_end:
            origins = origins[data.past.target_observed[origins + 1]]
        return WindowEpochs(
            data, targets, origins, context_steps, settings.batch_size, settings.batches_per_epoch, seed
        )
    if data.past.at_end:
        return _labelled_epochs(data, targets, ends, settings, seed)
    warmup = settings.chunk_steps if settings.warmup_steps is None else settings.warmup_steps
    segments = cut_segments(starts, ends, settings.lanes, settings.chunk_steps, warmup)
    return StreamEpochs(data, targets, segments, settings.lanes, settings.chunk_steps, seed)


def _labelled_epochs(
    data: NetworkData, targets: Targets, ends: IntArray, settings: TrainingSettings, seed: int
) -> StreamEpochs:
    """Walk each series with a label from its first row to the one before the label, where it forks; uncut.

    What is read of a series reaches its only fork by the state alone: a cut would lose what was read before it.
    """
    starts = data.past.offsets[:-1]
    there = np.flatnonzero(ends > starts)
    there = there[data.past.target_observed[ends[there] - 1]]
    segments = whole_segments(starts[there], ends[there] - 1)
    offsets = full_last_chunks(segments, settings.chunk_steps)
    return StreamEpochs(data, targets, segments, settings.lanes, settings.chunk_steps, seed, offsets=offsets)
