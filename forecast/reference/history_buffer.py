"""Step-by-step use of a reference: history buffers for recursive forecasts, and a reference as a matrix for `Live`.

A `HistoryBuffer` continues series one step at a time, with forecasts or new observations, and updates their causal
features in O(1); only as much of the past is copied as a reference reads.

A `StepwiseReference` needs two or three array operations a step. Every reference is linear in the latest values, the
latest phase means, the level and the mean, and so are the inputs of a network, but for the error of the reference one
step before and the value within its bounds. The matrix is read off `Reference.at` and `Reference.inputs` at unit
vectors, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecast.reference.causal_features import BufferFeatures, CausalFeatures, Number, fill_in, in_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reference.references import Reference
    from forecast.series.panel import BoolArray, FloatArray, IntArray

_LONGEST = 1_500
"""Steps back that a matrix is made for, at most; a reference that reads more is computed anew at each step."""

_LARGEST = 20_000_000
"""Numbers in the matrices of all series, at most."""

_UNITS_AT_ONCE = 100


class HistoryBuffer:
    """Continuations of series from some origins, one each, side by side; an origin may occur more than once.

    Attributes
    ----------
    features : causal features of all continuations, packed
    youngest : fewest steps of a series so far
    at : column of the latest step in `features.table`
    base : (origin,) the value that is subtracted before values are summed, y_0

    """

    def __init__(
        self, features: CausalFeatures, rows: IntArray, lived: IntArray, reference: Reference, room: int
    ) -> None:
        """Begin at some rows, of series that have `lived` so many steps, both (origin,).

        Every `room` steps the table is made anew, without the steps that the reference no longer reads.
        """
        self._reference = reference
        self._room = room
        self._lived = lived  # at the beginning
        self._pushed = 0
        self.youngest = int(lived.min()) if len(lived) else 0
        self._begin(features, rows)

    def _begin(self, features: CausalFeatures, rows: IntArray) -> None:
        """Copy the steps that the reference reads into a table with room for more."""
        steps, count = self._reference.memory_steps, len(rows)
        back = rows[:, None] + np.arange(1 - steps, 1)  # (origin, step)
        in_series = back >= features.starts(rows)[:, None]
        back = np.where(in_series, back, rows[:, None])
        self.at = steps - 1
        channels = features.channels.shape[1]
        table = np.zeros((5 + channels, count, steps + self._room))  # (feature, origin, step)
        copied = (features.y, features.mean, features.level, features.phase_mean)
        table[:4, :, :steps] = [feature[back] for feature in copied]
        first = steps - in_series.sum(axis=1)
        self.base = table[0, np.arange(count), first]
        centred = np.where(in_series, table[0, :, :steps] - self.base[:, None], 0.0)
        table[4, :, :steps] = np.cumsum(centred, axis=1)
        if channels:
            table[5:, :, :steps] = np.moveaxis(features.channels[back], 2, 0)
        self._first_row = np.arange(count) * table.shape[2]
        self.features = BufferFeatures(table, features.series(rows), first)

    @property
    def lived(self) -> IntArray:
        """Steps of each series so far, (origin,)."""
        return self._lived + self._pushed

    @property
    def rows(self) -> IntArray:
        """Latest row of each continuation in `features`, (origin,)."""
        rows: IntArray = self._first_row + self.at
        return rows

    @property
    def latest(self) -> FloatArray:
        """Latest value of each continuation, (origin,)."""
        latest: FloatArray = self.features.table[0, :, self.at]
        return latest

    @property
    def next_if_missing(self) -> FloatArray:
        """What the next value of each continuation is read as where it is missing, (origin,)."""
        season_steps = self._reference.season_steps
        if season_steps == 1:
            return self.latest
        before_that, season_ago = self.features.table[0, :, self.at - season_steps : self.at - season_steps + 2].T
        return np.where(self.lived > season_steps, in_place(self.latest, season_ago, before_that), self.latest)

    def filled(self, values: FloatArray, missing: BoolArray) -> FloatArray:
        """Return the next values of the only continuation with what missing ones are read as, both (step,)."""
        known = min(self.youngest, self._reference.season_steps + 1)
        y = np.concatenate([self.features.table[0, 0, self.at + 1 - known : self.at + 1], values])
        fill_in(y, np.concatenate([np.zeros(known, dtype=np.bool_), missing]), self._reference.season_steps)
        return y[known:]

    def extend(self, values: Sequence[float]) -> slice:
        """Append some values to the only continuation, as many as there is room for; return their columns."""
        table = self.features.table
        if self.at + 1 == table.shape[2]:
            self._begin(self.features, self.rows)
            table = self.features.table
        first, season_steps = self.at + 1, self._reference.season_steps
        values = values[: table.shape[2] - first]
        # Plain numbers: a single call of numpy costs more than a step.
        before: Sequence[float] = table[:5, 0, self.at].tolist()
        base = self.base.item()
        phases = table[3, 0, first - season_steps : first].tolist()
        after: list[Sequence[float]] = []
        for lived, y in enumerate(values, start=self.youngest + 1):
            before = self._after((*before[:3], phases[len(after)], before[4]), y, lived, base)
            phases.append(before[3])
            after.append(before)
        table[:5, 0, first : first + len(values)] = np.array(after).T
        self._count(len(values))
        return slice(first, first + len(values))

    def _count(self, steps: int) -> None:
        self.at += steps
        self.youngest += steps
        self._pushed += steps

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """All that the next step depends on, by name."""
        counts = np.array([self.at, self._pushed, self.youngest])
        return {
            "table": self.features.table[:, :, : self.at + 1],
            "first": self.features.first,
            "base": self.base,
            "lived": self._lived,
            "counts": counts,
        }

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        self.at, self._pushed, self.youngest = memory["counts"].tolist()
        table = np.zeros_like(self.features.table)
        table[:, :, : self.at + 1] = memory["table"]
        self.base, self._lived = memory["base"], memory["lived"]
        self.features = BufferFeatures(table, self.features.number, memory["first"])

    def push(self, y: FloatArray, channels: FloatArray | None = None) -> None:
        """Append one value to every continuation, (origin,), and update its causal features.

        `channels` are what is known beside it, (origin, channel), where the reference reads such.
        """
        self._push(y)
        if channels is not None:
            self.features.table[5:, :, self.at] = channels.T

    def _push(self, y: FloatArray) -> None:
        if len(y) == 1:
            self.extend(y.tolist())
            return
        table = self.features.table
        if self.at + 1 == table.shape[2]:
            self._begin(self.features, self.rows)
            table = self.features.table
        phase = self.at + 1 - self._reference.season_steps
        self._count(1)
        before = [*table[:3, :, self.at - 1], table[3, :, phase], table[4, :, self.at - 1]]
        after = self._after(before, y, self.lived, self.base)
        for column, values in zip(table[:5, :, self.at], after, strict=True):
            column[:] = values

    def _after(self, before: Sequence[Number], y: Number, lived: Any, base: Number) -> tuple[Number, ...]:
        """Causal features of the `lived`th step, with value `y`, from those of the step before.

        The phase mean in `before` is that of one season before.
        """
        _, mean, level, phase_mean, running = before
        smoothing, season_steps = self._reference.smoothing, self._reference.season_steps
        return (
            y,
            mean + (y - mean) / lived,  # mean_n = mean_{n-1} + (y_n - mean_{n-1}) / n
            level + smoothing * (y - level),  # l_t = l_{t-1} + alpha (y_t - l_{t-1})
            phase_mean + (y - phase_mean) / -(-lived // season_steps),  # n: seasons so far, the last one begun
            running + (y - base),
        )


class StepwiseReference:
    """Forecasts of a reference for the continuations in a history buffer, which it continues.

    Attributes
    ----------
    forecast : from the latest steps, (series, horizon)

    """

    def __init__(self, reference: Reference, buffer: HistoryBuffer) -> None:
        self.buffer = buffer
        self._reference = reference
        self._horizon = reference.horizon
        self._error_input = reference.expected_input
        alone = reference.reads_level and len(buffer.features.number) == 1
        self._only_bounds = tuple(reference.bounds[buffer.features.number[0]].tolist()) if alone else None
        self._memory_steps = reference.memory_steps
        outputs, width = reference.horizon + reference.input_size, reference.memory_steps + reference.season_steps
        series = buffer.features.number
        small = reference.memory_steps <= _LONGEST and len(series) * outputs * width <= _LARGEST
        small = small and not reference.channel_count
        self._linear = _LinearReference(reference, series) if small else None
        self.forecast = reference.at(buffer.features, buffer.rows)

    def push(self, y: FloatArray, channels: FloatArray | None = None) -> FloatArray:
        """Append one value to each series, (series,), and return the network inputs at it, (series, input)."""
        buffer, previous = self.buffer, self.forecast
        buffer.push(y, channels)
        if self._linear is None or buffer.youngest <= self._memory_steps:
            self.forecast = self._reference.at(buffer.features, buffer.rows)
            return self._reference.inputs(buffer.features, buffer.rows)
        outputs = self._linear.outputs(buffer.features.table, buffer.at)
        self.forecast, inputs = outputs[:, : self._horizon], outputs[:, self._horizon :]
        if self._error_input is not None:
            inputs[:, self._error_input] = y - previous[:, 0]
        if self._only_bounds is not None:  # plain numbers, as in `HistoryBuffer.push`
            low, high = self._only_bounds
            inputs[0, -1] = min(max(y.item(), low), high) - (low + high) / 2
        elif self._reference.reads_level:
            inputs[:, -1] = self._reference.level_of(y, buffer.features.number)
        return inputs

    def push_many(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Append some values to the only series, (step,): network inputs, (step, input), forecasts, (step, horizon)."""
        parts: list[tuple[FloatArray, FloatArray]] = []
        done = 0
        while done < len(values):
            if self._linear is None or self.buffer.youngest < self._memory_steps:
                part = self.push(values[done : done + 1]), self.forecast
            else:
                part = self._push_linear(self._linear, values[done:])
            done += len(part[0])
            parts.append(part)
        if len(parts) == 1:
            return parts[0]
        inputs, forecasts = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return inputs, forecasts

    def _push_linear(self, linear: _LinearReference, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Append as many values as the buffer has room for."""
        columns = self.buffer.extend(values.tolist())
        outputs = linear.outputs_of_each(self.buffer.features.table, columns)
        forecasts, inputs = outputs[:, : self._horizon], outputs[:, self._horizon :]
        if self._error_input is not None:
            previous = np.concatenate([self.forecast[:, 0], forecasts[:-1, 0]])
            inputs[:, self._error_input] = values[: len(inputs)] - previous
        if self._reference.reads_level:
            number = np.repeat(self.buffer.features.number, len(inputs))
            inputs[:, -1] = self._reference.level_of(values[: len(inputs)], number)
        self.forecast = forecasts[-1:]
        return inputs, forecasts


class _LinearReference:
    """Forecasts and inputs of some series as one matrix product each, A x + c.

    x holds the latest values, oldest first, the latest phase means, the mean, the level and a 1 for the constants c.
    """

    def __init__(self, reference: Reference, numbers: IntArray) -> None:
        by_series = [_matrix(reference, int(number)) for number in numbers]
        matrices = np.stack([matrix for matrix, _ in by_series]) if by_series else np.zeros((0, 0, 0))
        constant = np.stack([constant for _, constant in by_series]) if by_series else np.zeros((0, 0))
        steps, seasons = reference.memory_steps, reference.season_steps
        of_values, of_phases = matrices[:, :, :steps], matrices[:, :, steps : steps + seasons]
        read = np.flatnonzero((of_values != 0).any(axis=(0, 1)))
        self._steps = steps - int(read.min(initial=steps - 1))  # no series reads values further back
        self._seasons = seasons if of_phases.any() else 0
        parts = [of_values[:, :, steps - self._steps :], of_phases[:, :, : self._seasons]]
        # (series, output, x)
        self._matrix = np.concatenate([*parts, matrices[:, :, steps + seasons :], constant[:, :, None]], axis=2)
        self._x = np.ones((len(by_series), self._matrix.shape[2]))
        self._values, self._phases = self._x[:, : self._steps], self._x[:, self._steps : -3]  # views of x
        self._means = self._x[:, -3:-1] if matrices[:, :, steps + seasons :].any() else None

    def outputs(self, table: FloatArray, at: int) -> FloatArray:
        """Forecasts and inputs at step `at` of a table, (feature, series, step) -> (series, horizon + input)."""
        end = at + 1
        self._values[:] = table[0, :, end - self._steps : end]
        if self._seasons:
            self._phases[:] = table[3, :, end - self._seasons : end]
        if self._means is not None:
            self._means[:] = table[1:3, :, at].T
        outputs: FloatArray = np.matmul(self._matrix, self._x[:, :, None])
        return outputs[:, :, 0]

    def outputs_of_each(self, table: FloatArray, columns: slice) -> FloatArray:
        """Forecasts and inputs of the only series at some steps of a table, (step, horizon + input).

        A product of its own for each step: no bit of it depends on how many steps there are.
        """
        first, end = columns.start, columns.stop
        if end - first == 1:
            return self.outputs(table, first)
        x = np.ones((end - first, self._x.shape[1]))
        x[:, : self._steps] = sliding_window_view(table[0, 0, first - self._steps + 1 : end], self._steps)
        if self._seasons:
            at = slice(self._steps, self._steps + self._seasons)
            x[:, at] = sliding_window_view(table[3, 0, first - self._seasons + 1 : end], self._seasons)
        if self._means is not None:
            x[:, -3:-1] = table[1:3, 0, columns].T
        outputs: FloatArray = np.matmul(self._matrix, x[:, :, None])  # one matrix, broadcast over the steps
        return outputs[:, :, 0]


def _matrix(reference: Reference, number: int) -> tuple[FloatArray, FloatArray]:
    """Return A, (output, x), and c, (output,), of a series; outputs are its forecasts and then its inputs."""
    steps, seasons = reference.memory_steps, reference.season_steps
    units = steps + seasons + 2
    columns = []
    for first in range(-1, units, _UNITS_AT_ONCE):  # -1: the zero vector, which gives c
        unit = np.arange(first, min(first + _UNITS_AT_ONCE, units))
        table = np.zeros((5, len(unit), steps))  # one series a unit vector
        feature = np.select([unit < steps, unit < steps + seasons, unit == units - 2], [0, 3, 1], 2)
        step = np.select([unit < steps, unit < steps + seasons], [unit, unit - seasons], steps - 1)
        nonzero = np.flatnonzero(unit >= 0)
        table[feature[nonzero], nonzero, step[nonzero]] = 1.0
        table[4] = np.cumsum(table[0] - table[0, :, :1], axis=1)
        features = BufferFeatures(table, np.full(len(unit), number), np.zeros(len(unit), dtype=np.int64))
        rows = (np.arange(len(unit)) + 1) * steps - 1
        columns.append(np.concatenate([reference.at(features, rows), reference.inputs(features, rows)], axis=1).T)
    outputs = np.concatenate(columns, axis=1)  # (output, unit)
    return outputs[:, 1:] - outputs[:, :1], outputs[:, 0]
