"""The ways in which people write times, each a regular expression whose group names say what a part means.

The same expression reads one cell (Python's `re`) and a million (Arrow's RE2). Groups: `year` (4 digits), `y2`
(2 digits), `next` (the year after, of "2019/20"), `share` (of a year that is over, digits after the mark), `month`,
`hundredth` (a month whose last zero a spreadsheet took: 2015.1), `name` (of a month), `day`, `semester`,
`tertial` (a third of the year), `quarter`, `qword` (a quarter by name: II, Apr-Jun), `week`, `weekday`, `yearday`,
`hour`, `minute`, `second`, `fraction`, `ampm`, `half` (of the day, before the hour), `offset`, `zone`, `dow` (a
weekday's name), `until` (the end of an interval), `whole` (a count since 1970), `serial` (a spreadsheet's days since
the end of 1899), and `a`, `b`, `c`: numbers whose meaning only the other rows can tell.
`style_of` goes the other way: the strftime codes that write times as the file does.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.month_names import (
    BEGINNINGS,
    QUARTER_WORDS,
    day_words,
    is_day,
    month_numbers,
    month_words,
    quarter_words,
)
from forecast.series.calendar import EPOCHS, HALVES, TimeStyle, write_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from forecast.series.panel import IntArray, TimeArray


Parts: TypeAlias = "dict[str, IntArray]"
_Texts: TypeAlias = "Mapping[str, Any]"
"""Texts of the parts of a cell by name, None where it lacks one."""
_SEP = r"\s?[-/.]\s?"
_LETTER = "A-Za-zÀ-ɏͰ-ϿЀ-ӿ"
_CASED = {cased for begin in BEGINNINGS for cased in (begin, begin.title(), begin.upper())}
_NAME = rf"(?P<name>(?:{'|'.join(sorted(_CASED))})[{_LETTER}]{{0,9}}\.?)"
_OF_WEEK = r"(?:(?i:week (?:of|starting|beginning|commencing|ending)|w/[ceb]):?\s+)?"
_DOW = rf"{_OF_WEEK}(?:(?P<dow>[{_LETTER}]{{2,13}}(?:-feira)?\.?),?\s+)?"
_DE = r"\s(?:de|del|of)\s"
_GAP = rf"(?:[-/ .,]{{1,2}}|{_DE})"
_YEAR, _MONTH, _DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
_ANNO = r"(?:\s?(?:г|года?|р|року|r)\.?)?"  # "year" behind it, as Russians, Ukrainians and Poles write it
_ZERO = r"(?:\.0+)?"  # of whole numbers that a program took for others
_Y2, _WEEK = r"(?P<y2>\d{2})", r"(?P<week>\d{1,2})"
_QUARTER, _TERTIAL, _SEMESTER = r"(?P<quarter>[1-4])", r"(?P<tertial>[1-3])", r"(?P<semester>[12])"
# The year after, in two digits or four.
_NEXT = r"[/–-]\s?(?P<next>\d{4}|\d{2})"
_FY = r"(?:[Ff][Yy]\s?)?"
_WEEK_WORD = (
    r"(?:(?i:kw|cw|wk|week|woche|semaine|semana|settimana|sem|vecka|uge|uke|viikko|vko|týden|tydzień|неделя|w)\.?|[Ss])"
)
_QUARTER_WORD = r"(?i:quarter|quartal|kvartal(?:et)?|kvt|kwartaal|kwartał|trimestre|trimester|trim|qtr|квартал|кв)\.?"
_HALF_WORD = r"(?i:half(?:-?year)?|halbjahr|semestre|semester|półrocze|полугодие)\.?"
_THIRD_WORD = r"(?i:tertial|tertiaal|cuatrimestre|quadrimestre|quadrimestro)\.?"
_QWORD = rf"(?P<qword>(?i:{'|'.join(sorted(QUARTER_WORDS, key=len, reverse=True))}))"
_ORDINAL = r"(?P<ordinal>-й|:[ae]|\.?(?:er|ère|re|e|ème|eme|º|°|ª|o|st|nd|rd|th)|\.)?"
# Without separators only the range tells a date from any other number.
_PLAIN_YEAR = r"(?P<year>1[6-9]\d{2}|2[01]\d{2})"
_PLAIN_MONTH = rf"{_PLAIN_YEAR}(?P<month>0[1-9]|1[0-2])"
_PLAIN_DAY = rf"{_PLAIN_MONTH}(?P<day>0[1-9]|[12]\d|3[01])"
_OFFSET = (
    r"(?:\s?(?P<offset>Z|[A-Z]{3,4}|(?:UTC|GMT)?[+-]\d{1,2}:?(?:\d{2})?))?"
    r"(?:\s?\[(?P<zone>[A-Za-z_]+(?:/[A-Za-z_+0-9-]+)*)\]|\s\([^)]*\))?"
)
_CLOCK = (
    r"(?:(?P<half>오전|오후|上午|下午|午前|午後)\s?)?"
    r"(?P<hour>[01]?\d|2[0-4])(?:[:.h시時时]\s?)?(?:(?P<minute>\d{2})(?:[:.분分]\s?)?"
    r"(?:(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?[초秒]?)?)?"
    r"(?:\s?(?P<ampm>[AaPp]\.?\s?[Mm]\.?)|\sUhr)?"
)
# The end of an interval; its start is the time.
_UNTIL = r"(?P<until>\s(?:-|–|~|to|bis)\s[^,;|\t]+(?:, [^,;|\t]+)?|/\d{4}-\d\d-.+)?"
_TIME = rf"(?:(?:T|,?\s+(?:(?:at|à|às|um|klo|kl\.)\s)?|[-_:])(?:{_CLOCK}){_OFFSET})?{_UNTIL}"
_GROUP = re.compile(r"\?P<(\w+)>")


@dataclass(frozen=True, eq=False)
class TimeForm:
    """One way of writing times.

    `weak`: plain numbers look like it too, so that a column's name or order must support it.
    `span`: the period that one cell stands for.
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
    def of_intervals(self) -> TimeForm:
        """The same form, in which what looks like an offset from UTC is the end of an interval."""
        until = r"(?P<until>\s?[-–]\s?\d{1,2}:\d{2})"
        return replace(self, pattern=self.pattern.replace(f"{_OFFSET})?{_UNTIL}", f"{until})"))

    @cached_property
    def groups(self) -> frozenset[str]:
        """Names of the parts that a cell may have."""
        return frozenset(_GROUP.findall(self.pattern))

    def fits(self, cell: str) -> bool:
        """Whether a cell has the form, and its words, if it has any, are a month and a day of the week."""
        match = self.expression.fullmatch(cell)
        if match is None:
            return False
        month, day = (match.groupdict().get(name) for name in ("name", "dow"))
        return (not month or month_numbers([month])[0] > 0) and (not day or is_day(day))


