"""Chronological split and rolling origins.

Every series is cut at its own steps into a training, a validation, a calibration and a test stretch, in this order of
time. Everything is fitted and chosen on the first two; the calibration stretch only says how wide intervals have to be,
and may be empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from forecast.series.panel import BoolArray, IntArray, Panel


Stretches: TypeAlias = "tuple[IntArray, IntArray, IntArray, IntArray]"
"""Steps of training, validation, calibration and test, each (series,)."""


@dataclass(frozen=True)
class Split:
    """How many steps of every series are training, validation and calibration; the rest is test. Each (series,)."""

    train: IntArray
    validation: IntArray
    calibration: IntArray | Literal[0] = 0

    @property
    def fitted(self) -> IntArray:
        """Steps of training and validation together, (series,): all that anything fitted may see."""
        return self.train + self.validation

    @property
    def before_test(self) -> IntArray:
        """Steps of training, validation and calibration together, (series,)."""
        return self.fitted + self.calibration


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


def split_panel(
    panel: Panel, validation: float, test: float, context_steps: int, horizon: int, *, calibration: float | None = 0
) -> Split:
    """Split every series; `validation`, `test` and `calibration` are shares below 1 or whole steps.

    Without a number the last half of a series' validation stretch is for calibration, where both halves keep a
    horizon.

    Raises
    ------
    ForecastError
        A series whose training stretch is shorter than context + horizon, or another stretch than the horizon.

    """
    stretches = _stretches(panel, validation, test, calibration)
    _check_long_enough(panel, stretches, context_steps, horizon)
    train, validated, calibrated, _ = stretches
    if calibration is None:
        half = validated // 2
        calibrated = np.where(half >= horizon, half, 0)
        validated = validated - calibrated
    return Split(train=train, validation=validated, calibration=calibrated)


def long_enough(
    panel: Panel, validation: float, test: float, context_steps: int, horizon: int, *, calibration: float | None = 0
) -> tuple[BoolArray, IntArray]:
    """Whether `split_panel` takes each series, and the steps of training that each would have; both (series,)."""
    stretches = _stretches(panel, validation, test, calibration)
    return _horizons_that_fit(stretches, context_steps) >= horizon, stretches[0]


def _stretches(panel: Panel, validation: float, test: float, calibration: float | None) -> Stretches:
    """Steps of each stretch, without those that are taken off validation; the first may be negative."""
    lengths = panel.lengths
    validated, calibrated, tested = (_steps(size, lengths) for size in (validation, calibration or 0, test))
    return lengths - validated - calibrated - tested, validated, calibrated, tested


def _horizons_that_fit(stretches: Stretches, context_steps: int) -> IntArray:
    train, validation, calibration, test = stretches
    longest = np.minimum(np.minimum(train - context_steps, validation), test)
    return np.where(calibration > 0, np.minimum(longest, calibration), longest)


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


def _check_long_enough(panel: Panel, stretches: Stretches, context_steps: int, horizon: int) -> None:
    train, validation, calibration, test = stretches
    longest = _horizons_that_fit(stretches, context_steps)
    short = np.flatnonzero(longest < horizon)
    if len(short) == 0:
        return
    i = int(short[0])
    calibrated, each = (f", {calibration[i]} for calibration", f", {horizon}") if calibration[i] else ("", "")
    raise ForecastError(
        f"series {panel.ids[i]!r} has {panel.lengths[i]} steps, cut into {max(train[i], 0)} for training, "
        f"{validation[i]} for validation{calibrated} and {test[i]} for the test; context {context_steps} + horizon "
        f"{horizon} need at least {context_steps + horizon}, {horizon}{each} and {horizon}: "
        f"{_remedies(int(longest.min()), context_steps, len(short), len(panel))}"
    )


def _remedies(longest: int, context_steps: int, short: int, series: int) -> str:
    """Say what makes `short` of so many series long enough; `longest` is the horizon that fits into all of them."""
    shorter = f"say `horizon={longest}` or less" if longest > 0 else "shorten `horizon`"
    context = ", shorten `data.context_steps`" if context_steps > 1 else ""
    left_out = f", leave out the {short} of {series} series that are too short (`data.on_short_series=drop`)"
    left_out = left_out if series > short else ""
    return f"{shorter}{context}{left_out}, or change `split.validation` and `split.test`"
