"""Causal features of a series: what references and network inputs are computed from at each row.

At row t of a series with season m: the value y_t, the expanding mean, the exponential mean (called level), moving
means, and the values whole seasons before a future step. Causal: no feature of row t reads a row after t.

A masked value is read as that of one season before, and as part of how far the series stood from there one step ago
(`in_place`); where there is no season, or none before it, as the value before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel


Scalar = TypeVar("Scalar", bound=np.generic)
Number = TypeVar("Number", float, "FloatArray")

PERSISTENCE = 0.875
"""Share of the distance to one season before that goes over to the next masked step, phi (docs/own-file.md)."""

_BLOCK = 32
"""Steps of a series whose changes are summed by one matrix product in `exponential_mean`."""


class CausalFeatures(ABC):
    """Causal features of packed rows; each array is (row,), series after series."""

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
        """Cumulative sum of y - y_0 within the series, for moving means; y_0 is taken off against rounding errors."""

    @property
    @abstractmethod
    def channels(self) -> FloatArray:
        """What is known beside y at the row, in its units (`in_target_units`), (row, channel); most read none."""

    @abstractmethod
    def series(self, rows: IntArray) -> IntArray:
        """Number of the series that each of some rows belongs to, (row,)."""

    @abstractmethod
    def starts(self, rows: IntArray) -> IntArray:
        """First row of the series that each of some rows belongs to, (row,)."""

    def before(self, rows: IntArray, steps: int) -> FloatArray:
        """Value `steps` before each row, or the row's own value where the series is too young, (row,)."""
        earlier = rows - steps
        return self.y[np.where(earlier >= self.starts(rows), earlier, rows)]

    def moving_mean(self, rows: IntArray, steps: int) -> FloatArray:
        """Mean of the last `steps` values up to each row, of fewer where the series is younger, (row,)."""
        start = self.starts(rows)
        before = rows - steps
        # mean = y_0 + (S_t - S_{t-n}) / n, with S the cumulative sum of y - y_0
        earlier = np.where(before >= start, self.running[np.maximum(before, 0)], 0.0)
        mean: FloatArray = self.y[start] + (self.running[rows] - earlier) / np.minimum(steps, rows + 1 - start)
        return mean

    def seasons_before(self, rows: IntArray, horizon: int, season_steps: int, seasons: int) -> FloatArray:
        """Value a whole number of seasons before each future step, (row, horizon).

        With h = 1..horizon and m = season_steps: y[t + h - m * (ceil(h / m) - 1 + seasons)]; fewer seasons back where
        the series is younger, and y[t] where it is younger than one season.
        """
        return self.phases(rows, np.arange(1, horizon + 1), season_steps).seasons_before(seasons)

    def phases(self, rows: IntArray, ahead: IntArray, season_steps: int) -> Phases:
        """Return the seasonal phases of the future steps t + `ahead` of some rows t."""
        return Phases(self, rows, season_steps, (ahead - 1) % season_steps)