FORMS: tuple[TimeForm, ...] = (
    TimeForm("year-month-day", rf"{_OF_WEEK}{_YEAR}{_SEP}{_MONTH}{_SEP}{_DAY}\.?{_TIME}"),
    TimeForm("year-month-day", rf"{_YEAR}\s?[년年]\s?{_MONTH}\s?[월月]\s?{_DAY}\s?[일日]{_TIME}"),
    TimeForm("day and month", rf"{_DOW}(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}}){_SEP}{_YEAR}\.?{_TIME}"),
    TimeForm("two-digit years", rf"(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}}){_SEP}(?P<c>\d{{2}})\.?{_TIME}"),
    TimeForm(
        "day month-name year",
        rf"{_DOW}{_DAY}(?:[-/ .]{{1,2}}|{_DE}){_NAME}(?:[-/ ,]{{1,2}}|{_DE}){_YEAR}{_ANNO}{_TIME}",
    ),
    TimeForm("day month-name year", rf"{_DOW}{_DAY}[-/ .]{{1,2}}{_NAME}[-/ ,]{{1,2}}{_Y2}{_TIME}"),
    TimeForm("day month-name year", rf"(?P<day>\d{{2}}){_NAME}(?:{_YEAR}|{_Y2}){_TIME}"),
    TimeForm("day month-name year", rf"\[{_DAY}/{_NAME}/{_YEAR}{_TIME}\]"),
    TimeForm("month-name day year", rf"{_DOW}{_NAME}[-/ ]{{1,2}}{_DAY},?[-/ ]{{1,2}}{_YEAR}{_TIME}"),
    TimeForm("year month-name day", rf"{_YEAR}(?:[-/ ]|\. ){_NAME}[-/ ]{_DAY}\.?{_TIME}"),
    TimeForm("compact date", rf"{_PLAIN_DAY}{_ZERO}{_TIME}"),
    TimeForm("compact time", rf"{_PLAIN_DAY}(?P<hour>[01]\d|2[0-4])(?:(?P<minute>[0-5]\d)(?P<second>[0-5]\d)?)?"),
    TimeForm("year and day", rf"{_YEAR}-(?P<yearday>[0-3]\d{{2}})"),
    # Before the months: 2000-01, 2001-02, 2002-03 are years.
    TimeForm("fiscal year", rf"{_YEAR}\s?{_NEXT}", span="year"),
    TimeForm("fiscal year", rf"(?i:FY)\s?{_YEAR}(?:\s?{_NEXT})?", span="year"),
    TimeForm("fiscal year", rf"(?i:FY)\s?['’]?{_Y2}(?:\s?[/–-]\s?(?P<next>\d{{2}}))?", span="year"),
    TimeForm("year-month", rf"{_YEAR}\s?[-/]\s?{_MONTH}", span="month"),
    TimeForm("year-month", rf"{_YEAR}[Mm:]{_MONTH}", span="month"),
    TimeForm("year-month", rf"{_YEAR}(?:\s?[년年]\s?|\.\s?){_MONTH}\s?[월月]", span="month"),
    TimeForm("month-year", rf"{_MONTH}\s?[-/]\s?{_YEAR}", span="month"),
    TimeForm("month-year", rf"(?:P|0)(?P<month>0[1-9]|1[0-2])(?:[-/ ]|P\.){_YEAR}", span="month"),
    TimeForm("month-name year", rf"{_NAME}{_GAP}{_YEAR}{_ANNO}", span="month"),
    TimeForm("month-name year", rf"{_NAME}{_PLAIN_YEAR}", span="month"),
    TimeForm("month-name year", rf"{_NAME}(?:[-/ ]|\s?['’]){_Y2}", span="month"),
    TimeForm("year month-name", rf"{_YEAR}(?:[-/ ]?|\. ){_NAME}", span="month"),
    TimeForm("quarter", rf"{_FY}{_YEAR}\s?[-/.:]?\s?[QqTt]{_QUARTER}", span="quarter"),
    TimeForm("quarter", rf"[QqTt]{_QUARTER}\s?[-/.'’]?\s?{_FY}{_YEAR}", span="quarter"),
    TimeForm("quarter", rf"[QqTt]{_QUARTER}\s?[-/.'’ ]\s?{_Y2}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/.]?\s?{_QUARTER}[QqTt]", span="quarter"),
    TimeForm("quarter", rf"{_QUARTER}[QqTt]\s?[-/.'’]?\s?{_YEAR}", span="quarter"),
    TimeForm("quarter", rf"{_QUARTER}[QqTt]\s?[-/.'’]?\s?{_Y2}", span="quarter"),
    TimeForm("quarter", rf"[Ff][Yy]\s?['’]?{_Y2}\s?[-/.:]?\s?[QqTt]{_QUARTER}", span="quarter"),
    TimeForm("quarter", rf"[QqTt]{_QUARTER}\s?[-/.:]?\s?[Ff][Yy]\s?['’]?{_Y2}", span="quarter"),
    TimeForm("quarter", rf"{_FY}(?:{_YEAR}|{_Y2}){_NEXT}\s?[-/,]?\s?[Qq]{_QUARTER}", span="quarter"),
    TimeForm("quarter", rf"[Qq]{_QUARTER}\s?[-/,]?\s?{_FY}{_YEAR}{_NEXT}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/:]\s?{_QUARTER}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[년年]\s?第?{_QUARTER}\s?(?:분기|季度?|四半期)", span="quarter"),
    TimeForm("quarter", rf"{_QWORD}\s?(?:{_QUARTER_WORD}|[Qq])?[-/., ]{{0,2}}{_YEAR}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}[-/., ]{{0,2}}{_QWORD}\s?(?:{_QUARTER_WORD}|[Qq])?", span="quarter"),
    TimeForm("quarter", rf"{_QUARTER}{_ORDINAL}\s?{_QUARTER_WORD}(?:\s?[-/,.]?\s?|{_DE}){_YEAR}", span="quarter"),
    TimeForm("quarter", rf"{_QUARTER_WORD}\s?{_QUARTER}(?:\s?[-/,.]?\s|{_DE}|[-/]){_YEAR}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/,.]?\s?{_QUARTER_WORD}\s?{_QUARTER}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/,.]?\s?{_QUARTER}{_ORDINAL}\s?{_QUARTER_WORD}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}[. ]\s?{_QUARTER}/4(?:\s?분기)?", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/]\s?0{_QUARTER}", span="quarter"),
    TimeForm("quarter", rf"0{_QUARTER}\s?[-/]\s?{_YEAR}", span="quarter"),
    TimeForm("third of a year", rf"{_YEAR}\s?[-/.:]?\s?[Tt]{_TERTIAL}", span="tertial"),
    TimeForm("third of a year", rf"[Tt]{_TERTIAL}\s?[-/.'’]?\s?{_YEAR}", span="tertial"),
    TimeForm("third of a year", rf"{_TERTIAL}{_ORDINAL}\s?{_THIRD_WORD}(?:\s?[-/,.]?\s?|{_DE}){_YEAR}", span="tertial"),
    TimeForm("half-year", rf"{_YEAR}\s?[-/.]?\s?[HhSs]{_SEMESTER}", span="half"),
    TimeForm("half-year", rf"(?:[HhSs]{_SEMESTER})\s?[-/.'’]?\s?{_YEAR}", span="half"),
    TimeForm("half-year", rf"{_SEMESTER}[HhSs]\s?[-/.'’]?\s?{_YEAR}", span="half"),
    TimeForm("half-year", rf"(?:[HhSs]{_SEMESTER})\s?[-/.'’ ]\s?{_Y2}", span="half"),
    TimeForm("half-year", rf"{_SEMESTER}[HhSs]\s?[-/.'’]?\s?{_Y2}", span="half"),
    TimeForm("half-year", rf"{_SEMESTER}{_ORDINAL}\s?{_HALF_WORD}(?:\s?[-/,.]?\s?|{_DE}){_YEAR}", span="half"),
    TimeForm("half-year", rf"{_YEAR}\s?[-/,.]?\s?{_SEMESTER}{_ORDINAL}\s?{_HALF_WORD}", span="half"),
    TimeForm("half-year", rf"{_YEAR}\s?[년年]\s?{_SEMESTER}\s?반기", span="half"),
    TimeForm("week", rf"{_YEAR}\s?-?[Ww]{_WEEK}(?:-(?P<weekday>[1-7]))?", span="week"),
    TimeForm("week", rf"{_YEAR}\s?[-/,.]?\s?{_WEEK_WORD}\s?{_WEEK}", span="week"),
    TimeForm("week", rf"{_WEEK_WORD}\s?-?{_WEEK}\s?[-/,. ]\s?{_YEAR}", span="week"),
    TimeForm("week", rf"{_WEEK}\.?\s?{_WEEK_WORD}\s?[-/,. ]\s?{_YEAR}", span="week"),
    TimeForm("week", rf"{_YEAR}\s?[년年]\s?第?{_WEEK}\s?(?:주차?|周|週)", span="week"),
    TimeForm("week", rf"{_YEAR}\s?[-/]\s?{_WEEK}", span="week"),
    TimeForm("week", rf"{_WEEK}\s?[-/]\s?{_YEAR}", span="week"),
    TimeForm("year", rf"{_YEAR}\s?(?:[년年][度도]?|год|rok)", span="year"),
    TimeForm("year", rf"(?i:year|jahr|rok|año|ano|anno|année|год)\s?{_YEAR}", span="year"),
    TimeForm("year", rf"{_PLAIN_YEAR}{_ZERO}", weak=True, span="year"),
    TimeForm("year-month", rf"{_PLAIN_MONTH}{_ZERO}", weak=True, span="month"),
    TimeForm("month-year", rf"{_MONTH}\.\s?{_YEAR}", weak=True, span="month"),
    TimeForm("year-month", rf"{_YEAR}[.,](?P<month>0[1-9]|1[0-2])\.?", weak=True, span="month"),
    TimeForm("year-month", rf"{_YEAR}[.,](?P<hundredth>0[1-9]|1[0-2]?)", weak=True, span="month"),
    TimeForm("year-month", rf"{_YEAR}[.,]{_MONTH}", weak=True, span="month"),
    TimeForm("month-year", rf"0(?P<month>0[1-9]|1[0-2])\.{_YEAR}", weak=True, span="month"),
    TimeForm("quarter", rf"{_YEAR}[.,]{_QUARTER}", weak=True, span="quarter"),
    TimeForm("years with decimals", rf"{_PLAIN_YEAR}(?:[.,](?P<share>\d{{1,9}})\d*)?", weak=True, span="month"),
    TimeForm(
        "days of a spreadsheet", r"(?P<serial>[2-5]\d{4})(?:[.,](?P<fraction>\d{1,9})\d*)?", weak=True, span="serial"
    ),
    TimeForm("quarter", rf"{_PLAIN_YEAR}0?{_QUARTER}", weak=True, span="quarter"),
    TimeForm("week", rf"{_PLAIN_YEAR}(?P<week>0[1-9]|[1-4]\d|5[0-3])", weak=True, span="week"),
    TimeForm("week", rf"{_WEEK}\.\s?{_YEAR}", weak=True, span="week"),
    TimeForm("compact date", rf"{_Y2}(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])", weak=True),
    TimeForm("compact date", rf"(?P<a>\d{{1,2}})(?P<b>\d{{2}}){_PLAIN_YEAR}", weak=True),
    TimeForm("year and day", rf"{_PLAIN_YEAR}(?P<yearday>[0-3]\d{{2}})", weak=True),
    TimeForm("epoch", r"(?P<whole>\d{9,19})(?:\.(?P<fraction>\d{1,9})\d*)?", weak=True, span="second"),
)
CLOCK_FORM = TimeForm("clock", rf"{_CLOCK}{_OFFSET}(?P<until>\s?(?:-|–|~|to|bis)\s?\d.*)?")
_STRONG_FORMS, _WEAK_FORMS = ([form for form in FORMS if form.weak is weak] for weak in (False, True))


