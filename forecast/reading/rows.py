"""The rows of one series: sorted, in UTC where there is a zone, one row per time, and made coarser (`resample_rows`).

Each step takes rows and returns rows with a sentence on what it did; nothing is dropped or chosen silently.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.series.calendar import Calendar, to_utc, to_wall
from forecast.series.step_rules import NS_PER_DAY, TICKS, parse_alias
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from forecast.series.calendar import Calendar, TimeStyle
    from forecast.series.panel import BoolArray, FloatArray, IntArray, TimeArray


OnDuplicates: TypeAlias = Literal["error", "first", "last", "mean"]
How: TypeAlias = Literal["sum", "mean", "last"]
_FEWEST_DAYS_OFF, _MOST_MISSING = 4, 0.5  # weekend days, and share of the others without a value, that show days off
_SHOWN = 5  # rows that a message names


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one series.

    Attributes
    ----------
    times : (row,) as in a panel
    values : (row,) float64, NaN where missing
    lines : (row,) int64, line of the file; 0: a step without a row
    observed : (row,) bool, whether the value is from the file
    writer : writes times as the user does

    """

    id: str
    times: TimeArray
    values: FloatArray
    lines: IntArray
    observed: BoolArray
    writer: Calendar

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.times)

    @property
    def stamps(self) -> IntArray:
        """The times as counts, (row,)."""
        return self.times.view(np.int64)

    def take(self, which: BoolArray | IntArray | slice) -> Rows:
        """Keep some of the rows."""
        return replace(
            self,
            times=self.times[which],
            values=self.values[which],
            lines=self.lines[which],
            observed=self.observed[which],
        )

    def name_rows(self, which: IntArray) -> str:
        """Name the first of some rows by time and line, and count the rest."""
        shown = which[:_SHOWN]
        times = self.writer.write(self.times[shown])
        texts = [f"{time} (line {line})" for time, line in zip(times, self.lines[shown], strict=True)]
        return name_some(texts, len(which))


def ascending(rows: Rows) -> tuple[Rows, str | None]:
    """Reverse rows that run backwards in time, and describe their order in the file."""
    down = np.count_nonzero(rows.stamps[1:] < rows.stamps[:-1])
    if down and down > np.count_nonzero(rows.stamps[1:] > rows.stamps[:-1]):
        return rows.take(slice(None, None, -1)), "descending, reversed"
    return rows, None


def in_utc(rows: Rows, style: TimeStyle, timezone: str | None) -> Rows:
    """Take times without a zone as the wall clock of `timezone`; rows ascend, except where clocks go back.

    Raises
    ------
    ForecastError
        The zone is unknown, or its clocks skip a time.

    """
    if timezone is None or style.timezone is not None or rows.times.dtype.kind != "M":
        return rows
    times = wall_to_utc(rows.times, timezone)
    skipped = np.flatnonzero(to_wall(times, timezone) != rows.times)
    if len(skipped):
        raise ForecastError(
            f"series {rows.id!r} has {counted(len(skipped), 'time')} that the clocks of {timezone} skip: "
            f"{rows.name_rows(skipped)}: correct them, or choose another `data.timezone`"
        )
    return replace(rows, times=times, writer=replace(rows.writer, timezone=timezone))


def wall_to_utc(times: TimeArray, timezone: str) -> TimeArray:
    """Convert the wall clock of the user's zone to UTC, (row,), as `to_utc`.

    Raises
    ------
    ForecastError
        The zone is unknown.

    """
    try:
        return to_utc(times, timezone)
    except (KeyError, ValueError):
        raise ForecastError(
            f"`data.timezone={timezone}` is no time zone: say one such as Europe/Berlin, Asia/Seoul or +09:00"
        ) from None


def in_order(rows: Rows) -> tuple[Rows, str | None]:
    """Sort rows by time, those of the same time as in the file; also a note if any moved."""
    if (rows.stamps[1:] >= rows.stamps[:-1]).all():
        return rows, None
    order = np.argsort(rows.times, kind="stable")
    moved = int(np.sum(order != np.arange(len(rows))))
    if not moved:
        return rows, None
    first = int(np.argmax(rows.stamps[1:] < rows.stamps[:-1])) + 1
    line = rows.lines[first]
    return rows.take(order), (
        f"Series {rows.id!r} was not in the order of time (line {line} is the first that is earlier than the one "
        f"before): its rows were sorted."
    )


