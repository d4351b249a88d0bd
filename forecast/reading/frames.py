"""Long data frames, one row per step of a series, to a panel (`make_panel`)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.reading.assemble import assemble
from forecast.reading.raw_table import MOST_SYMBOLS, RawSeries, RawTable, check_constant, in_order_of_ids
from forecast.reading.settings import RowSettings, check_not_averaged
from forecast.reading.symbols import without_unused
from forecast.series.calendar import FIRST_DAY, LAST_DAY, TimeStyle, plain_style
from forecast.series.panel import Channel
from forecast.settings import check_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.series.panel import FloatArray, IntArray, Panel, Role, TimeArray


def make_panel(
    frame: pd.DataFrame,
    *,
    unique_id: str | None = "unique_id",
    ds: str | None = "ds",
    y: str = "y",
    past: Sequence[str] = (),
    future: Sequence[str] = (),
    static: Sequence[str] = (),
    target_at: Literal["every", "end"] = "every",
    symbols: bool = False,
    **settings: Any,
) -> Panel:
    """Make a panel from a long data frame: one row per step of a series.

    Parameters
    ----------
    unique_id, ds, y
        Columns of the series' id (no such column: one series), of time (None: rows are steps) and of the target.
    past, future, static
        Columns of covariates: known up to the origin; known over the horizon as well (with rows after the last target
        for the steps to forecast); the same in all rows of a series.
    target_at
        "end": `y` is one label per series, the same in all of its rows in which it is not empty, and comes after them.
    symbols
        Whether the target's values are symbols: texts, and numbers are taken as texts.
    settings
        Those of `data=csv` about how rows follow each other: `freq`, `holidays`, `on_gaps`, `on_duplicates`,
        `resample`, ...

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"ds": pd.date_range("2024-01-31", periods=3, freq="ME"), "y": [1.0, 2.0, 4.0]})
    >>> make_panel(frame).calendar.freq
    'ME'

    """
    rows = check_settings(RowSettings, settings)
    roles: dict[str, Role] = {
        **dict.fromkeys(past, "past"),
        **dict.fromkeys(future, "future"),
        **dict.fromkeys(static, "static"),
    }
    if symbols:
        check_not_averaged(rows)
    panel = assemble(
        raw_table(frame, unique_id, ds, y, roles, symbols=symbols, target_at=target_at), rows, target_at=target_at
    ).panel
    return without_unused(panel) if symbols else panel


def raw_table(
    frame: pd.DataFrame,
    unique_id: str | None,
    ds: str | None,
    y: str,
    roles: Mapping[str, Role] | None = None,
    *,
    symbols: bool = False,
    target_at: Literal["every", "end"] = "every",
) -> RawTable:
    """Make the raw series of a long data frame; their lines are its rows, counted from 1.

    `roles` are those of the covariates' columns; with `symbols` the target's values are taken as texts. A label at the
    end is the same in all rows of a series.

    Raises
    ------
    ForecastError
        A column is missing, or does not hold numbers or times.

    """
    for column in (ds, y, *(roles or {})):
        if column is not None and column not in frame.columns:
            known = ", ".join(repr(str(name)) for name in frame.columns)
            raise ForecastError(f"the table has no column {column!r}, it has {known}: name its columns, `ds=` and `y=`")
    alphabet, values = _symbols(frame[y], y) if symbols else ((), _numbers(frame[y], y))
    times, style = (None, TimeStyle("index")) if ds is None else _times(frame[ds], ds)
    rows: dict[str, IntArray] = {y: np.arange(len(frame))}
    if unique_id in frame.columns:
        ids, names = pd.factorize(frame[unique_id])
        if (ids < 0).any():
            raise ForecastError(
                f"column {unique_id!r} has no id in row {int(np.argmin(ids)) + 1}: drop such rows first"
            )
        by_series = np.split(np.argsort(ids, kind="stable"), np.cumsum(np.bincount(ids))[:-1])
        unsorted = {str(name): where for name, where in zip(names, by_series, strict=True)}
        rows = {name: unsorted[name] for name in in_order_of_ids(unsorted)}
    channels, covariates = _covariates(frame, roles or {})
    series = tuple(
        RawSeries(name, None if times is None else times[where], values[where], where + 1, covariates[where])
        for name, where in rows.items()
    )
    notes = check_constant(series, "the table", alphabet) if target_at == "every" else ()
    return RawTable(series, style, {}, notes, hashlib.sha256(values.tobytes()).hexdigest(), channels, alphabet)


def _covariates(frame: pd.DataFrame, roles: Mapping[str, Role]) -> tuple[tuple[Channel, ...], FloatArray]:
    """Channels and values, (row, channel), of the covariates: numbers, or indices of categories."""
    channels: list[Channel] = []
    values: list[FloatArray] = [np.zeros((len(frame), 0))]
    for name, role in roles.items():
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
            channels.append(Channel(name, role))
            values.append(_numbers(column, name)[:, None])
            continue
        texts = column.astype("string")
        categories = in_order_of_ids(texts.dropna().unique())
        channels.append(Channel(name, role, tuple(categories)))
        values.append(_places(texts, categories)[:, None])
    return tuple(channels), np.concatenate(values, axis=1)


def _symbols(column: pd.Series[str], name: str) -> tuple[tuple[str, ...], FloatArray]:
    """Alphabet of a column in the order of code points, and codes, (row,); whole numbers are written without '.0'."""
    texts = column.convert_dtypes().astype("string")
    alphabet = sorted(texts.dropna().unique())
    if not 1 <= len(alphabet) <= MOST_SYMBOLS:
        raise ForecastError(
            f"column {name!r} should hold 1 to {MOST_SYMBOLS:,} different symbols, found {len(alphabet):,}: "
            "name another with `y=`"
        )
    return tuple(alphabet), _places(texts, alphabet)


def _places(texts: pd.Series[str], among: Sequence[str]) -> FloatArray:
    """Index of each text in `among`, (row,), NaN where it is missing."""
    places = texts.map({text: float(i) for i, text in enumerate(among)})
    return np.asarray(places.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def _numbers(column: pd.Series[float], name: str) -> FloatArray:
    try:
        values = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    except (TypeError, ValueError):
        raise ForecastError(f"column {name!r} does not hold numbers, but {column.dtype}: convert it first") from None
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0]) + 1
        raise ForecastError(f"column {name!r} has an infinite value in row {row}: remove it or set it to NaN")
    return values


def _times(column: pd.Series[pd.Timestamp], name: str) -> tuple[TimeArray, TimeStyle]:
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.to_numpy(dtype=np.int64), TimeStyle("index", columns=(name,))
    try:
        index = pd.DatetimeIndex(pd.to_datetime(column, format="ISO8601"))
    except (TypeError, ValueError):
        raise ForecastError(f"column {name!r} does not hold times: convert it with pandas.to_datetime first") from None
    if index.isna().any():
        row = int(np.flatnonzero(index.isna())[0]) + 1
        raise ForecastError(f"column {name!r} has no time in row {row}: drop such rows first")
    zone = None if index.tz is None else str(index.tz)
    utc = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    outside = utc.to_numpy().astype("datetime64[s]").astype(np.int64) // 86_400
    first, last = (np.datetime64(day, "D").astype(np.int64) for day in (FIRST_DAY, LAST_DAY))
    if (beyond := (outside < first) | (outside >= last)).any():
        row = int(np.argmax(beyond))
        raise ForecastError(
            f"column {name!r} has the time {utc[row]!s:.10} in row {row + 1}, outside {FIRST_DAY} to {LAST_DAY}, "
            "between which times are counted: shift the years"
        )
    times = utc.to_numpy().astype("datetime64[ns]")
    return times, plain_style(times, zone, name)
