"""Series that go on from some of their rows, each for itself: what a forecast that is fed back makes of them.

The quantities that references and inputs are made of (`quantities`), brought on one step at a time with values that
nobody has observed. Only as much of the past is copied as a reference reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.series.quantities import Quantities, TableQuantities

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray
    from forecast.series.references import Reference


class Onward:
    """Continuations of series, one an origin, side by side; an origin may occur more than once.

    Attributes
    ----------
    known : what a reference reads, of all continuations packed
    lived : (origin,) steps of each series so far

    """

    def __init__(self, known: Quantities, rows: IntArray, lived: IntArray, reference: Reference, room: int) -> None:
        """Begin at some rows of series that have lived so many steps, both (origin,).

        After `room` steps, and again after each `room` more, what a reference no longer reads is let go.
        """
        self._reference = reference
        self._room = room
        self.lived = lived
        self._begin(known, rows)

    def _begin(self, known: Quantities, rows: IntArray) -> None:
        steps, count = self._reference.memory_steps, len(rows)
        back = rows[:, None] + np.arange(1 - steps, 1)  # (origin, step)
        remembered = back >= known.starts(rows)[:, None]
        back = np.where(remembered, back, rows[:, None])
        self._at = steps - 1  # column of the latest step
        table = np.zeros((5, count, steps + self._room))
        table[:4, :, :steps] = [part[back] for part in (known.y, known.mean, known.level, known.phase_mean)]
        first = steps - remembered.sum(axis=1)
        self._base = table[0, np.arange(count), first]
        since = np.where(remembered, table[0, :, :steps] - self._base[:, None], 0.0)
        table[4, :, :steps] = np.cumsum(since, axis=1)
        self._origin = np.arange(count) * table.shape[2]
        self.known = TableQuantities(table, known.series(rows), first)

    @property
    def rows(self) -> IntArray:
        """Latest row of each continuation in `known`, (origin,)."""
        rows: IntArray = self._origin + self._at
        return rows

    @property
    def latest(self) -> FloatArray:
        """Latest value of each continuation, (origin,)."""
        return self.known.table[0, :, self._at]

    def push(self, y: FloatArray) -> None:
        """Take one more step of every continuation, (origin,)."""
        if self._at + 1 == self.known.table.shape[2]:
            self._begin(self.known, self.rows)
        table = self.known.table
        _, mean, level, _, running = table[:, :, self._at]
        of_phase = table[3, :, self._at + 1 - self._reference.season_steps]
        self._at += 1
        self.lived = self.lived + 1
        seasons = (self.lived - 1) // self._reference.season_steps
        table[:, :, self._at] = (
            y,
            mean + (y - mean) / self.lived,
            level + self._reference.smoothing * (y - level),
            np.where(seasons > 0, of_phase, y) + np.where(seasons > 0, y - of_phase, 0.0) / (seasons + 1),
            running + y - self._base,
        )
