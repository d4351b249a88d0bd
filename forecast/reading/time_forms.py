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
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.month_names import BEGINNINGS, day_words, is_day, month_numbers, month_words
from forecast.reading.vocabulary import QUARTER_NAMES, QUARTER_WORDS
from forecast.series.calendar import HALVES, TimeStyle, write_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from forecast.series.panel import IntArray


Parts: TypeAlias = "dict[str, IntArray]"
_SEP = r"\s?[-/.]\s?"
_LETTER = "A-Za-zÀ-ɏͰ-ϿЀ-ӿ"
_CASED = {cased for begin in BEGINNINGS for cased in (begin, begin.title(), begin.upper())}
_NAME = rf"(?P<name>(?:{'|'.join(sorted(_CASED))})[{_LETTER}]{{0,9}}\.?)"
_DOW = rf"(?:(?P<dow>[{_LETTER}]{{2,13}}(?:-feira)?\.?),?\s+)?"
_DE = r"\s(?:de|del|of)\s"
_GAP = rf"(?:[-/ .,]{{1,2}}|{_DE})"
_YEAR, _MONTH, _DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
# The year after, in two digits or four.
_NEXT = r"[/–-]\s?(?P<next>\d{4}|\d{2})"
_FY = r"(?:[Ff][Yy]\s?)?"
_WEEK = r"(?:(?i:kw|cw|wk|week|woche|semaine|semana|settimana|sem|w)\.?|[Ss])"
_QUARTER = r"(?i:quarter|quartal|kvartal(?:et)?|kvt|kwartaal|kwartał|trimestre|trimester|trim|qtr|квартал|кв)\.?"
_HALF = r"(?i:half(?:-?year)?|halbjahr|semestre|semester|półrocze|полугодие)\.?"
_THIRD = r"(?i:tertial|tertiaal|cuatrimestre|quadrimestre|quadrimestro)\.?"
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
    r"(?:\s?(?P<ampm>[AaPp]\.?\s?[Mm]\.?))?"
)
# The end of an interval; its start is the time.
_UNTIL = r"(?P<until>\s(?:-|–|~|to|bis)\s[^,;|\t]+(?:, [^,;|\t]+)?|/\d{4}-\d\d-.+)?"
_TIME = rf"(?:(?:T|,?\s+|[-_:])(?:{_CLOCK}){_OFFSET})?{_UNTIL}"


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