def _any_of(forms: Iterable[TimeForm]) -> re.Pattern[str]:
    return re.compile("|".join(re.sub(r"\?P<\w+>", "?:", form.pattern) for form in forms), re.ASCII)


_ANY_STRONG, _ANY_WEAK = _any_of(_STRONG_FORMS), _any_of(_WEAK_FORMS)
_LONG_WORD = re.compile(f"[{_LETTER}]{{2}}")
_DOTTED_MONTH = re.compile(rf"{_PLAIN_YEAR}\.(?:0[1-9]|1[0-2])", re.ASCII)
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?", re.ASCII)
"""Texts that have the first form, or none: the expressions of the others need not be made."""


def likely_forms(cells: Sequence[str]) -> list[TimeForm]:
    """Forms that some of a few cells may have, in order; one expression for many is soon done with other columns."""
    if all(map(ISO_TIME.fullmatch, cells)):
        return [form for form in FORMS[:1] if any(map(form.expression.fullmatch, cells))]
    strong = any(map(_ANY_STRONG.fullmatch, cells))
    weak = 2 * sum(_ANY_WEAK.fullmatch(cell) is not None for cell in cells) >= len(cells)
    forms = _STRONG_FORMS * strong + _WEAK_FORMS * weak
    return [form for form in forms if any(map(form.expression.fullmatch, cells))]


