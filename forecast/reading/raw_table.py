"""Series as they stand in a file or a data frame, before they are ordered and put on a calendar.

Nothing here is sorted, filled or checked for gaps (`assemble` does that): order, duplicates and missing values are
passed on as they are, each value with its line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

import numpy as np

from forecast.errors import ForecastError
from forecast.series.panel import PLAIN_FORM
from forecast.wording import counted, quote_some

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from forecast.series.calendar import TimeStyle
    from forecast.series.panel import Channel, FloatArray, IntArray, TableForm, TimeArray


_LARGEST = 1e150  # numbers whose squares, and sums of these, are still finite
MOST_SYMBOLS = 10_000
"""Symbols that an alphabet may have; more of them are numbers or free text read by mistake."""


@dataclass(frozen=True, eq=False)
class RawSeries:
    """One series in the file's order.

    Attributes
    ----------
    id : the name of the target's column, the value of `data.id`, or "id/column" where both vary
    times : (row,) datetime64[ns] (UTC where the style has a zone), int64 step numbers, or None: no time column
    values : (row,) float64, NaN where the file has nothing; never infinite
    lines : (row,) int64, line of the file, counted from 1 (Parquet: rows, counted from 1)
    covariates : (row, channel) float64, NaN where the file has nothing; None: the file has none

    """

    id: str
    times: TimeArray | None
    values: FloatArray
    lines: IntArray
    covariates: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class PackedSeries(Sequence[RawSeries]):
    """Series one after the other in the same arrays; each is made where it is asked for.

    Attributes
    ----------
    ids : of the series
    offsets : (series + 1,) int64, series i has the rows `offsets[i]:offsets[i + 1]`
    times, values, lines, covariates : as those of `RawSeries`, of all series

    """

    ids: tuple[str, ...]
    offsets: IntArray
    times: TimeArray | None
    values: FloatArray
    lines: IntArray
    covariates: FloatArray | None = None

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> RawSeries: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RawSeries, ...]: ...
    def __getitem__(self, index: int | slice) -> RawSeries | tuple[RawSeries, ...]:
        """Return one series, or some."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        i = range(len(self))[index]
        if len(self) == 1:
            return RawSeries(self.ids[0], self.times, self.values, self.lines, self.covariates)
        rows = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return RawSeries(
            self.ids[i],
            None if self.times is None else self.times[rows],
            self.values[rows],
            self.lines[rows],
            None if self.covariates is None else self.covariates[rows],
        )


@dataclass(frozen=True, eq=False)
class RawTable:
    """All series of a file.

    Attributes
    ----------
    found : what was detected, in order, in a few words each ("delimiter" -> "semicolon")
    notes : what was left out or decided, a sentence each
    fingerprint : SHA-256 of the file's bytes, hexadecimal
    channels : of the covariates
    symbols : alphabet whose indices the targets' values are; empty: they are numbers
    unknown : symbols that a given alphabet lacks, with the line where each occurs first; their values are NaN
    unused : a sentence on the columns that are not read, and how they could be; empty: all are
    form : of the file

    """

    series: Sequence[RawSeries]
    style: TimeStyle
    found: dict[str, str]
    notes: tuple[str, ...]
    fingerprint: str
    channels: tuple[Channel, ...] = ()
    symbols: tuple[str, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    unused: str = ""
    form: TableForm = PLAIN_FORM


def in_order_of_ids(ids: Iterable[str]) -> list[str]:
    """Sort ids as people do, by the numbers in them.

    Series are put into this order as they are read, so that their order in the file changes no forecast: a network
    draws its batches, and a regressor its windows, by the index of a series.

    >>> in_order_of_ids(["H10", "H2", "a"])
    ['H2', 'H10', 'a']
    """
    ids = list(ids)
    shapes = set("\0".join(ids).translate(_SHAPE).split("\0"))
    return sorted(ids) if len(shapes) == 1 else sorted(ids, key=_natural)


_SHAPE = str.maketrans("123456789", "0" * 9)
"""Of ids with digits at the same places the numbers are in the order of their texts."""


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)], name


