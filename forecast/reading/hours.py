"""Hours that are numbered from 1, as load and prices of electricity are: hour 1, or HE01, begins at midnight.

An hour is read as the time at which it begins, so that all 24 lie on their day, and written by its number again. Where
clocks change, the numbers either follow the clock (2 is left out in spring and comes twice in autumn), or count through
(to 23 in spring, to 25 in autumn): then only a time zone tells when an hour was.
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
from forecast.reading.vocabulary import CLOCK, FIELDS, is_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import BoolArray, IntArray


_LABEL = (
    r"(?P<before>(?:(?i:hour ending|hour|he|hr|h|stunde|std)[ .-]?)?)(?P<number>\d{1,2})"
    r"(?P<after>(?::00|\s?(?:h|Uhr|시))?)(?P<again>[*xX])?"
)
_EXPRESSION = re.compile(_LABEL, re.ASCII)
_HHMM = {2 + 2 * count: re.compile(rf"(?:[01]\d|2[0-4])(?:[0-5]\d){{{count}}}", re.ASCII) for count in (1, 2)}
_HOUR_NS = 3_600 * 10**9
_DAY_NS = 24 * _HOUR_NS


@dataclass(frozen=True, eq=False)
class NumberedHours:
    """Times at which hours begin.

    Attributes
    ----------
    ns : (row,) int64, nanoseconds since 1970: UTC where `timezone` is set, else the wall clock
    good : (row,) bool, whether the cell is the number of an hour that its day has
    code : strftime code that writes the number, with what stands around it
    timezone : where hours count through the days on which clocks change

    """

    ns: IntArray
    good: BoolArray
    code: str
    timezone: str | None
    note: str


def are_numbered(cells: Sequence[str], name: str) -> bool:
    """Whether cells number the hours of a day from 1 on, by what stands there or by the column's name.

    >>> are_numbered(["HE01", "HE02"], "x"), are_numbered(["1", "24"], "Hour"), are_numbered(["0", "23"], "Hour")
    (True, True, False)
    """
    if not cells or _EXPRESSION.fullmatch(cells[0]) is None:
        return False
    matches = [match for cell in cells if (match := _EXPRESSION.fullmatch(cell))]
    if len(matches) < len(cells):
        return False
    numbers = [int(match["number"]) for match in matches]
    if min(numbers) < 1 or max(numbers) > 25:
        return False
    ending = any(match["before"].lower().startswith(("he", "hour e")) for match in matches) or "ending" in name.lower()
    called = is_named(name, CLOCK) or is_named(name, FIELDS["hour"]) or any(match["before"] for match in matches)
    with_colon = any(match["after"].startswith(":") for match in matches)  # 24:00 alone is a time of the clock
    return ending or (called and not with_colon and max(numbers) >= 24)


def clock_width(cells: Sequence[str]) -> int:
    """Digits of times of day that are numbers, such as 930 for 9:30, once zeros fill them up; 0: they are none.

    >>> clock_width(["0", "30", "100", "2330"]), clock_width(["93000", "163000"]), clock_width(["0", "60", "120"])
    (4, 6, 0)
    """
    longest = max(map(len, cells), default=0)
    width = longest + longest % 2
    return width if width in _HHMM and all(_HHMM[width].fullmatch(cell.zfill(width)) for cell in cells) else 0


def place_hours(
    days: IntArray, cells: pa.StringArray, timezone: str | None, lines: IntArray, name: str
) -> NumberedHours:
    """Put numbered hours on their days, (row,) nanoseconds since 1970; `timezone` is that of the wall clock.

    Raises
    ------
    ForecastError
        A day has 25 hours, and no time zone is set.

    """
    groups = pc.extract_regex(cells, f"^(?:{_LABEL})$")
    fits = np.asarray(pc.is_valid(groups).to_numpy(zero_copy_only=False))
    digits = pc.fill_null(pc.struct_field(groups, "number"), "1")
    number = np.asarray(pc.cast(digits, pa.int64()).to_numpy(), dtype=np.int64)
    if timezone is None and (number == 25).any():
        raise ForecastError(
            f"{name!r} has an hour 25 (line {lines[int(np.argmax(number == 25))]}), as on the day when clocks go back: "
            "set `data.timezone` (such as Europe/Berlin), which tells which day that is"
        )
    good = fits & (number >= 1)
    through = None if timezone is None else _counted_through(days, number, timezone)
    if through is None:
        ns, good = days + (number - 1) * _HOUR_NS, good & (number <= 24)
    else:
        midnight, length = through
        ns, good = midnight + (number - 1) * _HOUR_NS, good & (number <= length)
    return NumberedHours(
        np.where(good, ns, 0), good, _code(cells), timezone if through else None, _note(cells, name, bool(through))
    )


def _counted_through(days: IntArray, number: IntArray, timezone: str) -> tuple[IntArray, IntArray] | None:
    """Midnight in UTC and hours of each row's day, both (row,), if hours count through; None: they follow the clock."""
    different, of_row = np.unique(days, return_inverse=True)
    starts = wall_to_utc(different.astype("datetime64[ns]"), timezone).astype(np.int64)
    ends = wall_to_utc((different + _DAY_NS).astype("datetime64[ns]"), timezone).astype(np.int64)
    length = (ends - starts) // _HOUR_NS  # (day,)
    highest = np.zeros(len(different), dtype=np.int64)
    np.maximum.at(highest, of_row, number)
    short = (length == 23) & (highest >= 23)
    if not ((length == 25) & (highest == 25)).any() and not (short.any() and (highest[short] == 23).all()):
        return None
    return starts[of_row], length[of_row]


def _code(cells: pa.StringArray) -> str:
    """Code of the numbers, with two digits if all have them."""
    some = cells[:200].to_pylist()
    matches = [match for cell in some if (match := _EXPRESSION.fullmatch(cell)) and not match["again"]]
    if not matches:
        return "%Oh"
    first = matches[0]
    return f"{first['before']}{'%Oh' if all(len(match['number']) == 2 for match in matches) else '%On'}{first['after']}"


def _note(cells: pa.StringArray, name: str, through: bool) -> str:
    first = next((cell for cell in cells[:200].to_pylist() if _EXPRESSION.fullmatch(cell)), "")
    counted = ", and hours count through where clocks change" if through else ""
    return f"{name!r} numbers the hours of a day, each read as the time at which it begins ({first!r}{counted})"
