"""Covariates of a network in use: those of each new row, and those that are known ahead of it."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from forecast.errors import ForecastError
from forecast.series.date_features import feature_values, features_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reference.encoding import CovariateEncoding, Float32Array
    from forecast.series.calendar import Calendar
    from forecast.series.panel import BoolArray, Channel, Panel, TimeArray

_FEATURES_AT_ONCE = 512
"""Steps that features of the date are computed for in one go, and that are kept after they have passed, at most."""
_NO_COLUMNS = np.zeros((1, 0), dtype=np.float32)


class CovariateStream:
    """Streams covariates to `Live`: those of a new row, and those known ahead of it.

    Features of the date are computed as far as they are asked for; other covariates that are known ahead reach as far
    as the panel that the stream began with, and as `learn` has brought them since.
    """

    def __init__(self, encoding: CovariateEncoding, past: Panel) -> None:
        self._encoding = encoding
        self._channels = past.channels[1:]
        self._calendar: Calendar = past.calendar
        self._last: TimeArray = past.times[past.offsets[1:] - 1]  # (series,) time of row `_behind` of `_ahead`
        self._behind = encoding.lags  # rows of `_ahead` before it
        self._passed = 0  # rows of `_ahead` from it to the latest step
        self._ids = past.ids
        self.latest_past = np.zeros((len(past), 0)), np.zeros((len(past), 0), dtype=np.bool_)
        """Past covariates of the latest row and which are missing, (series, channel) each."""
        self.latest_columns: Float32Array = np.zeros((len(past), 0), dtype=np.float32)
        """These as columns, (series, column)."""
        self._empty = not (encoding.input_size or self._channels)
        self._ahead_channels: tuple[Channel, ...] = ()
        self._ahead: list[Float32Array] = [np.zeros((0, 0), dtype=np.float32)] * len(past)
        if past.ahead is not None:
            columns, offsets = encoding.ahead_columns(past), past.ahead.offsets
            self._ahead_channels = past.ahead.channels
            # The last step that the past has is row `_behind`; the first of a series stands for what was before it.
            first_rows = offsets[:-1] + past.lengths - 1 - self._behind
            self._ahead = [
                columns[np.maximum(np.arange(first, end), begin)]
                for first, begin, end in zip(first_rows, offsets[:-1], offsets[1:], strict=True)
            ]

    @property
    def may_miss(self) -> bool:
        """Whether a target may be missing."""
        return self._encoding.target_marked

    @property
    def reads_past(self) -> bool:
        """Whether covariates are read that are known up to a row alone."""
        return bool(self._channels)

    @property
    def given_ahead(self) -> tuple[str, ...]:
        """Names of the covariates that are known ahead and do not follow from the date."""
        return tuple(channel.name for channel in self._ahead_channels if channel.computed is None)

    def push(self, past: Sequence[Sequence[Any]] | None, missing: BoolArray | None) -> Float32Array:
        """Take a step and return its encoded covariates, (series, column), and the mark of a missing target last.

        Parameters
        ----------
        past
            (series, channel) values of the covariates that are known up to now, categories by their names, None where
            there is none.
        missing
            (series,) whether the target of the step is missing; None where it may not be.

        """
        if self._empty and past is None:
            return _NO_COLUMNS
        parts = [self._past_columns(past)]
        if self._encoding.ahead.size:
            parts.append(self._ahead_from(1, 1)[:, 0])
        if missing is not None:
            parts.append(missing[:, None].astype(np.float32))
        self._advance(1)  # last of all: what cannot be read leaves everything as it was
        return np.concatenate(parts, axis=1)

    def push_many(self, missing: BoolArray) -> Float32Array:
        """Take some steps of the only series, (step,), which has no covariates known up to a row: (step, column)."""
        if self._empty:
            return np.zeros((len(missing), 0), dtype=np.float32)
        parts = [self._ahead_from(1, len(missing))[0]] if self._encoding.ahead.size else []
        if self.may_miss:
            parts.append(missing[:, None].astype(np.float32))
        self._advance(len(missing))
        return np.concatenate(parts, axis=1)

    def ahead(self, horizon: int) -> Float32Array | None:
        """Covariates known around the next steps, (series, span, column); None where there are none."""
        if not self._encoding.ahead.size:
            return None
        lags = self._encoding.lags
        return self._ahead_from(1 - lags, lags + horizon, self._encoding.leads)

    def date_tables(self, steps: int) -> list[tuple[Float32Array, int]]:
        """Tables of columns known ahead, (row, column), and the row of the next step, for each series.

        They reach at least `steps` steps ahead; a table is made anew, and never changed, when it is made longer.
        """
        self._ahead_from(1, steps)
        return [(table, self._behind + self._passed + 1) for table in self._ahead]

    def learn(self, series: int, steps_ahead: int, given: Mapping[str, Any]) -> None:
        """Take the covariates that are known `steps_ahead` steps after the latest row; the last word holds.

        Raises
        ------
        ForecastError
            Not all of them, an unreadable value, or a step after one of which nothing is known.

        """
        if missing := [name for name in self.given_ahead if name not in given]:
            raise ForecastError(f"the covariates known ahead lack {', '.join(map(repr, missing))}: give all of them")
        row = self._passed + steps_ahead
        if self._behind + row > len(self._ahead[series]):
            raise ForecastError(
                f"covariates are given {steps_ahead} steps ahead and known {self._known(series)} steps ahead: "
                f"give those between as well"
            )
        time = self._calendar.after(self._last[series], row)[-1:]
        computed = feature_values(features_of(self._ahead_channels), time, self._calendar) if self._computes else None
        values, masked, at = np.zeros((1, len(self._ahead_channels))), np.zeros((1, len(self._ahead_channels)), bool), 0
        for j, channel in enumerate(self._ahead_channels):
            if channel.computed is None:
                masked[0, j] = is_missing(given[channel.name])
                values[0, j] = 0.0 if masked[0, j] else number_of(given[channel.name], channel)
            elif computed is not None:
                values[0, j], at = computed[0, at], at + 1
        columns = self._encoding.ahead.encode(values, masked, self._ahead_channels)
        place = self._behind + row
        before, after = self._ahead[series][:place], self._ahead[series][place + 1 :]
        self._ahead[series] = np.concatenate([before, columns, after])

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that changes, to be put back by `remember`."""
        kept = {f"ahead{i}": table[self._passed :] for i, table in enumerate(self._ahead)}
        return {**kept, "last": self._latest_times().astype(np.int64)}

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        self._ahead = [memory[f"ahead{i}"] for i in range(len(self._ahead))]
        last: Any = memory["last"].astype(self._last.dtype)
        self._last, self._passed = last, 0

    @property
    def known_steps(self) -> int | None:
        """Steps after the latest row, at least, that covariates are known of; None: as many as are asked for."""
        if not self.given_ahead:
            return None
        return min(self._known(i) for i in range(len(self._ids)))

    @property
    def _computes(self) -> bool:
        return any(channel.computed is not None for channel in self._ahead_channels)

    def _known(self, series: int) -> int:
        """Steps after the latest row that covariates are known of."""
        return len(self._ahead[series]) - 1 - self._behind - self._passed

    def _advance(self, steps: int) -> None:
        """Count steps, and forget rows that have passed long ago."""
        self._passed += steps
        if self._passed > _FEATURES_AT_ONCE:
            self._last = self._latest_times()
            self._ahead = [table[self._passed :] for table in self._ahead]
            self._passed = 0

    def _latest_times(self) -> TimeArray:
        """Time of the latest row of each series, (series,)."""
        if not self._passed:
            return self._last
        return cast("TimeArray", np.array([self._calendar.after(last, self._passed)[-1] for last in self._last]))

    def _past_columns(self, past: Sequence[Sequence[Any]] | None) -> Float32Array:
        """Encode covariates that are known up to now, (series, column)."""
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
            masked[i, j] = is_missing(given[i, j])
            if not masked[i, j]:
                values[i, j] = number_of(given[i, j], self._channels[j])
        self.latest_past = values, masked
        self.latest_columns = self._encoding.past.encode(values, masked, self._channels)
        return self.latest_columns

    def _ahead_from(self, first: int, steps: int, leads: int = 0) -> Float32Array:
        """Columns of some steps, the first `first` steps after the latest row, (series, steps + leads, column).

        Where nothing is known of leads the last known step stands for them.
        """
        begin = self._behind + self._passed + first
        for i in range(len(self._ids)):
            while len(self._ahead[i]) < begin + steps:
                self._extend(i)
        if not leads:
            return np.stack([table[begin : begin + steps] for table in self._ahead])
        rows = np.arange(begin, begin + steps + leads)
        return np.stack([table[np.minimum(rows, len(table) - 1)] for table in self._ahead])

    def _extend(self, series: int) -> None:
        """Compute features of the date further ahead.

        Raises
        ------
        ForecastError
            Not all covariates known ahead are features of the date.

        """
        rows = len(self._ahead[series]) - self._behind
        if self.given_ahead:
            raise ForecastError(
                f"the covariates known ahead ({', '.join(self.given_ahead)}) of series {self._ids[series]!r} end "
                f"{self._known(series)} steps ahead: start again from data that have them for longer"
            )
        times = self._calendar.after(self._last[series], rows - 1 + _FEATURES_AT_ONCE)[rows - 1 :]
        values = feature_values(features_of(self._ahead_channels), times, self._calendar)
        columns = self._encoding.ahead.encode(values, np.zeros(values.shape, dtype=np.bool_), self._ahead_channels)
        self._ahead[series] = np.concatenate([self._ahead[series], columns])


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN or an empty text."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and isnan(value))


def number_of(value: Any, channel: Channel) -> float:
    """Code of a category (-1 where it was not known in training), or the number itself.

    Raises
    ------
    ForecastError
        It is no number where one is expected.

    """
    if channel.categories:
        text = str(value)
        return float(channel.categories.index(text)) if text in channel.categories else -1.0
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ForecastError(f"the covariate {channel.name!r} should be a number, found {value!r}") from None