@lru_cache(1 << 14)
def is_time(cell: str) -> bool:
    """Whether a cell is written as a time beyond doubt (a plain number is not)."""
    if _ANY_STRONG.fullmatch(cell) is None:
        return False
    return not _LONG_WORD.search(cell) or any(form.fits(cell) for form in _STRONG_FORMS)


def names_time(cell: str) -> bool:
    """Whether the name of a column is a time; above numbers 2016.01 is a month."""
    return is_time(cell) or _DOTTED_MONTH.fullmatch(cell) is not None


_ORDERS: dict[str, tuple[str, ...]] = {"md": ("month", "day"), "dm": ("day", "month")}
_ORDERS |= {"mdy": ("month", "day", "y2"), "dmy": ("day", "month", "y2"), "ymd": ("y2", "month", "day")}


def _meaning(order: str) -> dict[str, str]:
    """Meaning of `a`, `b`, `c` in an order: "dm" -> {"a": "day", "b": "month"}."""
    return dict(zip("abc", _ORDERS.get(order, ()), strict=False))


def name_parts(parts: Parts, order: str) -> Parts:
    """Rename `a`, `b` and `c` by their order ("dm": day, then month)."""
    meaning = _meaning(order)
    return {meaning.get(name, name): part for name, part in parts.items()}


