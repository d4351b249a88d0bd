"""A past as a network sees it: inputs and targets of every row, and the units that they are measured in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.network.head import Level
from forecast.network.inputs import InputSpec, NetworkInputs
from forecast.questions.kinds import VALUE
from forecast.reference.causal_features import runs
from forecast.reference.encoding import CovariateEncoding, ahead_rows
from forecast.reference.label_encoding import SYMBOLS_READ, LabelEncoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forecast.network.network import Network
    from forecast.questions.kinds import Question
    from forecast.reference.causal_features import CausalFeatures
    from forecast.reference.cross_fitting import CrossFitted
    from forecast.reference.encoding import Float32Array
    from forecast.reference.references import Reference
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel

_SAMPLED_ROWS = 50_000
"""Rows that the units of inputs and outputs are measured on, at most, evenly spread."""

_INPUTS_KEPT = 32_000_000
"""Numbers in a table of inputs, at most (128 MB); of larger data each batch computes its own."""

_NUMBERS_AT_ONCE = 1_000_000
"""Differences that are computed in one piece."""


@dataclass(frozen=True, eq=False)
class NetworkData:
    """A past as a network sees it.

    Attributes
    ----------
    known : what the reference reads
    scale : (series,)
    encoding : of the covariates
    inputs : what the network reads; its first inputs are differences in units of the series' scale
    static : (series, column) what describes the series
    needs_level : whether batches say where the series stand
    question : what targets are: differences to the reference, whether the series has risen, or codes of symbols

    """

    past: Panel
    reference: Reference | CrossFitted
    known: CausalFeatures
    scale: FloatArray
    encoding: CovariateEncoding
    inputs: NetworkInputs
    static: Float32Array
    needs_level: bool = False
    question: Question = VALUE

    @property
    def input_spec(self) -> InputSpec:
        """What a network for these data is connected to."""
        return InputSpec(
            inputs=self.reference.input_size + self.encoding.input_size,
            horizon=self.reference.horizon,
            ahead=self.inputs.ahead.shape[1],
            given=self.encoding.given,
            lags=self.encoding.lags,
            leads=self.encoding.leads,
            static=self.static.shape[1],
            series=len(self.past),
            symbols=len(self.question.symbols(self.past.symbols)),
            reads_symbols=isinstance(self.reference, LabelEncoding) and self.reference.name == SYMBOLS_READ,
        )

    def level(self, rows: IntArray) -> Level | None:
        """Where the series stand at some rows, in the target's units; None where no head asks."""
        if not self.needs_level:
            return None
        reference = self.reference.at(self.known, rows).astype(np.float32)
        scale = self.scale[self.known.series(rows)].astype(np.float32)[:, None]
        return Level(torch.from_numpy(reference), torch.from_numpy(scale))

    def level_of(self, rows: IntArray, target: Float32Array) -> Level | None:
        """As `level`, but out of the targets at these rows, which is quicker; it means nothing where there is none."""
        if not self.needs_level:
            return None
        ahead = rows[:, None] + np.arange(1, self.reference.horizon + 1)
        scale = self.scale[self.known.series(rows)].astype(np.float32)[:, None]
        y = self.known.y[np.minimum(ahead, len(self.known.y) - 1)].astype(np.float32)
        return Level(torch.from_numpy(y - target * scale), torch.from_numpy(scale))

    def differences(self, rows: IntArray, ends: IntArray) -> tuple[Float32Array, BoolArray]:
        """Targets after each row less the reference, in units of the scale, and which of them exist.

        A target exists before row `ends[i]` of series i, where it was observed. Each (row, horizon). Where the
        direction is asked for they are 1 where the series stands higher than at the row, else 0; where symbols are,
        their codes.
        """
        shape = (len(rows), self.reference.horizon)
        if math.prod(shape) <= _NUMBERS_AT_ONCE:
            return self._differences(rows, ends)
        target, exists = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.bool_)
        for part in _in_parts(*shape):
            target[part], exists[part] = self._differences(rows[part], ends)
        return target, exists

    def _differences(self, rows: IntArray, ends: IntArray) -> tuple[Float32Array, BoolArray]:
        series = self.known.series(rows)
        level = self.past.target if self.question.categorical else self.known.y  # codes are not filled where missing
        ahead, exists = self._ahead(level, rows, ends[series])  # (row, horizon)
        target, exists = self.question.training_targets(
            ahead,
            exists,
            origin=(self.known.y[rows], self.past.target_observed[rows]),
            reference=lambda: (self.reference.at(self.known, rows), self.scale[series]),
        )
        return target.astype(np.float32), exists

    def _ahead(self, y: FloatArray, rows: IntArray, ends: IntArray) -> tuple[FloatArray, BoolArray]:
        """Values of the steps after some rows, and whether they were observed before `ends` (row,); (row, horizon)."""
        horizon, seen = self.reference.horizon, self.past.target_observed
        if (rows + horizon < ends).all():
            return runs(y, rows + 1, horizon), runs(seen, rows + 1, horizon)
        ahead = rows[:, None] + np.arange(1, horizon + 1)
        exists = ahead < ends[:, None]
        ahead = np.where(exists, ahead, rows[:, None])
        return y[ahead], exists & seen[ahead]


