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
    lengths = panel.lengths
    test_steps = _steps(test, lengths)
    validation_steps = _steps(validation, lengths)
    train_steps = lengths - test_steps - validation_steps
    for i, name in enumerate(panel.ids):
        _check_long_enough(
            name,
            int(lengths[i]),
            (int(train_steps[i]), int(validation_steps[i]), int(test_steps[i])),
            context_steps,
            horizon,
        )
    return Split(train=train_steps, validation=validation_steps)


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
    name: str, length: int, stretches: tuple[int, int, int], context_steps: int, horizon: int
) -> None:
    train, validation, test = stretches
    if train >= context_steps + horizon and validation >= horizon and test >= horizon:
        return
    raise ForecastError(
        f"series {name!r} has {length} steps, cut into {max(train, 0)} for training, {validation} for validation "
        f"and {test} for the test; context {context_steps} + horizon {horizon} need at least "
        f"{context_steps + horizon}, {horizon} and {horizon}: shorten `horizon` or `data.context_steps`, "
        f"or change `split.validation` and `split.test`"
    )
