"""Encodings for networks and regressors: covariates as columns of numbers.

A numeric channel is standardised (less its training mean, over its training standard deviation, pooled over all
series); a categorical channel is one-hot encoded, with zeros for a category that training has not seen. A masked value
is the mean, or no category, and a missing-value indicator marks it. All is fitted on the training split alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from forecast.errors import ForecastError
from forecast.series.date_features import FEATURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from forecast.series.panel import BoolArray, Channel, FloatArray, IntArray, Panel


Float32Array: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ChannelEncoding:
    """Encoding of some channels as columns.

    Attributes
    ----------
    channels : with the categories of the training data
    centre, spread : (channel,) mean and standard deviation of numbers; 0 and 1 of categories
    marked : (channel,) int64, 1 where the channel has a missing-value indicator

    """

    channels: tuple[Channel, ...]
    centre: FloatArray
    spread: FloatArray
    marked: IntArray

    @property
    def widths(self) -> list[int]:
        """Columns of each channel, without the missing-value indicators."""
        return [len(channel.categories) or 1 for channel in self.channels]

    @property
    def size(self) -> int:
        """Number of columns."""
        return sum(self.widths) + int(self.marked.sum())

    @property
    def computed_columns(self) -> BoolArray:
        """Whether a column follows from the time alone (calendar features), (column,)."""
        return self._columns_of([channel.computed is not None for channel in self.channels])

    @property
    def positions(self) -> BoolArray:
        """Whether a column is the position in a day, week or year, (column,)."""
        return self._columns_of([channel.computed in FEATURES for channel in self.channels])

    def _columns_of(self, channels: list[bool]) -> BoolArray:
        counts = [width + int(mark) for width, mark in zip(self.widths, self.marked, strict=True)]
        return np.repeat(channels, counts).astype(np.bool_)

    def encode(self, values: FloatArray, masked: BoolArray, channels: tuple[Channel, ...]) -> Float32Array:
        """Encode rows of the same channels, values and mask both (row, channel), as columns, (row, column).

        Raises
        ------
        ForecastError
            Other channels, or a masked value in a channel that had none where the encoding was fitted.

        """
        _check_same(self.channels, channels)
        table = np.zeros((len(values), self.size), dtype=np.float32)
        at = 0
        for j, (channel, given) in enumerate(zip(self.channels, channels, strict=True)):
            hidden = masked[:, j]
            if channel.categories:  # one-hot
                codes = _codes(channel, given)[np.where(hidden, 0, values[:, j]).astype(np.int64)]
                known = np.flatnonzero(~hidden & (codes >= 0))
                table[known, at + codes[known]] = 1.0
            else:
                table[:, at] = np.where(hidden, 0.0, (values[:, j] - self.centre[j]) / self.spread[j])
            at += len(channel.categories) or 1
            if self.marked[j]:
                table[:, at] = hidden
                at += 1
            elif hidden.any():
                raise ForecastError(
                    f"covariate {channel.name!r} has {int(hidden.sum())} missing values, and had none in the training "
                    f"data: fill them in, or train again"
                )
        return table


@dataclass(frozen=True, eq=False)
class CovariateEncoding:
    """Encoding of a panel's covariates as columns.

    Attributes
    ----------
    past, ahead, static : of the channels known up to a row, known ahead, and one value a series
    target_marked : whether the target has a missing-value indicator
    lags, leads : steps before and after a step of the horizon whose given columns are read for it; 0 without any such

    """

    past: ChannelEncoding
    ahead: ChannelEncoding
    static: ChannelEncoding
    target_marked: bool
    lags: int = 0
    leads: int = 0

    @property
    def given(self) -> int:
        """Columns known ahead that are the user's: the first; those of the date follow, and need no lags."""
        return int(np.count_nonzero(~self.ahead.computed_columns))

    def with_lags(self, lags: int, leads: int) -> CovariateEncoding:
        """Return it with as many lags and leads, which only given columns have."""
        return replace(self, lags=lags, leads=leads) if self.given else self

    @property
    def input_size(self) -> int:
        """Number of columns known at a row."""
        return self.past.size + self.ahead.size + self.target_marked

    def past_columns(self, panel: Panel, rows: IntArray) -> Float32Array:
        """Past covariates at some rows, (row, column)."""
        masked = np.zeros((len(rows), len(panel.channels)), dtype=np.bool_)
        if panel.masked is not None:
            masked = panel.masked[rows]
        return self.past.encode(panel.values[rows, 1:], masked[:, 1:], panel.channels[1:])

    def mark_columns(self, panel: Panel, rows: IntArray) -> Float32Array:
        """Missing-value indicator of the target at some rows, (row, 1), or (row, 0) where there is none."""
        marks = np.zeros((len(rows), int(self.target_marked)), dtype=np.float32)
        if self.target_marked and panel.masked is not None:
            marks[:, 0] = panel.masked[rows, 0]
        return marks

    def ahead_columns(self, panel: Panel) -> Float32Array:
        """Future covariates at every row of `panel.ahead`, (ahead row, column)."""
        if panel.ahead is None:
            _check_same(self.ahead.channels, ())
            return np.zeros((0, 0), dtype=np.float32)
        return self.ahead.encode(panel.ahead.values, panel.ahead.masked, panel.ahead.channels)

    def static_columns(self, panel: Panel) -> Float32Array:
        """Static covariates, (series, column)."""
        if panel.static is None:
            _check_same(self.static.channels, ())
            return np.zeros((len(panel), 0), dtype=np.float32)
        return self.static.encode(panel.static.values, panel.static.masked, panel.static.channels)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Fitted arrays by name; `restore_encoding` takes them together with the channels."""
        kinds = {"past": self.past, "ahead": self.ahead, "static": self.static}
        fitted = {
            f"{kind}.{name}": array
            for kind, columns in kinds.items()
            for name, array in (("centre", columns.centre), ("spread", columns.spread), ("marked", columns.marked))
        }
        return {**fitted, "target_marked": np.array([self.target_marked], dtype=np.int64)}


def ahead_rows(panel: Panel, series_of: Callable[[IntArray], IntArray]) -> Callable[[IntArray, IntArray], IntArray]:
    """Return a function of rows (...) and steps after them (step,), or (..., step), to rows of `panel.ahead`.

    It gives (..., step). Steps before the first and after the last row of a series repeat it.
    """
    offsets = panel.offsets if panel.ahead is None else panel.ahead.offsets
    shift = offsets[:-1] - panel.offsets[:-1]  # (series,) how many rows later a step stands there

    def at(rows: IntArray, steps: IntArray) -> IntArray:
        series = series_of(rows)
        wanted = (rows + shift[series])[..., None] + steps
        return np.clip(wanted, offsets[series][..., None], offsets[series + 1][..., None] - 1)

    return at


def fit_encoding(past: Panel, train_steps: IntArray, lags: int = 0, leads: int = 0) -> CovariateEncoding:
    """Fit the encoding on the first `train_steps[i]` steps of each series i."""
    trained = past.first_rows(train_steps)
    masked = None if past.masked is None else past.masked[:, 1:]
    past_fit = _fit(past.channels[1:], past.values[:, 1:], masked, trained)
    static = _no_channels()
    if past.static is not None:
        static = _fit(past.static.channels, past.static.values, past.static.masked, train_steps > 0)
    encoding = CovariateEncoding(
        past=replace(past_fit, marked=np.ones_like(past_fit.marked)),  # any may have missing values later
        ahead=_fit_ahead(past, train_steps),
        static=static,
        target_marked=past.masked is not None,
    )
    return encoding.with_lags(lags, leads)


def empty_encoding(channels: tuple[Channel, ...]) -> CovariateEncoding:
    """Return an encoding of these channels of the right sizes, not fitted: `restore_encoding` fills it."""
    counts = {role: sum(channel.role == role for channel in channels) for role in ("past", "future", "static")}
    past, ahead, static = (
        ChannelEncoding((), np.zeros(count), np.zeros(count), np.zeros(count, dtype=np.int64))
        for count in counts.values()
    )
    return CovariateEncoding(past, ahead, static, target_marked=False)


def restore_encoding(channels: tuple[Channel, ...], arrays: Mapping[str, npt.NDArray[Any]]) -> CovariateEncoding:
    """Return the encoding that `CovariateEncoding.arrays` describes, for all channels of a panel."""
    columns: dict[str, Any] = {}
    for kind, role in (("past", "past"), ("ahead", "future"), ("static", "static")):
        marked: IntArray = np.where(arrays[f"{kind}.marked"] != 0, 1, 0).astype(np.int64)
        of_role = tuple(channel for channel in channels if channel.role == role)
        columns[kind] = ChannelEncoding(of_role, arrays[f"{kind}.centre"], arrays[f"{kind}.spread"], marked)
    return CovariateEncoding(**columns, target_marked=bool(arrays["target_marked"][0]))


def _fit_ahead(past: Panel, train_steps: IntArray) -> ChannelEncoding:
    """Fit the channels known ahead; where their values are missing is known ahead as well."""
    if past.ahead is None:
        return _no_channels()
    trained = past.ahead.first_rows(train_steps)
    return _fit(past.ahead.channels, past.ahead.values, past.ahead.masked, trained)


def _no_channels() -> ChannelEncoding:
    return ChannelEncoding((), np.zeros(0), np.ones(0), np.zeros(0, dtype=np.int64))


def _fit(
    channels: tuple[Channel, ...], values: FloatArray, masked: BoolArray | None, rows: BoolArray | None = None
) -> ChannelEncoding:
    """Fit channels one at a time on some of the rows; a channel with a masked value anywhere gets an indicator."""
    centre, spread, marked = np.zeros(len(channels)), np.ones(len(channels)), np.zeros(len(channels), dtype=np.int64)
    for j, channel in enumerate(channels):
        used = np.ones(len(values), dtype=np.bool_) if rows is None else rows
        if masked is not None:
            marked[j] = int(masked[:, j].any())
            used = used & ~masked[:, j]
        seen = values[used, j]
        if not channel.categories and len(seen):
            centre[j], spread[j] = seen.mean(), seen.std() or 1.0
        del seen  # as large as a column of the panel: freed before the next is copied
    return ChannelEncoding(channels, centre, spread, marked)


def _codes(trained: Channel, given: Channel) -> IntArray:
    """Training code of each category of `given`, -1 where training has not seen it; a last -1 for no category."""
    places = {name: place for place, name in enumerate(trained.categories)}
    return np.array([*(places.get(name, -1) for name in given.categories), -1], dtype=np.int64)


def _check_same(trained: tuple[Channel, ...], given: tuple[Channel, ...]) -> None:
    """Refuse covariates other than those of the training data."""
    kinds = [[(channel.name, bool(channel.categories)) for channel in channels] for channels in (trained, given)]
    if kinds[0] == kinds[1]:
        return
    before, now = (", ".join(name for name, _ in channels) or "none" for channels in kinds)
    raise ForecastError(
        f"the covariates should be {before}, as in training, found {now}: give the same columns, or train again"
    )
