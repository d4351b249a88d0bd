"""How times go on (`Calendar`), and how the user writes them (`TimeStyle`, `write_times`).

A calendar holds plain values only, so that a run folder can keep it as JSON and open it again. Times of a panel are
wall-clock times without a zone, UTC where the calendar has a zone, or step numbers. Steps shorter than a day are
counted in UTC, longer ones on the zone's wall clock, so that a day stays a day when the clocks change.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from forecast.errors import ForecastError
from forecast.series.step_rules import NS_PER_DAY, Rule, Sessions, Ticks, TradingDays, rule_of_alias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from forecast.series.panel import IntArray, TimeArray


_WEEKDAYS = "1111100"
_FEW = 500  # steps of a year, at most, that nanoseconds do not reach twice
FIRST_DAY, LAST_DAY = "1678-01-01", "2262-04-11"
"""Days between which times are counted: what 64 bits of nanoseconds hold, from the first whole year on."""
EPOCHS = {"epoch_s": 10**9, "epoch_ms": 10**6, "epoch_us": 10**3, "epoch_ns": 1}
HALVES = {
    "p": ("AM", "PM"),
    "P": ("am", "pm"),
    "Oa": ("a.m.", "p.m."),
    "OA": ("A.M.", "P.M."),
    "Oe": ("a. m.", "p. m."),
    "Ok": ("오전", "오후"),
    "Oz": ("上午", "下午"),
    "Oj": ("午前", "午後"),
}


@dataclass(frozen=True)
class TimeStyle:
    """How the user writes times, so that a forecast's times can be written alike (`write_times`).

    Attributes
    ----------
    format : strftime codes, or `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns` (a count since 1970 in UTC), or `index`
        Beyond Python's codes: `%-d %-m %-H %-I` without a leading zero; `%^b %^B` upper case, `%Ob` lower case; `%P`
        am, `%Oa` a.m., `%OA` A.M., `%Oe` a. m., `%Ok` 오전, `%Oz` 上午, `%Oj` 午前; `%1f` to `%9f` a fraction;
        `%q` the quarter, `%Os %Ot` half and third of the year, `%Oy %OY` the year after; `%G-W%V` an ISO week; `%:z`
        +09:00; `%Oh %On` the number of the hour in its day from 1 to 24 (23 or 25 where clocks change), with two digits
        or not, `%2Oh %2On` that of the half-hour, `%4Oh %4On` of the quarter. Names of months and days are English;
        `%OB` and `%OD` are those of `months` and `days`, `%Oq` the ending of the quarter's number in `ordinals` ("er"
        of "1er trimestre"), or its name ("II").
        `index` counts steps: there is no time. Separate columns are written together, as in ISO.
    columns : the time column's name, or the names of separate columns, or none
    fields : what separate columns mean ("year", "month", "day", "hour", "minute", "second", "date", "time"), else empty
    timezone : "UTC", a fixed offset such as "+09:00", or a zone's name such as "Europe/Berlin"
        The file's times have an offset, and the panel's times are in UTC; None: wall clock without a zone.
    months, days, ordinals : the file's own words, from January, from Monday and from the first quarter on; (): English
    date_only : hours are not written
    ends_day : midnight is written as 24:00 of the day before

    """

    format: str
    columns: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    timezone: str | None = None
    date_only: bool = False
    months: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    ordinals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for code, words, count in (("%OB", self.months, 12), ("%OD", self.days, 7), ("%Oq", self.ordinals, 4)):
            if len(words) != (count if code in self.format else 0):
                raise ValueError(f"{code} should come with {count} words")

    ends_day: bool = False


@dataclass(frozen=True)
class Calendar:
    """How one time follows another, and how times are written.

    Attributes
    ----------
    freq : a pandas offset alias; None: integer steps
        "B" and "C" are trading days: the days of `weekmask` less `holidays`.
    step : integers from one step to the next, where `freq` is None
    timezone : the zone of the wall clock; the panel's times are then in UTC
    day : day of the month, where `freq` counts months and the day is neither the first nor the last
    weekmask : days of the week that have a row, Monday first
    holidays : days without a row (ISO), past ones read off the file, future ones given by the user
    sessions : times of the week that have a row, in seconds after Monday 0:00; empty: all have
    style : how the user writes times; None: ISO

    Examples
    --------
    >>> Calendar(freq=None).after(np.int64(7), 3)
    array([ 8,  9, 10])
    >>> Calendar("B", holidays=("2024-12-25",)).after(np.datetime64("2024-12-24", "ns"), 2).astype("datetime64[D]")
    array(['2024-12-26', '2024-12-27'], dtype='datetime64[D]')

    """

    freq: str | None
    step: int = 1
    timezone: str | None = None
    day: int | None = None
    weekmask: str = _WEEKDAYS
    holidays: tuple[str, ...] = ()
    sessions: tuple[int, ...] = ()
    style: TimeStyle | None = None

    @cached_property
    def rule(self) -> Rule:
        """The arithmetic behind the calendar; it works on `wall` times."""
        if self.freq is None:
            return Ticks(self.step)
        if self.sessions:
            return Sessions(self.sessions, self.holidays)
        if self.freq in {"B", "C"}:
            return TradingDays(self.weekmask, self.holidays)
        return rule_of_alias(self.freq, self.day)

    @property
    def trades(self) -> bool:
        """Whether some days of the week have no rows, so that a missing day may be a holiday."""
        return self.freq in {"B", "C"} or bool(self.sessions)

    @cached_property
    def on_wall_clock(self) -> bool:
        """Whether steps are counted on the wall clock of a zone that differs from UTC."""
        in_utc = isinstance(self.rule, Ticks) and self.rule.size < NS_PER_DAY
        return self.timezone not in {None, "UTC"} and not in_utc

    def stamps(self, times: TimeArray) -> IntArray:
        """Convert times of a panel to the stamps that the rule counts, (row,)."""
        return (to_wall(times, self.timezone) if self.on_wall_clock else times).view(np.int64)

    def times(self, stamps: IntArray) -> TimeArray:
        """Undo `stamps`, (row,)."""
        if self.freq is None:
            return stamps
        times = stamps.astype("datetime64[ns]")
        return to_utc(times, self.timezone) if self.on_wall_clock else times

    def between(self, times: TimeArray) -> IntArray:
        """Steps from each of the ascending `times`, (row,), to the next, (row - 1,); 1: nothing is missing."""
        return self.rule.between(self.stamps(times))

    def go(self, origin: np.datetime64 | np.int64, steps: IntArray) -> TimeArray:
        """Times that lie `steps` away from `origin`, (step,)."""
        start = np.array([origin]) if self.freq is None else np.array([origin], dtype="datetime64[ns]")
        return self.times(self.rule.go(int(self.stamps(start)[0]), steps))

    def after(self, last: np.datetime64 | np.int64, count: int) -> TimeArray:
        """Return the `count` times that follow `last`, (count,).

        Raises
        ------
        ForecastError
            They lie beyond the last time that can be counted in nanoseconds.

        """
        try:
            times = self.go(last, np.arange(1, count + 1, dtype=np.int64))
        except (OverflowError, pd.errors.OutOfBoundsDatetime):
            times = np.array([], dtype="datetime64[ns]")
        # Where nanoseconds since 1970 do not fit into 64 bits any more, times begin anew in 1677. The last one shows
        # it, but for so many steps that they could come round again.
        stamps = times.astype(np.int64)
        come_round = count > _FEW and bool((stamps[1:] <= stamps[:-1]).any())
        if count > 0 and (len(times) < count or times[-1] <= last or come_round):
            raise ForecastError(
                f"{count} steps after {last!s:.10} lie beyond {LAST_DAY}, up to which times are counted: shift the "
                "years of the file, set a shorter `horizon`, or `data.time=none` to count rows"
            )
        return times

    def write(self, times: TimeArray) -> list[str]:
        """Write times as the user does, a text each."""
        style = self.style or plain_style(times, self.timezone)
        if self.timezone is not None and style.timezone is None:  # the user writes wall-clock times
            times = to_wall(times, self.timezone)
        return list(write_times(times, style))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `calendar_from_dict` undoes it."""
        plain = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


