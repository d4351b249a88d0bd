"""What the bank knows of series: what it counts of their values, and all that forecasts after an origin depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from forecast.reference.smoothers import MOST_UNITS, TSB_GAINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import BoolArray, FloatArray, IntArray


class Sums(NamedTuple):
    """What is counted and averaged of the values so far; the last axis of each array is the series.

    Attributes
    ----------
    first, last : first and last observed value, (value or logarithm, series)
    seen, lowest, highest, mean, size : of observed values; `seen` is their number, `size` their mean absolute value
    changes, season_changes, season_count : sums of absolute changes from step to step and from season to season
    autocorrelation : of changes that follow each other, in units
    chance, demand : smoothed share, and size, of values other than 0, (gain, series)
    positive : whether all values so far are above zero, so that logarithms are read as well
    unit : mean change from step to step, or from season to season where that is smaller, but no less than a thirtieth
        of the first; never 0

    """

    first: FloatArray
    last: FloatArray
    seen: FloatArray
    lowest: FloatArray
    highest: FloatArray
    mean: FloatArray
    size: FloatArray
    changes: FloatArray
    season_changes: FloatArray
    season_count: FloatArray
    autocorrelation: FloatArray
    change: FloatArray
    chance: FloatArray
    demand: FloatArray
    positive: BoolArray
    unit: FloatArray

    @staticmethod
    def of_nothing(series: int) -> Sums:
        """Return what is known before the first step."""
        numbers = dict.fromkeys(Sums._fields, np.zeros(series))
        pairs = dict.fromkeys(("first", "last", "demand"), np.zeros((2, series)))
        ends = {"lowest": np.full(series, np.inf), "highest": np.full(series, -np.inf)}
        ones = {"chance": np.ones((2, series)), "unit": np.ones(series)}
        return Sums(**{**numbers, **pairs, **ends, **ones, "positive": np.zeros(series, dtype=np.bool_)})

    def take(self, which: IntArray | slice) -> Sums:
        """Return the sums of some series."""
        parts: list[Any] = [part[..., which] for part in self]
        return Sums(*parts)

    @property
    def units(self) -> FloatArray:
        """Unit of values and, as a share of the last one, of logarithms, (value or logarithm, series)."""
        return np.array([self.unit, self.unit / np.where(self.positive, self.last[..., 0, :], self.unit)])

    @property
    def mean_changes(self) -> tuple[FloatArray, FloatArray]:
        """Mean absolute changes from step to step and from season to season."""
        return _mean_changes(self.seen, self.changes, self.season_count, self.season_changes)

    def with_value(
        self, y: FloatArray, filled: FloatArray, observed: BoolArray, seasonal_change: FloatArray, paired: BoolArray
    ) -> Sums:
        """Return the sums with one more value; `filled` has its logarithm too, `paired` has a value a season before."""
        started = self.seen > 0
        later = observed & started
        change = (y - self.last[0]) * later
        count = self.seen + observed
        n = np.maximum(count, 1)
        share = observed / n
        size = self.size + (np.abs(y) - self.size) * share
        lowest = np.where(observed, np.minimum(self.lowest, y), self.lowest)
        changes = self.changes + np.abs(change)
        season_changes, season_count = self.season_changes + seasonal_change * paired, self.season_count + paired
        per_step, per_season = _mean_changes(count, changes, season_count, season_changes)
        unit = np.where((per_season > 0) & ((per_season < per_step) | (per_step == 0)), per_season, per_step)
        unit = np.maximum(unit, per_step / MOST_UNITS)
        if not unit.all():  # of what never changed: its size
            unit = np.where(unit > 0, unit, np.where(size > 0, size, 1.0))
        # of changes that follow each other; of intermittent demand how likely it is, and its size (Teunter et al. 2011)
        product = np.minimum(np.maximum(change / unit * (self.change / unit), -9), 9)
        gain, demanded = np.maximum(TSB_GAINS, 1 / n), observed & (y != 0)
        learnt = np.where(self.demand == 0, y, self.demand + gain * (y - self.demand))
        return Sums(
            first=np.where(started | ~observed, self.first, filled),
            last=np.where(observed, filled, self.last),
            seen=count,
            lowest=lowest,
            highest=np.where(observed, np.maximum(self.highest, y), self.highest),
            mean=self.mean + (y - self.mean) * share,
            size=size,
            changes=changes,
            season_changes=season_changes,
            season_count=season_count,
            autocorrelation=self.autocorrelation + (product - self.autocorrelation) * (later / n),
            change=np.where(observed, change, self.change),
            chance=self.chance + gain * (demanded - self.chance) * observed,
            demand=np.where(demanded, learnt, self.demand),
            positive=(lowest > 0) & (count > 0),
            unit=unit,
        )


def _mean_changes(
    seen: FloatArray, changes: FloatArray, season_count: FloatArray, season_changes: FloatArray
) -> tuple[FloatArray, FloatArray]:
    return changes / np.maximum(seen - 1, 1), season_changes / np.maximum(season_count, 1)


class Snapshot(NamedTuple):
    """All that forecasts after some origins depend on; the last axis of each array is the origin.

    Attributes
    ----------
    steps : that each series has up to its origin
    seasonal, seasonal2 : terms of the steps that come, as many as a season has or the horizon needs
    curves : coefficients of `discounted` regressions, (regression, coefficient, value or logarithm, origin)
    window : last values, the newest last, (step, value or logarithm, origin)
    path_error : along paths, in y's unit, (mean or recent mean, candidate, origin)
    path_steps : of how many values these are means, (origin,)

    """

    steps: IntArray
    level: FloatArray
    slope: FloatArray
    seasonal: FloatArray
    seasonal2: FloatArray
    window: FloatArray
    first_season: FloatArray
    recent_error: FloatArray
    weights: FloatArray
    curves: FloatArray
    path_error: FloatArray
    path_steps: FloatArray
    sums: Sums


_T = TypeVar("_T", Sums, Snapshot)


def joined(parts: Sequence[_T], axis: int = -1) -> _T:
    """Put snapshots, or sums, of several steps or series together along an axis."""
    if len(parts) == 1:
        return parts[0]
    columns: list[Any] = [
        joined(part, axis) if isinstance(part[0], Sums) else np.concatenate(part, axis)
        for part in zip(*parts, strict=True)
    ]
    return type(parts[0])(*columns)
