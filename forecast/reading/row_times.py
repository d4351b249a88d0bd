"""The times of all rows, read from the columns that `time_columns` chose."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import without_flag
from forecast.reading.columns import assigned
from forecast.reading.grid import some_cells
from forecast.reading.hours import clock_width, periods_a_day, place_periods
from forecast.reading.time_fields import first_month, is_double_year, read_part
from forecast.reading.time_forms import CLOCK_FORM, FORMS, MONTH_CODE, style_of
from forecast.reading.time_parts import compose, cut_times, epoch_unit, of_day
from forecast.reading.times import Times, form_of, read_times
from forecast.reading.vocabulary import plain
from forecast.series.calendar import EPOCHS, MONTH_NAMES, TimeStyle
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.grid import Grid
    from forecast.reading.settings import FileSettings
    from forecast.reading.time_columns import TimeChoice
    from forecast.reading.time_forms import Parts, TimeForm
    from forecast.series.panel import BoolArray, IntArray, TimeArray


_ORDER_WORDS = {"dm": "day first", "md": "month first", "dmy": "day first", "mdy": "month first", "ymd": "year first"}
_ISO_PARTS = {
    "year": "%Y",
    "quarter": "-Q%q",
    "tertial": "-T%Ot",
    "month": "-%m",
    "week": "-W%V",
    "day": "-%d",
    "yearday": "-%j",
}
_FEWEST_BAD, _MANY_BAD = 3, 0.05  # rows, and share of rows, in a second form that make it one
_FEWEST_DAYS, _LONGEST_MONTH = 5, 31  # days one after the other that show months and days without a year
_SECONDS = 2**63 // 10**9
_ISO_PARTS |= {"hour": " %H:00", "minute": ":%M", "second": ":%S"}


@dataclass(frozen=True, eq=False)
class RowTimes:
    """Times of all rows (None: rows are steps), whether each is valid, (row,), how they are written, and notes."""

    times: TimeArray | None
    good: BoolArray
    style: TimeStyle
    found: str
    notes: tuple[str, ...] = ()


def read_row_times(grid: Grid, choice: TimeChoice, settings: FileSettings) -> RowTimes:
    """Read the times of every row."""
    if choice.kind == "none":
        return RowTimes(
            None, np.ones(len(grid), dtype=np.bool_), TimeStyle("index"), "none, rows are steps", _notes(choice)
        )
    if choice.kind == "steps":
        return _read_steps(grid, choice)
    if choice.kind == "typed":
        return _read_typed(grid, choice, settings)
    if choice.kind == "fields":
        return _read_fields(grid, choice, settings)
    return _read_written(grid, choice, settings)


def _notes(choice: TimeChoice) -> tuple[str, ...]:
    return (choice.note,) if choice.note else ()


def _whole(cells: pa.StringArray) -> tuple[IntArray, BoolArray]:
    """Integers of cells, (row,), and which cells are integers, (row,)."""
    fits = pc.match_substring_regex(cells, r"^-?\d{1,15}(\.0+)?$")
    plain = pc.replace_substring_regex(pc.if_else(fits, cells, "0"), r"\.0+$", "")
    return np.asarray(pc.cast(plain, pa.int64()).to_numpy()), np.asarray(fits.to_numpy(zero_copy_only=False))


def _read_steps(grid: Grid, choice: TimeChoice) -> RowTimes:
    numbers, good = _whole(grid.texts(choice.columns[0]))
    return RowTimes(numbers, good, TimeStyle("index", choice.columns), f"{choice.columns[0]} (step numbers)")


def _read_typed(grid: Grid, choice: TimeChoice, settings: FileSettings) -> RowTimes:
    cells = grid.column(choice.columns[0])
    good = np.asarray(pc.is_valid(cells).to_numpy(zero_copy_only=False))
    timezone = getattr(cells.type, "tz", None)
    seconds = pc.fill_null(pc.cast(pc.cast(cells, pa.timestamp("s", timezone), safe=False), pa.int64()), 0).to_numpy()
    good &= np.abs(seconds) < _SECONDS  # beyond it nanoseconds do not fit into 64 bits
    counts = pc.cast(cells, pa.timestamp("ns", timezone), safe=False)
    ns = np.where(good, pc.fill_null(pc.cast(counts, pa.int64()), 0).to_numpy(), 0)
    date_only = timezone is None and not (ns % (86_400 * 10**9)).any()
    form = "%Y-%m-%d" if date_only else "%Y-%m-%d %H:%M:%S"
    if (ns % 10**9).any():
        form += ".%9f"
    if timezone in {"Etc/UTC", "+00:00"}:
        timezone = "UTC"
    style = TimeStyle(form + ("%:z" if timezone else ""), choice.columns, (), timezone, date_only)
    times = RowTimes(ns.view("datetime64[ns]"), good, style, _describe(" + ".join(choice.columns), timezone))
    return _with_numbered_periods(times, grid, choice, settings) if len(choice.columns) > 1 else times


def _read_fields(grid: Grid, choice: TimeChoice, settings: FileSettings) -> RowTimes:
    parts: Parts = {}
    good = np.ones(len(grid), dtype=np.bool_)
    for field, name in zip(choice.fields, choice.columns, strict=True):
        parts[field], whole = read_part(grid.texts(name), field)
        good &= whole
    columns = " + ".join(choice.columns)
    template = "".join(_ISO_PARTS[field] for field in choice.fields)
    note = _months_over_a_year(grid, choice, parts, good) if choice.fields[:2] == ("year", "month") else None
    if choice.fields[-1] == "hour" and periods_a_day(grid.sample(choice.columns[-1]), choice.columns[-1]):
        parts.pop("hour")
        ns, real = compose(parts, len(grid))
        style = TimeStyle(template.removesuffix(" %H:00"), choice.columns, choice.fields)
        days = RowTimes(ns.view("datetime64[ns]"), good & real, style, columns)
        return _with_numbered_periods(days, grid, choice, settings)
    ns, real = compose(parts, len(grid))
    template = template.replace(":00:%M", ":%M")
    if "week" in choice.fields:
        template = template.replace("%Y", "%G")
    style = TimeStyle(template, choice.columns, choice.fields, None, "hour" not in choice.fields)
    notes = _fiscal_note(grid, choice) if note is None else note
    return RowTimes(ns.view("datetime64[ns]"), good & real, style, columns, notes)


def _months_over_a_year(grid: Grid, choice: TimeChoice, parts: Parts, good: BoolArray) -> tuple[str, ...] | None:
    """Move months of years that begin in another month than January into the next year; None: there are none.

    Raises
    ------
    ForecastError
        Years are written 2015/16, and their months do not show where they begin.

    """
    name = choice.columns[0]
    double = next(filter(is_double_year, grid.filled(name)), None)
    first = first_month(parts["year"][good], parts["month"][good], fewest=1 if double else 2)
    if first == 1:
        if double is None:
            return None
        raise ForecastError(
            f"{name!r} holds years such as {double!r}, and the order of the months in {choice.columns[1]!r} does not "
            "show with which they begin: sort the table by time, or write the year of each month"
        )
    parts["year"] = parts["year"] + (parts["month"] < first)
    begin, end = MONTH_NAMES[first - 1], MONTH_NAMES[first - 2]
    return (
        ()
        if double
        else (
            f"the months of {name!r} go from {begin} to {end}: those from January on were read as of the year after it",
        )
    )


def _fiscal_note(grid: Grid, choice: TimeChoice) -> tuple[str, ...]:
    """Say how the periods of fiscal years are read, which may begin in any month."""
    name = choice.columns[0]
    cell = next(iter(grid.filled(name)), "")
    if not (cell.upper().startswith("F") or plain(name).startswith("f") or is_double_year(cell)):
        return ()
    return (f"{name!r} counts fiscal years: their first period is written as January, whichever month it is",)


def _read_written(grid: Grid, choice: TimeChoice, settings: FileSettings) -> RowTimes:
    name, form = choice.columns[0], choice.form
    if form is None:
        raise ValueError("a written time needs a form")
    times = _times_of(grid, name, form, settings)
    ns, good = times.ns, times.good
    if times.swapped is not None:
        _refuse_swapped(grid, name, times.swapped)
    if not settings.time_format and {"name", "y2"} <= form.groups and form.span == "month":
        _refuse_yearless(grid.texts(name), form, name)
    if settings.on_bad_rows == "error":
        _refuse_second_form(grid, name, good, form.span)
    sample = grid.sample(name)
    notes = (*times.notes, *_months_note(sample, form, name))
    if form.span == "serial":
        style = TimeStyle("%Y-%m-%d" if all(cell.isdigit() for cell in sample) else "%Y-%m-%d %H:%M:%S", (name,))
    elif "share" in form.groups:
        style = TimeStyle("%Y-%m", (name,), date_only=True)
    elif form.span == "second":
        style = _epoch_style(grid.texts(name), form, name)
    else:
        style = style_of(sample, form, times.order, times.timezone, name)
    words = [word for word in (_ORDER_WORDS.get(times.order), form.name if form.span != "day" else "") if word]
    description = _describe(" + ".join(choice.columns), times.timezone, *words)
    notes += _quarters_note(sample, style, name)
    if choice.kind == "date and clock":
        if periods_a_day(grid.sample(choice.columns[1]), choice.columns[1]):
            style = replace(style, columns=choice.columns, fields=choice.fields)
            days = RowTimes(ns.view("datetime64[ns]"), good, style, description, notes)
            return _with_numbered_periods(days, grid, choice, settings)
        ns, good, style = _with_time_of_day(grid, choice, ns, good, style)
    return RowTimes(ns.view("datetime64[ns]"), good, style, description, notes)


def _times_of(grid: Grid, name: str, form: TimeForm, settings: FileSettings) -> Times:
    """Read the cells of a column; those that are no times once more, without what follows them: a footnote, a flag."""
    moments = grid.moments(name)
    if moments is not None and form is FORMS[0]:
        return Times(moments, np.ones(len(moments), dtype=np.bool_))
    cells = grid.texts(name)
    times = read_times(cells, form, settings.day_first, european=grid.european)
    wrong = np.flatnonzero(~times.good)
    bare = {
        int(row): without_flag(cell) for row, cell in zip(wrong, cells.take(pa.array(wrong)).to_pylist(), strict=True)
    }
    if not any(flag for _, flag in bare.values()):
        return times
    texts = [bare[row][0] if row in bare else cell for row, cell in enumerate(cells.to_pylist())]
    again = read_times(pa.array(texts, pa.string()), form, settings.day_first, european=grid.european)
    read = Counter(flag for row, (_, flag) in bare.items() if flag and again.good[row])
    if not read:
        return times
    shown = name_some([repr(flag) for flag, _ in read.most_common(5)], len(read))
    note = f"{shown} after times left out, in {counted(read.total(), 'cell')} of {name!r}"
    return replace(again, notes=(*again.notes, note))


def _refuse_swapped(grid: Grid, name: str, row: int) -> None:
    """Refuse dates of which a spreadsheet exchanged days and months."""
    before, here = grid.texts(name)[row - 1 : row + 1].to_pylist()
    raise ForecastError(
        f"days and months of {name!r} are exchanged in dates up to the 12th, as by a spreadsheet of another country: "
        f"{here!r} follows {before!r} in line {grid.lines[row]}, and so on, and exchanged they are in order: export "
        "the table again with dates such as 2024-01-31, or set `data.day_first=true` or `false` to read them so"
    )


def _refuse_yearless(cells: pa.StringArray, form: TimeForm, name: str) -> None:
    """Refuse days without a year, Jan 30, Jan 31, Feb 01, that look like months of years."""
    parts = cut_times(cells, form).parts
    days = parts["name"] * 100 + parts["y2"]  # month and day: 131, 201
    onward = np.diff(days)
    next_day = (onward == 1) | (np.diff(parts["name"]) % 12 == 1) & (parts["y2"][1:] == 1)
    several = len(np.unique(parts["name"])) > 1 or " " in (cells[0].as_py() or "")
    template = re.sub(r"\d+", "%y", re.sub(r"[^\W\d]+", "%b", cells[0].as_py() or ""))
    if len(days) >= _FEWEST_DAYS and several and parts["y2"].max() <= _LONGEST_MONTH and next_day.all():
        raise ForecastError(
            f"{cells[0].as_py()!r}, {cells[1].as_py()!r}, ... in {name!r} are days without a year: write them with it, "
            f"or set `data.time=none` to count rows, or `{assigned('data.time_format', template)}` if they are months "
            "of years"
        )


def _refuse_second_form(grid: Grid, name: str, good: BoolArray, span: str) -> None:
    """Refuse a column of which many dates, those that are not `good`, are written in another form than the others.

    Those stand for a period of `span`. Offices of statistics put years, quarters and months below one another.
    """
    rows = np.flatnonzero(~good)
    if len(rows) < max(_FEWEST_BAD, _MANY_BAD * len(good)) or not good.any():
        return
    cells = grid.texts(name)
    others = [cell for cell in some_cells(cells.take(pa.array(rows))) if cell]
    first, usual = int(rows[0]), int(np.argmax(good))
    periods = {read[0]: (cell, read[1]) for cell in reversed(others) if (read := _period_of(cell))}
    if periods and span not in periods and span in _PERIODS:
        others_written = ", ".join(f"{_PERIODS[period]} ({cell!r})" for period, (cell, _) in periods.items())
        formats = [f"`{assigned('data.time_format', template)}`" for _, template in periods.values()]
        raise ForecastError(
            f"{name!r} holds {_PERIODS[span]} ({cells[usual].as_py()!r}) and, in {len(rows)} rows, {others_written}: "
            f"`data.on_bad_rows=drop` keeps the {_PERIODS[span]}; {' or '.join(formats)} beside it keeps the others"
        )
    form, share = form_of(others)
    if form is None or form.weak or share < 1.0:
        return
    raise ForecastError(
        f"{name!r} holds dates of two forms, {cells[usual].as_py()!r} (line {grid.lines[usual]}) and, in {len(rows)} "
        f"rows, {cells[first].as_py()!r} (line {grid.lines[first]}), as a spreadsheet leaves them that takes some "
        "days for months: write all in one form, or leave the second out with `data.on_bad_rows=drop`"
    )


_PERIODS = {"year": "years", "quarter": "quarters", "month": "months"}
_PERIOD_FORMS = [
    form
    for form in FORMS
    if form.span in _PERIODS and form.name != "fiscal year" and (form.span == "year" or not form.weak)
]


def _period_of(cell: str) -> tuple[str, str] | None:
    """Return the period that a cell stands for, one of `_PERIODS`, and the format that reads it; None: it is none.

    >>> [_period_of(cell) for cell in ("1990 Q1", "1990 JAN", "1990", "PreUnit")]
    [('quarter', '%Y Q%q'), ('month', '%Y %b'), ('year', '%Y'), None]
    """
    form = next((form for form in _PERIOD_FORMS if form.fits(cell)), None)
    if form is None:
        return None
    return form.span, MONTH_CODE.sub("%b", style_of([cell], form, "", None, "").format)


def _with_numbered_periods(days: RowTimes, grid: Grid, choice: TimeChoice, settings: FileSettings) -> RowTimes:
    """Add the numbers of hours, or of their parts, in the last column to days."""
    if days.times is None:
        raise ValueError("numbered periods need days")
    name = choice.columns[-1]
    periods = place_periods(
        days.times.astype(np.int64),
        grid.texts(name),
        name,
        per_day=periods_a_day(grid.sample(name), name),
        timezone=settings.timezone,
        lines=grid.lines,
    )
    midnight = re.sub("%[HMS]", "00", days.style.format)  # which some write behind each date
    style = replace(days.style, format=f"{midnight} {periods.code}", timezone=periods.timezone, date_only=False)
    return RowTimes(
        periods.ns.view("datetime64[ns]"), days.good & periods.good, style, days.found, (*days.notes, periods.note)
    )


def _quarters_note(sample: Sequence[str], style: TimeStyle, name: str) -> tuple[str, ...]:
    """Say that what could be the months 01 to 04 was read as quarters; nothing for any other form."""
    months = style.format.replace("0%q", "%m")
    if months == style.format:
        return ()
    return (
        f"{name!r} never goes beyond 04 in a year: {sample[0]!r} was read as a quarter "
        f"(`{assigned('data.time_format', months)}` reads a month)",
    )


def _months_note(sample: Sequence[str], form: TimeForm, name: str) -> tuple[str, ...]:
    """Say how years with decimals, or months that lost a zero, were read; nothing for any other form."""
    lost = "hundredth" in form.groups
    if not lost and "share" not in form.groups:
        return ()
    cell = next((cell for cell in sample if re.fullmatch(r"\d{4}[.,]1" if lost else r"\d{4}[.,]\d+", cell)), "")
    if not cell:
        return ()
    times = read_times(pa.array([cell], pa.string()), form, None, european=False)
    month = str(times.ns.view("datetime64[ns]").astype("datetime64[M]")[0])
    return (f"{cell!r} in {name!r} was read as {month}{', whose zero got lost' if lost else ''}",)


def _epoch_style(cells: pa.StringArray, form: TimeForm, name: str) -> TimeStyle:
    """Style of counts since 1970, in the unit that the form names or else the cells show."""
    unit = EPOCHS.get(form.name) or epoch_unit(cut_times(cells, form).parts["whole"])
    return TimeStyle(next(template for template, ns in EPOCHS.items() if ns == unit), (name,), timezone="UTC")


def _with_time_of_day(
    grid: Grid, choice: TimeChoice, ns: IntArray, good: BoolArray, style: TimeStyle
) -> tuple[IntArray, BoolArray, TimeStyle]:
    cells = grid.texts(choice.columns[1])
    if width := clock_width(grid.filled(choice.columns[1])):
        cells = pc.utf8_lpad(cells, width, "0")
    cut = cut_times(cells, CLOCK_FORM)
    within, real = of_day(cut.parts, len(cells))
    clock = style_of(some_cells(cells), CLOCK_FORM, "", None, choice.columns[1])
    both = replace(
        style,
        format=f"{style.format} {clock.format}",
        columns=choice.columns,
        fields=choice.fields,
        date_only=False,
        ends_day=clock.ends_day,
    )
    return ns + within, good & cut.fits & real, both


def _describe(name: str, timezone: str | None, *words: str) -> str:
    details = [*words, *([timezone] if timezone and not re.search(r"\bUTC\b", name) else [])]
    return f"{name} ({', '.join(details)})" if details else name