_CHECKED = TypeAdapter(Calendar)
"""Built at import: pydantic evaluates annotations to build it, and opening a run must evaluate nothing."""


def calendar_from_dict(plain: Mapping[str, Any]) -> Calendar:
    """Make a calendar from the result of `as_dict`.

    Raises
    ------
    ForecastError
        There are unknown keys or values of a wrong type: a run folder may come from a stranger.

    """
    style = plain.get("style")
    style = style if isinstance(style, dict) else {}
    unknown = set(plain) - {f.name for f in fields(Calendar)} | set(style) - {f.name for f in fields(TimeStyle)}
    if unknown:
        raise ForecastError(f"the run's calendar has unknown keys ({', '.join(sorted(unknown))}): make a new run")
    try:
        calendar = _CHECKED.validate_python(dict(plain))
        calendar.write(calendar.after(np.int64(0) if calendar.freq is None else np.datetime64(0, "ns"), 1))
    except (ForecastError, ValidationError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ForecastError(f"the run's calendar cannot be used ({reason}): make a new run") from None
    if calendar.step < 1:
        raise ForecastError(f"the run's calendar has a step of {calendar.step}, expected at least 1: make a new run")
    return calendar


def plain_style(times: TimeArray, timezone: str | None = None, column: str = "ds") -> TimeStyle:
    """ISO style for times without a style of the user, without parts that are zero everywhere; UTC where `timezone`."""
    if times.dtype.kind != "M":
        return TimeStyle("index")
    if timezone is None and np.array_equal(times, times.astype("datetime64[D]")):
        return TimeStyle("%Y-%m-%d", (column,), date_only=True)
    fraction = "" if np.array_equal(times, times.astype("datetime64[s]")) else ".%9f"
    offset = "" if timezone is None else "%:z"
    return TimeStyle(f"%Y-%m-%d %H:%M:%S{fraction}{offset}", (column,), timezone=timezone)


def to_wall(times: TimeArray, timezone: str | None) -> TimeArray:
    """Convert UTC to the wall clock of a zone, (row,)."""
    index = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(timezone)
    return index.tz_localize(None).to_numpy().astype("datetime64[ns]")


def to_utc(times: TimeArray, timezone: str | None) -> TimeArray:
    """Convert the wall clock of a zone to UTC, (row,).

    Of times that exist twice when the clocks go back, a single one or the first of two equal ones is the earlier; times
    that the clocks skip are moved forward.
    """
    earlier = np.zeros(len(times), dtype=np.bool_)
    earlier[np.unique(times, return_index=True)[1]] = True
    index = pd.DatetimeIndex(times).tz_localize(timezone, ambiguous=earlier, nonexistent="shift_forward")
    return index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")


def write_times(times: TimeArray, style: TimeStyle) -> list[str]:
    """Write times as the user does.

    Examples
    --------
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
        # Fractions of a unit have as many digits as they need.
        return [
            str(n // unit) if n % unit == 0 else f"{n // unit}.{n % unit:0{len(str(unit)) - 1}d}".rstrip("0")
            for n in counts
        ]
    tz = _zone(style.timezone) if style.timezone else UTC
    if style.ends_day:
        return [_write_end_of_day(count, tz, style.format, style) for count in counts]
    return [_write(count, tz, style.format, style) for count in counts]


MONTH_NAMES = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CODE = re.compile(r"%(:z|\^[bB]|[24]?O[a-zA-Z]|-?[a-zA-Z]|[1-9]f|%)")


def _offset(moment: datetime) -> str:
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{abs(seconds) // 3600:02d}:{abs(seconds) // 60 % 60:02d}"


def _number_in_day(moment: datetime, an_hour: int = 1) -> int:
    """Number of the hour, or of its half or quarter, in its day, through where clocks change; the first is 1."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return int(moment.timestamp() - midnight.timestamp()) * an_hour // 3600 + 1


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
    "Oh": lambda t: f"{_number_in_day(t):02d}",
    "On": lambda t: str(_number_in_day(t)),
    "2Oh": lambda t: f"{_number_in_day(t, 2):02d}",
    "2On": lambda t: str(_number_in_day(t, 2)),
    "4Oh": lambda t: f"{_number_in_day(t, 4):02d}",
    "4On": lambda t: str(_number_in_day(t, 4)),
    "Os": lambda t: "1" if t.month <= 6 else "2",
    "Ot": lambda t: str((t.month + 3) // 4),
    "Oy": lambda t: f"{(t.year + 1) % 100:02d}",
    "OY": lambda t: f"{t.year + 1:04d}",
    "V": lambda t: f"{t.isocalendar().week:02d}",
    "u": lambda t: str(t.isoweekday()),
    "b": lambda t: MONTH_NAMES[t.month - 1][:3],
    "B": lambda t: MONTH_NAMES[t.month - 1],
    "^b": lambda t: MONTH_NAMES[t.month - 1][:3].upper(),
    "^B": lambda t: MONTH_NAMES[t.month - 1].upper(),
    "Ob": lambda t: MONTH_NAMES[t.month - 1][:3].lower(),
    "a": lambda t: DAY_NAMES[t.weekday()][:3],
    "A": lambda t: DAY_NAMES[t.weekday()],
    "z": lambda t: _offset(t).replace(":", ""),
    ":z": _offset,
    "Z": lambda t: t.tzname() or "",
    "%": lambda t: "%",
}


_OWN_WORDS: dict[str, tuple[str, Callable[[datetime], int]]] = {
    "OB": ("months", lambda t: t.month - 1),
    "OD": ("days", lambda t: t.weekday()),
    "Oq": ("ordinals", lambda t: (t.month - 1) // 3),
}


@cache
def _zone(name: str) -> tzinfo:
    """Time zone of a name or of a fixed offset such as "+09:00"."""
    if name[0] in "+-":
        sign = -1 if name[0] == "-" else 1
        return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[4:6])))
    return UTC if name == "UTC" else ZoneInfo(name)


