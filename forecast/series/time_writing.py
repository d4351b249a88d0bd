"""Times as the user writes them: the codes of `TimeStyle.format`, whatever the locale and the system's own strftime.

Beyond Python's codes: `%-d %-m %-H %-I` no leading zero; `%^b %^B` upper case; `%Ob` lower case; `%P` am, `%Oa` a.m.,
`%OA` A.M., `%Ok` 오전, `%Oz` 上午, `%Oj` 午前; `%1f` to `%9f` a fraction of so many digits; `%q` quarter; `%:z` +09:00.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.series.panel import TimeArray

EPOCHS = {"epoch_s": 10**9, "epoch_ms": 10**6, "epoch_us": 10**3, "epoch_ns": 1}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HALVES = {
    "p": ("AM", "PM"),
    "P": ("am", "pm"),
    "Oa": ("a.m.", "p.m."),
    "OA": ("A.M.", "P.M."),
    "Ok": ("오전", "오후"),
    "Oz": ("上午", "下午"),
    "Oj": ("午前", "午後"),
}
_CODE = re.compile(r"%(:z|\^[bB]|O[a-zA-Z]|-?[a-zA-Z]|[1-9]f|%)")


def _offset(moment: datetime) -> str:
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{abs(seconds) // 3600:02d}:{abs(seconds) // 60 % 60:02d}"


_CODES: dict[str, Callable[[datetime], str]] = {
    "Y": lambda t: f"{t.year:04d}",
    "G": lambda t: f"{t.isocalendar().year:04d}",
    "y": lambda t: f"{t.year % 100:02d}",
    "m": lambda t: f"{t.month:02d}",
    "d": lambda t: f"{t.day:02d}",
    "j": lambda t: f"{t.timetuple().tm_yday:03d}",
    "H": lambda t: f"{t.hour:02d}",
    "I": lambda t: f"{(t.hour - 1) % 12 + 1:02d}",
    "M": lambda t: f"{t.minute:02d}",
    "S": lambda t: f"{t.second:02d}",
    "q": lambda t: str((t.month + 2) // 3),
    "V": lambda t: f"{t.isocalendar().week:02d}",
    "u": lambda t: str(t.isoweekday()),
    "b": lambda t: _MONTHS[t.month - 1][:3],
    "B": lambda t: _MONTHS[t.month - 1],
    "^b": lambda t: _MONTHS[t.month - 1][:3].upper(),
    "^B": lambda t: _MONTHS[t.month - 1].upper(),
    "Ob": lambda t: _MONTHS[t.month - 1][:3].lower(),
    "a": lambda t: _DAYS[t.weekday()][:3],
    "A": lambda t: _DAYS[t.weekday()],
    "z": lambda t: _offset(t).replace(":", ""),
    ":z": _offset,
    "Z": lambda t: t.tzname() or "",
    "%": lambda t: "%",
}


@cache
def zone(name: str) -> tzinfo:
    """Return the zone of a name or of a fixed offset such as "+09:00"."""
    if name[0] in "+-":
        sign = -1 if name[0] == "-" else 1
        return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[4:6])))
    return UTC if name == "UTC" else ZoneInfo(name)


def write_times(times: TimeArray, style: TimeStyle) -> list[str]:
    """Write times as the user does.

    Examples
    --------
    >>> from forecast.series.time_writing import TimeStyle
    >>> write_times(np.array(["2024-02-01T00"], dtype="datetime64[ns]"), TimeStyle("%-d.%-m.%Y"))
    ['1.2.2024']

    """
    if not np.issubdtype(times.dtype, np.datetime64):
        return [str(int(step)) for step in times]
    counts = times.astype("datetime64[ns]").astype(np.int64).tolist()
    if style.format == "index":
        return [str(count) for count in counts]
    if style.format in EPOCHS:
        unit = EPOCHS[style.format]
        # Fractions of a unit, where there are any, are written with as many digits as they need.
        return [
            str(n // unit) if n % unit == 0 else f"{n // unit}.{n % unit:0{len(str(unit)) - 1}d}".rstrip("0")
            for n in counts
        ]
    where = zone(style.timezone) if style.timezone else UTC
    return [_write(count, where, style.format) for count in counts]


def _write(count: int, where: tzinfo, template: str) -> str:
    seconds, nanoseconds = divmod(count, 10**9)
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(where)

    def code(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in HALVES:
            return HALVES[name][moment.hour >= 12]
        if name.endswith("f"):
            digits = int(name[0]) if name[0].isdigit() else 6
            return f"{nanoseconds:09d}"[:digits]
        if name.startswith("-"):
            return _CODES[name[1:]](moment).lstrip("0") or "0"
        return _CODES[name](moment)

    return _CODE.sub(code, template)


@dataclass(frozen=True)
class TimeStyle:
    """How the user writes times, so that a forecast's times can be written alike (`writing.write_times`).

    Attributes
    ----------
    format : strftime codes, or `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns` (a count since 1970 in UTC), or `index`
        Beyond the usual codes: `%-d`, `%-m`, `%-H`, `%-I` without a leading zero, `%1f` to `%9f` a fraction of so many
        digits, `%q` the quarter, `%G-W%V` an ISO week (`writing.py` lists all). Names of months and days are English
        whatever the locale. `index` counts steps: there is no time. Separate columns are written together, as ISO does.
    columns : the time column's name, or the names of separate columns, or nothing
    fields : what separate columns mean ("year", "month", "day", "hour", "minute", "second", "date", "time"), else empty
    timezone : "UTC", a fixed offset such as "+09:00", or a zone's name such as "Europe/Berlin"
        The file's times carry an offset, and the series' times are in UTC; None: wall clock without a zone.
    date_only : no hours are written

    """

    format: str
    columns: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    timezone: str | None = None
    date_only: bool = False