def network_data(
    past: Panel,
    reference: Reference | CrossFitted,
    scale: FloatArray,
    encoding: CovariateEncoding,
    *,
    needs_level: bool = False,
    question: Question = VALUE,
) -> NetworkData:
    """Compute what a network reads of a past."""
    known = reference.causal_features(past)
    ahead, ahead_of = encoding.ahead_columns(past), ahead_rows(past, known.series)
    differences, width = reference.input_size, reference.input_size + encoding.input_size

    def compute(rows: IntArray) -> Float32Array:
        """Inputs of some rows: differences, then what is known beside the target."""
        flat = rows.reshape(-1)
        series = known.series(flat)
        inputs = np.empty((len(flat), width), dtype=np.float32)
        inputs[:, :differences] = reference.inputs(known, flat) / scale[series][:, None]
        columns = [encoding.past_columns(past, flat)]
        if encoding.ahead.size:
            columns.append(ahead[ahead_of(flat, np.zeros(1, dtype=np.int64))[:, 0]])
        inputs[:, differences:] = np.concatenate([*columns, encoding.mark_columns(past, flat)], axis=1)
        return inputs.reshape(*rows.shape, width)

    at: Callable[[IntArray], Float32Array] = compute
    if len(past.times) * width <= _INPUTS_KEPT:
        table = np.empty((len(past.times), width), dtype=np.float32)
        every = np.arange(len(table))
        for part in _in_parts(len(table), max(width, reference.horizon)):
            table[part] = compute(every[part])
        at = partial(np.take, table, axis=0)
    inputs = NetworkInputs(at, known.series, ahead, ahead_of, encoding.lags, encoding.leads)
    static = encoding.static_columns(past)
    return NetworkData(past, reference, known, scale, encoding, inputs, static, needs_level, question)


def _in_parts(rows: int, width: int) -> Iterator[slice]:
    """Cut rows of so many numbers into parts: what leads to these takes many times their own memory."""
    part = max(_NUMBERS_AT_ONCE // width, 1)
    for first in range(0, rows, part):
        yield slice(first, first + part)


def begin(network: Network, data: NetworkData, ends: IntArray) -> None:
    """Measure the units of a fresh network before row `ends[i]` of each series, and hand it the static columns.

    Inputs are measured by their root mean square; one that never moves has the unit 1. Covariates come in units of
    their own and keep them. Of labels at the end, which are few among the rows, all are looked at.
    """
    trained_steps = ends - data.past.offsets[:-1]
    rows = _sampled(data.past, trained_steps)
    forks = _before_labels(data.past, trained_steps) if data.past.at_end else rows
    unit = np.ones(data.input_spec.inputs)
    differences = slice(0, 0 if data.question.categorical else data.reference.input_size)  # codes have no size
    unit[differences] = np.sqrt(np.mean(data.inputs.at(rows)[:, differences].astype(np.float64) ** 2, axis=0))
    network.input_unit.copy_(torch.from_numpy(np.where(unit > 0, unit, 1.0).astype(np.float32)))
    network.statics.table.copy_(torch.from_numpy(data.static))
    target, exists = data.differences(forks, ends)
    network.head.begin(torch.from_numpy(target), torch.from_numpy(exists), data.level(forks))
    # Of all rows: every k-th might meet the same phase of a season.
    rates = data.question.base_rates(data.past, trained_steps, data.reference.horizon)
    if rates is not None:
        network.head.begin_at(rates)


def _sampled(past: Panel, steps: IntArray) -> IntArray:
    """Every k-th of the first `steps[i]` rows of each series, counted through all of them, (row,)."""
    before = np.cumsum(steps) - steps
    total = int(steps.sum())
    picked = np.arange(0, total, max(-(-total // _SAMPLED_ROWS), 1))
    series = np.searchsorted(before + steps, picked, side="right")
    rows: IntArray = past.offsets[series] + picked - before[series]
    return rows


def _before_labels(past: Panel, steps: IntArray) -> IntArray:
    """Rows before a label that is known, of the first `steps[i]` rows of each series, (fork,)."""
    return np.flatnonzero(past.first_rows(steps) & past.target_observed) - 1