_CODES = {
    **dict.fromkeys(("%Y", "%G"), _YEAR),
    "%y": _Y2,
    "%m": _MONTH,
    "%d": _DAY,
    "%e": rf"\s?{_DAY}",
    "%j": r"(?P<yearday>\d{1,3})",
    **dict.fromkeys(("%b", "%B"), _NAME),
    **dict.fromkeys(("%a", "%A"), rf"(?P<dow>[{_LETTER}]{{2,13}}\.?)"),
    **dict.fromkeys(("%H", "%I"), r"(?P<hour>\d{1,2})"),
    "%M": r"(?P<minute>\d{1,2})",
    "%S": r"(?P<second>\d{1,2})",
    "%f": r"(?P<fraction>\d{1,9})",
    "%p": r"(?P<ampm>[AaPp]\.?[Mm]\.?)",
    "%z": r"(?P<offset>Z|[+-]\d{2}:?(?:\d{2})?)",
    "%Z": r"(?P<offset>[A-Z]{3,4})",
    "%q": _QUARTER,
    "%V": _WEEK,
    "%u": r"(?P<weekday>[1-7])",
    "%F": rf"{_YEAR}-{_MONTH}-{_DAY}",
    "%T": r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2}):(?P<second>\d{1,2})",
    "%%": "%",
}


