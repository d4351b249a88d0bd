"""What a network reads and what it is trained on, row by row, and the batches made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from forecast.batches.segments import Chunk
    from forecast.network.inference import Float32Array
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel
    from forecast.series.quantities import Quantities
    from forecast.series.references import Reference

_SAMPLED_ROWS = 50_000
"""Rows that the units of inputs and outputs are measured on, at most, evenly spread."""

_TARGETS_KEPT = 32_000_000
"""Numbers in a table of targets, at most (160 MB); of larger data each chunk computes its own."""

_NUMBERS_AT_ONCE = 1_000_000
"""Differences that are worked out in one piece."""


class Batch(NamedTuple):
    """What one optimizer step reads.

    Attributes
    ----------
    x : (lane, step, input)
    begins : (lane,) step at which a lane begins a segment, -1 where it does not
    pieces : the different steps in `begins`, -1 apart
    target : (lane, fork, horizon) differences to the reference in units of the scale, of the last `fork` steps
    exists : (lane, fork, horizon) 1 where there is a target, else 0
    forks : how many (lane, step, horizon) exist
    rows : (lane,) a row of each lane's series, to name it
    carried : whether the state goes on from the batch before

    """

    x: Tensor
    begins: Tensor
    pieces: tuple[int, ...]
    target: Tensor
    exists: Tensor
    forks: int
    rows: tuple[int, ...]
    carried: bool


@dataclass(frozen=True, eq=False)
class NetworkData:
    """A past as a network sees it.

    Attributes
    ----------
    inputs : (row, input) float32, differences in units of the series' scale
    known : what the reference reads
    scale : (series,)

    """

    past: Panel
    reference: Reference
    known: Quantities
    scale: FloatArray
    inputs: Float32Array

    def differences(self, rows: IntArray, ends: IntArray) -> tuple[Float32Array, BoolArray]:
        """Targets after each row less the reference, in units of the scale, and which of them exist.

        A target exists before row `ends[i]` of series i, where it was observed. Each (row, horizon).
        """
        series = self.known.series[rows]
        ahead = rows[:, None] + np.arange(1, self.reference.horizon + 1)
        exists = ahead < ends[series][:, None]
        ahead = np.where(exists, ahead, rows[:, None])
        exists &= self.past.target_observed[ahead]
        difference = (self.known.y[ahead] - self.reference.at(self.known, rows)) / self.scale[series][:, None]
        return np.where(exists, difference, 0.0).astype(np.float32), exists


class Targets:
    """Differences to the reference, of which each epoch wants all: computed once where they fit into memory.

    A target exists before row `ends[i]` of series i.
    """

    def __init__(self, data: NetworkData, ends: IntArray) -> None:
        self._data = data
        self._ends = ends
        self._table: tuple[Float32Array, BoolArray] | None = None
        if len(data.inputs) * data.reference.horizon <= _TARGETS_KEPT:
            self._table = self._all(data)

    def _all(self, data: NetworkData) -> tuple[Float32Array, BoolArray]:
        """Differences of all rows, some at a time: what leads to them takes many times their own memory."""
        shape = (len(data.inputs), data.reference.horizon)
        target, exists = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.bool_)
        part = max(_NUMBERS_AT_ONCE // shape[1], 1)
        for first in range(0, shape[0], part):
            rows = np.arange(first, min(first + part, shape[0]))
            target[rows], exists[rows] = data.differences(rows, self._ends)
        return target, exists

    def at(self, rows: IntArray) -> tuple[Float32Array, BoolArray]:
        """Targets after each row, and which of them exist; each (row, horizon)."""
        if self._table is None:
            return self._data.differences(rows, self._ends)
        target, exists = self._table
        return target[rows], exists[rows]


def chunk_batch(data: NetworkData, targets: Targets, chunk: Chunk) -> Batch:
    """Make a batch of a chunk: every trained step forks."""
    lanes, steps = chunk.rows.shape
    x = np.where(chunk.walked[:, :, None], data.inputs[chunk.rows], np.float32(0.0))
    target, exists = targets.at(chunk.rows.reshape(-1))
    exists &= chunk.trained.reshape(-1, 1)
    return Batch(
        x=torch.from_numpy(x),
        begins=torch.from_numpy(chunk.begins),
        pieces=tuple(np.unique(chunk.begins[chunk.begins >= 0]).tolist()),
        target=torch.from_numpy(target).view(lanes, steps, -1),
        exists=torch.from_numpy(exists.astype(np.float32)).view(lanes, steps, -1),
        forks=int(exists.sum()),
        rows=tuple(chunk.rows[:, -1].tolist()),
        carried=True,
    )


def window_batch(data: NetworkData, targets: Targets, window: IntArray) -> Batch:
    """Make a batch of windows, (window, context step): only the last step of each forks."""
    target, exists = targets.at(window[:, -1])
    return Batch(
        x=torch.from_numpy(data.inputs[window]),
        begins=torch.zeros(len(window), dtype=torch.int64),
        pieces=(0,),
        target=torch.from_numpy(target)[:, None],
        exists=torch.from_numpy(exists.astype(np.float32))[:, None],
        forks=int(exists.sum()),
        rows=tuple(window[:, -1].tolist()),
        carried=False,
    )


def network_data(past: Panel, reference: Reference, scale: FloatArray) -> NetworkData:
    """Compute what a network reads at every row of a past."""
    known = reference.quantities(past)
    inputs = np.empty((len(past.times), reference.input_size), dtype=np.float32)
    for first in range(0, len(inputs), _SAMPLED_ROWS):
        rows = np.arange(first, min(first + _SAMPLED_ROWS, len(inputs)))
        inputs[rows] = reference.inputs(known, rows) / scale[known.series[rows]][:, None]
    return NetworkData(past, reference, known, scale, inputs)


def measure_units(data: NetworkData, ends: IntArray) -> tuple[Float32Array, Float32Array]:
    """Root mean square of inputs, (input,), and of differences, (horizon,), before row `ends[i]` of each series.

    An input that never moves has the unit 1; a difference that never moves has the unit 0: nothing is to be added.
    """
    trained = np.flatnonzero(np.arange(len(data.inputs)) < ends[data.known.series])
    rows = trained[:: -(-len(trained) // _SAMPLED_ROWS)]
    input_unit = np.sqrt(np.mean(data.inputs[rows].astype(np.float64) ** 2, axis=0))
    target, exists = data.differences(rows, ends)
    output_unit = np.sqrt((target.astype(np.float64) ** 2).sum(axis=0) / np.maximum(exists.sum(axis=0), 1))
    return np.where(input_unit > 0, input_unit, 1.0).astype(np.float32), output_unit.astype(np.float32)