def check_constant(series: Sequence[RawSeries], file: str, symbols: Sequence[str] = ()) -> tuple[str, ...]:
    """Notes on constant series among varying ones; `symbols` is the alphabet where values are codes.

    Raises
    ------
    ForecastError
        All series are constant or empty.

    """
    constant = [series[i] for i in _constant(series)]
    if len(constant) < len(series):
        return (f"series without any change: {quote_some([raw.id for raw in constant])}",) if constant else ()
    if len(series) > 1:
        raise ForecastError(f"all {len(series)} series of {file!r} are constant: there is nothing to forecast")
    name, known = series[0].id, _known(series[0].values)
    what = "empty"
    if len(known):
        what = f"always {symbols[int(known[0])]!r}" if symbols else f"always {known[0]:g}"
    raise ForecastError(
        f"{name!r} of {file!r} is {what} ({counted(len(series[0].lines), 'row')}): there is nothing to forecast, "
        f"name another column with `data.target`"
    )


def check_sizes(series: Sequence[RawSeries]) -> None:
    """Refuse numbers whose squares are no finite numbers above zero any more.

    Raises
    ------
    ForecastError
        Names the first of them.

    """
    for raw in _of_odd_size(series):
        largest = float(np.abs(_known(raw.values)).max(initial=0.0))
        largest_covariate = 0.0 if raw.covariates is None else float(np.abs(_known(raw.covariates)).max(initial=0.0))
        if max(largest, largest_covariate) > _LARGEST:
            _refuse_large(raw)
        if 0 < largest < 1 / _LARGEST:
            raise ForecastError(
                f"series {raw.id!r} holds no number beyond {largest:g}, and squares of such numbers are "
                "zero: multiply the column by a power of ten"
            )


def _of_odd_size(series: Sequence[RawSeries]) -> Iterable[RawSeries]:
    """Series that may hold numbers which are too large or too small; of many packed ones soon seen at once."""
    if not isinstance(series, PackedSeries) or series.covariates is not None:
        return series
    filled = np.flatnonzero(np.diff(series.offsets))  # series that have rows
    values = series.values
    first = np.abs(values[series.offsets[:-1][filled]])
    least, most = values.min(initial=0.0), values.max(initial=0.0)
    if (first >= 1 / _LARGEST).all() and least >= -_LARGEST and most <= _LARGEST:
        return ()
    largest = np.fmax.reduceat(np.abs(values), series.offsets[:-1][filled])
    odd = (largest > _LARGEST) | ((largest > 0) & (largest < 1 / _LARGEST))
    return [series[i] for i in filled[odd].tolist()]


def _refuse_large(raw: RawSeries) -> None:
    """Name the first row with a number that is too large."""
    columns = [raw.values] if raw.covariates is None else [raw.values, *raw.covariates.T]
    wrong = np.abs(np.stack(columns)) > _LARGEST  # (channel, row)
    row, count = int(np.argmax(wrong.any(axis=0))), int(wrong.sum())
    value = float(columns[int(np.argmax(wrong[:, row]))][row])
    absent = f", or set `data.missing={value!r}` if it stands for no value" if count == 1 else ""
    raise ForecastError(
        f"series {raw.id!r} holds {counted(count, 'number')} beyond {_LARGEST:g}, whose squares are "
        f"infinite, the first ({value:g}) in line {raw.lines[row]}: correct {'it' if count == 1 else 'them'}, or "
        f"divide the column by a power of ten{absent}"
    )


def _constant(series: Sequence[RawSeries]) -> Sequence[int]:
    """Which series hold one value, or none."""
    if not isinstance(series, PackedSeries):
        return [i for i, raw in enumerate(series) if _is_constant(raw.values)]
    doubtful = np.ones(len(series), dtype=np.bool_)
    filled = np.diff(series.offsets) > 0
    values = series.values
    first, last = (values[rows[filled]] for rows in (series.offsets[:-1], series.offsets[1:] - 1))
    doubtful[filled] = (first == last) | np.isnan(first) | np.isnan(last)
    return [i for i in np.flatnonzero(doubtful).tolist() if _is_constant(series[i].values)]


def _is_constant(values: FloatArray) -> bool:
    if len(values) and values[0] != values[-1] and not np.isnan(values[[0, -1]]).any():
        return False
    known = _known(values)
    return len(known) == 0 or bool((known == known[0]).all())


def _known(values: FloatArray) -> FloatArray:
    return values[~np.isnan(values)]
