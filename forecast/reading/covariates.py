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
from forecast.wording import name_some

if TYPE_CHECKING:
    from forecast.reading.raw_table import RawSeries, RawTable
    from forecast.series.panel import Channel, FloatArray, IntArray, Panel, Role, TimeArray

_NAMED = 5


def with_covariates(panel: Panel, raw: RawTable, timezone: str | None) -> Panel:
    """Put the covariates of a file beside the target of its panel; `timezone` is that of times written without one.

    Raises
    ------
    ForecastError
        A series has two values of a covariate that never changes.

    """
    if not raw.channels:
        return panel
    tables = {one.id: one for one in raw.series}
    placed = [_placed(tables[name], raw, timezone, panel.times[rows], panel.calendar) for name, rows in panel.series()]
    past, future, static = (_of_role(raw.channels, role) for role in ("past", "future", "static"))
    inside = np.concatenate([table[:steps] for table, steps in zip(placed, panel.lengths, strict=True)])
    hidden = np.zeros((len(panel.times), 1), dtype=np.bool_) if panel.masked is None else panel.masked
    missing = np.isnan(inside[:, past])
    return replace(
        panel,
        values=np.column_stack([panel.values, np.where(missing, 0.0, inside[:, past])]),
        observed=np.column_stack([panel.observed, ~missing]),
        masked=np.column_stack([hidden, missing]) if len(past) or panel.masked is not None else None,
        channels=(*panel.channels, *(raw.channels[i] for i in past)),
        ahead=_ahead(placed, future, raw.channels) if len(future) else None,
        static=_static([tables[name] for name in panel.ids], static, raw.channels) if len(static) else None,
    )


def missing_ahead(panel: Panel, horizon: int) -> None:
    """Demand what is known ahead for the steps after the end of each series; a label at the end has none after it.

    Raises
    ------
    ForecastError
        A series, and the times for which it lacks a covariate.

    """
    known = panel.ahead
    given = [] if known is None else [j for j, one in enumerate(known.channels) if one.computed is None]
    if known is None or not given or panel.at_end:
        return
    for i, name in enumerate(panel.ids):
        first, end = int(known.offsets[i] + panel.lengths[i]), int(known.offsets[i + 1])
        there = ~known.masked[first : min(first + horizon, end)][:, given]
        lacking = np.ones((horizon, len(given)), dtype=np.bool_)
        lacking[: len(there)] = ~there
        if not lacking.any():
            continue
        steps = np.flatnonzero(lacking.any(axis=1))
        times = panel.calendar.after(panel.times[panel.offsets[i + 1] - 1], horizon)[steps]
        names = [known.channels[given[j]].name for j in np.flatnonzero(lacking.any(axis=0))]
        raise ForecastError(
            f"series {name!r} lacks {', '.join(map(repr, names))} for {len(steps)} of the {horizon} steps to forecast: "
            f"{name_some(panel.calendar.write(times[:_NAMED]), len(steps))}: give rows for them with an empty target, "
            f"or say `data.past=` for what is not known ahead"
        )


def _of_role(channels: tuple[Channel, ...], role: Role) -> IntArray:
    return np.array([j for j, channel in enumerate(channels) if channel.role == role], dtype=np.int64)


def _placed(one: RawSeries, raw: RawTable, timezone: str | None, times: TimeArray, calendar: Calendar) -> FloatArray:
    """Covariates of every step of a series and of those beyond its end, (step, channel), NaN where there is no row."""
    if one.covariates is None:
        raise ValueError(f"series {one.id!r} was read without its covariates")
    own = np.arange(len(one.values)) if one.times is None else one.times
    writer = Calendar(freq=None if one.times is None else "ns", timezone=raw.style.timezone, style=raw.style)
    # The place of each row travels as its value, so that the rows' order is that of the target's.
    rows = Rows(
        one.id, own, np.arange(len(own), dtype=np.float64), one.lines, np.ones(len(own), dtype=np.bool_), writer
    )
    rows, _ = ascending(rows)
    rows, _ = in_order(in_utc(rows, raw.style, timezone))
    beyond = int(calendar.between(np.array([times[-1], rows.times[-1]]))[0]) if rows.times[-1] > times[-1] else 0
    steps = np.concatenate([times, calendar.after(times[-1], beyond)]) if beyond else times
    last = np.searchsorted(rows.times, steps, side="right") - 1  # of rows with the same time the last
    found = (last >= 0) & (rows.times[np.maximum(last, 0)] == steps)
    places = rows.values[np.maximum(last, 0)].astype(np.int64)
    table: FloatArray = np.where(found[:, None], one.covariates[places], np.nan)
    return table


def _ahead(placed: list[FloatArray], which: IntArray, channels: tuple[Channel, ...]) -> KnownAhead:
    values = np.concatenate([table[:, which] for table in placed])
    missing = np.isnan(values)
    offsets = np.concatenate([[0], np.cumsum([len(table) for table in placed])]).astype(np.int64)
    return KnownAhead(np.where(missing, 0.0, values), missing, offsets, tuple(channels[j] for j in which))


def _static(series: list[RawSeries], which: IntArray, channels: tuple[Channel, ...]) -> Statics:
    values = np.full((len(series), len(which)), np.nan)
    for i, one in enumerate(series):
        for j, channel in enumerate(which):
            said = np.unique(one.covariates[:, channel]) if one.covariates is not None else np.zeros(0)
            said = said[~np.isnan(said)]
            if len(said) > 1:
                name, texts = channels[channel].name, channels[channel].categories
                first, second = (texts[int(v)] if texts else f"{v:g}" for v in said[:2])
                raise ForecastError(
                    f"`data.static={name}` should be the same in all rows of series {one.id!r}, found {first!r} and "
                    f"{second!r}: say `data.past={name}` or `data.future={name}`"
                )
            values[i, j] = said[0] if len(said) else np.nan
    missing = np.isnan(values)
    return Statics(np.where(missing, 0.0, values), missing, tuple(channels[j] for j in which))