def form_of_format(text: str) -> TimeForm:
    """Turn the strftime codes of `data.time_format` into a form.

    Raises
    ------
    ForecastError
        A code that is not known, a part of the time that is named twice, or a format without a year.

    """
    if text in EPOCHS:
        return TimeForm(text, r"(?P<whole>\d{1,19})(?:\.(?P<fraction>\d{1,9})\d*)?", span="second")
    pattern = ""
    for part in re.findall(r"%-?.|[^%]+|%$", text):
        if not part.startswith("%"):
            pattern += re.escape(part)
        elif (code := part.replace("-", "")) in _CODES:
            pattern += _CODES[code]
        else:
            known = " ".join(sorted(_CODES))
            raise ForecastError(f"`data.time_format` has the code {part!r}, which is not known: known are {known}")
    groups = Counter(_GROUP.findall(pattern))
    if twice := [name for name, count in groups.items() if count > 1]:
        part = {"name": "month", "y2": "year", "dow": "day of the week"}.get(twice[0], twice[0])
        raise ForecastError(f"`data.time_format` should name the {part} once, found {text!r}")
    if not groups.keys() & {"year", "y2"}:
        raise ForecastError(f"`data.time_format` should name a year (%Y), found {text!r}")
    return TimeForm(text, pattern)


_PADDED = {"month": "m", "day": "d", "hour": "H", "hour12": "I", "week": "V"}
_PLAIN = {"year": "%Y", "y2": "%y", "minute": "%M", "second": "%S", "yearday": "%j", "quarter": "%q", "weekday": "%u"}
_PLAIN |= {"semester": "%Os", "tertial": "%Ot", "hundredth": "%m", "ordinal": "%Oq", "qword": "%Oq"}
_NUMBERED = {"quarter": (1, 2, 3, 4), "semester": (1, 1, 2, 2), "tertial": (1, 2, 3, 3)}
"""Numbers of the periods that the four quarters lie in."""
MONTH_CODE = re.compile(r"%[\^O]?[bB]")
"""A code that writes the name of a month."""
_DAY_CODE = re.compile(r"%[aA]")
_MONTHS: TimeArray = np.arange("2024-01", "2025-01", dtype="datetime64[M]").astype("datetime64[ns]")
_DAYS: TimeArray = np.arange("2024-01-01", "2024-01-08", dtype="datetime64[D]").astype("datetime64[ns]")


