"""Covariates as numbers: what networks and regressors read of everything that is not the target.

A channel of numbers becomes its difference to the training mean in units of the training deviation, over all series
together, so that the same price or the same temperature is the same number in each. A channel of categories becomes
one column a category; a category that was not there in training has none. A value that is masked is the mean, or no
category, and a column of its own says that it is masked. Everything is measured on the training split alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from forecast.errors import ForecastError
from forecast.reference.causal_features import PanelFeatures
from forecast.reference.references import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.reference.causal_features import CausalFeatures
    from forecast.series.panel import BoolArray, Channel, FloatArray, IntArray, Panel


Float32Array: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ChannelEncoding:
    """How some channels become columns.

    Attributes
    ----------
    channels : with the categories that training knew
    centre, spread : (channel,) of numbers; 0 and 1 of categories
    marked : (channel,) int64, 1 where a column says that a value is masked

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
        """Which columns follow from the time alone, (column,)."""
        counts = [width + int(mark) for width, mark in zip(self.widths, self.marked, strict=True)]
        return np.repeat([channel.computed is not None for channel in self.channels], counts).astype(np.bool_)

    def encode(self, values: FloatArray, masked: BoolArray, channels: tuple[Channel, ...]) -> Float32Array:
        """Columns of rows of the same channels, both (row, channel) -> (row, column).

        Raises
        ------
        ForecastError
            Other channels, or a masked value in a channel that had none where the encoding was fitted.

        """
        _check_same(self.channels, channels)
        table = np.zeros((len(values), self.size), dtype=np.float32)
        at = 0
        for j, (channel, found) in enumerate(zip(self.channels, channels, strict=True)):
            hidden = masked[:, j]
            if channel.categories:
                codes = _codes(channel, found)[np.where(hidden, 0, values[:, j]).astype(np.int64)]
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
                    f"covariate {channel.name!r} has {int(hidden.sum())} missing values, and had none in the data that "
                    f"were fitted on: fill them in, or train again"
                )
        return table


