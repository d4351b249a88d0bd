"""Series that go on from some of their rows, each for itself: what a forecast that is fed back makes of them.

The quantities that references and inputs are made of (`quantities`), brought on one step at a time with values that
nobody has observed. Only as much of the past is copied as a reference reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from forecast.reference.causal_features import BufferFeatures, CausalFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray


Number = TypeVar("Number", float, "FloatArray")


class HistoryBuffer:
    """Continuations of series, one an origin, side by side; an origin may occur more than once.

    Attributes
    ----------
    known : what a reference reads, of all continuations packed
    youngest : fewest steps that a series has so far
    at : column of the latest step in `known.table`
    base : (origin,) what is subtracted from values that are summed up

    """

    def __init__(self, known: CausalFeatures, rows: IntArray, lived: IntArray, reference: Reference, room: int) -> None:
        """Begin at some rows of series that have lived so many steps, both (origin,).

        After `room` steps, and again after each `room` more, what a reference no longer reads is let go.
        """
        self._reference = reference
        self._room = room
        self._lived = lived  # at the beginning
        self._since = 0
        self.youngest = int(lived.min()) if len(lived) else 0
        self._begin(known, rows)

    def _begin(self, known: CausalFeatures, rows: IntArray) -> None:
        steps, count = self._reference.memory_steps, len(rows)
        back = rows[:, None] + np.arange(1 - steps, 1)  # (origin, step)
        remembered = back >= known.starts(rows)[:, None]
        back = np.where(remembered, back, rows[:, None])
        self.at = steps - 1
        table = np.zeros((5, count, steps + self._room))
        table[:4, :, :steps] = [part[back] for part in (known.y, known.mean, known.level, known.phase_mean)]
        first = steps - remembered.sum(axis=1)
        self.base = table[0, np.arange(count), first]
        since = np.where(remembered, table[0, :, :steps] - self.base[:, None], 0.0)
        table[4, :, :steps] = np.cumsum(since, axis=1)
        self._origin = np.arange(count) * table.shape[2]
        self.known = BufferFeatures(table, known.series(rows), first)

    @property
    def lived(self) -> IntArray:
        """Steps of each series so far, (origin,)."""
        return self._lived + self._since

    @property
    def rows(self) -> IntArray:
        """Latest row of each continuation in `known`, (origin,)."""
        rows: IntArray = self._origin + self.at
        return rows

    @property
    def latest(self) -> FloatArray:
        """Latest value of each continuation, (origin,)."""
        latest: FloatArray = self.known.table[0, :, self.at]
        return latest

    def push(self, y: FloatArray) -> None:
        """Take one more step of every continuation, (origin,)."""
        table = self.known.table
        if self.at + 1 == table.shape[2]:
            self._begin(self.known, self.rows)
            table = self.known.table
        phase = self.at + 1 - self._reference.season_steps
        self.at += 1
        self.youngest += 1
        self._since += 1
        if len(y) == 1:  # plain numbers: a call of numpy costs more than all of it
            before = table[:, 0, self.at - 1].tolist()
            before[3] = table.item(3, 0, phase)
            table[:, 0, self.at] = self._after(before, y.item(), self.youngest, self.base.item())
        else:
            before = [*table[:3, :, self.at - 1], table[3, :, phase], table[4, :, self.at - 1]]
            for now, value in zip(table[:, :, self.at], self._after(before, y, self.lived, self.base), strict=True):
                now[:] = value

    def _after(self, before: Sequence[Number], y: Number, lived: Any, base: Number) -> tuple[Number, ...]:
        """CausalFeatures of a step with value `y`, the `lived`th, after those of the step, or of the phase, before."""
        _, mean, level, of_phase, running = before
        smoothing, season_steps = self._reference.smoothing, self._reference.season_steps
        return (
            y,
            mean + (y - mean) / lived,
            level + smoothing * (y - level),
            of_phase + (y - of_phase) / -(-lived // season_steps),
            running + (y - base),
        )


_LONGEST = 1_500
"""Steps back that a matrix is made for, at most; a reference that reads more is asked at each step."""

_LARGEST = 20_000_000
"""Numbers in the matrices of all series, at most."""

_UNITS_AT_ONCE = 100


class StepwiseReference:
    """What a reference says of continuations, which it brings on.

    Attributes
    ----------
    forecast : from the latest steps, (series, horizon)

    """

    def __init__(self, reference: Reference, buffer: HistoryBuffer) -> None:
        self.buffer = buffer
        self._reference = reference
        self._horizon = reference.horizon
        self._expected = reference.expected_input
        self._memory_steps = reference.memory_steps
        told, width = reference.horizon + reference.input_size, reference.memory_steps + reference.season_steps
        small = reference.memory_steps <= _LONGEST and len(buffer.known.number) * told * width <= _LARGEST
        self._linear = _Linear(reference, buffer.known.number) if small else None
        self.forecast = reference.at(buffer.known, buffer.rows)

    def push(self, y: FloatArray) -> FloatArray:
        """Take one more step, (series,), and say what a network reads at it, (series, input)."""
        buffer, before = self.buffer, self.forecast
        buffer.push(y)
        if self._linear is None or buffer.youngest <= self._memory_steps:
            self.forecast = self._reference.at(buffer.known, buffer.rows)
            return self._reference.inputs(buffer.known, buffer.rows)
        told = self._linear.told(buffer.known.table, buffer.at)
        self.forecast, inputs = told[:, : self._horizon], told[:, self._horizon :]
        if self._expected is not None:
            inputs[:, self._expected] = y - before[:, 0]
        return inputs


class _Linear:
    """Forecasts and inputs of some series, one after the other, as matrices; their constants are those of `centre`."""

    def __init__(self, reference: Reference, numbers: IntArray) -> None:
        each = [_matrix(reference, int(number)) for number in numbers]
        matrices = np.stack([matrix for matrix, _ in each]) if each else np.zeros((0, 0, 0))
        constant = np.stack([constant for _, constant in each]) if each else np.zeros((0, 0))
        steps, seasons = reference.memory_steps, reference.season_steps
        of_values, of_phases = matrices[:, :, :steps], matrices[:, :, steps : steps + seasons]
        read = np.flatnonzero((of_values != 0).any(axis=(0, 1)))
        self._steps = steps - int(read.min(initial=steps - 1))  # further back nothing is read
        self._seasons = seasons if of_phases.any() else 0
        parts = [of_values[:, :, steps - self._steps :], of_phases[:, :, : self._seasons]]
        self._matrix = np.concatenate([*parts, matrices[:, :, steps + seasons :], constant[:, :, None]], axis=2)
        self._by_read = self._matrix[0].T if len(each) == 1 else None
        self._read = np.ones((len(each), self._matrix.shape[2]))  # the last one is for the constants
        self._values, self._phases = self._read[:, : self._steps], self._read[:, self._steps : -3]
        self._means = self._read[:, -3:-1] if matrices[:, :, steps + seasons :].any() else None

    def told(self, table: FloatArray, at: int) -> FloatArray:
        """Forecasts and inputs at step `at` of a table of quantities, (quantity, series, step) -> (series, number)."""
        end = at + 1
        self._values[:] = table[0, :, end - self._steps : end]
        if self._seasons:
            self._phases[:] = table[3, :, end - self._seasons : end]
        if self._means is not None:
            self._means[:] = table[1:3, :, at].T
        if self._by_read is not None:  # a product of two dimensions is called in half the time
            one: FloatArray = self._read.dot(self._by_read)
            return one
        told: FloatArray = np.matmul(self._matrix, self._read[:, :, None])
        return told[:, :, 0]


def _matrix(reference: Reference, number: int) -> tuple[FloatArray, FloatArray]:
    """How forecasts and inputs of a series follow from what is read, (forecast or input, what is read), (same,).

    Read are the latest values, oldest first, the latest means of the phases, the mean and the level.
    """
    steps, seasons = reference.memory_steps, reference.season_steps
    units = steps + seasons + 2
    columns = []
    for first in range(-1, units, _UNITS_AT_ONCE):  # -1: nothing at all, which gives the constants
        unit = np.arange(first, min(first + _UNITS_AT_ONCE, units))
        table = np.zeros((5, len(unit), steps))
        quantity = np.select([unit < steps, unit < steps + seasons, unit == units - 2], [0, 3, 1], 2)
        step = np.select([unit < steps, unit < steps + seasons], [unit, unit - seasons], steps - 1)
        there = np.flatnonzero(unit >= 0)
        table[quantity[there], there, step[there]] = 1.0
        table[4] = np.cumsum(table[0] - table[0, :, :1], axis=1)
        known = BufferFeatures(table, np.full(len(unit), number), np.zeros(len(unit), dtype=np.int64))
        rows = (np.arange(len(unit)) + 1) * steps - 1
        columns.append(np.concatenate([reference.at(known, rows), reference.inputs(known, rows)], axis=1).T)
    told = np.concatenate(columns, axis=1)
    return told[:, 1:] - told[:, :1], told[:, 0]
