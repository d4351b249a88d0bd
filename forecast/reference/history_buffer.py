"""Series that go on from some of their rows, each for itself: what a forecast that is fed back makes of them.

The quantities that references and inputs are made of (`quantities`), brought on one step at a time with values that
nobody has observed. Only as much of the past is copied as a reference reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from forecast.reference.causal_features import Quantities, TableQuantities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray


Number = TypeVar("Number", float, "FloatArray")


class Onward:
    """Continuations of series, one an origin, side by side; an origin may occur more than once.

    Attributes
    ----------
    known : what a reference reads, of all continuations packed
    youngest : fewest steps that a series has so far
    at : column of the latest step in `known.table`
    base : (origin,) what is subtracted from values that are summed up

    """

    def __init__(self, known: Quantities, rows: IntArray, lived: IntArray, reference: Reference, room: int) -> None:
        """Begin at some rows of series that have lived so many steps, both (origin,).

        After `room` steps, and again after each `room` more, what a reference no longer reads is let go.
        """
        self._reference = reference
        self._room = room
        self._lived = lived  # at the beginning
        self._since = 0
        self.youngest = int(lived.min()) if len(lived) else 0
        self._begin(known, rows)

    def _begin(self, known: Quantities, rows: IntArray) -> None:
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
        self.known = TableQuantities(table, known.series(rows), first)

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
        """Quantities of a step with value `y`, the `lived`th, after those of the step, or of the phase, before."""
        _, mean, level, of_phase, running = before
        smoothing, season_steps = self._reference.smoothing, self._reference.season_steps
        return (
            y,
            mean + (y - mean) / lived,
            level + smoothing * (y - level),
            of_phase + (y - of_phase) / -(-lived // season_steps),
            running + (y - base),
        )
