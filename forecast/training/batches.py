"""Batches and epochs: chunks of all lanes, or windows at random, as small iterables that Lightning takes.

What an epoch draws depends on (seed, epoch) alone; a training that is resumed skips the batches that it has had.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from forecast.network.head import Level
from forecast.series.panel import draw_windows, whole_windows, window_rows
from forecast.training.lanes import cut_at, cut_segments, full_last_chunks, lane_chunks, whole_segments, with_replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.network.decoders import TeacherForcing
    from forecast.network.network import Network
    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import BoolArray, IntArray
    from forecast.training.data import NetworkData
    from forecast.training.lanes import Chunk, Segments
    from forecast.training.settings import TrainingSettings

_TARGETS_KEPT = 32_000_000
"""Numbers in a table of targets, at most (160 MB); of larger data each chunk computes its own."""


class Batch(NamedTuple):
    """What one optimizer step reads.

    Attributes
    ----------
    x : (lane, step, input)
    series : (lane, step) number of each step's series
    resets : (lane,) step at which a lane begins a segment, so that its state is reset before it; -1: none
    reset_steps : the different steps in `resets`, without -1
    target : (lane, fork, horizon) differences to the reference in units of the scale, of the last `fork` steps
    exists : (lane, fork, horizon) 1 where there is a target, else 0
    ahead : (lane, fork, span, column) what is known around the horizon; None where there is nothing
    level : where the series stand, (lane, fork, horizon) and (lane, fork, 1), for heads that need it
    forks : how many (lane, step, horizon) exist
    rows : (lane,) a row of each lane's series, to name it
    carried : whether the state goes on from the batch before
    all_forks : `forks` of all processes that train together; None: there is one

    """

    x: Tensor
    series: Tensor
    resets: Tensor
    reset_steps: tuple[int, ...]
    target: Tensor
    exists: Tensor
    ahead: Tensor | None
    level: Level | None
    forks: int
    rows: tuple[int, ...]
    carried: bool
    all_forks: int | None = None


class Targets:
    """Differences to the reference, of which each epoch wants all: computed once where they fit into memory.

    A target exists before row `ends[i]` of series i.
    """

    def __init__(self, data: NetworkData, ends: IntArray) -> None:
        self._data = data
        self._ends = ends
        self._table: tuple[Float32Array, BoolArray] | None = None
        if len(data.past.times) * data.reference.horizon <= _TARGETS_KEPT:
            self._table = data.differences(np.arange(len(data.past.times)), ends)

    def at(self, rows: IntArray) -> tuple[Float32Array, BoolArray]:
        """Targets after each row, and which of them exist; each (row, horizon)."""
        if self._table is None:
            return self._data.differences(rows, self._ends)
        target, exists = self._table
        return target.take(rows, axis=0), exists.take(rows, axis=0)  # whole rows: quicker than by an index


def chunk_batch(data: NetworkData, targets: Targets, chunk: Chunk) -> Batch:
    """Make a batch of a chunk: every trained step forks."""
    lanes, steps = chunk.rows.shape
    x = data.inputs.at(chunk.rows)  # (lane, step, input)
    x[~chunk.inside] = 0.0
    rows = chunk.rows.reshape(-1)  # (lane * step,)
    target, exists = targets.at(rows)  # (lane * step, horizon)
    exists &= chunk.trained.reshape(-1, 1)
    return Batch(
        x=torch.from_numpy(x),
        series=data.inputs.series_of(chunk.rows),
        resets=torch.from_numpy(chunk.resets),
        reset_steps=tuple(np.unique(chunk.resets[chunk.resets >= 0]).tolist()),
        target=torch.from_numpy(target).view(lanes, steps, -1),
        exists=torch.from_numpy(exists.astype(np.float32)).view(lanes, steps, -1),
        ahead=data.inputs.known_along(chunk.rows, chunk.inside, data.reference.horizon),
        level=_in_lanes(data.level_of(rows, target), lanes),
        forks=int(np.count_nonzero(exists)),
        rows=tuple(chunk.rows[:, -1].tolist()),
        carried=True,
    )


def window_batch(data: NetworkData, targets: Targets, window: IntArray) -> Batch:
    """Make a batch of windows, (window, context step): only the last step of each forks."""
    target, exists = targets.at(window[:, -1])  # (window, horizon)
    return Batch(
        x=torch.from_numpy(data.inputs.at(window)),
        series=data.inputs.series_of(window),
        resets=torch.zeros(len(window), dtype=torch.int64),
        reset_steps=(0,),
        target=torch.from_numpy(target)[:, None],
        exists=torch.from_numpy(exists.astype(np.float32))[:, None],
        ahead=data.inputs.known_ahead(window[:, -1:], data.reference.horizon),
        level=_in_lanes(data.level_of(window[:, -1], target), len(window)),
        forks=int(np.count_nonzero(exists)),
        rows=tuple(window[:, -1].tolist()),
        carried=False,
    )


def _in_lanes(level: Level | None, lanes: int) -> Level | None:
    """(lane * fork, ...) -> (lane, fork, ...)."""
    return None if level is None else Level(*(part.view(lanes, -1, part.shape[1]) for part in level))


def fork_losses(network: Network, features: Tensor, batch: Batch, forcing: TeacherForcing | None) -> Tensor:
    """Loss of every fork of a batch, (lane, fork, horizon), from the features at its steps, (lane, step, feature)."""
    forks = batch.target.shape[1]
    if forks < features.shape[1]:  # even a slice of everything costs a copy of its gradient
        features = features[:, -forks:]
    raw = network.forecast(features, batch.ahead, forcing)  # (lane, fork, horizon, size)
    return network.head.loss(raw, batch.target, batch.level)


class Epochs(Protocol):
    """Something whose every iteration is one epoch; the next one is `epoch`, without its first `skip` batches."""

    epoch: int
    skip: int

    @property
    def steps(self) -> int:
        """Steps of all lanes together that an epoch reads."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the next epoch."""
        ...


