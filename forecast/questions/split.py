"""How a panel is split, and rolling origins.

Over time every series is cut at its own steps into a training, a validation, a calibration and a test split, in this
order. Over series each of them is in one stretch as a whole, and has no steps in the others. Everything is fitted and
chosen on the first two; the calibration split only says how wide intervals have to be, and may be empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from forecast.series.panel import BoolArray, IntArray, Panel


Over: TypeAlias = Literal["time", "series"]

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
    panel: Panel,
    validation: float,
    test: float,
    context_steps: int,
    horizon: int,
    *,
    calibration: float | None = 0,
    over: Over = "time",
) -> Split:
    """Split a panel; `validation`, `test` and `calibration` are shares below 1 or whole steps, or numbers of series.

    Without a number the last half of a series' validation split is for calibration, where both halves keep a
    horizon; over series the last half of the validation series.

    Raises
    ------
    ForecastError
        A series whose training split is shorter than context + horizon, or another stretch than the horizon; over
        series a stretch without a series, or a series of fewer steps than the horizon and one more.

    """
    if over == "series":
        return _split_series(panel, validation, test, horizon, calibration)
    parts = _splits(panel, validation, test, calibration)
    _check_long_enough(panel, parts, context_steps, horizon)
    train, validated, calibrated, _ = parts
    if calibration is None:
        half = validated // 2
        calibrated = np.where(half >= horizon, half, 0)
        validated = validated - calibrated
    return Split(train=train, validation=validated, calibration=calibrated)


def long_enough(
    panel: Panel, validation: float, test: float, context_steps: int, horizon: int, *, calibration: float | None = 0
) -> tuple[BoolArray, IntArray]:
    """Whether `split_panel` over time takes each series, and the steps of training it would have; both (series,)."""
    parts = _splits(panel, validation, test, calibration)
    return _horizons_that_fit(parts, context_steps) >= horizon, parts[0]


def _split_series(panel: Panel, validation: float, test: float, horizon: int, calibration: float | None) -> Split:
    """Put whole series into stretches, in their order; those whose label nobody knows are scored nowhere: the last."""
    _check_one_origin(panel, horizon)
    counted = np.flatnonzero(has_label(panel))
    asked = (validation, calibration or 0.0, test)
    validated, calibrated, tested = (max(int(_steps(size, len(counted))), int(size > 0)) for size in asked)
    trained = len(counted) - validated - calibrated - tested
    if trained < 1:
        kind = "series with a label" if panel.at_end else "series"
        more = f", {calibrated} for calibration" if calibrated else ""
        raise ForecastError(
            f"`split.over=series` needs at least 1 series for training, found {len(counted)} {kind}, of which "
            f"{validated} for validation{more} and {tested} for the test: give more series, or lower "
            "`split.validation` and `split.test`"
        )
    if calibration is None:
        calibrated = validated // 2
        validated -= calibrated
    borders = np.cumsum([trained, validated, calibrated])
    part = np.full(len(panel), len(borders))
    part[counted] = np.searchsorted(borders, np.arange(len(counted)), side="right")
    return Split(*(np.where(part == number, panel.lengths, 0) for number in range(len(borders))))


def _check_one_origin(panel: Panel, horizon: int) -> None:
    """Refuse series that have no step left before a whole horizon."""
    short = np.flatnonzero(panel.lengths <= horizon)
    if len(short) == 0:
        return
    i, longest = int(short[0]), int(panel.lengths.min()) - 1
    shorter = f"say `horizon={longest}` or less" if longest > 0 else "shorten `horizon`"
    others = f", or leave out the {len(short)} of {len(panel)} series that are too short" if len(short) > 1 else ""
    raise ForecastError(
        f"series {panel.ids[i]!r} has {panel.lengths[i]} steps; with `split.over=series` each needs horizon {horizon} "
        f"and one more: {shorter}{others or ', or leave it out'} (`data.on_short_series=drop`)"
    )


def has_label(panel: Panel) -> BoolArray:
    """Whether a series can be scored, (series,): all of them, but for labels at the end that nobody knows."""
    if not panel.at_end:
        return np.ones(len(panel), dtype=np.bool_)
    return panel.target_observed[panel.offsets[1:] - 1]


def _splits(panel: Panel, validation: float, test: float, calibration: float | None) -> Stretches:
    """Steps of each stretch, without those that are taken off validation; the first may be negative."""
    lengths = panel.lengths
    validated, calibrated, tested = (_steps(size, lengths) for size in (validation, calibration or 0, test))
    return lengths - validated - calibrated - tested, validated, calibrated, tested


def _horizons_that_fit(parts: Stretches, context_steps: int) -> IntArray:
    train, validation, calibration, test = parts
    longest = np.minimum(np.minimum(train - context_steps, validation), test)
    return np.where(calibration > 0, np.minimum(longest, calibration), longest)


def rolling_origins(panel: Panel, first: IntArray, ends: IntArray, horizon: int, stride: int = 1) -> Origins:
    """Origins whose whole horizon lies in the steps `first[i] <= step < ends[i]` of series i.

    The first target of the first origin is step `first[i]`; where that is a series' first step, of which nobody can
    know anything, it is the step after. Rows whose target was not observed are no origins. Where labels stand at the
    end the origins are the rows before labels that are known, and the stride is from series to series.
    """
    series, steps = [], []
    for i in range(len(panel)):
        every = 1 if panel.at_end else stride
        mine = np.arange(max(int(first[i]) - 1, 0), int(ends[i]) - horizon, every, dtype=np.int64)
        mine = mine[panel.target_observed[panel.offsets[i] + mine + int(panel.at_end)]]
        series.append(np.full(len(mine), i, dtype=np.int64))
        steps.append(mine)
    origins = Origins(np.concatenate(series), np.concatenate(steps))
    return origins[::stride] if panel.at_end else origins


def last_origins(panel: Panel) -> Origins:
    """Return the end of every series: the origins of the forecast after the data.

    Where labels stand at the end it is the row before each that nobody knows, and there is nothing after the others;
    the panel is a whole one then, not cut before its labels.
    """
    ends = Origins(np.arange(len(panel), dtype=np.int64), panel.lengths - 1)
    if not panel.at_end:
        return ends
    return Origins(ends.series, ends.steps - 1)[~has_label(panel)]


def _steps(size: float, lengths: IntArray | int) -> IntArray:
    """Steps of a stretch: a share, or so many; of each length."""
    if size < 1:
        return np.round(np.asarray(lengths) * size).astype(np.int64)
    return np.full(np.shape(lengths), int(size), dtype=np.int64)


def _check_long_enough(panel: Panel, parts: Stretches, context_steps: int, horizon: int) -> None:
    train, validation, calibration, test = parts
    longest = _horizons_that_fit(parts, context_steps)
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