@dataclass(frozen=True, eq=False)
class PanelFeatures(CausalFeatures):
    """Causal features of every row of a panel; each is computed when it is first read.

    A panel may have as many rows as fit into memory, and a reference reads few of the features.

    Attributes
    ----------
    smoothing : weight of a new value in the level, alpha
    units : (series, channel, 2) mean and factor of each channel; (series, 0, 2): none is read

    """

    past: Panel
    smoothing: float
    season_steps: int
    units: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 2)))

    @cached_property
    def y(self) -> FloatArray:
        """The target, masked values filled in."""
        return filled_target(self.past, self.season_steps)

    @cached_property
    def mean(self) -> FloatArray:
        """Expanding mean."""
        return self._by_series(_expanding_mean, 1)

    @cached_property
    def level(self) -> FloatArray:
        """Exponential mean."""
        return self._by_series(exponential_mean, self.smoothing)

    @cached_property
    def phase_mean(self) -> FloatArray:
        """Expanding mean of the row's seasonal phase."""
        return self._by_series(_expanding_mean, self.season_steps)

    @cached_property
    def running(self) -> FloatArray:
        """Cumulative sum of y - y_0."""
        return self._by_series(lambda y: np.cumsum(y - y[0]))

    @cached_property
    def channels(self) -> FloatArray:
        """Past covariates in units of the target."""
        count = self.units.shape[1]
        if not count:
            return np.zeros((len(self.past.times), 0))
        masked = None if self.past.masked is None else self.past.masked[:, 1 : 1 + count]
        return in_target_units(self.past.values[:, 1 : 1 + count], masked, self.units[self._series])

    @cached_property
    def _series(self) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Series number of each row, (row,), in the smallest integer type: the array is as long as the panel."""
        return np.repeat(np.arange(len(self.past), dtype=np.min_scalar_type(len(self.past))), self.past.lengths)

    def series(self, rows: IntArray) -> IntArray:
        """Series number of some rows."""
        return self._series[rows].astype(np.int64)

    def starts(self, rows: IntArray) -> IntArray:
        """First row of the series of some rows."""
        starts: IntArray = self.past.offsets[self._series[rows]]
        return starts

    def _by_series(self, compute: Callable[..., FloatArray], *settings: float) -> FloatArray:
        return by_series(self.past, self.y, compute, *settings)


@dataclass(frozen=True, eq=False)
class BufferFeatures(CausalFeatures):
    """Causal features of a history buffer, (feature, series, step): y, mean, level, phase mean, running sum, channels.

    Attributes
    ----------
    table : `HistoryBuffer` writes its next steps into it
    number : (series,) number of each series in the panel that it continues
    first : (series,) first step of each in the table

    """

    table: FloatArray
    number: IntArray
    first: IntArray

    @property
    def y(self) -> FloatArray:
        """The target."""
        return self._feature(0)

    @property
    def mean(self) -> FloatArray:
        """Expanding mean."""
        return self._feature(1)

    @property
    def level(self) -> FloatArray:
        """Exponential mean."""
        return self._feature(2)

    @property
    def phase_mean(self) -> FloatArray:
        """Expanding mean of the row's seasonal phase."""
        return self._feature(3)

    @property
    def running(self) -> FloatArray:
        """Cumulative sum of y - y_0."""
        return self._feature(4)

    @property
    def channels(self) -> FloatArray:
        """What is known beside y."""
        count, series, steps = self.table.shape
        return self.table[5:].reshape(count - 5, series * steps).T

    def series(self, rows: IntArray) -> IntArray:
        """Series number of some rows."""
        numbers: IntArray = self.number[rows // self.table.shape[2]]
        return numbers

    def starts(self, rows: IntArray) -> IntArray:
        """First row of the series of some rows."""
        position = rows // self.table.shape[2]
        starts: IntArray = position * self.table.shape[2] + self.first[position]
        return starts

    def _feature(self, number: int) -> FloatArray:
        feature: FloatArray = self.table[number].reshape(-1)  # (series, step) -> (row,), a view
        return feature


@dataclass(frozen=True, eq=False)
class Phases:
    """The seasonal phase of each future step: the latest known step of that phase, and those of earlier seasons.

    Attributes
    ----------
    places : (step,) place of each future step's phase in the season of m steps that ends at the row, 0 to m - 1

    """

    features: CausalFeatures
    rows: IntArray
    season_steps: int
    places: IntArray

    @cached_property
    def youngest(self) -> int:
        """Least age, in steps, of a phase's latest known step; negative where a series is younger than a season."""
        if not self.rows.size or not self.places.size:
            return 0
        age = int((self.rows - self.features.starts(self.rows)).min())
        return age + 1 - self.season_steps + int(self.places.min())

    @cached_property
    def _latest(self) -> IntArray:
        """Row of the latest known step of each phase, t + 1 - m + place, (row, step)."""
        latest: IntArray = self.rows[:, None] + 1 - self.season_steps + self.places
        return latest

    @cached_property
    def _age(self) -> IntArray:
        """Steps from a series' first to `_latest`, (row, step); negative where the series is younger than a season."""
        return self._latest - self.features.starts(self.rows)[:, None]

    def seasons_before(self, seasons: int) -> FloatArray:
        """Values a number of seasons before the future steps, (row, step), as `CausalFeatures.seasons_before`."""
        back = seasons - 1
        if self.youngest >= back * self.season_steps:  # every series is old enough
            return self._at_latest(self.features.y, back)
        earlier = self._latest - self.season_steps * np.minimum(back, self._age // self.season_steps)
        return self.features.y[np.where(self._age >= 0, earlier, self.rows[:, None])]

    def means(self) -> FloatArray:
        """Mean over all seasons before each future step, y[t] where there is none, (row, step)."""
        if self.youngest >= 0:
            return self._at_latest(self.features.phase_mean, 0)
        means = self.features.phase_mean[np.maximum(self._latest, 0)]
        return np.where(self._age >= 0, means, self.features.y[self.rows][:, None])

    def _at_latest(self, feature: FloatArray, back: int) -> FloatArray:
        """A feature `back` seasons before the latest known steps, where all series are old enough, (row, step)."""
        first, width = self.rows + 1 - self.season_steps * (back + 1), int(self.places.max(initial=-1)) + 1
        if width > 2 * len(self.places):  # few places of a long season: look each up
            few: FloatArray = feature[first[:, None] + self.places]
            return few
        season = runs(feature, first, width)  # (row, place)
        in_order = np.array_equal(self.places, np.arange(width))
        return season if in_order else season.take(self.places, axis=1)


def runs(values: npt.NDArray[Scalar], first: IntArray, steps: int) -> npt.NDArray[Scalar]:
    """Copy `steps` consecutive values from each of some rows on, (row, step): faster than indexing each place.

    >>> runs(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2, 0]), 2).tolist()
    [[3.0, 4.0], [1.0, 2.0]]
    """
    if len(first) == 0:  # the values may be fewer than `steps`
        return np.empty((0, steps), dtype=values.dtype)
    copied: npt.NDArray[Scalar] = np.lib.stride_tricks.sliding_window_view(values, steps)[first]
    return copied


def in_place(latest: Number, season_ago: Number, before_that: Number) -> Number:
    """What a masked value is read as, from the values one step, m and m + 1 steps before it.

    z_t = z_{t-m} + phi (z_{t-1} - z_{t-m-1}), where z is the target as it is read: the distance to one season before
    fades away in a long gap, so that nothing in it runs off.

    >>> in_place(12.0, 5.0, 4.0)
    12.0
    """
    return season_ago + PERSISTENCE * (latest - before_that)


def fill_in(y: FloatArray, masked: BoolArray, season_steps: int) -> None:
    """Put into one series, (step,), what its masked values after the first are read as."""
    for t in (np.flatnonzero(masked[1:]) + 1).tolist():
        y[t] = in_place(y[t - 1], y[t - season_steps], y[t - season_steps - 1]) if 1 < season_steps < t else y[t - 1]


def filled_target(past: Panel, season_steps: int) -> FloatArray:
    """Return the target with what masked values are read as, (row,).

    A masked beginning takes the first value after it; no forecast is made before that one. Where the target is one
    label at the end of each series, all before it is masked and stays as it is.
    """
    if past.masked is None or past.at_end or not past.masked[:, 0].any():
        return past.target
    filled = past.target.copy()
    for _, rows in past.series():
        y, masked = filled[rows], past.masked[rows, 0]
        if masked.any():
            y[0] = 0.0 if masked.all() else y[np.argmin(masked)]
            fill_in(y, masked, season_steps)
    return filled


def in_target_units(values: FloatArray, masked: BoolArray | None, units: FloatArray) -> FloatArray:
    """Covariates less their means, times factors, both in `units` (row, channel, 2); 0 where masked, (row, channel)."""
    mean, factor = np.moveaxis(units, 2, 0)
    scaled: FloatArray = (values - mean) * factor
    return scaled if masked is None else np.where(masked, 0.0, scaled)


def by_series(past: Panel, y: FloatArray, compute: Callable[..., FloatArray], *settings: float) -> FloatArray:
    """Apply `compute(values, *settings)` to each series of `y` separately, (row,) -> (row,)."""
    result = np.empty_like(y)
    for _, rows in past.series():
        if rows.stop > rows.start:
            result[rows] = compute(y[rows], *settings)
    return result


def _expanding_mean(y: FloatArray, season_steps: int) -> FloatArray:
    """Mean of each value and those whole seasons before it, (step,); with a season of 1, of all values so far."""
    seasons = -(-len(y) // season_steps)  # the last may be incomplete
    table = np.zeros(seasons * season_steps)
    table[: len(y)] = y
    sums = np.cumsum(table.reshape(seasons, season_steps), axis=0)  # (season, phase)
    means: FloatArray = (sums / np.arange(1, seasons + 1)[:, None]).reshape(-1)[: len(y)]
    return means


def exponential_mean(y: FloatArray, smoothing: float) -> FloatArray:
    """Return the level l_t = l_{t-1} + alpha * (y_t - l_{t-1}) with l_0 = y_0, (step,); alpha is `smoothing`.

    Computed is the lag of the level, d_t = y_t - l_t = (1 - alpha) (d_{t-1} + y_t - y_{t-1}), a weighted sum of the
    changes so far: on a constant series it is exactly zero. Within a block of steps the sum is a product with a matrix
    of decays; from block to block it is carried on. pandas' `ewm` takes ten times as long per call, and a panel has
    thousands of short series.

    >>> exponential_mean(np.array([1.0, 3.0, 3.0]), 0.5).tolist()
    [1.0, 2.0, 2.5]
    """
    decay = _decay(1 - smoothing)
    changes = np.zeros((-(-len(y) // _BLOCK), _BLOCK))  # (block, step), y_t - y_{t-1}
    changes.reshape(-1)[1 : len(y)] = y[1:] - y[:-1]
    lag = changes @ decay  # the part of d_t that the changes of its own block make
    block_decay = float(decay[0, -1])  # (1 - alpha) ** _BLOCK
    ends = accumulate(lag[:, -1].tolist(), lambda before, end: end + block_decay * before)  # d_t at each block's end
    lag[1:] += np.fromiter(ends, np.float64, len(lag))[:-1, None] * decay[0]
    level: FloatArray = y - lag.reshape(-1)[: len(y)]
    return level


@cache
def _decay(kept: float) -> FloatArray:
    """Weight in d_t of the change at step s of the same block, kept ** (t - s + 1), 0 for s > t; (s, t)."""
    steps = np.arange(_BLOCK)
    age: IntArray = steps - steps[:, None]  # t - s
    return np.where(age >= 0, kept ** (np.maximum(age, 0) + 1.0), 0.0)
