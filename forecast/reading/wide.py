"""Wide tables: the header holds steps, and each row is a series (`rows`) or the rest of the time (`pivot`).

The columns of steps are those whose names belong together, dates, years, months, hours, numbers in sequence, and which
hold numbers. Of the others some say which series a row is, some hold the rest of the time; what is left is no
observation, and a note names it. A wide table is turned into a long one, a row a value, and then read as any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import is_missing, is_number, without_flag
from forecast.reading.columns import is_numeric, listed, match_names
from forecast.reading.grid import Grid, some_cells
from forecast.reading.hours import periods_a_day
from forecast.reading.ids import join_ids, naming_columns
from forecast.reading.time_fields import RANGES, chain_of, fields_by_name, is_double_year, is_part, part_number
from forecast.reading.time_forms import names_time
from forecast.reading.times import form_of
from forecast.reading.unpivot import by_row, filled_rows, is_total, sampled
from forecast.reading.vocabulary import FIELDS, ID_OR_NUMBER, is_named, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from forecast.reading.settings import FileSettings
    from forecast.series.panel import BoolArray


_FEWEST = {"times": 4, "year": 4, "month": 4, "quarter": 4, "hour": 20, "clock": 4}
"""Columns called so that a file needs for its rows to be taken apart; numbered ones need `_FEWEST_NUMBERED`."""
_FEWEST_NUMBERED = 8
_NUMBERS = 0.9
"""Share of the cells in the columns of steps that must be numbers; the others are reported as bad."""
_MOST = 0.5  # share of a column's cells that must be dates
_CLOCK = re.compile(
    r"(?:[01]?\d|2[0-4]):[0-5]\d(?::00)?(?:\s?-\s?\d{1,2}:\d\d)?|(?:0?[1-9]|1[0-2])(?::[0-5]\d)?\s?[AaPp][Mm]", re.ASCII
)
_NUMBERED = re.compile(r"(?P<letters>[^\W\d]*)[ _.]?(?P<number>\d{1,6})")
_COUNTED = {
    "hour": ("", "h", "hr", "hour", "hh", "qh", "sp"),
    "month": ("", "m", "month"),
    "week": ("", "w", "wk", "week", "kw"),
}
"""Letters before numbers in a header that may count hours, months or weeks; those that count days may be any."""


@dataclass(frozen=True)
class Wide:
    """How a wide table is read.

    Attributes
    ----------
    layout : whether a row is a series, or holds the rest of the time of its values
    steps : the columns of values
    part : what their names are: "times", "numbers", or a part of the time
    texts : what stands for each of them in the long table
    ids : the columns that name a row's series; none: one series
    rows : columns with the rest of the time, by part; "date" is a whole one

    """

    layout: Literal["rows", "pivot"]
    steps: tuple[str, ...]
    part: str
    texts: tuple[str, ...]
    ids: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)


def find_wide(grid: Grid, settings: FileSettings) -> Wide | None:
    """Return how a table is wide; None: it is not, or the settings say otherwise.

    Raises
    ------
    ForecastError
        The settings say that it is wide, and it is not.

    """
    if settings.layout in {"long", "columns"} or (settings.layout is None and settings.target is not None):
        return None
    named = match_names(grid.names, settings.id, "data.id")
    groups = [group for group in _groups(grid, named, settings) if settings.layout or _enough(*group)]
    for part, steps in groups if settings.layout != "rows" else ():
        pivot = _pivot(grid, part, steps, _other_columns(grid, steps), named)
        times = match_names(grid.names, settings.time, "data.time") if pivot and settings.time else ()
        if pivot and (not times or set(times) == {*pivot.rows.values()}):
            return pivot
    if settings.layout == "pivot":
        raise ForecastError(
            "`data.layout=pivot` needs a header of years, quarters, months, weeks, days or hours over numbers, and "
            f"columns with the rest of the time, found {listed(grid.names)}: set `data.layout=long`, `columns` or "
            "`rows`"
        )
    if settings.layout == "rows":
        return _rows(grid, groups, named, settings)
    for part, steps in groups if settings.time is None else ():
        labels = _other_columns(grid, steps)
        rows = filled_rows(grid, steps, settings)
        if part == "times" and not named:
            _refuse_days(grid, labels, steps)
        ids = _ids(grid, named or labels, rows, any_kind=bool(named))
        if not ids and part == "times" and labels == [grid.names[0]]:
            ids = _ids(grid, labels, rows, any_kind=not _any_times(grid, labels))  # numbers may be names, too
        if part in {"times", "year", "numbers"} and ids and not _any_times(grid, labels, different=part != "numbers"):
            return Wide("rows", steps, part, _texts(part, steps), named or ids)
    return None


def _refuse_days(grid: Grid, labels: Sequence[str], steps: Sequence[str]) -> None:
    """Refuse days of months that the header names, which would be a series each.

    Raises
    ------
    ForecastError
        Names the column of days and the first month.

    """
    form, _ = form_of([_bare(step) for step in steps])
    for name in labels if form is not None and form.span == "month" else ():
        cells = sampled(grid, name)
        if plain(name) in FIELDS["day"] and cells and all(is_part(cell, "day") for cell in cells):
            raise ForecastError(
                f"{name!r} holds days of the months in the header ({steps[0]!r}, ...): write a row a day, with its "
                "date, or set `data.layout=rows` if each row is a series of its own"
            )


def _other_columns(grid: Grid, steps: Sequence[str]) -> list[str]:
    """Columns that hold no steps."""
    among = set(steps)
    return [name for name in grid.names if name not in among]


def _rows(
    grid: Grid, groups: Sequence[tuple[str, tuple[str, ...]]], named: Sequence[str], settings: FileSettings
) -> Wide:
    """Read each row as a series because the settings say so."""
    first = named or grid.names[:1]
    part, steps = groups[0] if groups else ("numbers", ())
    if len(steps) < 2:
        left = [name for name in grid.names if name not in first]
        numeric = [name for name in left if settings.symbols or is_numeric(grid, name)]
        part, steps = "numbers", tuple(numeric or left)
    if not steps:
        raise ForecastError("`data.layout=rows` needs values after the id, and there is one column: check the file")
    labels = _other_columns(grid, steps)
    ids = named or _ids(grid, labels, filled_rows(grid, steps, settings)) or (labels[0],) if labels else first
    steps = tuple(name for name in steps if name not in ids)
    part = part if part in {"times", "year"} else "numbers"
    return Wide("rows", steps, part, _texts(part, steps), tuple(ids))


def _groups(grid: Grid, taken: Sequence[str], settings: FileSettings) -> list[tuple[str, tuple[str, ...]]]:
    """Columns of numbers whose names belong together, the largest group first: what the names are, and the columns."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in grid.names:
        if name not in taken:
            for key in _kinds(name):
                groups.setdefault(key, []).append(name)
    result = []
    called = {before for part, before in groups if part in {"times", "year"} and before}
    for (part, before), names in groups.items():
        # Below "Sales 2019, Costs 2019" a row holds several series.
        if len(names) > 1 and not (before in called and len(called) > 1):
            steps = [name for name in names if settings.symbols or _is_of_numbers(grid, name)]
            if part == "numbers":
                steps = _in_sequence(steps)
            if len(steps) > 1 and (settings.symbols or _hold_numbers(grid, steps)):
                result.append((part, tuple(steps)))
    return sorted(result, key=lambda group: (len(group[1]), group[0] != "numbers"), reverse=True)