@dataclass(frozen=True, eq=False)
class CovariateEncoding:
    """Covariates of a panel as columns.

    Attributes
    ----------
    past, ahead, static : of the channels known up to a row, known ahead, and of the series
    target_marked : whether a column says that the target of a row is masked

    """

    past: ChannelEncoding
    ahead: ChannelEncoding
    static: ChannelEncoding
    target_marked: bool

    @property
    def input_size(self) -> int:
        """Number of columns known at a row."""
        return self.past.size + self.ahead.size + self.target_marked

    def past_columns(self, panel: Panel, rows: IntArray) -> Float32Array:
        """What is known up to each of some rows, (row, column)."""
        masked = np.zeros((len(rows), len(panel.channels)), dtype=np.bool_)
        if panel.masked is not None:
            masked = panel.masked[rows]
        return self.past.encode(panel.values[rows, 1:], masked[:, 1:], panel.channels[1:])

    def mark_columns(self, panel: Panel, rows: IntArray) -> Float32Array:
        """Whether the target of some rows is masked, (row, 1), or no column where that is never said."""
        marks = np.zeros((len(rows), int(self.target_marked)), dtype=np.float32)
        if self.target_marked and panel.masked is not None:
            marks[:, 0] = panel.masked[rows, 0]
        return marks

    def ahead_columns(self, panel: Panel) -> Float32Array:
        """What is known ahead, by row of `panel.ahead`, (ahead row, column)."""
        if panel.ahead is None:
            _check_same(self.ahead.channels, ())
            return np.zeros((0, 0), dtype=np.float32)
        return self.ahead.encode(panel.ahead.values, panel.ahead.masked, panel.ahead.channels)

    def static_columns(self, panel: Panel) -> Float32Array:
        """What describes the series, (series, column)."""
        if panel.static is None:
            _check_same(self.static.channels, ())
            return np.zeros((len(panel), 0), dtype=np.float32)
        return self.static.encode(panel.static.values, panel.static.masked, panel.static.channels)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What was fitted, with which and the channels `restore_encoding` makes it again."""
        kinds = {"past": self.past, "ahead": self.ahead, "static": self.static}
        fitted = {
            f"{kind}.{name}": array
            for kind, columns in kinds.items()
            for name, array in (("centre", columns.centre), ("spread", columns.spread), ("marked", columns.marked))
        }
        return {**fitted, "target_marked": np.array([self.target_marked], dtype=np.int64)}


def ahead_shifts(panel: Panel) -> IntArray:
    """How many rows later than in the panel the same step is in `panel.ahead`, (series,)."""
    if panel.ahead is None:
        return np.zeros(len(panel), dtype=np.int64)
    return panel.ahead.offsets[:-1] - panel.offsets[:-1]


def fit_encoding(past: Panel, train_steps: IntArray) -> CovariateEncoding:
    """Measure covariates on the first `train_steps[i]` steps of each series."""
    trained = past.first_rows(train_steps)
    masked = None if past.masked is None else past.masked[:, 1:]
    past_fit = _fit(past.channels[1:], past.values[:, 1:], masked, trained)
    static = _nothing()
    if past.static is not None:
        static = _fit(past.static.channels, past.static.values, past.static.masked, train_steps > 0)
    return CovariateEncoding(
        past=replace(past_fit, marked=np.ones_like(past_fit.marked)),
        ahead=_fit_ahead(past, train_steps),
        static=static,
        target_marked=past.masked is not None,
    )


def empty_encoding(channels: tuple[Channel, ...]) -> CovariateEncoding:
    """Make the encoding of these channels before anything is measured."""
    counts = {role: sum(channel.role == role for channel in channels) for role in ("past", "future", "static")}
    past, ahead, static = (
        ChannelEncoding((), np.zeros(count), np.zeros(count), np.zeros(count, dtype=np.int64))
        for count in counts.values()
    )
    return CovariateEncoding(past, ahead, static, target_marked=False)


def restore_encoding(channels: tuple[Channel, ...], arrays: Mapping[str, npt.NDArray[Any]]) -> CovariateEncoding:
    """Make an encoding again of all channels of a panel and what `CovariateEncoding.arrays` gave."""
    columns = {}
    for kind, role in (("past", "past"), ("ahead", "future"), ("static", "static")):
        marked: IntArray = np.where(arrays[f"{kind}.marked"] != 0, 1, 0).astype(np.int64)
        mine = tuple(channel for channel in channels if channel.role == role)
        columns[kind] = ChannelEncoding(mine, arrays[f"{kind}.centre"], arrays[f"{kind}.spread"], marked)
    return CovariateEncoding(**columns, target_marked=bool(arrays["target_marked"][0]))


def _fit_ahead(past: Panel, train_steps: IntArray) -> ChannelEncoding:
    """Measure what is known ahead in training; whether it has holes is known ahead as well."""
    if past.ahead is None:
        return _nothing()
    trained = past.ahead.first_rows(train_steps)
    return _fit(past.ahead.channels, past.ahead.values, past.ahead.masked, trained)


def _nothing() -> ChannelEncoding:
    return ChannelEncoding((), np.zeros(0), np.ones(0), np.zeros(0, dtype=np.int64))


def _fit(
    channels: tuple[Channel, ...], values: FloatArray, masked: BoolArray | None, rows: BoolArray | None = None
) -> ChannelEncoding:
    """Measure channels, one at a time, on some of the rows; where a value is masked anywhere, that is marked."""
    centre, spread, marked = np.zeros(len(channels)), np.ones(len(channels)), np.zeros(len(channels), dtype=np.int64)
    for j, channel in enumerate(channels):
        used = np.ones(len(values), dtype=np.bool_) if rows is None else rows
        if masked is not None:
            marked[j] = int(masked[:, j].any())
            used = used & ~masked[:, j]
        seen = values[used, j]
        if not channel.categories and len(seen):
            centre[j], spread[j] = seen.mean(), seen.std() or 1.0
        del seen  # as large as a column of the panel: not beside the next
    return ChannelEncoding(channels, centre, spread, marked)


def _codes(trained: Channel, found: Channel) -> IntArray:
    """Place among the categories of training of each category that was found; -1 where it was not known, and last."""
    places = {name: place for place, name in enumerate(trained.categories)}
    return np.array([*(places.get(name, -1) for name in found.categories), -1], dtype=np.int64)


def _check_same(trained: tuple[Channel, ...], found: tuple[Channel, ...]) -> None:
    """Refuse other covariates than those that were trained with."""
    for one, other in zip(trained, found, strict=False):
        if one.name != other.name or bool(one.categories) != bool(other.categories):
            raise ForecastError(_other(trained, found))
    if len(trained) != len(found):
        raise ForecastError(_other(trained, found))


def _other(trained: tuple[Channel, ...], found: tuple[Channel, ...]) -> str:
    before, now = (", ".join(channel.name for channel in channels) or "none" for channels in (trained, found))
    return f"the covariates should be {before}, as in training, found {now}: give the same columns, or train again"


SYMBOLS_READ, SYMBOLS_UNREAD = "symbols", "no symbols"
"""Names of it, where the symbols before are read and where they are not."""


@dataclass(frozen=True, eq=False)
class LabelEncoding(Reference):
    """What a network reads of the symbols before."""

    def causal_features(self, past: Panel) -> CausalFeatures:
        """Give the codes of every row of a past."""
        return LabelFeatures(past, self.smoothing, self.season_steps)

    def at(self, known: CausalFeatures, rows: IntArray) -> FloatArray:
        """Nothing, (row, horizon)."""
        return np.zeros((len(rows), self.horizon))

    def inputs(self, known: CausalFeatures, rows: IntArray) -> FloatArray:
        """Codes at some rows, (row, 1), or no input where the symbols before are not read."""
        return known.y[rows][:, None][:, : self.input_size]

    @property
    def input_size(self) -> int:
        """How many inputs there are."""
        return int(self.name == SYMBOLS_READ)

    @property
    def expected_input(self) -> int | None:
        """No input is a difference."""
        return None

    @property
    def memory_steps(self) -> int:
        """Only the row itself is read; one before it is kept."""
        return 2

    def refit(self, past: Panel, train_steps: IntArray, left_out: IntArray | None = None) -> Reference:
        """There is nothing to fit."""
        return self


@dataclass(frozen=True, eq=False)
class LabelFeatures(PanelFeatures):
    """Codes of every row; where the symbol is masked the one before, and one beyond all codes where none was yet."""

    @cached_property
    def y(self) -> FloatArray:
        """Codes, (row,)."""
        past = self.past
        if past.masked is None:
            return past.target
        rows = np.arange(len(past.target))
        latest = np.maximum.accumulate(np.where(past.masked[:, 0], -1, rows))
        none_yet = latest < np.repeat(past.offsets[:-1], past.lengths)
        return np.where(none_yet, len(past.channels[0].categories), past.target[np.maximum(latest, 0)])


def make_label_encoding(series: int, horizon: int, *, read: bool) -> LabelEncoding:
    """Make what stands in the place of a reference for so many series; `read`: whether symbols are read."""
    return LabelEncoding(
        name=SYMBOLS_READ if read else SYMBOLS_UNREAD,
        horizon=horizon,
        season_steps=1,
        smoothing=1.0,
        ridge=0.0,
        centre=np.zeros(series),
        weights=np.zeros((series, horizon, 0)),
    )