def one_row_per_time(rows: Rows, how: OnDuplicates) -> tuple[Rows, str | None]:
    """Keep one row of those with the same time, or their mean; rows are sorted.

    Raises
    ------
    ForecastError
        Times occur twice, and `how` is "error".

    """
    later = rows.stamps[1:] > rows.stamps[:-1]
    if later.all():
        return rows, None
    start = np.concatenate([[True], later])
    again = np.flatnonzero(~start)
    texts = [
        f"{time} (lines {rows.lines[i - 1]} and {rows.lines[i]})"
        for time, i in zip(rows.writer.write(rows.times[again[:_SHOWN]]), again[:_SHOWN], strict=True)
    ]
    duplicates = f"{counted(len(again), 'duplicate time')}: {name_some(texts, len(again))}"
    if how == "error":
        raise ForecastError(
            f"series {rows.id!r} has {duplicates}{_duplicate_hint(rows, again, start)}: "
            "set `data.on_duplicates=first`, `last` or `mean`, or correct the file"
        )
    kept = _one_per_run(rows, np.flatnonzero(start), how)
    return kept, f"Series {rows.id!r} has {duplicates}; of rows with the same time {_KEPT[how]}."


_KEPT = {"first": "the first is kept", "last": "the last is kept", "mean": "the mean is taken"}


def _one_per_run(rows: Rows, starts: IntArray, how: OnDuplicates) -> Rows:
    """Reduce each run of rows with the same time, which begins at `starts`, to one row."""
    ends = np.append(starts[1:], len(rows))
    if how == "last":
        return rows.take(ends - 1)
    if how == "first":
        return rows.take(starts)
    known = ~np.isnan(rows.values)
    total = np.add.reduceat(np.where(known, rows.values, 0.0), starts)  # (row,) -> (time,)
    count = np.add.reduceat(known.astype(np.int64), starts)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return replace(rows.take(starts), values=mean)


def _duplicate_hint(rows: Rows, again: IntArray, start: BoolArray) -> str:
    if rows.writer.timezone is None and looks_like_clock_change(rows.times[again]):
        return (
            ", which look like the hour that comes twice when the clocks go back (`data.timezone=`, for example "
            "Europe/Berlin, tells the two apart)"
        )
    if len(again) > 0.4 * len(start):
        return ", as if several series stood in one file (`data.id` tells them apart)"
    return ""


def looks_like_clock_change(times: TimeArray) -> bool:
    """Whether all times lie in the early hours of Sundays in the months in which clocks change."""
    if times.dtype.kind != "M" or len(times) == 0:
        return False
    days = times.astype("datetime64[D]")
    sunday = (days.astype(np.int64) + 3) % 7 == 6  # Monday is 0
    month = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    hour = (times - days).astype("timedelta64[h]").astype(np.int64)
    midnight = bool((times == days).all())  # daily rows
    return not midnight and bool((sunday & np.isin(month, (3, 4, 9, 10, 11)) & (hour <= 3)).all())


def without_missing_edges(rows: Rows, ahead: IntArray) -> tuple[Rows, tuple[str, ...]]:
    """Cut rows without a value off both ends; also notes that name them, but for the lines `ahead` at the end."""
    missing = np.isnan(rows.values)
    if len(missing) and not missing[0] and not missing[-1]:
        return rows, ()
    known = np.flatnonzero(~missing)
    if len(known) == 0:
        raise ForecastError(
            f"series {rows.id!r} has no value at all: leave it out (`data.on_short_series=drop`), or choose another "
            "`data.target`"
        )
    first, last = int(known[0]), int(known[-1]) + 1
    after = np.arange(last, len(rows))
    notes = tuple(
        f"{counted(len(cut), 'row')} {where} value of series {rows.id!r} left out, having none: {rows.name_rows(cut)}."
        for cut, where in (
            (np.arange(first), "before the first"),
            (after[~np.isin(rows.lines[after], ahead)], "after the last"),
        )
        if len(cut)
    )
    return rows.take(slice(first, last)), notes