def _kinds(name: str) -> list[tuple[str, str]]:
    """What the name of a column may be: a time, a part of one, a number after letters."""
    before, time = _split(name)
    if before:
        return [("year" if is_part(time, "year") else "times", before)]
    kinds = []
    if names_time(_bare(name)):
        kinds.append(("times", ""))
    parts = [part for part in ("year", "month", "quarter", "hour") if is_part(name, part)]
    kinds += [(part, "") for part in parts if part == "year" or not name.isdigit()]
    if _CLOCK.fullmatch(name):
        kinds.append(("clock", ""))
    if match := _NUMBERED.fullmatch(name):
        kinds.append(("numbers", match["letters"]))
    return kinds


@lru_cache(1 << 12)
def _split(name: str) -> tuple[str, str]:
    """Take off what is counted, before a time in the name of a column; "": there is nothing of the kind.

    >>> _split("CPI (2015=100) 2018M01"), _split("Sales 2019"), _split("Jan 2020")
    (('CPI (2015=100) ', '2018M01'), ('Sales ', '2019'), ('', 'Jan 2020'))
    """
    if not names_time(name) and not is_part(name, "year"):
        for blank in re.finditer(r"[\s_]+", name):
            time = name[blank.end() :]
            if names_time(time) or re.fullmatch(r"(?:19|20)\d\d", time):
                return name[: blank.end()], time
    return "", name


def _bare(name: str) -> str:
    """Return a time without what stands before it (R: X2020.01.31), and without a flag after it."""
    return without_flag(re.sub(r"^X(?=\d)", "", _split(name)[1]))[0]


def _in_sequence(names: Sequence[str]) -> list[str]:
    """Longest run of names whose numbers increase by one."""
    numbers = [int(match["number"]) for name in names if (match := _NUMBERED.fullmatch(name))]
    breaks = [i + 1 for i, (one, other) in enumerate(pairwise(numbers)) if other != one + 1]
    bounds = [0, *breaks, len(names)]
    start, end = max(pairwise(bounds), key=lambda bound: bound[1] - bound[0], default=(0, 0))
    return list(names[start:end])


def _is_of_numbers(grid: Grid, name: str) -> bool:
    """Whether a column holds numbers, or nothing."""
    kind = grid.kind(name)
    return is_numeric(grid, name) or (pa.types.is_string(kind) and all(map(is_missing, grid.sample(name))))


