"""Covariates of a network in use: what it reads of a new row beside the target, and what it knows ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.series.date_features import feature_values, features_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reference.encoding import CovariateEncoding, Float32Array
    from forecast.series.calendar import Calendar
    from forecast.series.panel import BoolArray, Channel, Panel, TimeArray

_FEATURES_AT_ONCE = 512


_NO_COLUMNS = np.zeros((1, 0), dtype=np.float32)


class Beside:
    """Goes on with covariates, a step at a time.

    What follows from the date is worked out as far as anyone asks; other covariates that are known ahead reach as far
    as the panel that it was begun with.
    """

    def __init__(self, encoding: CovariateEncoding, past: Panel) -> None:
        self._encoding = encoding
        self._channels = past.channels[1:]
        self._calendar: Calendar = past.calendar
        self._last: TimeArray = past.times[past.offsets[1:] - 1]
        self._since = 0
        self._ids = past.ids
        self._nothing = not (encoding.input_size or self._channels)
        self._ahead_channels: tuple[Channel, ...] = ()
        self._ahead: list[Float32Array] = [np.zeros((0, 0), dtype=np.float32)] * len(past)
        if past.ahead is not None:
            columns, offsets = encoding.ahead_columns(past), past.ahead.offsets
            self._ahead_channels = past.ahead.channels
            # The row of a step counted from the end of the past: row 0 is the last step that the past has.
            begins = offsets[:-1] + past.lengths - 1
            self._ahead = [columns[first:end] for first, end in zip(begins, offsets[1:], strict=True)]

    @property
    def may_miss(self) -> bool:
        """Whether a target may be missing."""
        return self._encoding.target_marked

    def go_on(self, past: Sequence[Sequence[Any]] | None, missing: BoolArray | None) -> Float32Array:
        """Take a step; what is known of it beside the target, (series, column).

        Parameters
        ----------
        past
            (series, channel) values of the covariates that are known up to now, categories by their names, None where
            there is none.
        missing
            (series,) whether the target of the step is missing; None where it may not be.

        """
        if self._nothing and past is None:
            return _NO_COLUMNS
        parts = [self._past_columns(past)]
        if self._encoding.ahead.size:
            parts.append(self._ahead_from(self._since + 1, 1)[:, 0])
        if missing is not None:
            parts.append(missing[:, None].astype(np.float32))
        self._since += 1  # last of all: what cannot be read leaves everything as it was
        return np.concatenate(parts, axis=1)

    def ahead(self, horizon: int) -> Float32Array | None:
        """What is known of the steps to come, (series, horizon, column); None where there is nothing."""
        return self._ahead_from(self._since + 1, horizon) if self._encoding.ahead.size else None

    def _past_columns(self, past: Sequence[Sequence[Any]] | None) -> Float32Array:
        names = [channel.name for channel in self._channels]
        shape = (len(self._ids), len(names))
        given = np.array([] if past is None else past, dtype=object).reshape(-1, len(names) or 1)
        if (past is None and names) or (past is not None and given.shape != shape):
            raise ForecastError(
                f"`update` takes the covariates {', '.join(names) or 'none'} of each of {shape[0]} series as `past=`, "
                f"found {past!r}: hand over a list of lists, None where a value is missing"
            )
        values, masked = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
        for i, j in np.ndindex(*shape):
            masked[i, j] = given[i, j] is None or given[i, j] != given[i, j]
            if not masked[i, j]:
                values[i, j] = _number(given[i, j], self._channels[j])
        return self._encoding.past.encode(values, masked, self._channels)

    def _ahead_from(self, first: int, steps: int) -> Float32Array:
        """Columns known ahead of the steps `first` to `first + steps - 1` after the past, (series, step, column)."""
        for i in range(len(self._ids)):
            while len(self._ahead[i]) < first + steps:
                self._lengthen(i)
        return np.stack([table[first : first + steps] for table in self._ahead])

    def _lengthen(self, series: int) -> None:
        given = [channel.name for channel in self._ahead_channels if channel.computed is None]
        known = len(self._ahead[series])
        if given:
            raise ForecastError(
                f"the covariates known ahead ({', '.join(given)}) of series {self._ids[series]!r} end "
                f"{known - 1 - self._since} steps ahead: start again from data that have them for longer"
            )
        times = self._calendar.after(self._last[series], known - 1 + _FEATURES_AT_ONCE)[known - 1 :]
        values = feature_values(features_of(self._ahead_channels), times, self._calendar)
        columns = self._encoding.ahead.encode(values, np.zeros(values.shape, dtype=np.bool_), self._ahead_channels)
        self._ahead[series] = np.concatenate([self._ahead[series], columns])


def _number(value: Any, channel: Channel) -> float:
    """Place of a category (beyond the last where it was not known), or the number itself."""
    if channel.categories:
        text = str(value)
        return float(channel.categories.index(text)) if text in channel.categories else -1.0
    return float(value)
