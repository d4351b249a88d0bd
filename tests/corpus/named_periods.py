"""Periods by name or in a notation of one trade: Roman quarters, semesters, accounting periods, intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from corpus.case import Case, iso_days

if TYPE_CHECKING:
    from collections.abc import Sequence

_QUARTERS = [f"{2018 + i // 4}-{i % 4 * 3 + 1:02d}-01" for i in range(12)]
_NUMBERED = [(2018 + i // 4, i % 4 + 1) for i in range(12)]
_ROMAN = ("I", "II", "III", "IV")
_HALVES = [f"{2018 + i // 2}-{i % 2 * 6 + 1:02d}-01" for i in range(6)]
_SEMESTERS = [(2018 + i // 2, i % 2 + 1) for i in range(6)]
_MONTHS = [f"{2018 + i // 12}-{i % 12 + 1:02d}-01" for i in range(24)]
_WEEKS = ["2015-12-21", "2015-12-28", "2016-01-04", "2016-01-11"]
_HOURS = [str(np.datetime64("2024-01-01T00:00") + np.timedelta64(i, "h")) for i in range(48)]
_DAYS = iso_days("2024-01-29", 5)
_FROM_JAN = iso_days("2024-01-30", 5)  # over the end of a month
_HOURS_OF_A_DAY = [f"2024-01-29T{hour:02d}:00" for hour in range(5)]
_SAS = ["30JAN2024", "31JAN2024", "01FEB2024", "02FEB2024", "03FEB2024"]
_MONTHS = [f"2023-{month:02d}-01" for month in (1, 2, 3, 4)]
_MONDAYS = ["2024-01-29", "2024-02-05", "2024-02-12"]


def _read(name: str, texts: Sequence[str], times: Sequence[str], column: str = "period", **more: Any) -> Case:
    rows = "".join(f"{text};{i}\n" for i, text in enumerate(texts))
    values = {"value": [float(i) for i in range(len(texts))]}
    return Case(name, f"{column};value\n{rows}", series=values, times=list(times), **{"written": tuple(texts), **more})


def _refused(name: str, header: str, rows: Sequence[str], *error: str) -> Case:
    return Case(name, "\n".join([header, *rows]) + "\n", error=error)


NAMED_PERIODS = (
    _read("roman quarters", [f"{_ROMAN[q - 1]} {y}" for y, q in _NUMBERED], _QUARTERS, "Kvartal"),
    _read("roman quarters after the year", [f"{y}-{_ROMAN[q - 1]}" for y, q in _NUMBERED], _QUARTERS, "x"),
    _read("roman quarters in russian", [f"{_ROMAN[q - 1]} кв. {y}" for y, q in _NUMBERED], _QUARTERS),
    _read("roman quarters with a letter", [f"{y} {_ROMAN[q - 1]}Q" for y, q in _NUMBERED], _QUARTERS),
    _read("two roman quarters", ["III/2019", "IV/2019"], _QUARTERS[6:8]),
    _read(
        "quarters by their months",
        [f"{('Jan-Mar', 'Apr-Jun', 'Jul-Sep', 'Oct-Dec')[q - 1]} {y}" for y, q in _NUMBERED],
        _QUARTERS,
    ),
    _read(
        "quarters in words",
        [f"{('First', 'Second', 'Third', 'Fourth')[q - 1]} quarter {y}" for y, q in _NUMBERED],
        _QUARTERS,
    ),
    Case(
        "a roman quarter beside its year",
        "year,quarter,value\n" + "".join(f"{y},{_ROMAN[q - 1]},{i}\n" for i, (y, q) in enumerate(_NUMBERED)),
        series={"value": [float(i) for i in range(12)]},
        times=_QUARTERS,
    ),
    _read("quarters after a colon", [f"{y}:{q}" for y, q in _NUMBERED], _QUARTERS),
    _read("quarters after a point", [f"{y}.{q}" for y, q in _NUMBERED], _QUARTERS),
    _read("quarters before two-digit years", [f"{q}Q{y % 100}" for y, q in _NUMBERED], _QUARTERS),
    _read("fiscal years before quarters", [f"FY{y % 100} Q{q}" for y, q in _NUMBERED], _QUARTERS),
    _read("quarters of fiscal years and the next", [f"{y}-{y % 100 + 1} Q{q}" for y, q in _NUMBERED], _QUARTERS),
    _read("such quarters first", [f"Q{q} {y}/{y % 100 + 1}" for y, q in _NUMBERED], _QUARTERS),
    _read("such quarters of two digits", [f"FY{y % 100}/{y % 100 + 1} Q{q}" for y, q in _NUMBERED], _QUARTERS),
    _read("years in words", ["Year 1998", "Year 1999", "Year 2000"], ["1998-01-01", "1999-01-01", "2000-01-01"]),
    Case(
        "quarters of which the first alone has a year",
        "period;value\n" + "".join(f"{f'{y} Q1' if q == 1 else f'Q{q}'};{i}\n" for i, (y, q) in enumerate(_NUMBERED)),
        series={"value": [float(i) for i in range(12)]},
        times=_QUARTERS,
        written=("2018 Q1", "2018 Q2"),
        notes=("years that stand once in 'period' were written into the rows below them: '2018 Q2'",),
        quiet=False,
    ),
    Case(
        "quarters below their years",
        "period;value\n"
        + "".join(f"{f'{y};{chr(10)}' if q == 1 else ''}Q{q};{i}\n" for i, (y, q) in enumerate(_NUMBERED)),
        series={"value": [float(i) for i in range(12)]},
        times=_QUARTERS,
        notes=("years that stand once in 'period' were written into the rows below them: '2018 Q1'",),
        quiet=False,
    ),
    Case(
        "months of which the first has a year behind it",
        "x;value\nNovember 2022;1\nDecember;2\nJanuary 2023;4\nFebruary;3\nMarch;5\nApril;6\n",
        series={"value": [1, 2, 4, 3, 5, 6]},
        times=["2022-11-01", "2022-12-01", *_MONTHS],
        quiet=False,
    ),
    _read("dates of SAS", _SAS, _FROM_JAN),
    _read("dates of SAS of two digits", [text.replace("2024", "24") for text in _SAS], _FROM_JAN),
    _read("times of SAS", [f"29JAN2024:{hour:02d}:00:00" for hour in range(5)], _HOURS_OF_A_DAY),
    _read("dates that became numbers with a point", [f"{day.replace('-', '')}.0" for day in _DAYS], _DAYS, "date"),
    _read("months that became numbers with a point", [f"2023{m:02d}.0" for m in (1, 2, 3, 4)], _MONTHS, "month"),
    _read(
        "years that became numbers with a point",
        ["1998.0", "1999.0", "2000.0"],
        ["1998-01-01", "1999-01-01", "2000-01-01"],
        "year",
    ),
    _read(
        "russian dates and the word year",
        ["30 января 2024 г.", "31 января 2024 г.", "1 февраля 2024 г."],
        _FROM_JAN[:3],
    ),
    _read("polish months and the word year", ["styczeń 2023 r.", "luty 2023 r.", "marzec 2023 r."], _MONTHS[:3]),
    _read("hungarian months", ["2023. január", "2023. február", "2023. március", "2023. április"], _MONTHS),
    _read("hungarian days", ["2024. január 30.", "2024. január 31.", "2024. február 1."], _FROM_JAN[:3]),
    _read("a word behind the clock", [f"29.01.2024 {hour:02d}:00 Uhr" for hour in range(5)], _HOURS_OF_A_DAY),
    _read("a word before the clock", [f"29/01/2024 à {hour:02d}:00" for hour in range(5)], _HOURS_OF_A_DAY),
    _read("weeks by a day in words", ["Week of Jan 29, 2024", "Week of Feb 5, 2024", "Week of Feb 12, 2024"], _MONDAYS),
    _read("weeks by their ends", ["w/e 29/01/2024", "w/e 05/02/2024", "w/e 12/02/2024"], _MONDAYS),
    _read("weeks by their ends in ISO", [f"Week ending {day}" for day in _MONDAYS], _MONDAYS),
    _read("weeks in swedish", ["Vecka 5, 2024", "Vecka 6, 2024", "Vecka 7, 2024"], _MONDAYS),
    _read("weeks in czech", ["5. týden 2024", "6. týden 2024", "7. týden 2024"], _MONDAYS),
    _read("quarters before fiscal years", [f"Q{q} FY{y % 100}" for y, q in _NUMBERED], _QUARTERS),
    _read("quarters in chinese", [f"{y}年第{q}季度" for y, q in _NUMBERED], _QUARTERS, "季度"),
    _read("half-years of two-digit years", [f"{s}H{y % 100}" for y, s in _SEMESTERS], _HALVES),
    _read("half-years in german words", [f"{s}. Halbjahr {y}" for y, s in _SEMESTERS], _HALVES),
    _read("half-years with ordinals", [f"{('1st', '2nd')[s - 1]} half {y}" for y, s in _SEMESTERS], _HALVES),
    _read(
        "fiscal years of two digits and the next",
        ["FY98/99", "FY99/00", "FY00/01"],
        ["1998-01-01", "1999-01-01", "2000-01-01"],
    ),
    _read("accounting periods", [f"P{t[5:7]} {t[:4]}" for t in _MONTHS], _MONTHS),
    _read("accounting periods of three digits", [f"0{t[5:7]}.{t[:4]}" for t in _MONTHS], _MONTHS),
    _read("months with an apostrophe", ["Nov '18", "Dec '18", "Jan '19"], ["2018-11-01", "2018-12-01", "2019-01-01"]),
    _read("the number of a week first", ["52. KW 2015", "53. KW 2015", "1. KW 2016", "2. KW 2016"], _WEEKS, "Woche"),
    _read(
        "weeks as intervals of ISO 8601",
        [f"{day}/{np.datetime64(day) + 6}" for day in _WEEKS],
        _WEEKS,
        "week",
        written=tuple(_WEEKS),
    ),
    _read(
        "hours as intervals, whose ends are no offsets from UTC",
        [f"{t[:10]} {t[11:]}-{(i + 1) % 24:02d}:00" for i, t in enumerate(_HOURS)],
        _HOURS,
        written=(f"{_HOURS[0][:10]} 00:00",),
    ),
    _read(
        "halves of the day with a blank",
        [f"01/01/2024 {h % 12 or 12:02d}:00 {('a. m.', 'p. m.')[h // 12]}" for h in range(24)],
        _HOURS[:24],
        "fecha",
        quiet=False,
    ),
    _read(
        "times of JavaScript",
        [f"{d} 2024 00:00:00 GMT+0000 (Coordinated Universal Time)" for d in ("Wed Jan 31", "Thu Feb 01")],
        ["2024-01-31", "2024-02-01"],
        timezone="UTC",
    ),
    _read(
        "times of a log",
        ["[31/Jan/2024:23:00:00 +0000]", "[01/Feb/2024:00:00:00 +0000]"],
        ["2024-01-31T23:00", "2024-02-01T00:00"],
        timezone="UTC",
    ),
    _refused(
        "days of a month without a year",
        "Date,y",
        [f"{month} {day:02d},{day}" for month, day in (("Jan", 29), ("Jan", 30), ("Jan", 31), ("Feb", 1), ("Feb", 2))],
        "'Jan 29', 'Jan 30', ... in 'Date' are days without a year",
        '"data.time_format=%b %y"',
    ),
    _refused(
        "days without a year", "Date,y", ["29-Jan,1", "30-Jan,2", "31-Jan,3"], "'29-Jan' is a time without a year"
    ),
    _refused(
        "months in words without a year", "Month,y", ["January,1", "February,2"], "'January' is a time without a year"
    ),
    _refused(
        "seasons beside a year",
        "year,quarter,y",
        [f"{y},{q},{i}" for i, (y, q) in enumerate((y, q) for y in range(2000, 2010) for q in ("Spring", "Autumn"))],
        "'quarter' is called like a part of the time, but 'Spring' is no known quarter",
        "data.id=quarter",
    ),
    Case(
        "dates of another calendar are not passed over in silence",
        "日付,値\n" + "".join(f"民國113年1月{i}日,{i}\n" for i in range(1, 9)),
        series={"値": [float(i) for i in range(1, 9)]},
        notes=("'日付' looks like a time, but '民國113年1月1日' is no known one: rows are counted",),
        quiet=False,
    ),
    Case(
        "prices of a day are not known before it",
        "Date,Open,High,Low,Close\n" + "".join(f"{day},{i},{i + 2},{i - 2},{i + 1}\n" for i, day in enumerate(_DAYS)),
        series={"Close": [1.0, 2.0, 3.0, 4.0, 5.0]},
        times=_DAYS,
        notes=(),
    ),
)
