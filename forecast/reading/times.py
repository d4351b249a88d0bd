"""The times of one column: the form of its cells, the order of day and month, UTC offsets and the time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecast.reading.time_forms import FORMS, TimeForm, likely_forms, name_parts
from forecast.reading.time_parts import compose, cut_times
from forecast.series.calendar import EPOCHS, FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from forecast.reading.time_forms import Parts
    from forecast.reading.time_parts import Cut
    from forecast.series.panel import BoolArray, IntArray


BEYOND = f"lies outside {FIRST_DAY} to {LAST_DAY}, between which times are counted"
"""What is wrong with a date that `is_beyond`."""
_BEFORE_CHRIST = re.compile(r"\d{1,5}\s?(?:B\.?C\.?(?:E\.?)?|v\.\s?Chr\.|av\. J\.-C\.|a\.\s?C\.)")
_MOST_PLAIN = 0.5  # share of cells that plain numbers need at least to be times
_MOST_OFFSETS = 4  # from UTC in one column: of more each is the end of an interval, 00:00-01:00
_LOOKED_AT_FOR_FORM = 200  # cells by whose steps one form is preferred to another
_EXCHANGED = {"dm": "md", "md": "dm", "dmy": "mdy", "mdy": "dmy"}
_SHUFFLED = 0.2  # steps back in time, as a share of rows, that show a file in no order
_FEWEST_JUMPS = 3  # back in time, by which days and months that are exchanged show
_IN_MONTHS = {"month", "quarter", "tertial", "half", "year"}
_LOOKED_AT = 5000  # rows on which the order of day and month is decided
# Hours east of Greenwich. Of names with several meanings (IST, CST in China) the one that is by far the most frequent
# in data is taken; others are left out.
_NAMES = {
    name: hours
    for hours, names in {
        0: "Z UTC GMT WET",
        1: "CET MEZ BST WEST",
        2: "CEST MESZ EET",
        3: "EEST MSK",
        8: "HKT SGT",
        9: "KST JST",
        10: "AEST",
        11: "AEDT",
        12: "NZST",
        13: "NZDT",
        -4: "EDT",
        -5: "EST CDT",
        -6: "CST MDT",
        -7: "MST PDT",
        -8: "PST",
    }.items()
    for name in names.split()
}
# One zone for each rule that clocks follow today; the first that fits all rows is taken and reported.
_CANDIDATES = (
    *("Europe/Berlin", "America/New_York", "Europe/London", "America/Chicago", "America/Los_Angeles"),
    *("America/Denver", "Europe/Helsinki", "Europe/Lisbon", "Australia/Sydney", "Australia/Adelaide"),
    *("Pacific/Auckland", "America/Halifax", "America/St_Johns", "America/Santiago", "Asia/Jerusalem"),
    *("America/Anchorage", "Africa/Cairo", "Asia/Beirut", "Africa/Casablanca", "America/Sao_Paulo"),
)


@dataclass(frozen=True, eq=False)
class Times:
    """A column of times.

    Attributes
    ----------
    ns : (row,) int64, nanoseconds since 1970: UTC where there is a zone, else the wall clock
    good : (row,) bool, whether the cell is a valid time
    order : what `a`, `b`, `c` of the form mean ("dm": day, then month), else empty
    timezone : as `TimeStyle` names it
    notes : decisions that the data do not prove
    swapped : the first row that jumps back and would not if day and month were exchanged; None: there are not many

    """

    ns: IntArray
    good: BoolArray
    order: str = ""
    timezone: str | None = None
    notes: tuple[str, ...] = ()
    swapped: int | None = None


def form_of(sample: Sequence[str], spans: Collection[str] = ()) -> tuple[TimeForm | None, float]:
    """Return the form in which most cells are valid times, and the share of cells that match it.

    A 30 February matches a form: its row is bad, and no reason to doubt the column. Of forms in which the same cells
    are valid (2015-01 may be a month or a week) the one with more regular steps is taken, then one whose span is among
    `spans`, those that the column's name suggests.
    """
    candidates = []  # rank, form, share of matching cells
    probe = sample[:: max(len(sample) // 12, 1)]  # a dozen cells rule out most forms
    most = 0.0
    for place, form in enumerate(likely_forms(probe)):
        matching = sum(form.expression.fullmatch(cell) is not None for cell in sample) / max(len(sample), 1)
        if matching < most or (form.weak and matching < _MOST_PLAIN):
            continue
        valid = _valid_share(sample, form)
        if valid > 0:
            most = max(most, valid)
            candidates.append((valid, form.span in spans, -place, form, matching))
    candidates = [candidate for candidate in candidates if candidate[0] == most]
    if not candidates:
        return None, 0.0
    if {"month", "week"} & set(spans):  # by its name 201001 to 201004 are no quarters
        candidates = [candidate for candidate in candidates if candidate[3].span != "quarter"] or candidates
    least = {}
    if len({form.span for *_, form, _ in candidates}) > 1:
        least = {place: irregularity_of(sample[:_LOOKED_AT_FOR_FORM], form) for _, _, place, form, _ in candidates}
    best = min(candidates, key=lambda one: (least.get(one[2], 0), not one[1], -one[2]))
    form = best[3]
    if "offset" in form.groups and _offsets(sample, form) > _MOST_OFFSETS:
        form = form.of_intervals
    return form, best[4]


def _offsets(sample: Sequence[str], form: TimeForm) -> int:
    """Count the different offsets from UTC in a sample."""
    matches = (form.expression.fullmatch(cell) for cell in sample)
    return len({match["offset"] for match in matches if match})


def irregularity_of(sample: Sequence[str], form: TimeForm) -> int:
    """Count the different steps between neighbouring cells of a form, in months where it counts these."""
    cut = cut_times(pa.array(list(sample), pa.string()), form)
    counts = []
    for _, ns, good in _readings(cut.parts, _orders(form)):
        ticks = ns[cut.fits & good]
        if form.span in _IN_MONTHS:
            ticks = ticks.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
        steps = np.diff(ticks)
        if min(np.sum(steps < 0), np.sum(steps > 0)) > _SHUFFLED * len(ticks):
            steps = np.diff(np.unique(ticks))
        counts.append(len(np.unique(steps[steps != 0])))
    return min(counts)


def is_beyond(cell: str) -> bool:
    """Whether a cell is a date that no count of nanoseconds reaches.

    >>> is_beyond("9999-12-31"), is_beyond("2024-12-31"), is_beyond("9999"), is_beyond("480 BCE")
    (True, False, False, True)
    """
    if _BEFORE_CHRIST.fullmatch(cell):
        return True
    for form in FORMS:
        match = None if form.weak else form.expression.fullmatch(cell)
        if match is not None and (year := match.groupdict().get("year")):
            return not int(FIRST_DAY[:4]) <= int(year) < int(LAST_DAY[:4])  # of the last year a part is reached
    return False


def _valid_share(sample: Sequence[str], form: TimeForm) -> float:
    cut = cut_times(pa.array(list(sample), pa.string()), form)
    if not cut.fits.any():
        return 0.0
    return max(float(np.mean(cut.fits & good)) for _, _, good in _readings(cut.parts, _orders(form)))


def read_times(cells: pa.StringArray, form: TimeForm, day_first: bool | None, european: bool) -> Times:
    """Read a column of trimmed cells.

    `european`: the file is separated by semicolons, as in countries that write the day first; it decides only where
    the rows do not.
    """
    quick = _read_iso(cells, form)
    if quick is not None:
        return quick
    cut = cut_times(cells, form)
    if form.name in EPOCHS:
        cut.parts["unit"] = np.full(len(cells), EPOCHS[form.name], dtype=np.int64)
    example = next(filter(None, cells[:1000].to_pylist()), "")
    order, notes = _choose_order(cut.parts, form, day_first, european, example)
    ns, good = compose(name_parts(cut.parts, order), len(cells))
    swapped = None if day_first is not None else _first_swapped(cut.parts, order, ns, good & cut.fits)
    return _in_zone(cut, Times(ns, good & cut.fits, order, None, notes, swapped))


def _first_swapped(parts: Parts, order: str, ns: IntArray, good: BoolArray) -> int | None:
    """First row that jumps back because day and month are exchanged; None: few do, or exchanging does not help.

    A spreadsheet that expects the month first turns 2 January, written 02/01, into 1 February, and leaves 13/01 alone.
    """
    if order not in _EXCHANGED:
        return None
    exchanged, either = compose(name_parts(parts, _EXCHANGED[order]), len(ns))
    steps, mixed = (np.sign(np.diff(stamps[good])) for stamps in (ns, np.where(either, exchanged, ns)))
    onward = 1 if np.sum(mixed > 0) >= np.sum(mixed < 0) else -1  # newest first
    back = np.flatnonzero(steps * onward < 0)
    if len(back) < _FEWEST_JUMPS or 10 * np.sum(mixed * onward < 0) > len(back):
        return None
    return int(np.flatnonzero(good)[back[0] + 1])


def _read_iso(cells: pa.StringArray, form: TimeForm) -> Times | None:
    """Read ISO times with Arrow, with the same result and faster; None: some cell is written otherwise."""
    if form is not FORMS[0] or len(cells) == 0:
        return None
    timezone = "UTC" if (cells[0].as_py() or "").endswith("Z") else None
    try:
        # The cast of a million cells takes seconds to fail: try a few first.
        pc.cast(cells[:100], pa.timestamp("ns", timezone))
        read = pc.cast(cells, pa.timestamp("ns", timezone))
    except pa.ArrowInvalid:
        return None
    ns = np.asarray(pc.cast(read, pa.int64()).to_numpy(), dtype=np.int64)
    return Times(ns, np.ones(len(ns), dtype=np.bool_), "", timezone)


def _orders(form: TimeForm) -> tuple[str, ...]:
    if "c" in form.groups:
        return ("mdy", "dmy", "ymd")
    return ("md", "dm") if "a" in form.groups else ("",)


def _readings(parts: Parts, orders: Sequence[str]) -> list[tuple[str, IntArray, BoolArray]]:
    rows = len(next(iter(parts.values()))) if parts else 0
    return [(order, *compose(name_parts(parts, order), rows)) for order in orders]


def _choose_order(
    parts: Parts, form: TimeForm, day_first: bool | None, european: bool, example: str
) -> tuple[str, tuple[str, ...]]:
    """Choose the order with most valid dates, then most regular steps, then the usual one; and a note on a guess."""
    orders = _orders(form)
    if len(orders) == 1 or not parts:
        return orders[0], ()
    if day_first is not None:
        orders = tuple(order for order in orders if (order.find("d") < order.find("m")) == day_first)
    readings = _readings(parts, orders)
    most = max(int(good.sum()) for _, _, good in readings)
    # A single row that is a date in one order only decides; a few bad rows, bad in every order, do not.
    readings = [reading for reading in readings if int(reading[2].sum()) == most]
    dotted = [order for order, _, _ in readings if order.startswith("d") and "." in example]
    if dotted and len(orders) == 2:  # with dots the day comes first everywhere
        return dotted[0], ()
    stamps = {order: ns[good][:_LOOKED_AT] for order, ns, good in readings}
    scores = {order: _irregularity(ns) for order, ns in stamps.items()}
    if min(turns for turns, _, _ in scores.values()) > _SHUFFLED * min(map(len, stamps.values())):
        # Rows in no order: what their times are like is seen once they are sorted.
        scores = {order: _irregularity(np.unique(ns)) for order, ns in stamps.items()}
    turns, steps, decades = least = min(scores.values())
    left = [order for order in scores if scores[order] == least]
    # Where steps vary, one more (of a month that two days of hours would skip) may be a gap and proves nothing.
    most_steps = steps + (steps > 1)
    close = [o for o, (t, s, d) in scores.items() if t == turns and s <= most_steps and d == decades]
    if (len(left) == 1 and len(close) == 1) or day_first is not None:
        return left[0], ()
    if dotted:
        return next((order for order in left if order.startswith("d")), left[0]), ()
    habit = "d" if european else "m"
    order = next((order for order in left if order.startswith(habit)), left[0])
    first, other = ("the day", "false") if order.startswith("d") else ("the month", "true")
    note = f"dates such as {example!r} were read with {first} first, which no row proves: `data.day_first={other}` "
    return order, (note + "reads them the other way",)


def _irregularity(ns: IntArray) -> tuple[int, int, int]:
    """Score an order, lower is better: reversals, different steps (months if all days are equal), decades spanned."""
    days = ns.astype("datetime64[ns]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    of_month = ns - months.astype("datetime64[ns]").astype(np.int64)  # with the time of day: hours are no months
    ticks = months.astype(np.int64) if len(np.unique(of_month)) == 1 else ns
    steps = np.diff(ticks)
    steps = steps[steps != 0]
    turns = min(int((steps < 0).sum()), int((steps > 0).sum()))
    decades = int(np.ptp(days.astype(np.int64)) // 3650) if len(days) else 0
    return turns, len(np.unique(steps)), decades


def _in_zone(cut: Cut, times: Times) -> Times:
    """Convert to UTC if cells have offsets; a cell without an offset among others is bad."""
    texts, index = cut.texts.get("offset", ([], np.zeros(0, dtype=np.int64)))
    if not any(texts):
        return times
    known = [seconds_of(text) for text in texts]
    good = times.good & np.array([seconds is not None for seconds in known], dtype=np.bool_)[index]  # (text,) -> (row,)
    offsets = np.array([seconds or 0 for seconds in known], dtype=np.int64)[index]
    ns = np.where(good, times.ns - offsets * 10**9, 0)
    named = [name for name in cut.texts["zone"][0] if name]
    timezone = named[0] if len(named) == 1 else (_zone_of(ns, offsets, good) if good.any() else None)
    notes = times.notes
    if timezone is None:
        timezone = "UTC"
        notes += ("the offsets of the times change as in no known time zone: forecasts are written in UTC",)
    return Times(ns, good, times.order, timezone, notes, times.swapped)


def seconds_of(text: str) -> int | None:
    """Seconds east of Greenwich; None: the text is no known offset.

    >>> seconds_of("+09:00"), seconds_of("UTC-3"), seconds_of("CET")
    (32400, -10800, 3600)
    """
    if text in _NAMES:
        return 3600 * _NAMES[text]
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", text)
    if match is None:
        return None
    seconds = 3600 * int(match[2]) + 60 * int(match[3] or 0)
    return -seconds if match[1] == "-" else seconds


def _written_offset(seconds: int) -> str:
    """Name a fixed offset as `TimeStyle.timezone` does."""
    if seconds == 0:
        return "UTC"
    return f"{'-' if seconds < 0 else '+'}{abs(seconds) // 3600:02d}:{abs(seconds) // 60 % 60:02d}"


def _zone_of(ns: IntArray, offsets: IntArray, good: BoolArray) -> str | None:
    """Name a zone that has each row's offset (seconds, (row,)) at its time (UTC, (row,)); None: no known one has."""
    different = np.unique(offsets[good])
    if len(different) == 1:
        return _written_offset(int(different[0]))
    times = ns[good].astype("datetime64[ns]")
    return next((name for name in _CANDIDATES if _fits(name, times, offsets[good])), None)


def _fits(name: str, times: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]], offsets: IntArray) -> bool:
    for part in (slice(0, 1000), slice(None)):
        index = pd.DatetimeIndex(times[part]).tz_localize("UTC").tz_convert(name).tz_localize(None)
        shown = (index.to_numpy() - times[part]).astype("timedelta64[s]").astype(np.int64)
        if not np.array_equal(shown, offsets[part]):
            return False
    return True
