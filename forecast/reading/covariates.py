"""Covariates joined to the target: each step of a panel takes those of the row with its time.

The target's rows decide which steps there are; later rows that hold covariates known ahead are the steps to forecast. A
step without a row, or without a value in it, is masked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.rows import Rows, ascending, in_order, in_utc
from forecast.series.calendar import Calendar
from forecast.series.panel import KnownAhead, Statics
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from forecast.reading.raw_table import RawSeries, RawTable
    from forecast.series.panel import Channel, FloatArray, IntArray, Panel, Role, TimeArray

_NAMED = 5


def with_covariates(panel: Panel, raw: RawTable, timezone: str | None) -> Panel:
    """Join the covariates of a file to the panel of its targets; `timezone` is that of times written without one.

    Raises
    ------
    ForecastError
        A static covariate has two values in one series.

    """
    if not raw.channels:
        return panel
    by_id = {series.id: series for series in raw.series}
    aligned = [_aligned(by_id[name], raw, timezone, panel.times[rows], panel.calendar) for name, rows in panel.series()]
    past, future, static = (_of_role(raw.channels, role) for role in ("past", "future", "static"))
    # (row, channel) up to the last target; what lies after it is known ahead.
    inside = np.concatenate([table[:steps] for table, steps in zip(aligned, panel.lengths, strict=True)])
    hidden = np.zeros((len(panel.times), 1), dtype=np.bool_) if panel.masked is None else panel.masked
    missing = np.isnan(inside[:, past])
    return replace(
        panel,
        values=np.column_stack([panel.values, np.where(missing, 0.0, inside[:, past])]),
        observed=np.column_stack([panel.observed, ~missing]),
        masked=np.column_stack([hidden, missing]) if len(past) or panel.masked is not None else None,
        channels=(*panel.channels, *(raw.channels[i] for i in past)),
        ahead=_ahead(aligned, future, raw.channels) if len(future) else None,
        static=_static([by_id[name] for name in panel.ids], static, raw.channels) if len(static) else None,
    )


def lines_ahead(series: RawSeries, channels: tuple[Channel, ...]) -> IntArray:
    """Lines of a series that hold covariates which are known ahead."""
    future = _of_role(channels, "future")
    if series.covariates is None or not len(future):
        return series.lines[:0]
    return series.lines[~np.isnan(series.covariates[:, future]).all(axis=1)]


def ahead_note(panel: Panel) -> tuple[str, ...]:
    """Say how many steps after the last value have covariates that are known ahead."""
    if panel.ahead is None:
        return ()
    steps = np.diff(panel.ahead.offsets) - panel.lengths
    names = ", ".join(repr(channel.name) for channel in panel.ahead.channels)
    if not (steps > 0).any():
        return ()
    least, most = int(steps.min()), int(steps.max())
    count = counted(most, "step") if least == most else f"{least} to {counted(most, 'step')}"
    where = "" if len(panel) == 1 else f" of each of {len(panel)} series"
    return (f"The {count} after the last value{where} hold what is known ahead: {names}.",)


def check_known_ahead(panel: Panel, horizon: int) -> None:
    """Refuse a panel that lacks covariates known ahead for the `horizon` steps after the end of a series.

    Series with a label at the end need none.

    Raises
    ------
    ForecastError
        Names the series, the covariates and the times that lack them.

    """
    known = panel.ahead
    given = [] if known is None else [j for j, channel in enumerate(known.channels) if channel.computed is None]
    if known is None or not given or panel.at_end:
        return
    for i, name in enumerate(panel.ids):
        first, end = int(known.offsets[i] + panel.lengths[i]), int(known.offsets[i + 1])
        present = ~known.masked[first : min(first + horizon, end)][:, given]  # (step ahead, channel)
        lacking = np.ones((horizon, len(given)), dtype=np.bool_)
        lacking[: len(present)] = ~present
        if not lacking.any():
            continue
        steps = np.flatnonzero(lacking.any(axis=1))
        times = panel.calendar.after(panel.times[panel.offsets[i + 1] - 1], horizon)[steps]
        names = [known.channels[given[j]].name for j in np.flatnonzero(lacking.any(axis=0))]
        raise ForecastError(
            f"series {name!r} lacks {', '.join(map(repr, names))} for {len(steps)} of the {horizon} steps to forecast: "
            f"{name_some(panel.calendar.write(times[:_NAMED]), len(steps))}: give rows for them with an empty target, "
            f"or set `data.past=` for what is not known ahead"
        )


def _of_role(channels: tuple[Channel, ...], role: Role) -> IntArray:
    return np.array([j for j, channel in enumerate(channels) if channel.role == role], dtype=np.int64)


def _aligned(
    series: RawSeries, raw: RawTable, timezone: str | None, times: TimeArray, calendar: Calendar
) -> FloatArray:
    """Covariates at the steps of a series and at those beyond its end, (step, channel), NaN where there is no row."""
    if series.covariates is None:
        raise ValueError(f"series {series.id!r} was read without its covariates")
    raw_times = np.arange(len(series.values)) if series.times is None else series.times
    writer = Calendar(freq=None if series.times is None else "ns", timezone=raw.style.timezone, style=raw.style)
    # The value of each row is its index, so that sorting as the target was sorted gives the order of the covariates.
    indices = np.arange(len(raw_times), dtype=np.float64)
    rows = Rows(series.id, raw_times, indices, series.lines, np.ones(len(indices), dtype=np.bool_), writer)
    rows, _ = ascending(rows)
    rows, _ = in_order(in_utc(rows, raw.style, timezone))
    beyond = int(calendar.between(np.array([times[-1], rows.times[-1]]))[0]) if rows.times[-1] > times[-1] else 0
    steps = np.concatenate([times, calendar.after(times[-1], beyond)]) if beyond else times
    last = np.searchsorted(rows.times, steps, side="right") - 1  # of rows with the same time the last
    has_row = (last >= 0) & (rows.times[np.maximum(last, 0)] == steps)  # (step,)
    row = rows.values[np.maximum(last, 0)].astype(np.int64)
    table: FloatArray = np.where(has_row[:, None], series.covariates[row], np.nan)
    return table


def _ahead(aligned: list[FloatArray], which: IntArray, channels: tuple[Channel, ...]) -> KnownAhead:
    values = np.concatenate([table[:, which] for table in aligned])
    missing = np.isnan(values)
    offsets = np.concatenate([[0], np.cumsum([len(table) for table in aligned])]).astype(np.int64)
    return KnownAhead(np.where(missing, 0.0, values), missing, offsets, tuple(channels[j] for j in which))


def _static(series: list[RawSeries], which: IntArray, channels: tuple[Channel, ...]) -> Statics:
    values = np.full((len(series), len(which)), np.nan)
    for i, raw in enumerate(series):
        for j, channel in enumerate(which):
            different = np.unique(raw.covariates[:, channel]) if raw.covariates is not None else np.zeros(0)
            different = different[~np.isnan(different)]
            if len(different) > 1:
                name, texts = channels[channel].name, channels[channel].categories
                first, second = (texts[int(v)] if texts else f"{v:g}" for v in different[:2])
                raise ForecastError(
                    f"`data.static={name}` should be the same in all rows of series {raw.id!r}, found {first!r} and "
                    f"{second!r}: set `data.past={name}` or `data.future={name}`"
                )
            values[i, j] = different[0] if len(different) else np.nan
    missing = np.isnan(values)
    return Statics(np.where(missing, 0.0, values), missing, tuple(channels[j] for j in which))