@dataclass
class _StreamEpochs:
    """Chunks of all segments in lanes; every step of the training split is trained once an epoch.

    `offsets` are the empty steps before each segment; None: drawn anew each epoch. `new` says which segments each epoch
    reads, (segment,), with as many rows of the others; None: all.
    """

    data: NetworkData
    targets: Targets
    segments: Segments
    lanes: int
    chunk_steps: int
    seed: int
    epoch: int = 0
    skip: int = 0
    offsets: IntArray | None = None
    new: BoolArray | None = None

    @property
    def steps(self) -> int:
        """Steps of all segments."""
        return int((self.segments.end - self.segments.first).sum())

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the next epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        first, self.epoch, self.skip = self.skip, self.epoch + 1, 0
        segments = self.segments if self.new is None else with_replay(self.segments, self.new, rng)
        chunks = lane_chunks(segments, self.lanes, self.chunk_steps, rng, self.offsets)
        for chunk in islice(chunks, first, None):
            yield chunk_batch(self.data, self.targets, chunk)


@dataclass
class _WindowEpochs:
    """Windows at random origins of the training split."""

    data: NetworkData
    targets: Targets
    origin_rows: IntArray
    context_steps: int
    batch_size: int
    batches: int
    seed: int
    epoch: int = 0
    skip: int = 0

    @property
    def steps(self) -> int:
        """Steps of all windows."""
        return self.batches * self.batch_size * self.context_steps

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the next epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        first, self.epoch, self.skip = self.skip, self.epoch + 1, 0
        for origins in islice(draw_windows(self.origin_rows, self.batch_size, self.batches, rng), first, None):
            yield window_batch(self.data, self.targets, window_rows(origins, self.context_steps))


def training_epochs(
    data: NetworkData,
    ends: IntArray,
    settings: TrainingSettings,
    context_steps: int,
    seed: int,
    *,
    new_from: IntArray | None = None,
) -> Epochs:
    """Epochs over rows before `ends[i]` of each series, in the regime that the settings name.

    With `new_from` an epoch has all rows of series i from `new_from[i]` on, and as many of those before, at random.
    """
    starts, targets = data.past.offsets[:-1], Targets(data, ends)
    if settings.regime == "windows":
        origins = whole_windows(starts, ends, context_steps)
        if data.past.at_end:
            origins = origins[data.past.target_observed[origins + 1]]
        if new_from is not None:
            is_new = origins >= new_from[data.known.series(origins)]
            old = np.random.default_rng([seed]).permutation(origins[~is_new])
            origins = np.concatenate([origins[is_new], old[: np.count_nonzero(is_new)]])
        return _WindowEpochs(
            data, targets, origins, context_steps, settings.batch_size, settings.batches_per_epoch, seed
        )
    if data.past.at_end:
        return _labelled_epochs(data, targets, ends, settings, seed)
    warmup = settings.chunk if settings.warmup_steps is None else settings.warmup_steps
    if new_from is not None:
        segments, new = cut_at(new_from, starts, ends, settings.streams, settings.chunk, warmup_steps=warmup)
        return _StreamEpochs(data, targets, segments, settings.streams, settings.chunk, seed, new=new)
    segments = cut_segments(starts, ends, settings.streams, settings.chunk, warmup)
    return _StreamEpochs(data, targets, segments, settings.streams, settings.chunk, seed)


def _labelled_epochs(
    data: NetworkData, targets: Targets, ends: IntArray, settings: TrainingSettings, seed: int
) -> _StreamEpochs:
    """Read each series with a label from its first row to the one before the label, where it forks; uncut.

    What is read of a series reaches its only fork by the state alone: a cut would lose what was read before it.
    """
    starts = data.past.offsets[:-1]
    labelled = np.flatnonzero(ends > starts)
    labelled = labelled[data.past.target_observed[ends[labelled] - 1]]
    segments = whole_segments(starts[labelled], ends[labelled] - 1)
    offsets = full_last_chunks(segments, settings.chunk)
    return _StreamEpochs(data, targets, segments, settings.streams, settings.chunk, seed, offsets=offsets)
