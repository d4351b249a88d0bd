"""Hours that are numbered from 1, as load and prices of electricity are: hour 1, or HE01, begins at midnight.

An hour is read as the time at which it begins, so that all 24 lie on their day, and written by its number again; so are
half-hours (settlement periods) and quarters of an hour, of which a day has 48 and 96. Where clocks change, the numbers
either follow the clock (2 is left out in spring and comes twice in autumn), or count through (to 23 in spring, to 25 in
autumn): then only a time zone tells when an hour was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.rows import wall_to_utc
from forecast.reading.vocabulary import CLOCK, FIELDS, PERIODS_A_DAY, PERIODS_OF_DAY, is_named, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import BoolArray, IntArray


_LABEL = (
    r"(?P<before>(?:(?i:hour ending|hour|he|hr|hh|h|stunde|std|qh|sp|tp|ptu|isp|period)[ .-]?)?)(?P<number>\d{1,3})"
    r"(?P<after>(?::00|\s?(?:h|Uhr|시))?)(?P<again>[*xX])?"
)
_EXPRESSION = re.compile(_LABEL, re.ASCII)
_HHMM = {2 + 2 * count: re.compile(rf"(?:[01]\d|2[0-4])(?:[0-5]\d){{{count}}}", re.ASCII) for count in (1, 2)}
_DAY_NS = 86_400 * 10**9
_UNITS = {24: "hours", 48: "half-hours", 96: "quarter-hours"}
_ZONES = ("Europe/London", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "Australia/Sydney")


@dataclass(frozen=True, eq=False)
class NumberedPeriods:
    """Times at which hours, half-hours or quarters of an hour begin.

    Attributes
    ----------
    ns : (row,) int64, nanoseconds since 1970: UTC where `timezone` is set, else the wall clock
    good : (row,) bool, whether the cell is the number of a period that its day has
    code : strftime code that writes the number, with what stands around it
    timezone : where periods count through the days on which clocks change

    """

    ns: IntArray
    good: BoolArray
    code: str
    timezone: str | None
    note: str


def periods_a_day(cells: Sequence[str], name: str) -> int:
    """How many periods of a day cells number from 1 on, by what stands there or the column's name; 0: they do not.

    >>> periods_a_day(["HE01", "HE02"], "x"), periods_a_day(["1", "24"], "Hour"), periods_a_day(["0", "23"], "Hour")
    (24, 24, 0)
    >>> periods_a_day(["1", "48"], "Period"), periods_a_day(["1", "24"], "SettlementPeriod"), periods_a_day(["9"], "QH")
    (48, 48, 96)
    """
    if not cells or _EXPRESSION.fullmatch(cells[0]) is None:
        return 0
    matches = [match for cell in cells if (match := _EXPRESSION.fullmatch(cell))]
    numbers = [int(match["number"]) for match in matches]
    highest = max(numbers)
    if len(matches) < len(cells) or min(numbers) < 1:
        return 0
    ending = any(match["before"].lower().startswith(("he", "hour e")) for match in matches) or "ending" in name.lower()
    if ending and highest <= 25:
        return 24
    called = any(is_named(name, names) for names in (CLOCK, FIELDS["hour"], PERIODS_OF_DAY))
    with_colon = any(match["after"].startswith(":") for match in matches)  # 24:00 alone is a time of the clock
    if with_colon or not (called or any(match["before"] for match in matches)):
        return 0
    # The day on which clocks go back has an hour more; a file of less than a day does not show how many a day has.
    by_name = PERIODS_A_DAY.get(plain(name), 0)
    if highest <= by_name // 24 * 25:
        return by_name
    return next((count for count in _UNITS if count <= highest <= count // 24 * 25), 0)


def clock_width(cells: Sequence[str]) -> int:
    """Digits of times of day that are numbers, such as 930 for 9:30, once zeros fill them up; 0: they are none.

    >>> clock_width(["0", "30", "100", "2330"]), clock_width(["93000", "163000"]), clock_width(["0", "60", "120"])
    (4, 6, 0)
    """
    longest = max(map(len, cells), default=0)
    width = longest + longest % 2
    return width if width in _HHMM and all(_HHMM[width].fullmatch(cell.zfill(width)) for cell in cells) else 0


def place_periods(
    days: IntArray, cells: pa.StringArray, name: str, *, per_day: int, timezone: str | None, lines: IntArray
) -> NumberedPeriods:
    """Put numbered periods on their days, (row,) nanoseconds since 1970; `timezone` is that of the wall clock.

    Raises
    ------
    ForecastError
        A day has an hour more or less, and no time zone is set.

    """
    groups = pc.extract_regex(cells, f"^(?:{_LABEL})$")
    fits = np.asarray(pc.is_valid(groups).to_numpy(zero_copy_only=False))
    digits = pc.fill_null(pc.struct_field(groups, "number"), "1")
    number = np.asarray(pc.cast(digits, pa.int64()).to_numpy(), dtype=np.int64)
    different, of_row = np.unique(days, return_inverse=True)
    highest = np.zeros(len(different), dtype=np.int64)
    np.maximum.at(highest, of_row, number)
    hours = np.where(highest % (per_day // 24), 0, highest // (per_day // 24))  # (day,)
    if timezone is None and (changed := _clock_change(different, hours, _ZONES[per_day != 48 :])):
        day, zone = changed
        line = lines[np.argmax((of_row == day) & (number == highest[day]))]
        raise ForecastError(
            f"{name!r} counts to {highest[day]} (line {line}), the end of {hours[day]} hours, as on a day when clocks "
            f"change: set `data.timezone` (such as {zone}), which tells when each of them was"
        )
    good = fits & (number >= 1)
    length = None if timezone is None else _lengths(different, timezone)
    through = length is not None and _count_through(length, hours)
    if timezone is None or length is None or not through:
        midnight, good = days, good & (number <= per_day)
    else:
        midnight = _in_utc(different, timezone)[of_row]
        good = good & (number <= (length * per_day // 24)[of_row])
    ns = midnight + (number - 1) * (_DAY_NS // per_day)
    return NumberedPeriods(
        np.where(good, ns, 0),
        good,
        _code(cells, per_day),
        timezone if through else None,
        _note(cells, name, _UNITS[per_day], through),
    )


def _in_utc(days: IntArray, timezone: str) -> IntArray:
    """Beginnings of days, (day,), in UTC."""
    return wall_to_utc(days.astype("datetime64[ns]"), timezone).astype(np.int64)


def _lengths(days: IntArray, timezone: str) -> IntArray:
    """Hours that days have, (day,)."""
    return (_in_utc(days + _DAY_NS, timezone) - _in_utc(days, timezone)) // (_DAY_NS // 24)


def _count_through(length: IntArray, hours: IntArray) -> bool:
    """Whether the numbers count through days of 23 and 25 hours, given the last `hours` of each, (day,)."""
    short = (length == 23) & (hours >= 23)
    return bool(((length == 25) & (hours == 25)).any() or (short.any() and (hours[short] == 23).all()))


def _clock_change(days: IntArray, hours: IntArray, zones: Sequence[str]) -> tuple[int, str] | None:
    """First day of 25 hours, or of 23 where clocks go forward, and a zone in which it is one; None: there is none."""
    odd = np.flatnonzero((hours == 25) | (hours == 23))
    fits = {zone: _lengths(days[odd], zone) == hours[odd] for zone in zones}
    zone = max(zones, key=lambda zone: int(fits[zone].sum()))
    changed = odd[fits[zone] | (hours[odd] == 25)]
    return (int(changed[0]), zone) if len(changed) else None


def _code(cells: pa.StringArray, per_day: int) -> str:
    """Code of the numbers, with two digits if all have them."""
    letter = {24: "", 48: "2", 96: "4"}[per_day]
    some = cells[:200].to_pylist()
    matches = [match for cell in some if (match := _EXPRESSION.fullmatch(cell)) and not match["again"]]
    if not matches:
        return f"%{letter}Oh"
    first = matches[0]
    filled_up = all(len(match["number"]) >= 2 for match in matches)
    return f"{first['before']}%{letter}O{'h' if filled_up else 'n'}{first['after']}"


def _note(cells: pa.StringArray, name: str, unit: str, through: bool) -> str:
    first = next((cell for cell in cells[:200].to_pylist() if _EXPRESSION.fullmatch(cell)), "")
    counted = f", and {unit} count through where clocks change" if through else ""
    return f"{name!r} numbers the {unit} of a day, each read as the time at which it begins ({first!r}{counted})"
