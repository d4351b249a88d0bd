"""What is known of a series at each of its rows: the causal quantities that references and inputs are made of.

At row t of a series with season m: the value y_t, the expanding mean, the exponential mean ("level"), moving means,
and values whole seasons before a future step. Nothing here looks past its own row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from forecast.series.panel import FloatArray, IntArray, Panel


Scalar = TypeVar("Scalar", bound=np.generic)

_BLOCK = 32
"""Steps of a series whose moves are summed by one product."""


class CausalFeatures(ABC):
    """Causal quantities of packed rows; each array is (row,)."""

    @property
    @abstractmethod
    def y(self) -> FloatArray:
        """The target."""

    @property
    @abstractmethod
    def mean(self) -> FloatArray:
        """Expanding mean of y up to the row."""

    @property
    @abstractmethod
    def level(self) -> FloatArray:
        """Exponential mean of y up to the row."""

    @property
    @abstractmethod
    def phase_mean(self) -> FloatArray:
        """Mean of y at the row, one season before, two seasons before, ... to the series' start."""

    @property
    @abstractmethod
    def running(self) -> FloatArray:
        """Running sum within the series of y less its first value (less to round off), for moving means."""

    @abstractmethod
    def series(self, rows: IntArray) -> IntArray:
        """Numbers of the series that some rows belong to, as many."""

    @abstractmethod
    def starts(self, rows: IntArray) -> IntArray:
        """First rows of the series that some rows belong to, as many."""

    def before(self, rows: IntArray, steps: int) -> FloatArray:
        """Value `steps` before each row, or the row's own value where the series is too young, (row,)."""
        earlier = rows - steps
        return self.y[np.where(earlier >= self.starts(rows), earlier, rows)]

    def moving_mean(self, rows: IntArray, steps: int) -> FloatArray:
        """Mean of the last `steps` values up to each row, of fewer where the series is younger, (row,)."""
        start = self.starts(rows)
        before = rows - steps
        earlier = np.where(before >= start, self.running[np.maximum(before, 0)], 0.0)
        mean: FloatArray = self.y[start] + (self.running[rows] - earlier) / np.minimum(steps, rows + 1 - start)
        return mean

    def seasons_before(self, rows: IntArray, horizon: int, season_steps: int, seasons: int) -> FloatArray:
        """For each future step the value a whole number of seasons before it, (row, horizon).

        With h = 1..horizon and m = season_steps it is y[t + h - m * (ceil(h / m) - 1 + seasons)]; fewer seasons back
        where the series is younger, and y[t] where it is younger than a season.
        """
        return self.phases(rows, np.arange(1, horizon + 1), season_steps).seasons_before(seasons)

    def phases(self, rows: IntArray, ahead: IntArray, season_steps: int) -> Phases:
        """Find the steps one season before those that are so many steps `ahead` of some rows."""
        return Phases(self, rows, season_steps, (ahead - 1) % season_steps)