def weekends_without_values(rows: Rows) -> BoolArray:
    """Whether a row of days lies on a weekend, (row,), where these have rows and never a value, and other days have."""
    missing = np.isnan(rows.values)
    few = missing.sum() < _FEWEST_DAYS_OFF  # looked at first: divisions of all stamps take longer than all else
    if few or rows.times.dtype.kind != "M" or not (rows.stamps % NS_PER_DAY == 0).all():
        return np.zeros(len(rows), dtype=np.bool_)
    weekend: BoolArray = (rows.stamps // NS_PER_DAY + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    without = weekend.sum() >= _FEWEST_DAYS_OFF and missing[weekend].all() and missing[~weekend].mean() < _MOST_MISSING
    return weekend if without else np.zeros(len(rows), dtype=np.bool_)


def resample_rows(rows: Rows, calendar: Calendar, coarser: str, how: How) -> tuple[Rows, tuple[str, ...]]:
    """Aggregate rows without gaps to coarser steps; `calendar` is that of the rows. Also notes on rows left out.

    A coarser step at either end that lacks rows would be wrong, above all as a sum, and is left out: one that also
    holds the step before the first row, or the one after the last. A coarser step is observed if all its rows are; its
    line is that of its last row.

    Raises
    ------
    ForecastError
        The steps have no times, or the frequency is not coarser.

    """
    if rows.times.dtype.kind != "M":
        raise ForecastError("`data.resample` needs times, and the rows have none: leave it out, or set `data.time`")
    alias = parse_alias(coarser)
    by_clock = alias.unit not in TICKS or TICKS[alias.unit] >= NS_PER_DAY  # steps of a day and longer begin by it
    zone = calendar.timezone if by_clock else None
    around = np.concatenate([calendar.go(rows.times[0], np.array([-1])), rows.times, calendar.after(rows.times[-1], 1)])
    buckets = _buckets(around if zone is None else to_wall(around, zone), coarser)
    inside = buckets[1:-1]  # (row,) without the steps before and after
    whole = (inside != buckets[0]) & (inside != buckets[-1])
    notes = _cut_off(rows, whole, coarser)
    kept = rows.take(whole)
    starts = np.flatnonzero(np.diff(inside[whole], prepend=np.datetime64("NaT", "ns")) != np.timedelta64(0, "ns"))
    if len(starts) == 0 or len(starts) == len(kept):
        raise ForecastError(
            f"`data.resample={coarser}` is not coarser than series {rows.id!r} ({calendar.freq}, {len(rows)} rows), or "
            "leaves nothing of it: choose a coarser frequency, or leave it out"
        )
    times = inside[whole][starts]  # (coarser step,)
    return replace(_aggregated(kept, starts, how), times=times if zone is None else to_utc(times, zone)), notes


def _buckets(times: TimeArray, coarser: str) -> TimeArray:
    """Label of each time's coarser step as pandas labels it, (row,) datetime64[ns]."""
    alias = parse_alias(coarser)
    if alias.unit in TICKS and alias.unit != "W":
        size = alias.count * TICKS[alias.unit]
        return (times.astype(np.int64) // size * size).astype("datetime64[ns]")
    series = pd.Series(np.arange(len(times)), index=pd.DatetimeIndex(times))
    count = series.resample(str(alias)).count()
    return np.repeat(count.index.to_numpy().astype("datetime64[ns]"), count.to_numpy())


def _aggregated(rows: Rows, starts: IntArray, how: How) -> Rows:
    """Aggregate the runs of rows that begin at `starts`, (row,) -> (coarser step,)."""
    ends = np.append(starts[1:], len(rows)) - 1
    last = rows.take(ends)
    if how == "last":
        return last
    values = np.add.reduceat(rows.values, starts)
    if how == "mean":
        values = values / (ends - starts + 1)
    return replace(last, values=values, observed=np.logical_and.reduceat(rows.observed, starts))


def _cut_off(rows: Rows, whole: BoolArray, coarser: str) -> tuple[str, ...]:
    cut = np.flatnonzero(~whole)
    if len(cut) == 0:
        return ()
    return (
        f"Series {rows.id!r}: {counted(len(cut), 'row')} at its ends do not fill a step of {coarser} and were left "
        f"out: {rows.name_rows(cut)}.",
    )