FORMS: tuple[TimeForm, ...] = (
    TimeForm("year-month-day", rf"{_YEAR}{_SEP}{_MONTH}{_SEP}{_DAY}\.?{_TIME}"),
    TimeForm("year-month-day", rf"{_YEAR}\s?[년年]\s?{_MONTH}\s?[월月]\s?{_DAY}\s?[일日]{_TIME}"),
    TimeForm("day and month", rf"{_DOW}(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}}){_SEP}{_YEAR}\.?{_TIME}"),
    TimeForm("two-digit years", rf"(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}}){_SEP}(?P<c>\d{{2}})\.?{_TIME}"),
    TimeForm(
        "day month-name year", rf"{_DOW}{_DAY}(?:[-/ .]{{1,2}}|{_DE}){_NAME}(?:[-/ ,]{{1,2}}|{_DE}){_YEAR}{_TIME}"
    ),
    TimeForm("day month-name year", rf"{_DOW}{_DAY}[-/ .]{{1,2}}{_NAME}[-/ ,]{{1,2}}(?P<y2>\d{{2}}){_TIME}"),
    TimeForm("day month-name year", rf"\[{_DAY}/{_NAME}/{_YEAR}{_TIME}\]"),
    TimeForm("month-name day year", rf"{_DOW}{_NAME}[-/ ]{{1,2}}{_DAY},?[-/ ]{{1,2}}{_YEAR}{_TIME}"),
    TimeForm("year month-name day", rf"{_YEAR}[-/ ]{_NAME}[-/ ]{_DAY}{_TIME}"),
    TimeForm("compact date", rf"{_PLAIN_DAY}{_TIME}"),
    TimeForm(
        "compact time",
        rf"{_PLAIN_DAY}(?P<hour>[01]\d|2[0-4])(?:(?P<minute>[0-5]\d)(?P<second>[0-5]\d)?)?",
    ),
    TimeForm("year and day", rf"{_YEAR}-(?P<yearday>[0-3]\d{{2}})"),
    # Before the months: 2000-01, 2001-02, 2002-03 are years.
    TimeForm("fiscal year", rf"{_YEAR}\s?{_NEXT}", span="year"),
    TimeForm("fiscal year", rf"(?i:FY)\s?{_YEAR}(?:\s?{_NEXT})?", span="year"),
    TimeForm("fiscal year", r"(?i:FY)\s?['’]?(?P<y2>\d{2})(?:\s?[/–-]\s?(?P<next>\d{2}))?", span="year"),
    TimeForm("year-month", rf"{_YEAR}\s?[-/]\s?{_MONTH}", span="month"),
    TimeForm("year-month", rf"{_YEAR}[Mm:]{_MONTH}", span="month"),
    TimeForm("year-month", rf"{_YEAR}\s?[년年]\s?{_MONTH}\s?[월月]", span="month"),
    TimeForm("month-year", rf"{_MONTH}\s?[-/]\s?{_YEAR}", span="month"),
    TimeForm("month-year", rf"(?:P|0)(?P<month>0[1-9]|1[0-2])(?:[-/ ]|P\.){_YEAR}", span="month"),
    TimeForm("month-name year", rf"{_NAME}{_GAP}{_YEAR}", span="month"),
    TimeForm("month-name year", rf"{_NAME}(?:[-/ ]|\s?['’])(?P<y2>\d{{2}})", span="month"),
    TimeForm("year month-name", rf"{_YEAR}[-/ ]?{_NAME}", span="month"),
    TimeForm("quarter", rf"{_FY}{_YEAR}\s?[-/.:]?\s?[QqTt](?P<quarter>[1-4])", span="quarter"),
    TimeForm("quarter", rf"[QqTt](?P<quarter>[1-4])\s?[-/.'’]?\s?{_FY}{_YEAR}", span="quarter"),
    TimeForm("quarter", r"[QqTt](?P<quarter>[1-4])\s?[-/.'’ ]\s?(?P<y2>\d{2})", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/.]?\s?(?P<quarter>[1-4])[QqTt]", span="quarter"),
    TimeForm("quarter", rf"(?P<quarter>[1-4])[QqTt]\s?[-/.'’]?\s?{_YEAR}", span="quarter"),
    TimeForm("quarter", r"(?P<quarter>[1-4])[QqTt]\s?[-/.'’]?\s?(?P<y2>\d{2})", span="quarter"),
    TimeForm("quarter", r"[Ff][Yy]\s?['’]?(?P<y2>\d{2})\s?[-/.:]?\s?[QqTt](?P<quarter>[1-4])", span="quarter"),
    TimeForm("quarter", r"[QqTt](?P<quarter>[1-4])\s?[-/.:]?\s?[Ff][Yy]\s?['’]?(?P<y2>\d{2})", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/:]\s?(?P<quarter>[1-4])", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[년年]\s?第?(?P<quarter>[1-4])\s?(?:분기|季度?|四半期)", span="quarter"),
    TimeForm("quarter", rf"{_QWORD}\s?(?:{_QUARTER}|[Qq])?[-/., ]{{0,2}}{_YEAR}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}[-/., ]{{0,2}}{_QWORD}\s?(?:{_QUARTER}|[Qq])?", span="quarter"),
    TimeForm("quarter", rf"(?P<quarter>[1-4]){_ORDINAL}\s?{_QUARTER}(?:\s?[-/,.]?\s?|{_DE}){_YEAR}", span="quarter"),
    TimeForm("quarter", rf"{_QUARTER}\s?(?P<quarter>[1-4])(?:\s?[-/,.]?\s|{_DE}|[-/]){_YEAR}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/,.]?\s?{_QUARTER}\s?(?P<quarter>[1-4])", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/,.]?\s?(?P<quarter>[1-4]){_ORDINAL}\s?{_QUARTER}", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}[. ]\s?(?P<quarter>[1-4])/4", span="quarter"),
    TimeForm("quarter", rf"{_YEAR}\s?[-/]\s?0(?P<quarter>[1-4])", span="quarter"),
    TimeForm("quarter", rf"0(?P<quarter>[1-4])\s?[-/]\s?{_YEAR}", span="quarter"),
    TimeForm("third of a year", rf"{_YEAR}\s?[-/.:]?\s?[Tt](?P<tertial>[1-3])", span="tertial"),
    TimeForm("third of a year", rf"[Tt](?P<tertial>[1-3])\s?[-/.'’]?\s?{_YEAR}", span="tertial"),
    TimeForm(
        "third of a year", rf"(?P<tertial>[1-3]){_ORDINAL}\s?{_THIRD}(?:\s?[-/,.]?\s?|{_DE}){_YEAR}", span="tertial"
    ),
    TimeForm("half-year", rf"{_YEAR}\s?[-/.]?\s?[HhSs](?P<semester>[12])", span="half"),
    TimeForm("half-year", rf"(?:[HhSs](?P<semester>[12]))\s?[-/.'’]?\s?{_YEAR}", span="half"),
    TimeForm("half-year", rf"(?P<semester>[12])[HhSs]\s?[-/.'’]?\s?{_YEAR}", span="half"),
    TimeForm("half-year", r"(?:[HhSs](?P<semester>[12]))\s?[-/.'’ ]\s?(?P<y2>\d{2})", span="half"),
    TimeForm("half-year", r"(?P<semester>[12])[HhSs]\s?[-/.'’]?\s?(?P<y2>\d{2})", span="half"),
    TimeForm("half-year", rf"(?P<semester>[12]){_ORDINAL}\s?{_HALF}(?:\s?[-/,.]?\s?|{_DE}){_YEAR}", span="half"),
    TimeForm("half-year", rf"{_YEAR}\s?[-/,.]?\s?(?P<semester>[12]){_ORDINAL}\s?{_HALF}", span="half"),
    TimeForm("half-year", rf"{_YEAR}\s?[년年]\s?(?P<semester>[12])\s?반기", span="half"),
    TimeForm("week", rf"{_YEAR}\s?-?[Ww](?P<week>\d{{1,2}})(?:-(?P<weekday>[1-7]))?", span="week"),
    TimeForm("week", rf"{_YEAR}\s?[-/,.]?\s?{_WEEK}\s?(?P<week>\d{{1,2}})", span="week"),
    TimeForm("week", rf"{_WEEK}\s?-?(?P<week>\d{{1,2}})\s?[-/,. ]\s?{_YEAR}", span="week"),
    TimeForm("week", rf"(?P<week>\d{{1,2}})\.?\s?{_WEEK}\s?[-/,. ]\s?{_YEAR}", span="week"),
    TimeForm("week", rf"{_YEAR}\s?[년年]\s?第?(?P<week>\d{{1,2}})\s?(?:주차?|周|週)", span="week"),
    TimeForm("week", rf"{_YEAR}\s?[-/]\s?(?P<week>\d{{1,2}})", span="week"),
    TimeForm("week", rf"(?P<week>\d{{1,2}})\s?[-/]\s?{_YEAR}", span="week"),
    TimeForm("year", rf"{_YEAR}\s?[년年]", span="year"),
    TimeForm("year", _PLAIN_YEAR, weak=True, span="year"),
    TimeForm("year-month", _PLAIN_MONTH, weak=True, span="month"),
    TimeForm("month-year", rf"{_MONTH}\.\s?{_YEAR}", weak=True, span="month"),
    TimeForm("year-month", rf"{_YEAR}[.,](?P<month>0[1-9]|1[0-2])\.?", weak=True, span="month"),
    TimeForm("year-month", rf"{_YEAR}[.,](?P<hundredth>0[1-9]|1[0-2]?)", weak=True, span="month"),
    TimeForm("year-month", rf"{_YEAR}[.,]{_MONTH}", weak=True, span="month"),
    TimeForm("month-year", rf"0(?P<month>0[1-9]|1[0-2])\.{_YEAR}", weak=True, span="month"),
    TimeForm("quarter", rf"{_YEAR}[.,](?P<quarter>[1-4])", weak=True, span="quarter"),
    TimeForm("years with decimals", rf"{_PLAIN_YEAR}(?:[.,](?P<share>\d{{1,9}})\d*)?", weak=True, span="month"),
    TimeForm(
        "days of a spreadsheet", r"(?P<serial>[2-5]\d{4})(?:[.,](?P<fraction>\d{1,9})\d*)?", weak=True, span="serial"
    ),
    TimeForm("quarter", rf"{_PLAIN_YEAR}0?(?P<quarter>[1-4])", weak=True, span="quarter"),
    TimeForm("week", rf"{_PLAIN_YEAR}(?P<week>0[1-9]|[1-4]\d|5[0-3])", weak=True, span="week"),
    TimeForm("week", rf"(?P<week>\d{{1,2}})\.\s?{_YEAR}", weak=True, span="week"),
    TimeForm("compact date", r"(?P<y2>\d{2})(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])", weak=True),
    TimeForm("compact date", rf"(?P<a>\d{{1,2}})(?P<b>\d{{2}}){_PLAIN_YEAR}", weak=True),
    TimeForm("year and day", rf"{_PLAIN_YEAR}(?P<yearday>[0-3]\d{{2}})", weak=True),
    TimeForm("epoch", r"(?P<whole>\d{9,19})(?:\.(?P<fraction>\d{1,9})\d*)?", weak=True, span="second"),
)
CLOCK_FORM = TimeForm("clock", rf"{_CLOCK}{_OFFSET}(?P<until>\s?(?:-|–|~|to|bis)\s?\d.*)?")
_ORDERS: dict[str, tuple[str, ...]] = {"md": ("month", "day"), "dm": ("day", "month")}
_ORDERS |= {"mdy": ("month", "day", "y2"), "dmy": ("day", "month", "y2"), "ymd": ("y2", "month", "day")}


