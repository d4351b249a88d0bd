"""The ways in which people write times, each a regular expression whose group names say what a part means.

The same expression reads one cell (Python's `re`) and a million (Arrow's RE2). Groups: `year` (4 digits), `y2`
(2 digits), `month`, `name` (of a month), `day`, `quarter`, `week`, `weekday`, `yearday`, `hour`, `minute`, `second`,
`fraction`, `ampm`, `half` (written before the hour), `offset`, `zone`, `dow` (a weekday's name), `until` (the end of
an interval), `whole` (a count since 1970), `serial` (a spreadsheet's days since the end of 1899), and `a`, `b`, `c`:
numbers whose meaning only the other rows can tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from forecast.errors import ForecastError

_SEP = r"\s?[-/.]\s?"
# How names of months begin, a month each: English, then German, French, Spanish, Italian where they differ.
_BEGINNINGS = (
    *("jan gen ene", "feb fév fev", "mar mrz mär", "apr avr abr", "may mai mag", "jun juin giu", "jul juil lug"),
    *("aug aoû ago", "sep set", "oct okt ott", "nov", "dec dez déc dic"),
)
MONTHS = {begin: number for number, group in enumerate(_BEGINNINGS, start=1) for begin in group.split()}
_NAME = rf"(?P<name>(?i:{'|'.join(MONTHS)})[A-Za-zäéû]{{0,6}})\.?"
_DOW = r"(?:(?P<dow>(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}),?\s+)?"
_YEAR, _MONTH, _DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
# Without separators only the range tells a date from any other number.
_PLAIN_YEAR = r"(?P<year>1[6-9]\d{2}|2[01]\d{2})"
_PLAIN_MONTH = rf"{_PLAIN_YEAR}(?P<month>0[1-9]|1[0-2])"
_PLAIN_DAY = rf"{_PLAIN_MONTH}(?P<day>0[1-9]|[12]\d|3[01])"
_OFFSET = (
    r"(?:\s?(?P<offset>Z|[A-Z]{3,4}|(?:UTC|GMT)?[+-]\d{1,2}:?(?:\d{2})?))?"
    r"(?:\s?\[(?P<zone>[A-Za-z_]+(?:/[A-Za-z_+0-9-]+)*)\])?"
)
_CLOCK = (
    r"(?:(?P<half>오전|오후|上午|下午|午前|午後)\s?)?"
    r"(?P<hour>[01]?\d|2[0-4])(?:[:.h시時时]\s?)?(?:(?P<minute>\d{2})(?:[:.분分]\s?)?"
    r"(?:(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?[초秒]?)?)?"
    r"(?:\s?(?P<ampm>[AaPp]\.?[Mm]\.?))?"
)
# The end of an interval, whose start is the time.
_UNTIL = r"(?P<until>\s(?:-|–|~|to|bis)\s.+)?"
_TIME = rf"(?:(?:T|,?\s+|[-_:])(?:{_CLOCK}){_OFFSET}{_UNTIL})?"


@dataclass(frozen=True, eq=False)
class TimeForm:
    """One way of writing times.

    `weak`: plain numbers look like it too, so that a column's name or order has to speak for it.
    `span`: the time that one cell stands for, where it is longer than what it is written with.
    """

    name: str
    pattern: str
    weak: bool = False
    span: str = "day"

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """The expression for one cell, to be used with `fullmatch`."""
        # Python's \d takes every script's digits, RE2's only ASCII: both must agree.
        return re.compile(self.pattern, re.ASCII)

    @cached_property
    def groups(self) -> frozenset[str]:
        """Names of the parts that a cell may have."""
        return frozenset(re.findall(r"\?P<(\w+)>", self.pattern))


FORMS: tuple[TimeForm, ...] = (
    TimeForm("year-month-day", rf"{_YEAR}{_SEP}{_MONTH}{_SEP}{_DAY}\.?{_TIME}"),
    TimeForm("year-month-day", rf"{_YEAR}\s?[년年]\s?{_MONTH}\s?[월月]\s?{_DAY}\s?[일日]{_TIME}"),
    TimeForm("day and month", rf"{_DOW}(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}}){_SEP}{_YEAR}\.?{_TIME}"),
    TimeForm("two-digit years", rf"(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}}){_SEP}(?P<c>\d{{2}})\.?{_TIME}"),
    TimeForm("day month-name year", rf"{_DOW}{_DAY}[-/ .]{{1,2}}{_NAME}[-/ ,]{{1,2}}{_YEAR}{_TIME}"),
    TimeForm("day month-name year", rf"{_DOW}{_DAY}[-/ .]{{1,2}}{_NAME}[-/ ,]{{1,2}}(?P<y2>\d{{2}}){_TIME}"),
    TimeForm("month-name day year", rf"{_DOW}{_NAME}[-/ ]{{1,2}}{_DAY},?[-/ ]{{1,2}}{_YEAR}{_TIME}"),
    TimeForm("year month-name day", rf"{_YEAR}[-/ ]{_NAME}[-/ ]{_DAY}{_TIME}"),
    TimeForm("compact date", rf"{_PLAIN_DAY}{_TIME}"),
    TimeForm(
        "compact time",
        rf"{_PLAIN_DAY}(?P<hour>[01]\d|2[0-4])(?:(?P<minute>[0-5]\d)(?P<second>[0-5]\d)?)?",
    ),
    TimeForm("year-month", rf"{_YEAR}\s?[-/]\s?{_MONTH}", span="month"),
    TimeForm("year-month", rf"{_YEAR}[Mm:]{_MONTH}", span="month"),
    TimeForm("year-month", rf"{_YEAR}\s?[년年]\s?{_MONTH}\s?[월月]", span="month"),
    TimeForm("month-year", rf"{_MONTH}\s?[-/.]\s?{_YEAR}", span="month"),
    TimeForm("month-name year", rf"{_NAME}[-/ ,]{{1,2}}{_YEAR}", span="month"),
    TimeForm("month-name year", rf"{_NAME}[-/ '’](?P<y2>\d{{2}})", span="month"),
    TimeForm("year month-name", rf"{_YEAR}[-/ ]?{_NAME}", span="month"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/.:]?\s?[Qq](?P<quarter>[1-4])", span="quarter"),
    TimeForm("quarter", rf"[Qq](?P<quarter>[1-4])\s?[-/.'’]?\s?{_YEAR}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/.]?\s?(?P<quarter>[1-4])[Qq]", span="quarter"),
    TimeForm("quarter", rf"(?P<quarter>[1-4])[Qq]\s?[-/.'’]?\s?{_YEAR}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?년\s?(?P<quarter>[1-4])\s?분기", span="quarter"),
    TimeForm("week", rf"{_YEAR}\s?-?[Ww](?P<week>\d{{1,2}})(?:-(?P<weekday>[1-7]))?", span="week"),
    TimeForm("year", rf"{_YEAR}\s?[년年]", span="year"),
    TimeForm("year", _PLAIN_YEAR, weak=True, span="year"),
    TimeForm("year-month", _PLAIN_MONTH, weak=True, span="month"),
    TimeForm("year-month", rf"{_YEAR}\.(?P<month>0[1-9]|1[0-2])\.?", weak=True, span="month"),
    TimeForm(
        "days of a spreadsheet", r"(?P<serial>[2-5]\d{4})(?:\.(?P<fraction>\d{1,9})\d*)?", weak=True, span="serial"
    ),
    TimeForm("epoch", r"(?P<whole>\d{9,19})(?:\.(?P<fraction>\d{1,9})\d*)?", weak=True, span="second"),
)

CLOCK_FORM = TimeForm("clock", rf"{_CLOCK}{_OFFSET}")

_CODES = {
    "%Y": r"(?P<year>\d{4})",
    "%y": r"(?P<y2>\d{2})",
    "%m": r"(?P<month>\d{1,2})",
    "%d": r"(?P<day>\d{1,2})",
    "%e": r"\s?(?P<day>\d{1,2})",
    "%j": r"(?P<yearday>\d{1,3})",
    "%b": _NAME,
    "%B": _NAME,
    "%a": r"(?P<dow>[A-Za-z]{2,9})",
    "%A": r"(?P<dow>[A-Za-z]{2,9})",
    "%H": r"(?P<hour>\d{1,2})",
    "%I": r"(?P<hour>\d{1,2})",
    "%M": r"(?P<minute>\d{1,2})",
    "%S": r"(?P<second>\d{1,2})",
    "%f": r"(?P<fraction>\d{1,9})",
    "%p": r"(?P<ampm>[AaPp]\.?[Mm]\.?)",
    "%z": r"(?P<offset>Z|[+-]\d{2}:?(?:\d{2})?)",
    "%Z": r"(?P<offset>[A-Z]{3,4})",
    "%q": r"(?P<quarter>[1-4])",
    "%G": r"(?P<year>\d{4})",
    "%V": r"(?P<week>\d{1,2})",
    "%u": r"(?P<weekday>[1-7])",
    "%F": r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})",
    "%T": r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2}):(?P<second>\d{1,2})",
    "%%": "%",
}


def form_of_format(text: str) -> TimeForm:
    """Turn strftime codes, said by hand, into a form.

    Raises
    ------
    ForecastError
        A code that is not known, or a format without a year.

    """
    if text in {"epoch_s", "epoch_ms", "epoch_us", "epoch_ns"}:
        return TimeForm(text, r"(?P<whole>\d{1,19})(?:\.(?P<fraction>\d{1,9})\d*)?", span="second")
    pattern = ""
    for part in re.findall(r"%-?.|[^%]+|%$", text):
        code = part.replace("-", "") if part.startswith("%") else part
        if part.startswith("%") and code not in _CODES:
            known = " ".join(sorted(_CODES))
            raise ForecastError(f"`data.time_format` has the code {part!r}, which is not known: known are {known}")
        pattern += _CODES[code] if part.startswith("%") else re.escape(part)
    form = TimeForm(text, pattern)
    if not form.groups & {"year", "y2"}:
        raise ForecastError(f"`data.time_format` should name a year (%Y), found {text!r}")
    return form


_BEYOND_DOUBT = re.compile(
    "|".join(re.sub(r"\?P<\w+>", "?:", form.pattern) for form in FORMS if not form.weak), re.ASCII
)


@lru_cache(1 << 14)
def is_time(cell: str) -> bool:
    """Whether a cell is written as a time beyond doubt (a plain number is not)."""
    return _BEYOND_DOUBT.fullmatch(cell) is not None
