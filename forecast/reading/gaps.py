"""Missing steps and missing values: holidays or gaps, and how gaps are filled or masked.

Where rows stand on trading days, a missing day may be a holiday, which a file does not say. The rule: a run of at most
`holiday_run` trading days without a row in any series (4: Christmas, Easter, a lunar new year) is a holiday; so is a
run up to five days longer (golden weeks) if another year has a run of at least three days within 35 days of the same
date, which is how far lunar holidays move. A longer run is a gap. Where more than one trading day in eight is missing,
nothing is called a holiday. All holidays are listed, and runs of several days that occur in no other year once more.
Of a session every step counts: one that begins late or ends early has a gap, unless its day is one of `half_days`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.rows import Rows, looks_like_clock_change
from forecast.series.seasons import suggested_seasons
from forecast.series.step_rules import (
    MONDAY,
    NS_PER_DAY,
    NS_PER_SECOND,
    SECONDS_PER_DAY,
    SECONDS_PER_WEEK,
    WOBBLE,
    Ticks,
    TradingDays,
)
from forecast.wording import counted, name_some, percentage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.settings import HalfDays
    from forecast.series.calendar import Calendar
    from forecast.series.panel import BoolArray, FloatArray, IntArray, TimeArray


OnGaps: TypeAlias = Literal["auto", "error", "mask", "interpolate", "previous", "ignore"]

_LONGER = 5  # trading days by which a recurring holiday may exceed `holiday_run`
_RECURRING = 3  # days that a run of another year needs, to confirm one that is at least as long
_MOVES = 35  # days that a holiday's date moves from year to year
_RARE = 0.125  # share of trading days that can be holidays ...
_FEW = 3  # ... and this many in any case, for short files
_SHOWN = 5  # gaps that a message names
_FEW_MISSING = 0.1  # share of a series' steps that may be missing with `auto` (benchmarks/gaps.py)
_FILLED_AT_MOST = 20  # missing steps per row that there is


@dataclass(frozen=True)
class DaysOff:
    """Trading days without a row.

    Attributes
    ----------
    holidays : those that count as holidays (ISO dates), in order
    run : longest run of missing trading days in one series that is no gap
    doubtful : runs of several holidays that occur in no other year ("2015-05-28 to 2015-06-01")
    half_days : those on which a session may begin late or end early, by the user (ISO dates, or all)

    """

    holidays: tuple[str, ...]
    run: int
    doubtful: tuple[str, ...] = ()
    half_days: HalfDays = ()


def find_days_off(days: IntArray, weekmask: str, known: Sequence[str], holiday_run: int) -> DaysOff:
    """Decide which trading days missing in `days` are holidays; `days`, (row,) since 1970, ascend, all series together.

    `known` are the user's holidays (ISO dates); they are no gaps however many they are.
    """
    given = np.array(sorted(known), dtype="datetime64[D]").astype(np.int64)
    grid = np.arange(days[0], days[-1] + 1)
    expected = grid[np.array(list(weekmask))[(grid + 3) % 7] == "1"]
    expected = expected[~np.isin(expected, given)]
    missing = np.flatnonzero(~np.isin(expected, days))  # indices into `expected`
    if len(missing) > _RARE * len(expected) + _FEW:
        return DaysOff((), 0)
    starts = np.flatnonzero(np.diff(missing, prepend=-9) > 1)  # (run,) of consecutive trading days
    lengths = np.diff(np.append(starts, len(missing)))
    recurring = _recurs(expected[missing[starts]], lengths)
    short = (lengths <= holiday_run) | (recurring & (lengths <= holiday_run + _LONGER) & (holiday_run > 1))
    dates = expected[missing].astype("datetime64[D]")
    odd = [
        slice(i, i + n) for i, n in zip(starts[~recurring], lengths[~recurring], strict=True) if 1 < n <= holiday_run
    ]
    return DaysOff(
        tuple(str(day) for day in dates[np.repeat(short, lengths)]),
        holiday_run,
        tuple(f"{dates[run][0]} to {dates[run][-1]}" for run in odd),
    )


def _recurs(first_days: IntArray, lengths: IntArray) -> BoolArray:
    """Whether another year has a run of nearly as many days at about the same date, (run,)."""
    apart = np.abs(first_days[:, None] - first_days[None, :])  # days, (run, run)
    around = np.abs(apart - np.round(apart / 365.2425) * 365.2425)
    as_long = lengths[None, :] >= np.minimum(lengths, _RECURRING)[:, None]
    recurring: BoolArray = ((apart > 180) & (around <= _MOVES) & as_long).any(axis=1)  # (run, run) -> (run,)
    return recurring


def _check_steps(rows: Rows, calendar: Calendar) -> None:
    """Refuse rows that do not lie on steps of the calendar.

    Raises
    ------
    ForecastError
        Two rows lie in one step, or a row lies between two steps.

    """
    if calendar.trades:  # an extra Saturday among trading days is allowed
        return
    steps = calendar.between(rows.times)
    off = steps < 1
    if isinstance(calendar.rule, Ticks):
        size = calendar.rule.size
        wobble = WOBBLE if size < 7 * NS_PER_DAY else 0.5  # weeks may have their row on another day
        off |= np.abs(np.diff(calendar.stamps(rows.times)) - steps * size) > wobble * size
    wrong = np.flatnonzero(off)
    if len(wrong) == 0:
        return
    before, after = rows.writer.write(rows.times[wrong[0] : wrong[0] + 2])
    raise ForecastError(
        f"series {rows.id!r} does not go in steps of {calendar.freq or calendar.step} at "
        f"{counted(len(wrong), 'row')}, first from {before} to {after} (line {rows.lines[wrong[0] + 1]}): "
        "choose another `data.freq`, or `data.resample` to make the series coarser"
    )


def _is_complete(rows: Rows, calendar: Calendar) -> bool:
    """Whether each step has a row with a value, as most often; only of equal steps it is seen so quickly."""
    if not isinstance(calendar.rule, Ticks) or np.isnan(rows.values).any():
        return False
    return bool((np.diff(calendar.stamps(rows.times)) == calendar.rule.size).all())


@dataclass(frozen=True, eq=False)
class _Missing:
    """Missing steps between each row and the next, (row - 1,): so many right `after` it, and `before` the next one.

    Days off may lie between the two. `edges` are the days, (day,) since 1970, of sessions that lack their first or last
    steps.
    """

    after: IntArray
    before: IntArray
    edges: IntArray

    @property
    def total(self) -> IntArray:
        """All of them, (row - 1,)."""
        return self.after + self.before


def _steps_missing(times: TimeArray, calendar: Calendar, days_off: DaysOff) -> _Missing:
    """Count missing steps; days off of a single series, and half-days, do not count."""
    missing = np.maximum(calendar.between(times) - 1, 0)
    none = np.zeros(len(missing), dtype=np.int64)
    if not calendar.trades:
        return _Missing(missing, none, none[:0])
    if not calendar.sessions:
        return _Missing(np.where(missing <= days_off.run, 0, missing), none, none[:0])
    stamps = calendar.stamps(times)
    days = stamps // NS_PER_DAY
    trading_days = TradingDays(calendar.weekmask, calendar.holidays).between(days * NS_PER_DAY)
    overnight = (np.diff(days) > 0) & (trading_days - 1 <= days_off.run)
    head, tail = _steps_around(stamps, calendar.sessions)
    half = np.ones(len(days), dtype=np.bool_)
    if days_off.half_days != "all":
        half = np.isin(days, np.array(days_off.half_days, dtype="datetime64[D]").astype(np.int64))
    head, tail = np.where(half, 0, head)[1:], np.where(half, 0, tail)[:-1]
    edges = np.union1d(days[1:][overnight & (head > 0)], days[:-1][overnight & (tail > 0)])
    return _Missing(np.where(overnight, tail, missing), np.where(overnight, head, 0), edges)


def _steps_around(stamps: IntArray, sessions: Sequence[int]) -> tuple[IntArray, IntArray]:
    """Steps of each row's day before it and after it, both (row,)."""
    slots = np.array(sessions, dtype=np.int64)
    second = (stamps // NS_PER_SECOND + MONDAY) % SECONDS_PER_WEEK  # of the week
    midnight = second - second % SECONDS_PER_DAY
    before = np.searchsorted(slots, second) - np.searchsorted(slots, midnight)
    after = np.searchsorted(slots, midnight + SECONDS_PER_DAY) - np.searchsorted(slots, second, side="right")
    return before.astype(np.int64), after.astype(np.int64)


def without_gaps(
    rows: Rows, calendar: Calendar, days_off: DaysOff, how: OnGaps, season_steps: int | None = None
) -> tuple[Rows, tuple[str, ...]]:
    """Fill, mask or leave out missing steps and values of a series that begins and ends with a value; also a note.

    With "auto" a few are masked: at most a tenth of the series, and no run longer than a season, `season_steps` or the
    longest that the calendar suggests and that the series holds twice. Inserted rows have line 0; filled values are not
    `observed`; no value is NaN afterwards.

    Raises
    ------
    ForecastError
        Something is missing, and `how` is "error", or "auto" and it is more than a few; or more is missing than can be
        filled; or rows lie in one step, or between two.

    """
    if _is_complete(rows, calendar):
        return rows, ()
    _check_steps(rows, calendar)
    if how == "ignore":
        return _ignored(rows, calendar, days_off)
    missing = _steps_missing(rows.times, calendar, days_off)
    empty = np.flatnonzero(np.isnan(rows.values))
    steps = missing.total
    if not steps.any() and len(empty) == 0:
        return rows, ()
    gaps = " and ".join([*_name_gaps(rows, missing, calendar), *_name_empty(rows, empty)])
    reason, half_days = "", _half_days_hint(missing.edges)
    if how == "auto":
        few, reason = _few(rows, missing, calendar, season_steps)
        how = "mask" if few else "error"
    if how == "error":
        raise ForecastError(
            f"series {rows.id!r} has {gaps}{_gap_hint(rows, steps)}{reason}: "
            f"set `data.on_gaps=mask`, `interpolate`, `previous` or `ignore`{half_days and f', or {half_days}'}"
        )
    if steps.sum() > _FILLED_AT_MOST * len(rows):
        raise ForecastError(
            f"series {rows.id!r} has {len(rows)} rows but {gaps}: too many to be filled in; correct the times, or set "
            "`data.freq`, `data.resample` or `data.on_gaps=ignore`"
        )
    filled = _with_steps(rows, missing, calendar)
    note = (
        f"Series {rows.id!r} has {gaps}{_gap_hint(rows, steps)}{reason}: {_DONE[how]}{half_days and f'; {half_days}'}."
    )
    values = fill(filled.values, "interpolate" if how == "interpolate" else "previous")
    return replace(filled, values=values, observed=~np.isnan(filled.values)), (note,)


def _few(rows: Rows, missing: _Missing, calendar: Calendar, season_steps: int | None) -> tuple[bool, str]:
    """Whether so little is missing that it can be masked unasked, and how much it is, for a sentence."""
    steps, empty = missing.total, np.isnan(rows.values)
    length = len(rows) + int(steps.sum())
    share = (int(steps.sum()) + int(empty.sum())) / length
    suggested = [round(period) for _, period in suggested_seasons(calendar) if 2 * period <= length]
    longest = season_steps if season_steps is not None and season_steps > 1 else max(suggested, default=length)
    run = _longest_run(steps, empty)
    if share > _FEW_MISSING:
        return False, f", {percentage(share)} of its steps, and at most {percentage(_FEW_MISSING)} are masked unasked"
    if run > longest:
        return False, f", {run} in one run, and no more than a season of {longest} steps are masked unasked"
    return True, f", {percentage(share)} of its steps"


def _longest_run(steps: IntArray, empty: BoolArray) -> int:
    """Return how many values are missing one after the other at most, missing steps and rows without a value."""
    known = np.flatnonzero(~empty)
    position = np.arange(len(empty)) + np.concatenate([[0], np.cumsum(steps)])  # of each row among all steps
    return int(np.diff(position[known], prepend=position[known[0]] - 1).max()) - 1


_DONE = {
    "interpolate": "interpolated linearly; filled values are neither trained on nor scored",
    "previous": "filled with the previous value; filled values are neither trained on nor scored",
    "mask": "masked: forecasters see that the value is missing, and it is neither trained on nor scored",
}


def fill(values: FloatArray, how: Literal["interpolate", "previous"]) -> FloatArray:
    """Fill NaN between values, (row,); the first and the last value are known.

    >>> fill(np.array([1.0, np.nan, np.nan, 4.0]), "interpolate")
    array([1., 2., 3., 4.])
    """
    steps = np.arange(len(values))
    known = np.flatnonzero(~np.isnan(values))
    if how == "interpolate":
        return np.interp(steps, known, values[known])
    return values[known[np.searchsorted(known, steps, side="right") - 1]]


def without_empty(rows: Rows) -> tuple[Rows, tuple[str, ...]]:
    """Leave out rows without a value, if there is no frequency by which they could be filled."""
    empty = np.flatnonzero(np.isnan(rows.values))
    notes = tuple(f"Series {rows.id!r} has {text}: left out." for text in _name_empty(rows, empty))
    return rows.take(~np.isnan(rows.values)), notes


def _ignored(rows: Rows, calendar: Calendar, days_off: DaysOff) -> tuple[Rows, tuple[str, ...]]:
    """Leave out rows without a value, and let gaps be."""
    empty = np.flatnonzero(np.isnan(rows.values))
    kept = rows.take(~np.isnan(rows.values))
    missing = _steps_missing(rows.times, calendar, days_off)
    gaps = [*_name_gaps(rows, missing, calendar), *_name_empty(rows, empty)]
    if not gaps:
        return kept, ()
    note = f"Series {rows.id!r} has {' and '.join(gaps)}: left out, so that the rows around them are neighbours."
    return kept, (note,)


def _with_steps(rows: Rows, missing: _Missing, calendar: Calendar) -> Rows:
    """Insert rows without a value where steps are missing."""
    gaps = np.flatnonzero(missing.total)
    if len(gaps) == 0:
        return rows
    new = np.concatenate([run for i in gaps.tolist() for run in _runs(rows, missing, calendar, i)])
    count = len(rows)
    order = np.insert(np.arange(count), np.repeat(gaps + 1, missing.total[gaps]), count + np.arange(len(new)))
    return replace(
        rows,
        times=np.concatenate([rows.times, new])[order],
        values=np.concatenate([rows.values, np.full(len(new), np.nan)])[order],
        lines=np.concatenate([rows.lines, np.zeros(len(new), dtype=np.int64)])[order],
        observed=order < count,
    )


def _runs(rows: Rows, missing: _Missing, calendar: Calendar, i: int) -> list[TimeArray]:
    """Times of the steps that are missing between row i and the next, a run each; they may be very many."""
    after, before = int(missing.after[i]), int(missing.before[i])
    runs = [calendar.go(rows.times[i], np.arange(1, after + 1))] if after else []
    return [*runs, calendar.go(rows.times[i + 1], np.arange(-before, 0))] if before else runs


def _name_gaps(rows: Rows, missing: _Missing, calendar: Calendar) -> list[str]:
    gaps = np.flatnonzero(missing.total)
    if len(gaps) == 0:
        return []
    texts = []
    for i in gaps[:_SHOWN]:
        for origin, edge in (
            (rows.times[i], (1, missing.after[i])),
            (rows.times[i + 1], (-missing.before[i], -1)),
        ):
            steps = int(edge[1] - edge[0]) + 1
            if steps > 0:
                first, last = rows.writer.write(calendar.go(origin, np.array(edge, dtype=np.int64)))
                span = first if steps == 1 else f"{first} to {last} ({steps} steps)"
                texts.append(f"{span} after line {rows.lines[i]}")
    count = int(np.sum(missing.after > 0) + np.sum(missing.before > 0))
    return [f"{counted(int(missing.total.sum()), 'missing step')}: {name_some(texts[:_SHOWN], count)}"]


def _half_days_hint(days: IntArray) -> str:
    """Say how sessions that begin late or end early are named; `days`, (day,), are theirs."""
    if len(days) == 0:
        return ""
    shown = ",".join(str(day) for day in days[:_SHOWN].astype("datetime64[D]"))
    more = ",..." * (len(days) > _SHOWN)
    return f"where sessions began late or ended early, set `data.half_days=[{shown}{more}]` or `data.half_days=all`"


def _name_empty(rows: Rows, empty: IntArray) -> list[str]:
    return [f"{counted(len(empty), 'row')} without a value: {rows.name_rows(empty)}"] if len(empty) else []


def _gap_hint(rows: Rows, missing: IntArray) -> str:
    after = rows.times[1:][missing > 0]
    if rows.writer.timezone is None and looks_like_clock_change(after):
        return ", which look like the hour that the clocks skip in spring (`data.timezone=`, for example Europe/Berlin)"
    return ""