def _write_end_of_day(count: int, tz: tzinfo, template: str, style: TimeStyle) -> str:
    """Write midnight as the hour 24 of the day before, any other time as `_write` does."""
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count // 1000)).astimezone(tz)
    if count % 10**9 or (moment.hour, moment.minute, moment.second) != (0, 0, 0):
        return _write(count, tz, template, style)
    # A second before lies on that day, whatever its clocks did.
    return _write(count - 10**9, tz, _CLOCK_CODE.sub(lambda match: _AT_MIDNIGHT[match[0][-1]], template), style)


_AT_MIDNIGHT = {"H": "24", "M": "00", "S": "00"}
_CLOCK_CODE = re.compile(r"%-?[HMS]")


def _write(count: int, tz: tzinfo, template: str, style: TimeStyle) -> str:
    """Write nanoseconds since 1970 in a zone."""
    seconds, nanoseconds = divmod(count, 10**9)
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(tz)

    def code(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in _OWN_WORDS:
            words, place = _OWN_WORDS[name]
            return str(getattr(style, words)[place(moment)])
        if name in HALVES:
            return HALVES[name][moment.hour >= 12]
        if name.endswith("f"):
            digits = int(name[0]) if name[0].isdigit() else 6
            return f"{nanoseconds:09d}"[:digits]
        if name.startswith("-"):
            return _CODES[name[1:]](moment).lstrip("0") or "0"
        return _CODES[name](moment)

    return _CODE.sub(code, template)