@dataclass(frozen=True, eq=False)
class PanelFeatures(CausalFeatures):
    """CausalFeatures of every row of a panel; each is worked out when it is first asked for.

    A panel may have as many rows as fit into memory, and a reference reads few of the quantities.

    Attributes
    ----------
    smoothing : weight of a new value in the level

    """

    past: Panel
    smoothing: float
    season_steps: int

    @cached_property
    def y(self) -> FloatArray:
        """The target, what is masked filled."""
        return filled_target(self.past)

    @cached_property
    def mean(self) -> FloatArray:
        """Expanding mean."""
        return self._by_series(expanding_mean, 1)

    @cached_property
    def level(self) -> FloatArray:
        """Exponential mean."""
        return self._by_series(exponential_mean, self.smoothing)

    @cached_property
    def phase_mean(self) -> FloatArray:
        """Expanding mean of a phase."""
        return self._by_series(expanding_mean, self.season_steps)

    @cached_property
    def running(self) -> FloatArray:
        """Running sum."""
        return self._by_series(lambda y: np.cumsum(y - y[0]))

    @cached_property
    def _series(self) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Numbers in as few bytes as there are series for: on large panels it is one of the few arrays of all rows."""
        return np.repeat(np.arange(len(self.past), dtype=np.min_scalar_type(len(self.past))), self.past.lengths)

    def series(self, rows: IntArray) -> IntArray:
        """Numbers of the series of some rows."""
        return self._series[rows].astype(np.int64)

    def starts(self, rows: IntArray) -> IntArray:
        """First rows of the series of some rows."""
        starts: IntArray = self.past.offsets[self._series[rows]]
        return starts

    def _by_series(self, compute: Callable[..., FloatArray], *settings: float) -> FloatArray:
        return by_series(self.past, self.y, compute, *settings)


@dataclass(frozen=True, eq=False)
class BufferFeatures(CausalFeatures):
    """Causal features of a history buffer, (feature, series, step): y, mean, level, phase mean, running sum.

    Attributes
    ----------
    table : its parts may be written to from outside
    number : (series,) what each series is called
    first : (series,) first step of each that there is

    """

    table: FloatArray
    number: IntArray
    first: IntArray

    @property
    def y(self) -> FloatArray:
        """The target."""
        return self._part(0)

    @property
    def mean(self) -> FloatArray:
        """Expanding mean."""
        return self._part(1)

    @property
    def level(self) -> FloatArray:
        """Exponential mean."""
        return self._part(2)

    @property
    def phase_mean(self) -> FloatArray:
        """Expanding mean of a phase."""
        return self._part(3)

    @property
    def running(self) -> FloatArray:
        """Running sum."""
        return self._part(4)

    def series(self, rows: IntArray) -> IntArray:
        """Numbers of the series of some rows."""
        numbers: IntArray = self.number[rows // self.table.shape[2]]
        return numbers

    def starts(self, rows: IntArray) -> IntArray:
        """First rows of the series of some rows."""
        lane = rows // self.table.shape[2]
        starts: IntArray = lane * self.table.shape[2] + self.first[lane]
        return starts

    def _part(self, number: int) -> FloatArray:
        part: FloatArray = self.table[number].reshape(-1)
        return part


@dataclass(frozen=True, eq=False)
class Phases:
    """The latest known steps of the phase of each future step, from which those of earlier seasons follow.

    Attributes
    ----------
    places : (step,) steps from the first of the latest season, which ends at a row, to the future step's phase in it

    """

    known: CausalFeatures
    rows: IntArray
    season_steps: int
    places: IntArray

    @cached_property
    def youngest(self) -> int:
        """Fewest steps from a series' first to a latest step, negative where it is younger than a season."""
        if not self.rows.size or not self.places.size:
            return 0
        lived = int((self.rows - self.known.starts(self.rows)).min())
        return lived + 1 - self.season_steps + int(self.places.min())

    @cached_property
    def _latest(self) -> IntArray:
        """Rows, (row, step)."""
        latest: IntArray = self.rows[:, None] + 1 - self.season_steps + self.places
        return latest

    @cached_property
    def _lived(self) -> IntArray:
        """Steps since the series' first, (row, step), negative where the series is younger than a season."""
        return self._latest - self.known.starts(self.rows)[:, None]

    def seasons_before(self, seasons: int) -> FloatArray:
        """Values a number of seasons before the future steps, (row, step), as `CausalFeatures.seasons_before`."""
        back = seasons - 1
        if self.youngest >= back * self.season_steps:
            return self._of_latest(self.known.y, back)
        earlier = self._latest - self.season_steps * np.minimum(back, self._lived // self.season_steps)
        return self.known.y[np.where(self._lived >= 0, earlier, self.rows[:, None])]

    def means(self) -> FloatArray:
        """For each future step the mean over all seasons before it, y[t] where there is none, (row, step)."""
        if self.youngest >= 0:
            return self._of_latest(self.known.phase_mean, 0)
        means = self.known.phase_mean[np.maximum(self._latest, 0)]
        return np.where(self._lived >= 0, means, self.known.y[self.rows][:, None])

    def _of_latest(self, quantity: FloatArray, back: int) -> FloatArray:
        """A quantity so many seasons before the latest steps, where all series are old enough, (row, step)."""
        first, width = self.rows + 1 - self.season_steps * (back + 1), int(self.places.max(initial=-1)) + 1
        if width > 2 * len(self.places):
            few: FloatArray = quantity[first[:, None] + self.places]
            return few
        season = runs(quantity, first, width)
        in_order = np.array_equal(self.places, np.arange(width))
        return season if in_order else season.take(self.places, axis=1)


def runs(values: npt.NDArray[Scalar], first: IntArray, steps: int) -> npt.NDArray[Scalar]:
    """Copy what stands in so many steps from some rows on, (row,) -> (row, step): much quicker than place by place.

    >>> runs(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2, 0]), 2).tolist()
    [[3.0, 4.0], [1.0, 2.0]]
    """
    if len(first) == 0:  # of a series that may be shorter than a run
        return np.empty((0, steps), dtype=values.dtype)
    copied: npt.NDArray[Scalar] = np.lib.stride_tricks.sliding_window_view(values, steps)[first]
    return copied


def filled_target(past: Panel) -> FloatArray:
    """Give the target with what is masked replaced by the value before it, (row,).

    A masked beginning takes the first value that there is; no forecast is made before it. Where labels stand at the
    end every forecast is, and what is masked stays as it stands.
    """
    if past.masked is None or past.at_end or not past.masked[:, 0].any():
        return past.target
    rows = np.arange(len(past.target))
    starts = np.repeat(past.offsets[:-1], past.lengths)
    latest = np.maximum.accumulate(np.where(past.masked[:, 0], -1, rows))
    there = np.append(np.flatnonzero(~past.masked[:, 0]), 0)
    first = there[np.minimum(np.searchsorted(there[:-1], starts), len(there) - 1)]
    return past.target[np.where(latest >= starts, latest, first)]


def by_series(past: Panel, y: FloatArray, compute: Callable[..., FloatArray], *settings: float) -> FloatArray:
    """Compute something of the values `y`, (row,), of each series alone, as many; `settings` are handed on."""
    result = np.empty_like(y)
    for _, rows in past.series():
        if rows.stop > rows.start:
            result[rows] = compute(y[rows], *settings)
    return result


def expanding_mean(y: FloatArray, season_steps: int) -> FloatArray:
    """Mean of each value and those whole seasons before it, (step,); with a season of 1, of all values so far."""
    seasons = -(-len(y) // season_steps)
    table = np.zeros(seasons * season_steps)
    table[: len(y)] = y
    sums = np.cumsum(table.reshape(seasons, season_steps), axis=0)
    means: FloatArray = (sums / np.arange(1, seasons + 1)[:, None]).reshape(-1)[: len(y)]
    return means


def exponential_mean(y: FloatArray, smoothing: float) -> FloatArray:
    """l_t = l_{t-1} + smoothing * (y_t - l_{t-1}) with l_0 = y_0, (step,).

    What is worked out is how far the mean is behind, d_t = y_t - l_t = (1 - smoothing) (d_{t-1} + y_t - y_{t-1}): of a
    series that stands still it is exactly nothing. It is a weighted sum of the moves so far; within a block that is a
    product with a matrix, and from block to block it decays. A call of pandas takes ten times as long to begin, and a
    panel has thousands of short series.

    >>> exponential_mean(np.array([1.0, 3.0, 3.0]), 0.5).tolist()
    [1.0, 2.0, 2.5]
    """
    decay = _decay(1 - smoothing)
    moves = np.zeros((-(-len(y) // _BLOCK), _BLOCK))
    moves.reshape(-1)[1 : len(y)] = y[1:] - y[:-1]
    behind = moves @ decay
    left = float(decay[0, -1])
    ends = accumulate(behind[:, -1].tolist(), lambda before, own: own + left * before)
    behind[1:] += np.fromiter(ends, np.float64, len(behind))[:-1, None] * decay[0]
    level: FloatArray = y - behind.reshape(-1)[: len(y)]
    return level


@cache
def _decay(kept: float) -> FloatArray:
    """What is left of a move after so many steps of a block: `kept` to the power of t - s + 1, (step s, step t)."""
    steps = np.arange(_BLOCK)
    age: IntArray = steps - steps[:, None]
    return np.where(age >= 0, kept ** (np.maximum(age, 0) + 1.0), 0.0)
