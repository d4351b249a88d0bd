"""Which column, or which columns together, hold the time.

A column is chosen by what its cells look like. Plain numbers (years, 202401, seconds since 1970) need a name that says
time, or to increase in the first column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import is_number
from forecast.reading.hours import clock_width, periods_a_day
from forecast.reading.month_names import month_numbers
from forecast.reading.time_fields import chain_of, fields_by_name
from forecast.reading.time_forms import CLOCK_FORM, TimeForm, form_of_format
from forecast.reading.time_parts import epoch_unit
from forecast.reading.times import BEYOND, form_of, irregularity_of, is_beyond, read_times
from forecast.reading.vocabulary import CLOCK, FIELDS, INDEX, SPANS, STEPS, TIME, is_named, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reading.grid import Grid
    from forecast.reading.settings import FileSettings


_ENOUGH = 0.5  # share of a column's cells that are times
_ENOUGH_BY_NAME = 0.2  # the same if the column is called like a time
_MOST_PLAIN = 0.9  # the same if its cells are plain numbers
_LOOKED_AT = 200  # cells on whose order it is decided whether numbers are times
_FEWEST_TICKS = 5  # different counts since 1970 that show a clock
_DATE_AND_VALUE = 2  # columns: the one beside the date holds durations, if not times of day
_SEVERAL = 2  # numbers of hours that a day has at least, on average
_FEW_STEPS = 3  # different steps between times, for short files
_NO_TIME = re.compile(r"[-+]?\d{1,3}(?:\.(?:\d{1,3}|\d{5,}))?", re.ASCII)
"""Numbers that are no time in any form; most columns of large files hold nothing else."""
_HAS_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d{2}(?!\d)")


_DATED = re.compile(r"[a-zß](?:datum|Date)$")
"""Names such as Belegdatum and OrderDate."""
_YEARLESS = re.compile(
    r"(?:[^\W\d]{2,10}\.?,? (?=\d))?(?:\d{1,2}[-/. ]+)?([^\W\d]{3,10}\.?)(?:[-/. ]+\d{1,2})?|\d{1,2}[-/.]\d{1,2}\.?"
)


@dataclass(frozen=True)
class TimeChoice:
    """The columns that hold the time.

    `kind`: one column of a form; a column for each field (year, month, ...); a date and a time of day; step numbers; a
    column of times in a Parquet file; or none: rows are steps.
    """

    kind: Literal["column", "fields", "date and clock", "steps", "typed", "none"]
    columns: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    form: TimeForm | None = None
    note: str = ""


def choose_time(grid: Grid, settings: FileSettings, named: tuple[str, ...] | None, taken: Sequence[str]) -> TimeChoice:
    """Choose the columns that `data.time` names (`named`; (): none), else by content (`named` None).

    `taken`: columns with another role (target, id).

    Raises
    ------
    ForecastError
        The named column holds no times, or a column of texts is called like a time and holds none.

    """
    if named == ():
        return TimeChoice("none")
    if named is not None:
        return _named(grid, named, settings)
    names = [name for name in grid.names if name not in taken]
    if settings.time_format:
        form = form_of_format(settings.time_format)
        shares = {name: _share(grid, name, form) for name in names}
        best = next((name for name in names if shares[name] >= _ENOUGH), max(names, key=shares.__getitem__, default=""))
        if not shares.get(best):
            raise ForecastError(f"`data.time_format` {settings.time_format!r} fits no column: set `data.time` as well")
        return TimeChoice("column", (best,), form=form)
    return _detected(grid, names, may_be_target=len(names) == 1 and not settings.target)


def _detected(grid: Grid, names: Sequence[str], *, may_be_target: bool) -> TimeChoice:
    """Choose by content: Parquet times, unmistakable forms, columns of fields, weak forms, step numbers, none.

    An only column of plain numbers is no time where it `may_be_target`.
    """
    typed = _varied(grid, [name for name in names if _is_typed(grid, name)])
    if typed:
        name = next((name for name in typed if is_named(name, TIME)), typed[0])
        return TimeChoice("typed", (name, *_numbered_beside(grid, name, names)))
    forms = {name: form for name in names if (form := _form(grid, name)) is not None}
    strong = _varied(grid, [name for name, form in forms.items() if not form.weak])
    # A fiscal year alone would make a series of each of its periods.
    of_years = all(forms[name].span == "year" for name in strong)
    if of_years and (fields := _detected_fields(grid, names)):
        return fields
    if strong:
        name = next((name for name in strong if is_named(name, TIME)), strong[0])
        return _with_clock_column(grid, name, forms[name], names)
    # A plain number is a time if its column is called so, or comes first and goes on like times.
    likely = [name for name in forms if is_named(name, TIME)]
    likely += [name for name, form in forms.items() if name == grid.names[0] and _goes_on(_filled(grid, name), form)]
    counts = [name for name, form in forms.items() if form.name == "epoch" and name not in likely]
    likely += [name for name in counts if _ticks(_filled(grid, name))]
    if likely and not may_be_target:
        return _with_clock_column(grid, likely[0], forms[likely[0]], names)
    _refuse_beyond(names, grid)
    _refuse_unknown([name for name in names if plain(name) in TIME and _is_different(grid, name)], grid)
    steps = [name for name in names if not may_be_target and _counts(grid, name)]
    if steps:
        return TimeChoice("steps", (steps[0],))
    _refuse_unknown([name for name in names if plain(name) in TIME], grid)
    return TimeChoice("none", note=_unread_note(grid, names))


def _varied(grid: Grid, names: Sequence[str]) -> Sequence[str]:
    """Return the columns whose cells differ, or all: the day of an export is the same in every row."""
    return [name for name in names if len(set(grid.sample(name))) > 1] or names


def _form(grid: Grid, name: str) -> TimeForm | None:
    """Form of the times that a column holds, by its cells and its name; None: it holds none."""
    cells = _filled(grid, name)
    if len(list(filter(_NO_TIME.fullmatch, cells))) > (1 - _ENOUGH_BY_NAME) * len(cells):
        return None
    form, share = form_of(cells, _spans(name))
    named = is_named(name, TIME)
    if form is None or form.weak:
        return form if share >= (_MOST_PLAIN if named else 1.0) else None
    return form if share >= (_ENOUGH_BY_NAME if named else _ENOUGH) else None


def _spans(name: str) -> tuple[str, ...]:
    """Periods that a column's name suggests."""
    return tuple(span for span, usual in SPANS.items() if is_named(name, usual))


