"""The panel: all series of a job, packed one after the other.

Words: a *row* is one step of one series in the packed arrays; an *origin* is the last row that a forecast may know.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.series.calendar import Calendar

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
TimeArray: TypeAlias = npt.NDArray[np.datetime64] | npt.NDArray[np.int64]

Role: TypeAlias = Literal["target", "past", "future", "static"]


@dataclass(frozen=True)
class Channel:
    """One column of a panel and what a forecaster may know of it: `future` is known over the horizon as well."""

    name: str
    role: Role


@dataclass(frozen=True, eq=False)
class Panel:
    """Series packed one after the other; nothing in it is ever changed in place.

    Attributes
    ----------
    values : (row, channel) float64
        Channel 0 is the target. A value that was not observed is filled in such a way that inputs stay usable
        (how is the reader's business, and said in its notes), never with a NaN.
    observed : (row, channel) bool
        Whether the value is the user's own; what is not carries no loss, is no origin and is not scored.
    offsets : (series + 1,) int64
        Series i has rows `offsets[i]:offsets[i + 1]`.
    times : (row,) datetime64[ns] or int64, increasing within a series
        Wall-clock times of `calendar.timezone` in UTC where there is one; step numbers where there is no time.
    ids : one a series, as the user wrote them
    calendar : how the times go on, and how the user writes them

    """

    values: FloatArray
    observed: BoolArray
    offsets: IntArray
    times: TimeArray
    ids: tuple[str, ...]
    channels: tuple[Channel, ...]
    calendar: Calendar

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @property
    def lengths(self) -> IntArray:
        """Steps of every series, (series,)."""
        return np.diff(self.offsets)

    @property
    def target(self) -> FloatArray:
        """The target of every row, (row,)."""
        return self.values[:, 0]

    @property
    def target_observed(self) -> BoolArray:
        """Whether the target of a row is the user's own, (row,)."""
        return self.observed[:, 0]

    def series(self) -> Iterator[tuple[str, slice]]:
        """Ids with the rows that belong to them."""
        for i, name in enumerate(self.ids):
            yield name, slice(int(self.offsets[i]), int(self.offsets[i + 1]))

    def take(self, which: IntArray) -> Panel:
        """Return some of the series, (series,), in the order given."""
        if np.array_equal(which, np.arange(len(self))):
            return self
        lengths = self.lengths[which]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[which] - offsets[:-1], lengths)
        return replace(
            self,
            values=self.values[rows],
            observed=self.observed[rows],
            times=self.times[rows],
            offsets=offsets,
            ids=tuple(self.ids[i] for i in which),
        )

    def cut(self, steps: IntArray) -> Panel:
        """Keep only the first `steps[i]` steps of every series; what lies after is not in the result at all."""
        steps = np.minimum(steps, self.lengths)
        if np.array_equal(steps, self.lengths):
            return self
        step_of_row = np.arange(len(self.times)) - np.repeat(self.offsets[:-1], self.lengths)
        keep = step_of_row < np.repeat(steps, self.lengths)
        return replace(
            self,
            values=self.values[keep],
            observed=self.observed[keep],
            times=self.times[keep],
            offsets=np.concatenate([[0], np.cumsum(steps)]),
        )


def single_series(values: npt.ArrayLike, times: TimeArray, calendar: Calendar, name: str = "y") -> Panel:
    """Pack one fully observed series, (step,), into a panel.

    >>> from forecast.series.calendar import Calendar
    >>> len(single_series([1.0, 2.0, 4.0], np.arange(3), Calendar(freq=None)).target)
    3
    """
    y = np.asarray(values, dtype=np.float64)
    return Panel(
        values=y[:, None],
        observed=np.ones((len(y), 1), dtype=np.bool_),
        offsets=np.array([0, len(y)]),
        times=times,
        ids=(name,),
        channels=(Channel(name, "target"),),
        calendar=calendar,
    )