def name_parts(parts: Parts, order: str) -> Parts:
    """Rename `a`, `b` and `c` by their order ("dm": day, then month)."""
    meaning = dict(zip("abc", _ORDERS.get(order, ()), strict=False))
    return {meaning.get(name, name): part for name, part in parts.items()}


def _any_of(forms: Iterable[TimeForm]) -> re.Pattern[str]:
    return re.compile("|".join(re.sub(r"\?P<\w+>", "?:", form.pattern) for form in forms), re.ASCII)


STRONG_FORMS, WEAK_FORMS = ([form for form in FORMS if form.weak is weak] for weak in (False, True))
_BEYOND_DOUBT, _PLAIN_NUMBER = _any_of(STRONG_FORMS), _any_of(WEAK_FORMS)


ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?", re.ASCII)
"""Texts that have the first form, or none: the expressions of the others need not be made."""


def likely_forms(cells: Sequence[str]) -> list[TimeForm]:
    """Forms that some of a few cells may have, in order; one expression for many is soon done with other columns."""
    if all(map(ISO_TIME.fullmatch, cells)):
        return [form for form in FORMS[:1] if any(map(form.expression.fullmatch, cells))]
    strong = any(map(_BEYOND_DOUBT.fullmatch, cells))
    weak = 2 * sum(_PLAIN_NUMBER.fullmatch(cell) is not None for cell in cells) >= len(cells)
    forms = STRONG_FORMS * strong + WEAK_FORMS * weak
    return [form for form in forms if any(map(form.expression.fullmatch, cells))]


