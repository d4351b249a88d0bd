"""Series that go on from some of their rows, each for itself: what a forecast that is fed back makes of them.

The quantities that references and inputs are made of (`quantities`), brought on one step at a time with values that
nobody has observed. Only as much of the past is copied as a reference reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.series.quantities import Quantities

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray
    from forecast.series.references import Reference


class Onward:
    """Continuations of series, one an origin, side by side; an origin may occur more than once.

    Attributes
    ----------
    known : what a reference reads, of all continuations packed; grows in place as `push` is called
    rows : (origin,) latest row of each continuation in `known`

    """

    def __init__(self, known: Quantities, rows: IntArray, lived: IntArray, reference: Reference, room: int) -> None:
        """Begin at some rows of series that have lived so many steps, both (origin,); at most `room` steps follow."""
        steps, count = reference.memory_steps, len(rows)
        back = rows[:, None] + np.arange(1 - steps, 1)  # (origin, step)
        remembered = back >= known.start[rows][:, None]
        back = np.where(remembered, back, rows[:, None])
        width = steps + room
        self._reference = reference
        self._lived = lived
        self._first = steps - remembered.sum(axis=1)
        self._at = steps - 1  # column of the latest step
        self._table = np.zeros((5, count, width))
        self._table[:4, :, :steps] = [part[back] for part in (known.y, known.mean, known.level, known.phase_mean)]
        self._base = self._table[0, np.arange(count), self._first]
        since = np.where(remembered, self._table[0, :, :steps] - self._base[:, None], 0.0)
        self._table[4, :, :steps] = np.cumsum(since, axis=1)
        self._origin = np.arange(count) * width
        y, mean, level, phase_mean, running = (part.reshape(-1) for part in self._table)
        self.known = Quantities(
            y=y,
            series=np.repeat(known.series[rows], width),
            start=np.repeat(self._origin + self._first, width),
            mean=mean,
            level=level,
            phase_mean=phase_mean,
            running=running,
        )

    @property
    def rows(self) -> IntArray:
        """Latest row of each continuation, (origin,)."""
        rows: IntArray = self._origin + self._at
        return rows

    def push(self, y: FloatArray) -> None:
        """Take one more step of every continuation, (origin,)."""
        _, mean, level, _, running = self._table[:, :, self._at]
        of_phase = self._table[3, :, self._at + 1 - self._reference.season_steps]
        self._at += 1
        self._lived = self._lived + 1
        seasons = (self._lived - 1) // self._reference.season_steps
        self._table[:, :, self._at] = (
            y,
            mean + (y - mean) / self._lived,
            level + self._reference.smoothing * (y - level),
            np.where(seasons > 0, of_phase, y) + np.where(seasons > 0, y - of_phase, 0.0) / (seasons + 1),
            running + y - self._base,
        )