def _goes_on(cells: Sequence[str], form: TimeForm) -> bool:
    """Whether plain numbers without a name that says time go on like times: strictly, and in few different steps.

    Days of a spreadsheet are no better than any other number, and neither are months of which all are the first, as in
    1.1700, 1.1701, 1.1702. Other numbers than years, months and seconds must go on over a new year as well: 2020001,
    2020002 may be orders, but not 2020365, 2021001.
    """
    cells = cells[:_LOOKED_AT]
    ns = read_times(pa.array(list(cells), pa.string()), form, None, european=False).ns
    steps = np.diff(ns)
    if form.span == "serial" or len(steps) < 2 or not ((steps > 0).all() or (steps < 0).all()):
        return False
    months = ns.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    if form.span == "month" and len(np.unique(months % 12)) == 1:
        return False
    usual = form.name in {"year", "year-month", "month-year", "epoch"}
    if not usual and (
        len(np.unique(months // 12)) == 1 or ("share" in form.groups and len(np.unique(months % 12)) < 12)
    ):
        return False
    return irregularity_of(cells, form) <= max(_FEW_STEPS, len(cells) // 10)


def _ticks(cells: Sequence[str]) -> bool:
    """Whether counts since 1970 lie whole minutes apart, in any order: what else has ten digits does not."""
    counts = np.unique([int(cell.split(".")[0]) for cell in cells])
    unit = epoch_unit(counts)
    minute = 60 * 10**9 // unit
    return len(counts) >= _FEWEST_TICKS and int(np.gcd.reduce(np.diff(counts))) % minute == 0


def _is_different(grid: Grid, name: str) -> bool:
    """Whether most cells of a column differ from each other, as times do and names of weekdays do not."""
    cells = _filled(grid, name)
    return len(set(cells)) >= _ENOUGH * len(cells)


def _unread_note(grid: Grid, names: Sequence[str]) -> str:
    """Name a column that may hold times, why it is not read, and what to set; empty: there is none."""
    for name in names if len(grid.names) > 1 else ():
        cells = _filled(grid, name)
        called = is_named(name, TIME) or plain(name) in STEPS or plain(name) in FIELDS["year"] or _DATED.search(name)
        if called and cells and all(map(is_number, cells)):
            whole = all(re.fullmatch(r"-?\d{1,15}(\.0+)?", cell) for cell in cells)
            remedy = f"`data.time={name}` takes them as step numbers, `data.time_format` (such as %d%m%y) as dates"
            return (
                f"{name!r} holds numbers such as {cells[0]!r} that are neither dates nor steps: rows are counted "
                f"instead{f' ({remedy})' if whole else ''}"
            )
        # Cells with digits that all differ, in the first column or with a year in them: dates of some calendar.
        with_digits = sum(any(map(str.isdigit, cell)) for cell in cells)
        with_year = sum(_HAS_YEAR.search(cell) is not None for cell in cells)
        like = max(with_year, with_digits if called or name == grid.names[0] else 0) > _MOST_PLAIN * len(cells)
        if like and not all(map(is_number, cells)) and _is_different(grid, name):
            return (
                f"{name!r} looks like a time, but {cells[0][:40]!r} is no known one: rows are counted instead "
                f"(`data.time_format` reads what the codes of strftime say; else write 2024-01-31, 2024-01 or 2024-Q1)"
            )
    return ""


def _with_clock_column(grid: Grid, name: str, form: TimeForm, names: Sequence[str]) -> TimeChoice:
    """Join a column of dates with a column of times of day, if there is one."""
    alone = TimeChoice("column", (name,), form=form)
    if form.span == "day" and (numbered := _numbered_beside(grid, name, names)):
        return TimeChoice("date and clock", (name, *numbered), ("date", "time"), form)
    matches = [form.expression.fullmatch(cell) for cell in _filled(grid, name)]
    if form.span != "day" or any(match and match.groupdict().get("hour") for match in matches):
        return alone
    for other in names if len(grid.names) > _DATE_AND_VALUE else ():
        cells = _filled(grid, other)
        likely = is_named(other, CLOCK) or any(":" in cell for cell in cells[:1]) or _are_hours(cells)
        if (
            other != name
            and likely
            and len(set(cells)) > 1
            and not periods_a_day(cells, other)
            and _is_clock(grid, other)
        ):
            return TimeChoice("date and clock", (name, other), ("date", "time"), form)
    return alone


def _are_hours(cells: Sequence[str]) -> bool:
    """Whether cells are hours from the one to the next, "00 - 01"."""
    spans = [match for cell in cells if (match := re.fullmatch(r"(\d{1,2})\s?[-–]\s?(\d{1,2})", cell))]
    return len(spans) == len(cells) > 0 and all(
        (int(end) - int(start)) % 24 == 1 for start, end in map(re.Match.groups, spans)
    )


def _numbered_beside(grid: Grid, date: str, names: Sequence[str]) -> list[str]:
    """Return the column that numbers hours, or their parts, of the days of another, or none.

    Days have several; a number a day is the hour of a peak, or counts rows.
    """
    for name in names if len(grid.names) > _DATE_AND_VALUE and getattr(grid.kind(date), "tz", None) is None else ():
        if name != date and periods_a_day(_filled(grid, name), name):
            pairs = pa.table([grid.texts(date), grid.texts(name)], names=["date", "number"])
            days = len(pc.unique(pairs["date"]))
            if pairs.group_by(["date", "number"]).aggregate([]).num_rows >= _SEVERAL * days:
                return [name]
    return []


def _detected_fields(grid: Grid, names: Sequence[str]) -> TimeChoice | None:
    """Columns of a year and its month, quarter, week, ..., by their names and values in range, or by their words."""
    columns = fields_by_name({name: _filled(grid, name) for name in names})
    chain = chain_of(columns)
    if chain and chain[-1] == "day" and (numbered := _numbered_beside(grid, columns["day"], names)):
        columns["hour"] = numbered[0]
    years = _filled(grid, columns["year"]) if chain else []  # where none repeats, the weeks are another column
    return fields_choice(columns) if chain and (chain[1] != "week" or len(set(years)) < len(years)) else None


def fields_choice(columns: Mapping[str, str]) -> TimeChoice:
    """Return the choice of columns that hold a part each, by part."""
    chain = chain_of(columns)
    return TimeChoice("fields", tuple(columns[field] for field in chain), chain)


def _counts(grid: Grid, name: str) -> bool:
    """Whether a column counts rows: by its name, or 0, 1, 2, ... in the first column of a file without names."""
    cells = _filled(grid, name)
    if not cells or not all(re.fullmatch(r"\d{1,15}", cell) for cell in cells):
        return False
    if plain(name) in INDEX or plain(name) in STEPS:
        return _goes_up(grid, name) or plain(name) == "ds"
    first = [int(cell) for cell in cells[:50]]
    from_start = name == "column 1" or (is_named(name, TIME) and first[0] in (0, 1))
    return from_start and name == grid.names[0] and first == list(range(first[0], first[0] + len(first)))


def _goes_up(grid: Grid, name: str) -> bool:
    numbers = [float(cell) for cell in _filled(grid, name) if re.fullmatch(r"\d+(\.\d+)?", cell)]
    return len(numbers) > 1 and bool((np.diff(numbers) > 0).all())


def _refuse_beyond(names: Sequence[str], grid: Grid) -> None:
    """Refuse dates of the year 1 or 9999."""
    for name in names:
        cells = _filled(grid, name)
        beyond = [cell for cell in cells if is_beyond(cell)]
        if len(beyond) > _ENOUGH * len(cells):
            raise ForecastError(
                f"{beyond[0][:40]!r} in {name!r} {BEYOND}: shift the years, or set `data.time=none` to count rows"
            )


def _refuse_unknown(names: Sequence[str], grid: Grid) -> None:
    """Refuse to count rows if a column of texts is called like a time."""
    for name in names:
        cells = [cell for cell in _filled(grid, name) if not is_number(cell)]
        if cells:
            clock = _is_clock(grid, name) and not _HAS_YEAR.search(cells[0])
            what = "is a time of day without a date" if clock else "is no known time"
            if all(map(_lacks_year, cells)):
                what = "is a time without a year, which has to be added"
            raise ForecastError(
                f"{name!r} should hold times, but {cells[0][:40]!r} {what}: set `data.time_format` (such as "
                f"%d.%m.%Y), name another column with `data.time`, or `data.time=none` to count rows"
            )


def _lacks_year(cell: str) -> bool:
    """Whether a cell is a day or a month that may be of any year: 5 Jan, 05.01., January."""
    match = _YEARLESS.fullmatch(cell)
    return match is not None and (not match[1] or month_numbers([match[1]])[0] > 0)


def _named(grid: Grid, named: tuple[str, ...], settings: FileSettings) -> TimeChoice:
    """Choose how the columns of `data.time` are read."""
    if len(named) > 1:
        return _named_fields(grid, named)
    name = named[0]
    if _is_typed(grid, name):
        return TimeChoice("typed", named)
    if settings.time_format:
        return TimeChoice("column", named, form=form_of_format(settings.time_format))
    cells = _filled(grid, name)
    form, share = form_of(cells, _spans(name))
    if form is not None and share > 0 and not (form.weak and share < _ENOUGH):
        return TimeChoice("column", named, form=form)
    if cells and all(re.fullmatch(r"-?\d{1,15}(\.0+)?", cell) for cell in cells):
        return TimeChoice("steps", named)
    _refuse_beyond([name], grid)
    shown = repr(cells[0]) if cells else "nothing"
    raise ForecastError(
        f"`data.time` {name!r} holds no times, found {shown}: name another column, set `data.time_format` "
        f"(such as %d.%m.%Y), or `data.time=none` to count rows"
    )


def _named_fields(grid: Grid, named: tuple[str, ...]) -> TimeChoice:
    columns = fields_by_name({name: _filled(grid, name) for name in named})
    if sorted(columns.values()) == sorted(named) and len(chain_of(columns)) == len(named):
        return fields_choice(columns)
    for date, clock in (named, named[::-1]) if len(named) == 2 else ():
        form, share = form_of(_filled(grid, date))
        if form is not None and form.span == "day" and share >= _ENOUGH and _is_clock(grid, clock):
            return TimeChoice("date and clock", (date, clock), ("date", "time"), form)
    raise ForecastError(
        f"`data.time` names {len(named)} columns, which should be a date and a time of day, or a year and its quarter, "
        f"month or week (then day, hour, minute, second), in columns that are called so: found "
        f"{', '.join(map(repr, named))}"
    )


def _is_typed(grid: Grid, name: str) -> bool:
    kind = grid.kind(name)
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _filled(grid: Grid, name: str) -> list[str]:
    """Sample the cells of a column of texts or integers that are not missing."""
    kind = grid.kind(name)
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind)):
        return []
    return grid.filled(name)


def _share(grid: Grid, name: str, form: TimeForm) -> float:
    cells = _filled(grid, name)
    return sum(form.expression.fullmatch(cell) is not None for cell in cells) / max(len(cells), 1)


def _is_clock(grid: Grid, name: str) -> bool:
    cells = _filled(grid, name)
    if not cells:
        return False
    filled_up = [cell.zfill(width) for cell in cells] if (width := clock_width(cells)) else cells
    return periods_a_day(cells, name) > 0 or all(map(CLOCK_FORM.expression.fullmatch, filled_up))