def style_of(sample: Sequence[str], form: TimeForm, order: str, timezone: str | None, column: str) -> TimeStyle:
    """Derive the format from cells of a column: the codes of the longest, without zeros if any cell omits them."""
    matches = [match for cell in sample if (match := form.expression.fullmatch(cell))]
    if not matches:
        return TimeStyle("%Y-%m-%d %H:%M:%S", (column,), timezone=timezone)
    longest, all_parts = max(matches, key=lambda match: len(match.group())), [match.groupdict() for match in matches]
    template, own_words = _in_its_words(_template(longest, all_parts, _meaning(order)), all_parts)
    with_hours = bool(longest.groupdict().get("hour"))
    clocks = {tuple(int(parts.get(part) or 0) for part in ("hour", "minute", "second")) for parts in all_parts}
    ends_day = with_hours and (24, 0, 0) in clocks and (0, 0, 0) not in clocks
    return TimeStyle(template, (column,), timezone=timezone, date_only=not with_hours, ends_day=ends_day, **own_words)


def _template(longest: re.Match[str], all_parts: Sequence[_Texts], meaning: Mapping[str, str]) -> str:
    """Put codes in the place of the parts of the longest cell."""
    short = {meaning.get(name, name) for parts in all_parts for name, text in parts.items() if text and len(text) == 1}
    varied = len({parts.get("offset") for parts in all_parts}) > 1
    parts = longest.groupdict()
    cell = longest.group().removesuffix(parts.pop("until", None) or "")
    template, end_before = "", 0
    for (start, end), name in sorted((longest.span(name), name) for name, text in parts.items() if text):
        literal = cell[end_before:start].replace("%", "%%")
        template += literal + _code(parts, name, meaning.get(name, name), short, varied=varied)
        end_before = end
    template += cell[end_before:].replace("%", "%%")
    return template.replace("%Y", "%G") if "V" in re.findall(r"%-?(.)", template) else template


def _in_its_words(template: str, all_parts: Sequence[_Texts]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Let a format write the words of the file, where those are not the English ones that its codes stand for."""
    months, days = ([text for parts in all_parts if (text := parts.get(name))] for name in ("name", "dow"))
    own_words = {}
    if months and (code := MONTH_CODE.search(template)) and not _writes(code[0], _MONTHS, months):
        template, own_words["months"] = template.replace(code[0], "%OB"), month_words(months)
    if days and (code := _DAY_CODE.search(template)) and not _writes(code[0], _DAYS, days):
        template, own_words["days"] = template.replace(code[0], "%OD"), day_words(days)
    if "%Oq" in template:
        named = "qword" in all_parts[0]
        own_words["ordinals"] = quarter_words(parts["qword"] for parts in all_parts) if named else _ordinals(all_parts)
    return template, own_words


def _writes(code: str, times: TimeArray, words: Sequence[str]) -> bool:
    """Whether all words are what a code makes of the times."""
    return set(words) <= set(write_times(times, TimeStyle(code)))


def _ordinals(all_parts: Sequence[_Texts]) -> tuple[str, ...]:
    """What follows the number of each quarter ("er" of "1er trimestre"), or of the half-year or third it begins."""
    part = next(part for part in _NUMBERED if part in all_parts[0])
    seen = {int(parts[part]): parts["ordinal"] or "" for parts in all_parts}
    return tuple(seen.get(number, seen[max(seen)]) for number in _NUMBERED[part])


def _code(parts: _Texts, name: str, part: str, short: set[str], *, varied: bool) -> str:
    """Format code of a part: `short` parts omit a leading zero, offsets are codes where they are `varied`."""
    text = parts[name]
    if part == "hour" and (parts.get("ampm") or parts.get("half")):
        part = "hour12"
    if part in _PADDED:
        return f"%-{_PADDED[part]}" if part.removesuffix("12") in short else f"%{_PADDED[part]}"
    if part == "offset" and varied:
        return ("%:z" if ":" in text else "%z") if text[-1].isdigit() else "%Z"
    return _PLAIN.get(part) or _word(part, text)


def _word(part: str, text: str) -> str:
    """Code of a part whose spelling matters; any other part is a literal."""
    if part == "fraction":
        return f"%{len(text)}f"
    if part == "next":
        return "%Oy" if len(text) == 2 else "%OY"
    if part == "name":
        return _cased(text, "%b" if len(text) == 3 else "%B")
    if part == "dow":
        return "%a" if len(text) == 3 else "%A"
    if part in {"ampm", "half"}:
        return next((f"%{code}" for code, names in HALVES.items() if text in names), "%p")
    return text.replace("%", "%%")


def _cased(text: str, code: str) -> str:
    if text.isupper():
        return code.replace("%", "%^")
    return "%Ob" if text.islower() and code == "%b" else code