@lru_cache(1 << 14)
def is_time(cell: str) -> bool:
    """Whether a cell is written as a time beyond doubt (a plain number is not)."""
    if _BEYOND_DOUBT.fullmatch(cell) is None:
        return False
    if not _LONG_WORD.search(cell):
        return True
    matches = (form.expression.fullmatch(cell) for form in FORMS if not form.weak)
    return any(match is not None and _has_known_words(match) for match in matches)


def names_time(cell: str) -> bool:
    """Whether the name of a column is a time; above numbers 2016.01 is a month."""
    return is_time(cell) or _DOTTED_MONTH.fullmatch(cell) is not None


_DOTTED_MONTH = re.compile(rf"{_PLAIN_YEAR}\.(?:0[1-9]|1[0-2])", re.ASCII)


def _has_known_words(match: re.Match[str]) -> bool:
    """Whether the words of a match that may be a month and a day of the week are."""
    words = match.groupdict()
    month, day = words.get("name"), words.get("dow")
    return (not month or month_numbers([month])[0] > 0) and (not day or is_day(day))


_LONG_WORD = re.compile(f"[{_LETTER}]{{2}}")
_CODES = {
    "%Y": r"(?P<year>\d{4})",
    "%y": r"(?P<y2>\d{2})",
    "%m": r"(?P<month>\d{1,2})",
    "%d": r"(?P<day>\d{1,2})",
    "%e": r"\s?(?P<day>\d{1,2})",
    "%j": r"(?P<yearday>\d{1,3})",
    "%b": _NAME,
    "%B": _NAME,
    "%a": rf"(?P<dow>[{_LETTER}]{{2,13}}\.?)",
    "%A": rf"(?P<dow>[{_LETTER}]{{2,13}}\.?)",
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
    """Turn the strftime codes of `data.time_format` into a form.

    Raises
    ------
    ForecastError
        A code that is not known, a part of the time that is named twice, or a format without a year.

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
    twice = [name for name, count in Counter(_GROUP.findall(pattern)).items() if count > 1]
    if twice:
        part = {"name": "month", "y2": "year", "dow": "day of the week"}.get(twice[0], twice[0])
        raise ForecastError(f"`data.time_format` should name the {part} once, found {text!r}")
    if not form.groups & {"year", "y2"}:
        raise ForecastError(f"`data.time_format` should name a year (%Y), found {text!r}")
    return form


_PADDED = {"month": "m", "day": "d", "hour": "H", "hour12": "I", "week": "V"}
_PLAIN = {"year": "%Y", "y2": "%y", "minute": "%M", "second": "%S", "yearday": "%j", "quarter": "%q", "weekday": "%u"}
_PLAIN |= {"semester": "%Os", "tertial": "%Ot", "hundredth": "%m", "ordinal": "%Oq", "qword": "%Oq"}
_EPOCHS = {10**9: "epoch_s", 10**6: "epoch_ms", 10**3: "epoch_us", 1: "epoch_ns"}


def epoch_style(unit: int, column: str) -> TimeStyle:
    """Return the style of counts since 1970 in a unit of so many nanoseconds."""
    return TimeStyle(_EPOCHS[unit], (column,), timezone="UTC")


def style_of(sample: Sequence[str], form: TimeForm, order: str, timezone: str | None, column: str) -> TimeStyle:
    """Derive the format from cells of a column: the codes of the longest, without zeros if any cell omits them."""
    matches = [match for cell in sample if (match := form.expression.fullmatch(cell))]
    if not matches:
        return TimeStyle("%Y-%m-%d %H:%M:%S", (column,), timezone=timezone)
    longest = max(matches, key=lambda match: len(match.group()))
    meaning, all_parts = _meaning(order), [match.groupdict() for match in matches]
    short = {meaning.get(name, name) for parts in all_parts for name, text in parts.items() if text and len(text) == 1}
    varied = len({parts.get("offset") for parts in all_parts}) > 1
    template, end_before, parts_of_longest = "", 0, longest.groupdict()
    whole = longest.group().removesuffix(parts_of_longest.get("until") or "")
    spans = sorted((longest.span(name), name) for name, text in parts_of_longest.items() if text and name != "until")
    for (start, end), name in spans:
        literal = whole[end_before:start].replace("%", "%%")
        template += literal + _code(longest, name, meaning.get(name, name), short, varied=varied)
        end_before = end
    template += whole[end_before:].replace("%", "%%")
    if "V" in re.findall(r"%-?(.)", template):
        template = template.replace("%Y", "%G")
    clocks = {tuple(int(parts.get(part) or 0) for part in ("hour", "minute", "second")) for parts in all_parts}
    with_hours = bool(parts_of_longest.get("hour"))
    ends_day = with_hours and (24, 0, 0) in clocks and (0, 0, 0) not in clocks
    template, own = _in_its_words(template, matches)
    return TimeStyle(template, (column,), timezone=timezone, date_only=not with_hours, ends_day=ends_day, **own)


def _in_its_words(template: str, matches: Sequence[re.Match[str]]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Let a format write the words of the file, where those are not the English ones that its codes stand for."""
    words = {part: [text for match in matches if (text := match.groupdict().get(part))] for part in ("name", "dow")}
    months: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    if names := words["name"]:
        code = _CODE_OF_WORD.search(template)
        if code and any(name not in _written(code[0]) for name in names):
            template, months = template.replace(code[0], "%OB"), month_words(names)
    if (names := words["dow"]) and (code := re.search("%[aA]", template)):
        written = write_times(np.arange("2024-01-01", "2024-01-08", dtype="datetime64[D]"), TimeStyle(code[0]))
        if any(name not in written for name in names):
            template, days = template.replace(code[0], "%OD"), day_words(names)
    endings: tuple[str, ...] = ()
    if "%Oq" in template:
        endings = _quarter_words(matches) if "qword" in matches[0].groupdict() else _ordinals(matches)
    return template, {"months": months, "days": days, "ordinals": endings}


def _ordinals(matches: Sequence[re.Match[str]]) -> tuple[str, ...]:
    """What follows the number of each quarter ("er" of "1er trimestre"), or of the half-year or third it begins."""
    part, numbers = next((part, of) for part, of in _OF_QUARTERS.items() if part in matches[0].groupdict())
    seen = {int(match[part]): match["ordinal"] or "" for match in matches}
    return tuple(seen.get(number, seen[max(seen)]) for number in numbers)


_OF_QUARTERS = {"quarter": (1, 2, 3, 4), "semester": (1, 1, 2, 2), "tertial": (1, 2, 3, 3)}


def _quarter_words(matches: Sequence[re.Match[str]]) -> tuple[str, ...]:
    """Names of the quarters, those that the file lacks in the manner of one that it has."""
    words = {QUARTER_WORDS[match["qword"].lower()]: match["qword"] for match in matches}
    place, word = next(iter(words.items()))
    table = next(names for names in QUARTER_NAMES if names[place - 1].lower() == word.lower())
    cased = {word.lower(): str.lower, word.upper(): str.upper}.get(word, str)
    return tuple(words.get(number) or cased(table[number - 1]) for number in range(1, 5))


_CODE_OF_WORD = re.compile(r"%(\^|O)?[bB]")


def _written(code: str) -> list[str]:
    """Write all months by a code."""
    return write_times(np.arange("2024-01", "2025-01", dtype="datetime64[M]").astype("datetime64[ns]"), TimeStyle(code))


PERIODS = {"year": "years", "quarter": "quarters", "month": "months"}
"""Periods that offices of statistics put below one another in one column, in words."""


def periods_of(cell: str) -> list[tuple[str, str]]:
    """Return the period that a cell stands for, one of `PERIODS`, and the format that reads it; []: it is none.

    >>> periods_of("1990 Q1"), periods_of("1990 JAN"), periods_of("1990"), periods_of("PreUnit")
    ([('quarter', '%Y Q%q')], [('month', '%Y %b')], [('year', '%Y')], [])
    """
    for form in FORMS:
        match = (
            form.expression.fullmatch(cell) if form.span in PERIODS and (not form.weak or form.span == "year") else None
        )
        if match is not None and _has_known_words(match) and form.name != "fiscal year":
            style = style_of([cell], form, "", None, "")
            return [(form.span, _CODE_OF_WORD.sub("%b", style.format))]
    return []


def _meaning(order: str) -> dict[str, str]:
    """Meaning of `a`, `b`, `c` in an order: "dm" -> {"a": "day", "b": "month"}."""
    places = {letter: np.array([i]) for i, letter in enumerate("abc"[: len(order)])}
    return {"abc"[int(place[0])]: name for name, place in name_parts(places, order).items()}


def _code(match: re.Match[str], group: str, part: str, short: set[str], *, varied: bool) -> str:
    """Format code of a part: `short` parts omit a leading zero, offsets are codes where they are `varied`."""
    text = match.group(group)
    if part == "hour" and (match.groupdict().get("ampm") or match.groupdict().get("half")):
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
