"""Training, validation, calibration and test split of a panel, and rolling origins.

Over time every series is cut at its own steps into the four splits, in this order. Over series each series belongs to
one split as a whole and has no steps in the others. Everything is fitted and chosen on training and validation; the
calibration split only sets the width of intervals, and may be empty.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from forecast.series.panel import BoolArray, IntArray, Panel


Over: TypeAlias = Literal["time", "series"]

_SplitSteps: TypeAlias = "tuple[IntArray, IntArray, IntArray, IntArray]"
"""Steps of each series in training, validation, calibration and test, each (series,)."""


@dataclass(frozen=True)
class Split:
    """Steps of each series in training, validation and calibration, each (series,); the rest is test."""

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
    """Last known step of each forecast, counted from the first of its series. Both (origin,)."""

    series: IntArray
    steps: IntArray

    def __len__(self) -> int:
        """Return the number of origins."""
        return len(self.series)

    def rows(self, panel: Panel) -> IntArray:
        """Rows of the panel, (origin,)."""
        return panel.offsets[self.series] + self.steps

    def __getitem__(self, which: slice | BoolArray | IntArray) -> Origins:
        """Return some of the origins."""
        return Origins(self.series[which], self.steps[which])

    def last_known(self, series: int) -> IntArray:
        """Steps up to the latest origin of each of `series` series, 0 where it has none, (series,)."""
        steps = np.zeros(series, dtype=np.int64)
        np.maximum.at(steps, self.series, self.steps + 1)
        return steps


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
    """Split a panel; `validation`, `test` and `calibration` are shares below 1, or whole steps (over series: series).

    A share gives way before a series does: it is at least a horizon, and of a series that is too short for training,
    validation and test there is no validation split. With `calibration=None` it is the last half of each validation
    split, where both halves keep a horizon; over series, the last half of the validation series.

    Raises
    ------
    ForecastError
        A series whose training split is shorter than context + horizon, or another of its splits shorter than the
        horizon; over series, a split without a series, or a series without a step before the horizon.

    """
    if over == "series":
        return _split_series(panel, validation, test, horizon, calibration)
    parts = _splits(panel, validation, test, calibration, horizon)
    if (_horizons_that_fit(parts, context_steps) < horizon).any():
        shorter = bisect(
            range(horizon),
            False,
            key=lambda h: bool(
                (_horizons_that_fit(_splits(panel, validation, test, calibration, h), context_steps) < h).any()
            ),
        )
        raise _too_short(panel, parts, context_steps, horizon, longest=shorter - 1)
    train, validated, calibrated, _ = parts
    if calibration is None:
        half = validated // 2
        calibrated = np.where(half >= horizon, half, 0)
        validated = validated - calibrated
    return Split(train=train, validation=validated, calibration=calibrated)


def shortened_split(panel: Panel, horizon: int) -> Split:
    """Hold out the last third of each series, a horizon at most and a row at least; the rest is training.

    For series of which no split could hold a whole horizon: forecasts are scored as far as the data go.
    """
    tested = np.clip(panel.lengths // 3, 1, horizon)
    return Split(train=panel.lengths - tested, validation=np.zeros_like(tested))


def is_shortened(lengths: IntArray, split: Split, horizon: int) -> bool:
    """Whether no test split holds a whole horizon; `lengths` (series,) are those of the panel."""
    return bool((lengths - split.before_test < horizon).all())


def with_room(panel: Panel, split: Split, horizon: int) -> Panel:
    """Return the panel with rows that nobody observed after its end, where no test split holds a whole horizon.

    Each series then has one origin on its test split, whose forecasts are scored as far as the data go.
    """
    if not is_shortened(panel.lengths, split, horizon):
        return panel
    missing = horizon - (panel.lengths - split.before_test)  # rows, (series,)
    ends = panel.offsets[1:]
    old = np.repeat(np.cumsum(missing) - missing, panel.lengths) + np.arange(len(panel.times))  # their new places
    rows = np.zeros(int(panel.lengths.sum() + missing.sum()), dtype=np.int64)  # the added repeat the last row
    rows[old] = np.arange(len(panel.times))
    is_new = np.ones(len(rows), dtype=np.bool_)
    is_new[old] = False
    rows[is_new] = np.repeat(ends - 1, missing)
    times = panel.times[rows]
    times[is_new] = np.concatenate(
        [panel.calendar.after(panel.times[end - 1], int(more)) for end, more in zip(ends, missing, strict=True)]
    )
    return replace(
        panel,
        values=panel.values[rows],
        observed=panel.observed[rows] & ~is_new[:, None],
        times=times,
        offsets=np.concatenate([[0], np.cumsum(panel.lengths + missing)]),
        masked=None if panel.masked is None else panel.masked[rows],
    )


def long_enough(
    panel: Panel, validation: float, test: float, context_steps: int, horizon: int, *, calibration: float | None = 0
) -> tuple[BoolArray, IntArray]:
    """Return whether each series is long enough for `split_panel` over time, and its training steps; both (series,)."""
    parts = _splits(panel, validation, test, calibration, horizon)
    return _horizons_that_fit(parts, context_steps) >= horizon, parts[0]


def _split_series(panel: Panel, validation: float, test: float, horizon: int, calibration: float | None) -> Split:
    """Put whole series into splits, in their order; a series without a known label cannot be scored: test."""
    _check_one_origin(panel, horizon)
    counted = np.flatnonzero(has_label(panel))
    sizes = (validation, calibration or 0.0, test)
    validated, calibrated, tested = (max(int(_steps(size, len(counted))), int(size > 0)) for size in sizes)
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
    part = np.full(len(panel), len(borders))  # number of each series' split, 3: test
    part[counted] = np.searchsorted(borders, np.arange(len(counted)), side="right")
    return Split(*(np.where(part == number, panel.lengths, 0) for number in range(len(borders))))


def _check_one_origin(panel: Panel, horizon: int) -> None:
    """Refuse series without a step before the horizon."""
    short = np.flatnonzero(panel.lengths <= horizon)
    if len(short) == 0:
        return
    i, longest = int(short[0]), int(panel.lengths.min()) - 1
    shorter = f"set `horizon={longest}` or less" if longest > 0 else "shorten `horizon`"
    others = f", or leave out the {len(short)} of {len(panel)} series that are too short" if len(short) > 1 else ""
    raise ForecastError(
        f"series {panel.ids[i]!r} has {panel.lengths[i]} steps; with `split.over=series` each needs horizon {horizon} "
        f"and one more: {shorter}{others or ', or leave it out'} (`data.on_short_series=drop`)"
    )


def has_label(panel: Panel) -> BoolArray:
    """Return whether each series can be scored, (series,): only an unknown label at the end prevents it."""
    if not panel.at_end:
        return np.ones(len(panel), dtype=np.bool_)
    return panel.target_observed[panel.offsets[1:] - 1]


def _splits(panel: Panel, validation: float, test: float, calibration: float | None, horizon: int) -> _SplitSteps:
    """Steps of each split, before calibration is taken off validation; training may be negative."""
    lengths = panel.lengths
    validated, calibrated, tested = (
        np.maximum(_steps(size, lengths), horizon if 0 < size < 1 else 0)
        for size in (validation, calibration or 0, test)
    )
    train = lengths - validated - calibrated - tested
    if 0 < validation < 1 and not calibration:
        gives_way = (train <= horizon) & (train + validated > horizon)
        train = np.where(gives_way, train + validated, train)
        validated = np.where(gives_way, 0, validated)
    return train, validated, calibrated, tested


def _horizons_that_fit(parts: _SplitSteps, context_steps: int) -> IntArray:
    """Longest horizon that each series has room for in every split, (series,)."""
    train, validation, calibration, test = parts
    longest = np.minimum(train - context_steps, test)
    longest = np.where(validation > 0, np.minimum(longest, validation), longest)
    return np.where(calibration > 0, np.minimum(longest, calibration), longest)


def rolling_origins(panel: Panel, first: IntArray, ends: IntArray, horizon: int, stride: int = 1) -> Origins:
    """Return every `stride`-th origin whose whole horizon lies in the steps `first[i] <= step < ends[i]` of series i.

    The first target of the first origin is step `first[i]`, but at the earliest a series' second step. Rows whose
    target was not observed are no origins. Where the target is one label at the end of each series, the origins are
    the rows before the known labels, and `stride` counts series.
    """
    series, steps = [], []
    for i in range(len(panel)):
        every = 1 if panel.at_end else stride
        candidates = np.arange(max(int(first[i]) - 1, 0), int(ends[i]) - horizon, every, dtype=np.int64)
        observed = panel.target_observed[panel.offsets[i] + candidates + int(panel.at_end)]
        origin_steps = candidates[observed]
        series.append(np.full(len(origin_steps), i, dtype=np.int64))
        steps.append(origin_steps)
    origins = Origins(np.concatenate(series), np.concatenate(steps))
    return origins[::stride] if panel.at_end else origins


def last_origins(panel: Panel) -> Origins:
    """Return the last step of every series: the origins of the forecast after the data.

    Where the target is one label at the end of each series, the origins are the rows before the unknown labels; the
    panel must not be cut before them.
    """
    ends = Origins(np.arange(len(panel), dtype=np.int64), panel.lengths - 1)
    if not panel.at_end:
        return ends
    return Origins(ends.series, ends.steps - 1)[~has_label(panel)]


def _steps(size: float, lengths: IntArray | int) -> IntArray:
    """Steps of a split: a share of each length, or a fixed number."""
    if size < 1:
        return np.round(np.asarray(lengths) * size).astype(np.int64)
    return np.full(np.shape(lengths), int(size), dtype=np.int64)


def _too_short(panel: Panel, parts: _SplitSteps, context_steps: int, horizon: int, longest: int) -> ForecastError:
    """Return the error about series that are too short; `longest` is the horizon that would fit into all of them."""
    train, validation, calibration, test = parts
    short = np.flatnonzero(_horizons_that_fit(parts, context_steps) < horizon)
    i = int(short[0])
    calibrated, each = (f", {calibration[i]} for calibration", f", {horizon}") if calibration[i] else ("", "")
    return ForecastError(
        f"series {panel.ids[i]!r} has {panel.lengths[i]} steps, cut into {max(train[i], 0)} for training, "
        f"{validation[i]} for validation{calibrated} and {test[i]} for the test; context {context_steps} + horizon "
        f"{horizon} need at least {context_steps + horizon}, {horizon}{each} and {horizon}: "
        f"{_remedies(longest, context_steps, len(short), len(panel))}"
    )


def _remedies(longest: int, context_steps: int, short: int, series: int) -> str:
    """Say what helps where `short` of so many series are too short; `longest` is the horizon that fits into all."""
    shorter = f"set `horizon={longest}` or less" if longest > 0 else "shorten `horizon`"
    context = ", shorten `data.context_steps`" if context_steps > 1 else ""
    left_out = f", leave out the {short} of {series} series that are too short (`data.on_short_series=drop`)"
    left_out = left_out if series > short else ""
    return f"{shorter}{context}{left_out}, or change `split.validation` and `split.test`"
