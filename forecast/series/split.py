"""Chronological split and rolling origins.

Every series is cut at its own steps into a training, a validation and a test stretch, in this order of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from forecast.series.panel import BoolArray, IntArray, Panel


@dataclass(frozen=True)
class Split:
    """How many steps of every series are training and validation; the rest is test. Each (series,)."""

    train: IntArray
    validation: IntArray

    @property
    def before_test(self) -> IntArray:
        """Steps of training and validation together, (series,)."""
        return self.train + self.validation


@dataclass(frozen=True)
class Origins:
    """Where forecasts are made: the last known step of a series, counted from the series' first. Each (origin,)."""

    series: IntArray
    steps: IntArray

    def __len__(self) -> int:
        """Return the number of origins."""
        return len(self.series)

    def rows(self, panel: Panel) -> IntArray:
        """Rows of the panel at which the forecasts are made, (origin,)."""
        return panel.offsets[self.series] + self.steps

    def __getitem__(self, which: slice | BoolArray | IntArray) -> Origins:
        """Return some of the origins."""
        return Origins(self.series[which], self.steps[which])

    def last_known(self, series: int) -> IntArray:
        """Steps that the latest origin of each of `series` series knows (0 where it has none), (series,)."""
        known = np.zeros(series, dtype=np.int64)
        np.maximum.at(known, self.series, self.steps + 1)
        return known


def split_panel(panel: Panel, validation: float, test: float, context_steps: int, horizon: int) -> Split:
    """Split every series; `validation` and `test` are shares below 1 or whole steps.

    Raises
    ------
    ForecastError
        A series whose training stretch is shorter than context + horizon, or another stretch than the horizon.

    """
    stretches = _stretches(panel, validation, test)
    _check_long_enough(panel, stretches, context_steps, horizon)
    return Split(train=stretches[0], validation=stretches[1])


def long_enough(
    panel: Panel, validation: float, test: float, context_steps: int, horizon: int
) -> tuple[BoolArray, IntArray]:
    """Whether `split_panel` takes each series, and the steps of training that each would have; both (series,)."""
    stretches = _stretches(panel, validation, test)
    return _horizons_that_fit(stretches, context_steps) >= horizon, stretches[0]


def _stretches(panel: Panel, validation: float, test: float) -> tuple[IntArray, IntArray, IntArray]:
    """Steps of training, validation and test; the first may be negative."""
    lengths = panel.lengths
    test_steps, validation_steps = _steps(test, lengths), _steps(validation, lengths)
    return lengths - test_steps - validation_steps, validation_steps, test_steps


def _horizons_that_fit(stretches: tuple[IntArray, IntArray, IntArray], context_steps: int) -> IntArray:
    train, validation, test = stretches
    return np.minimum(np.minimum(train - context_steps, validation), test)


def rolling_origins(panel: Panel, first: IntArray, ends: IntArray, horizon: int, stride: int = 1) -> Origins:
    """Origins whose whole horizon lies in the steps `first[i] <= step < ends[i]` of series i.

    The first target of the first origin is step `first[i]`. Rows whose target was not observed are no origins.
    """
    series, steps = [], []
    for i in range(len(panel)):
        mine = np.arange(max(int(first[i]) - 1, 0), int(ends[i]) - horizon, stride, dtype=np.int64)
        mine = mine[panel.target_observed[panel.offsets[i] + mine]]
        series.append(np.full(len(mine), i, dtype=np.int64))
        steps.append(mine)
    return Origins(np.concatenate(series), np.concatenate(steps))


def last_origins(panel: Panel) -> Origins:
    """Return the end of every series: the origins of the forecast after the data."""
    return Origins(np.arange(len(panel), dtype=np.int64), panel.lengths - 1)


def _steps(size: float, lengths: IntArray) -> IntArray:
    if size < 1:
        return np.round(lengths * size).astype(np.int64)
    return np.full(len(lengths), int(size), dtype=np.int64)


def _check_long_enough(
    panel: Panel, stretches: tuple[IntArray, IntArray, IntArray], context_steps: int, horizon: int
) -> None:
    train, validation, test = stretches
    longest = _horizons_that_fit(stretches, context_steps)
    short = np.flatnonzero(longest < horizon)
    if len(short) == 0:
        return
    i = int(short[0])
    raise ForecastError(
        f"series {panel.ids[i]!r} has {panel.lengths[i]} steps, cut into {max(train[i], 0)} for training, "
        f"{validation[i]} for validation and {test[i]} for the test; context {context_steps} + horizon {horizon} "
        f"need at least {context_steps + horizon}, {horizon} and {horizon}: "
        f"{_remedies(int(longest.min()), context_steps, len(short), len(panel))}"
    )


def _remedies(longest: int, context_steps: int, short: int, series: int) -> str:
    """Say what makes `short` of so many series long enough; `longest` is the horizon that fits into all of them."""
    shorter = f"say `horizon={longest}` or less" if longest > 0 else "shorten `horizon`"
    context = ", shorten `data.context_steps`" if context_steps > 1 else ""
    left_out = f", leave out the {short} of {series} series that are too short (`data.on_short_series=drop`)"
    left_out = left_out if series > short else ""
    return f"{shorter}{context}{left_out}, or change `split.validation` and `split.test`"
