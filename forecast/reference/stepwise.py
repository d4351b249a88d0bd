"""A reference that goes on with its series a step at a time, in two or three array operations a step.

Every reference is linear in what it reads: the latest values, the latest means of the phases, the level and the mean.
So are the inputs of a network, but for what the reference expected one step before. The matrix of it is found by asking
`Reference.at` and `Reference.inputs` about unit vectors, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.reference.causal_features import TableQuantities

if TYPE_CHECKING:
    from forecast.reference.history_buffer import Onward
    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray

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

    def __init__(self, reference: Reference, onward: Onward) -> None:
        self.onward = onward
        self._reference = reference
        self._horizon = reference.horizon
        self._expected = reference.expected_input
        self._memory_steps = reference.memory_steps
        told, width = reference.horizon + reference.input_size, reference.memory_steps + reference.season_steps
        small = reference.memory_steps <= _LONGEST and len(onward.known.number) * told * width <= _LARGEST
        self._linear = _Linear(reference, onward.known.number) if small else None
        self.forecast = reference.at(onward.known, onward.rows)

    def push(self, y: FloatArray) -> FloatArray:
        """Take one more step, (series,), and say what a network reads at it, (series, input)."""
        onward, before = self.onward, self.forecast
        onward.push(y)
        if self._linear is None or onward.youngest <= self._memory_steps:
            self.forecast = self._reference.at(onward.known, onward.rows)
            return self._reference.inputs(onward.known, onward.rows)
        told = self._linear.told(onward.known.table, onward.at)
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
        known = TableQuantities(table, np.full(len(unit), number), np.zeros(len(unit), dtype=np.int64))
        rows = (np.arange(len(unit)) + 1) * steps - 1
        columns.append(np.concatenate([reference.at(known, rows), reference.inputs(known, rows)], axis=1).T)
    told = np.concatenate(columns, axis=1)
    return told[:, 1:] - told[:, :1], told[:, 0]
