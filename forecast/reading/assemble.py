"""From the series as they stand in a file to a panel: in order of time, at one frequency, without gaps.

The order of the steps matters: rows are sorted, duplicate times resolved, ends without values cut off; then the
frequency is inferred on the longest series; then days off are told from gaps over all series, gaps are filled or
masked, and the result is resampled where `data.resample` asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.covariates import ahead_note, lines_ahead, with_covariates
from forecast.reading.frequency import Frequency, describe, given_frequency, infer_frequency, no_frequency
from forecast.reading.gaps import DaysOff, find_days_off, without_empty, without_gaps
from forecast.reading.labels import labels_note, spread_labels, with_labels_at_end
from forecast.reading.raw_table import PackedSeries, check_sizes
from forecast.reading.rows import (
    OnDuplicates,
    Rows,
    ascending,
    in_order,
    in_utc,
    one_row_per_time,
    resample_rows,
    weekends_without_values,
    without_missing_edges,
)
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, Panel
from forecast.series.step_rules import NS_PER_DAY
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.gaps import OnGaps
    from forecast.reading.raw_table import RawSeries, RawTable
    from forecast.reading.settings import RowSettings
    from forecast.series.calendar import TimeStyle
    from forecast.series.panel import BoolArray, FloatArray, IntArray, TimeArray

_LISTED = 60  # holidays that a note lists; `run.json` has them all
_NAMED = 5  # runs of holidays that a note lists
_NOTES = 20  # notes of one kind on single series


@dataclass(frozen=True)
class Assembled:
    """A panel, what was detected about its rows, and notes on what was done to them."""

    panel: Panel
    found: dict[str, str]
    notes: tuple[str, ...]


def assemble(
    raw: RawTable, settings: RowSettings, timezone: str | None = None, *, target_at: Literal["every", "end"] = "every"
) -> Assembled:
    """Make a panel of raw series; `timezone` is that of times written without one.

    With `target_at="end"` the target is one label per series, in a row after its last one.

    Raises
    ------
    ForecastError
        Duplicate times, gaps or missing values are errors by the settings; there is no frequency or nothing to
        forecast; a series has two labels.

    """
    check_sizes(raw.series)
    if target_at != "end" and (alike := _assemble_alike(raw, settings, timezone)) is not None:
        return alike
    if target_at == "end":
        spread, unlabelled = spread_labels(raw, raw.symbols)
        assembled = _assemble(spread, settings, timezone, single_rows=True)
        note = labels_note(len(raw.series), unlabelled)
        panel = with_labels_at_end(assembled.panel, unlabelled)
        return replace(assembled, panel=panel, notes=(*assembled.notes, *([note] if note else [])))
    return _assemble(raw, settings, timezone, single_rows=False)


def _assemble(raw: RawTable, settings: RowSettings, timezone: str | None, *, single_rows: bool) -> Assembled:
    """Make a panel with a target in every row; `single_rows`: series of one row are allowed."""
    if raw.channels and settings.resample is not None:
        raise ForecastError("`data.resample` cannot resample covariates: leave out either, or resample the file")
    found: dict[str, str] = {}
    notes: list[str] = []
    series: list[Rows] = []
    series_notes: list[str] = []
    for raw_series in raw.series:
        ahead = lines_ahead(raw_series, raw.channels)
        rows, reversed_order, about = _ordered(raw_series, raw.style, settings.on_duplicates, timezone, ahead)
        series.append(rows)
        found.update({"order": reversed_order} if reversed_order else {})
        series_notes += about
    notes += _first_of(series_notes)
    if settings.freq is None:
        series = _without_weekends(series, notes)
    zone = series[0].writer.timezone
    if single_rows and settings.freq is None and max(map(len, series)) == 1:
        frequency = no_frequency(series[0].times, zone)
    else:
        frequency = _frequency(series, settings.freq, zone, settings)
    notes += frequency.notes
    series, calendar = _regular(series, frequency, settings, notes)
    if settings.resample is not None:
        series, calendar = _coarser(series, calendar, settings, notes)
    calendar = replace(calendar, style=raw.style)
    found["frequency"] = describe(calendar) + (", resampled" if settings.resample else "")
    found["rows"] = _describe_rows(series)
    panel = _pack(series, calendar, raw.symbols, holes=settings.on_gaps)
    panel = with_covariates(panel, raw, timezone)
    return Assembled(panel, found, (*notes, *ahead_note(panel)))


def _assemble_alike(raw: RawTable, settings: RowSettings, timezone: str | None) -> Assembled | None:
    """Make a panel of many series with the same times and a value at each: what is true of one is true of all.

    None: they are not alike, or something had to be done to them.
    """
    if len(raw.series) < 2 or raw.channels or settings.resample is not None or not _same_times(raw.series):
        return None
    values = _values_of(raw.series)
    if np.isnan(values).any():
        return None
    first, count = raw.series[0], len(raw.series)
    rows, reversed_order, about = _ordered(first, raw.style, settings.on_duplicates, timezone, first.lines[:0])
    if reversed_order or about:
        return None
    frequency = _frequency([rows], settings.freq, rows.writer.timezone, settings)
    notes = [*frequency.notes]
    (regular,), calendar = _regular([rows], frequency, settings, notes)
    if regular is not rows:
        return None
    calendar = replace(calendar, style=raw.style)
    times = cast("TimeArray", np.tile(rows.times, count))
    panel = Panel(
        values=values[:, None],
        observed=np.ones((len(values), 1), dtype=np.bool_),
        offsets=np.arange(count + 1, dtype=np.int64) * len(rows),
        times=times,
        ids=raw.series.ids if isinstance(raw.series, PackedSeries) else tuple(series.id for series in raw.series),
        channels=(Channel("y", "target", raw.symbols),),
        calendar=calendar,
        masked=np.zeros((len(values), 1), dtype=np.bool_) if settings.on_gaps == "mask" else None,
    )
    found = {"frequency": describe(calendar), "rows": f"{len(values):,} in {count} series ({_span_of(rows, rows)})"}
    return Assembled(panel, found, tuple(notes))


def _same_times(series: Sequence[RawSeries]) -> bool:
    """Whether all series have the same times."""
    if not isinstance(series, PackedSeries):
        first, length = series[0].times, len(series[0].values)
        return all(one.times is first and len(one.values) == length for one in series)
    length = int(series.offsets[1])
    if (np.diff(series.offsets) != length).any():
        return False
    if series.times is None:
        return True
    times = series.times.reshape(len(series), length)
    return bool((times == times[0]).all())


def _values_of(series: Sequence[RawSeries]) -> FloatArray:
    """Values of all series one after the other, (row,), without a copy where they lie so in memory."""
    if isinstance(series, PackedSeries):
        return series.values
    arrays = [one.values for one in series]
    whole = arrays[0].base
    places = [array.__array_interface__["data"][0] for array in arrays]
    size = arrays[0].nbytes  # of each
    if isinstance(whole, np.ndarray) and whole.flags.c_contiguous and whole.size == sum(map(len, arrays)):
        start = whole.__array_interface__["data"][0]
        if places == [start + i * size for i in range(len(arrays))]:
            return whole.reshape(-1)
    return np.concatenate(arrays)


def _ordered(
    raw: RawSeries, style: TimeStyle, on_duplicates: OnDuplicates, timezone: str | None, ahead: IntArray
) -> tuple[Rows, str | None, tuple[str, ...]]:
    """Sort the rows of one series and cut off ends without values; also the order in the file, and notes.

    `ahead` are lines that hold covariates known ahead, which may lie after the last value.
    """
    times = np.arange(len(raw.values)) if raw.times is None else raw.times
    writer = Calendar(freq=None if raw.times is None else "ns", timezone=style.timezone, style=style)
    rows = Rows(raw.id, times, raw.values, raw.lines, np.ones(len(times), dtype=np.bool_), writer)
    if len(rows) == 0:
        raise ForecastError(f"series {raw.id!r} has no rows: check the file")
    rows, reversed_order = ascending(rows)
    rows, sorted_note = in_order(in_utc(rows, style, timezone))
    rows, duplicates = one_row_per_time(rows, on_duplicates)
    rows, cut = without_missing_edges(rows, ahead)
    return rows, reversed_order, tuple(note for note in (sorted_note, duplicates, *cut) if note)


def _without_weekends(series: list[Rows], notes: list[str]) -> list[Rows]:
    """Leave out Saturdays and Sundays that have rows and no values in any series, as banks write rates."""
    off: list[BoolArray] = []
    for rows in series:  # most often the first has none, and the others need not be looked at
        off.append(weekends_without_values(rows))
        if not off[-1].any():
            return series
    count = sum(int(days.sum()) for days in off)
    notes.append(f"{counted(count, 'row')} on Saturdays and Sundays, none with a value, left out: these are no steps.")
    return [rows.take(~days) for rows, days in zip(series, off, strict=True)]


def _frequency(series: Sequence[Rows], text: str | None, zone: str | None, settings: RowSettings) -> Frequency:
    """Infer the frequency on the longest series, or take that of the settings."""
    longest = max(series, key=len)
    if text is not None:
        return given_frequency(text, longest.times, zone)
    if len(longest) < 2:
        raise ForecastError(f"series {longest.id!r} has 1 row with a value: two at least are needed to see a frequency")
    frequency = infer_frequency(longest.times, zone)
    if frequency is not None:
        return frequency
    if settings.on_gaps == "ignore" or settings.resample is not None:
        return no_frequency(longest.times, zone)
    distance = np.diff(longest.times.astype(np.int64))
    shortest, widest = (int(np.argmin(distance)), int(np.argmax(distance)))
    spans = [_span(longest, i) for i in (shortest, widest)]
    raise ForecastError(
        f"the rows of series {longest.id!r} are at no regular distance, but from {spans[0]} to {spans[1]} apart: set "
        "`data.freq`, `data.resample=` to something coarser, or `data.on_gaps=ignore` to take one row as one step"
    )


def _span(rows: Rows, i: int) -> str:
    """Name the distance from row i to the next."""
    if rows.times.dtype.kind != "M":
        return f"{rows.times[i + 1] - rows.times[i]} (line {rows.lines[i + 1]})"
    seconds = int(rows.times[i + 1].astype(np.int64) - rows.times[i].astype(np.int64)) / 1e9
    size, unit = next(
        (size, unit) for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (0, "seconds"))
        if seconds >= size
    )  # fmt: skip
    return f"{seconds / (size or 1):.4g} {unit} (line {rows.lines[i + 1]})"


def _regular(
    series: Sequence[Rows], frequency: Frequency, settings: RowSettings, notes: list[str]
) -> tuple[list[Rows], Calendar]:
    """Tell days off from gaps, and fill, mask or refuse the gaps."""
    calendar, days_off = frequency.calendar, DaysOff((), 0)
    if calendar.trades:
        calendar, days_off = _with_holidays(series, calendar, settings, notes)
    regular: list[Rows] = []
    series_notes: list[str] = []
    for rows in series:
        if frequency.regular:
            season_steps = None if settings.resample else settings.season_steps  # given for the coarser steps
            kept, about = without_gaps(rows, calendar, days_off, settings.on_gaps, season_steps)
        else:
            kept, about = without_empty(rows)
        regular.append(kept)
        series_notes += about
    notes += _first_of(series_notes)
    return regular, calendar


def _with_holidays(
    series: Sequence[Rows], calendar: Calendar, settings: RowSettings, notes: list[str]
) -> tuple[Calendar, DaysOff]:
    """Read the holidays off the trading days without a row in any series, with notes on them."""
    days = np.unique(np.concatenate([calendar.stamps(rows.times) // NS_PER_DAY for rows in series]))
    off = find_days_off(days, calendar.weekmask, settings.holidays, settings.holiday_run)
    off = replace(off, half_days=settings.half_days)
    present = {str(day) for day in days.astype("datetime64[D]")}
    given = [day for day in settings.holidays if day not in present]
    last = str(days[-1].astype("datetime64[D]"))
    ahead = sum(day > last for day in given)
    if off.holidays:
        notes.append(
            f"Rows stand on trading days; {len(off.holidays)} without a row count as holidays: "
            f"{name_some(list(off.holidays[:_LISTED]), len(off.holidays))}."
        )
    if off.doubtful:
        notes.append(
            f"Of these {name_some(list(off.doubtful[:_NAMED]), len(off.doubtful))} come in no other year: if they are "
            "holes rather than holidays, set `data.holiday_run=1`."
        )
    known = f"less the {ahead} given in" if ahead else "later holidays being unknown: name them in"
    notes.append(f"The days after {last} are the next trading days, {known} `data.holidays`.")
    return replace(calendar, holidays=tuple(sorted({*off.holidays, *given}))), off


def _coarser(
    series: Sequence[Rows], calendar: Calendar, settings: RowSettings, notes: list[str]
) -> tuple[list[Rows], Calendar]:
    """Resample all series, and put them on the calendar of their coarser steps."""
    resampled: list[Rows] = []
    series_notes: list[str] = []
    for rows in series:
        coarse, about = resample_rows(rows, calendar, str(settings.resample), settings.resample_how)
        resampled.append(coarse)
        series_notes += about
    notes += _first_of(series_notes)
    longest = max(resampled, key=len)
    if calendar.trades and (inferred := infer_frequency(longest.times, calendar.timezone)) is not None:
        frequency = inferred  # trading hours made into days are trading days
    else:
        frequency = given_frequency(str(settings.resample), longest.times, calendar.timezone)
    return _regular(resampled, frequency, settings, [] if frequency.calendar.trades else notes)


def _first_of(series_notes: list[str]) -> list[str]:
    """Keep the first notes on single series, and count the rest."""
    left_out = len(series_notes) - _NOTES
    more = [f"{counted(left_out, 'more sentence')} of this kind, on other series, are not shown."]
    return series_notes[:_NOTES] + (more if left_out > 0 else [])


def _describe_rows(series: Sequence[Rows]) -> str:
    count = sum(map(len, series))
    first = min(series, key=lambda rows: rows.times[0])
    last = max(series, key=lambda rows: rows.times[-1])
    span = _span_of(first, last)
    return f"{count:,} ({span})" if len(series) == 1 else f"{count:,} in {len(series)} series ({span})"


def _span_of(first: Rows, last: Rows) -> str:
    return f"{first.writer.write(first.times[:1])[0]} to {last.writer.write(last.times[-1:])[0]}"


def _pack(series: Sequence[Rows], calendar: Calendar, symbols: tuple[str, ...], *, holes: OnGaps) -> Panel:
    """Pack series of numbers or of codes of `symbols`; values that were not observed are masked, unless filled."""
    observed = _joined([rows.observed for rows in series])[:, None]  # (row, channel)
    return Panel(
        values=_joined([rows.values for rows in series])[:, None],
        observed=observed,
        offsets=np.concatenate([[0], np.cumsum([len(rows) for rows in series])]).astype(np.int64),
        times=_joined([rows.times for rows in series]),
        ids=tuple(rows.id for rows in series),
        channels=(Channel("y", "target", symbols),),
        calendar=calendar,
        masked=~observed if holes == "mask" or (holes == "auto" and not observed.all()) else None,
    )


def _joined(arrays: Sequence[np.ndarray[tuple[int], Any]]) -> np.ndarray[tuple[int], Any]:
    """Join arrays; one alone is not copied, as panels are never changed in place."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