def _hold_numbers(grid: Grid, steps: Sequence[str]) -> bool:
    cells = by_row(grid, steps)
    if not pa.types.is_string(cells.type):
        return True
    filled = [cell for cell in some_cells(cells) if not is_missing(cell)]
    return bool(filled) and sum(map(is_number, filled)) >= _NUMBERS * len(filled)


def _enough(part: str, steps: Sequence[str]) -> bool:
    return len(steps) >= _FEWEST.get(part, _FEWEST_NUMBERED)


def _any_times(grid: Grid, labels: Iterable[str], *, different: bool = False) -> bool:
    """Whether a column holds times, so that a row may be a step of several features; `different`: no two the same."""
    samples = [sampled(grid, name) for name in labels]
    return any(_are_dates(cells) and not (different and len(set(cells)) < len(cells)) for cells in samples)


def _pivot(grid: Grid, part: str, steps: tuple[str, ...], labels: Sequence[str], named: Sequence[str]) -> Wide | None:
    """Read rows and header together as times, if they complete each other; None: they do not."""
    cells_of = {name: [cell for cell in sampled(grid, name) if not is_total(cell)] for name in labels}
    samples = {name: cells for name, cells in cells_of.items() if cells and name not in named}
    rows = fields_by_name(samples)
    if year := next((name for name, cells in samples.items() if all(is_part(cell, "year") for cell in cells)), None):
        rows.setdefault("year", year)
    date = next((name for name, cells in samples.items() if _are_dates(cells)), None)
    for header, texts in _readings(part, steps):
        if header == "clock" and date is not None:
            chosen = {"date": date}
        elif header != "clock" and header not in rows:
            chain = chain_of([*rows, header])
            chosen = {field: rows[field] for field in chain if field != header} if header in chain else {}
        else:
            continue
        if chosen:
            left = [name for name in labels if name not in chosen.values()]
            ids = tuple(named) or _ids(grid, left, np.ones(len(grid), np.bool_), [*chosen.values()])
            return Wide("pivot", steps, header, texts, ids, chosen)
    return None


def _are_dates(cells: Sequence[str]) -> bool:
    form, share = form_of(cells)
    return form is not None and not form.weak and form.span == "day" and share > _MOST


def _readings(part: str, steps: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """What a header may hold as a part of the time, and its texts."""
    if part == "hour":
        return [("clock", tuple(steps) if periods_a_day(steps, "hour") else _from_midnight(map(_hour, steps)))]
    if part == "clock":
        return [("clock", tuple(name.split("-")[0].strip() for name in steps))]
    if part != "numbers":
        return [(part, _texts(part, steps))] if part != "times" else []
    matches = [match for name in steps if (match := _NUMBERED.fullmatch(name))]
    letters, numbers = matches[0]["letters"].lower(), [int(match["number"]) for match in matches]
    readings = []
    of_day = numbers[0] == 1 and len(numbers) in (24, 25, 48, 50, 96, 100)
    if letters in _COUNTED["hour"] and (of_day or numbers == [*range(24)]):
        readings.append(("clock", tuple(map(str, numbers)) if of_day else _from_midnight(numbers)))
    for header in ("month", "week", "day", "yearday"):
        low, high = RANGES[header]
        whole = numbers[0] == low and high - (3 if header == "day" else 1) <= numbers[-1] <= high
        if whole and letters in _COUNTED.get(header, (letters,)):
            readings.append((header, tuple(map(str, numbers))))
    return readings


def _hour(name: str) -> int:
    return part_number(name, "hour")


def _from_midnight(hours: Iterable[int]) -> tuple[str, ...]:
    """Write hours that are counted from 0 as times of day."""
    return tuple(f"{hour:02d}:00" for hour in hours)


def _texts(part: str, steps: Sequence[str]) -> tuple[str, ...]:
    """What stands for columns of steps in a long table."""
    if part in RANGES:
        names = [_split(name)[1] for name in steps]
        return tuple(name if is_double_year(name) else str(part_number(name, part)) for name in names)
    return tuple(map(_bare, steps))


def _ids(
    grid: Grid, labels: Sequence[str], rows: BoolArray, times: Sequence[str] = (), *, any_kind: bool = False
) -> tuple[str, ...]:
    """Fewest of the first columns that name each row (with its `times`) differently; (): none do, or none is needed.

    Texts qualify, and numbers whose column is called like an id, or all with `any_kind`.
    """
    kept = grid.keep(rows)
    usable = [name for name in labels if any_kind or _may_name(kept, name)]
    codes = np.zeros(len(kept), dtype=np.int64)
    if times:
        codes = np.asarray(pc.dictionary_encode(join_ids(kept, times)).indices, dtype=np.int64)
        if len(np.unique(codes)) == len(codes):
            return ()
    return naming_columns(kept, usable, codes)


def _may_name(grid: Grid, name: str) -> bool:
    """Whether a column may name series: texts that are no times, or numbers called like an id."""
    text = pa.types.is_string(grid.kind(name)) and not is_numeric(grid, name) and bool(grid.sample(name))
    return (text and not _any_times(grid, [name])) or is_named(name, ID_OR_NUMBER)
