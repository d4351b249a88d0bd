"""Make a coarser series: one step of each week, month, ... of a finer one.

A coarser step at either end whose rows are not all there would be wrong, above all as a sum: it is dropped, and said.
Whether rows are missing at an end is asked of the finer series' calendar: does the step before the first row, or the
one after the last, belong to the same coarser step?
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.reading.rows import Rows
from forecast.series.aliases import TICKS, parse_alias
from forecast.series.calendar import to_utc, to_wall
from forecast.series.rules import NS_PER_DAY
from forecast.wording import counted

if TYPE_CHECKING:
    from forecast.series.calendar import Calendar
    from forecast.series.panel import BoolArray, IntArray, TimeArray

How: TypeAlias = Literal["sum", "mean", "last"]


def resample_rows(rows: Rows, calendar: Calendar, coarser: str, how: How) -> tuple[Rows, tuple[str, ...]]:
    """Gather rows without gaps into coarser steps; `calendar` is that of the rows.

    A coarser step is observed if all its rows are. Its line is that of its last row.

    Raises
    ------
    ForecastError
        Steps without times, or a frequency that is not coarser.

    """
    if rows.times.dtype.kind != "M":
        raise ForecastError("`data.resample` needs times, and the rows have none: leave it out, or say `data.time`")
    zone = calendar.timezone if _on_wall_clock(coarser) else None
    around = np.concatenate([calendar.go(rows.times[0], np.array([-1])), rows.times, calendar.after(rows.times[-1], 1)])
    buckets = _buckets(around if zone is None else to_wall(around, zone), coarser)
    mine = buckets[1:-1]
    whole = (mine != buckets[0]) & (mine != buckets[-1])
    notes = _cut_off(rows, whole, coarser)
    kept = rows.take(whole)
    starts = np.flatnonzero(np.diff(mine[whole], prepend=np.datetime64("NaT", "ns")) != np.timedelta64(0, "ns"))
    if len(starts) == 0 or len(starts) == len(kept):
        raise ForecastError(
            f"`data.resample={coarser}` is not coarser than series {rows.id!r} ({calendar.freq}, {len(rows)} rows), or "
            "leaves nothing of it: say a coarser frequency, or leave it out"
        )
    times = mine[whole][starts]
    return replace(_gathered(kept, starts, how), times=times if zone is None else to_utc(times, zone)), notes


def _on_wall_clock(coarser: str) -> bool:
    alias = parse_alias(coarser)
    return alias.unit not in TICKS or TICKS[alias.unit] >= NS_PER_DAY


def _buckets(times: TimeArray, coarser: str) -> TimeArray:
    """Name the coarser step of each time, as pandas names it, (row,) -> (row,) datetime64[ns]."""
    alias = parse_alias(coarser)
    if alias.unit in TICKS and alias.unit != "W":
        size = alias.count * TICKS[alias.unit]
        return (times.astype(np.int64) // size * size).astype("datetime64[ns]")
    series = pd.Series(np.arange(len(times)), index=pd.DatetimeIndex(times))
    count = series.resample(str(alias)).count()
    return np.repeat(count.index.to_numpy().astype("datetime64[ns]"), count.to_numpy())


def _gathered(rows: Rows, starts: IntArray, how: How) -> Rows:
    ends = np.append(starts[1:], len(rows)) - 1
    gathered = rows.take(ends)
    if how == "last":
        return gathered
    values = np.add.reduceat(rows.values, starts)
    if how == "mean":
        values = values / (ends - starts + 1)
    return replace(gathered, values=values, observed=np.logical_and.reduceat(rows.observed, starts))


def _cut_off(rows: Rows, whole: BoolArray, coarser: str) -> tuple[str, ...]:
    cut = np.flatnonzero(~whole)
    if len(cut) == 0:
        return ()
    return (
        f"Series {rows.id!r}: {counted(len(cut), 'row')} at its ends do not fill a step of {coarser} and were left "
        f"out: {rows.name_rows(cut)}.",
    )
