"""Files of banks, offices, meters and spreadsheets of other countries: facts around the table, other calendars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus.case import Case, iso_days

if TYPE_CHECKING:
    from collections.abc import Iterable

_DAYS = iso_days("2024-01-01", 12)  # a Monday and eleven days more
_VALUES = [float(i) for i in range(12)]
_ROWS = [f"{day};{i}" for i, day in enumerate(_DAYS)]
_YEARS = (2018, 2019, 2020, 2021)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def _text(rows: Iterable[str]) -> str:
    return "\n".join(rows) + "\n"


def _up_to(count: int) -> dict[str, list[float | None]]:
    return {"y": [float(i) for i in range(count)]}


def _counted(cells: Iterable[str], header: str = "period,y") -> str:
    return _text([header, *(f"{cell},{i}" for i, cell in enumerate(cells))])


_QUARTERS = [f"{year}0{quarter}" for year in _YEARS for quarter in (1, 2, 3, 4)]
_QUARTER_TIMES = [f"{year}-{month:02d}-01" for year in _YEARS for month in (1, 4, 7, 10)]
_THIRDS = [(year, third) for year in _YEARS for third in (1, 2, 3)]
_THIRD_TIMES = [f"{year}-{month:02d}-01" for year in _YEARS for month in (1, 5, 9)]
_BELOW = [
    *(str(year) for year in _YEARS),
    *(f"{year} Q{quarter}" for year in _YEARS for quarter in (1, 2, 3, 4)),
    *(f"{year} {month}" for year in _YEARS for month in _MONTHS),
]
_ONS = _text(
    [
        '"Title","Index of prices"',
        *('"CDID","L522"', '"PreUnit",""', '"Unit","Index"', '"Release date","17-07-2024"', '"Important notes",'),
        *(f'"{cell}","{i}"' for i, cell in enumerate(_BELOW)),
    ]
)

_PERIODS = (
    Case(
        "quarters that could be months, by their order",
        _counted(_QUARTERS),
        series=_up_to(16),
        times=_QUARTER_TIMES,
        written=tuple(_QUARTERS[:4]),
        found={"time": "period (quarter)"},
        notes=("'201801' was read as a quarter (`data.time_format=%Y%m` reads a month)",),
        quiet=False,
    ),
    Case(
        "quarters with a line that could be months",
        _counted([f"{cell[:4]}-{cell[4:]}" for cell in _QUARTERS]),
        series=_up_to(16),
        times=_QUARTER_TIMES,
        written=("2018-01", "2018-02"),
        notes=("`data.time_format=%Y-%m` reads a month",),
        quiet=False,
    ),
    Case(
        "four months of each year, by their name",
        _counted(_QUARTERS, "month,y"),
        series=_up_to(16),
        times=[f"{cell[:4]}-{cell[4:]}-01" for cell in _QUARTERS],
        panel=None,
    ),
    Case(
        "four months of each year, by their format",
        _counted(_QUARTERS),
        {"time_format": "%Y%m"},
        series=_up_to(16),
        times=[f"{cell[:4]}-{cell[4:]}-01" for cell in _QUARTERS],
        panel=None,
    ),
    Case(
        "one year of months up to April",
        _counted(_QUARTERS[:4]),
        series=_up_to(4),
        times=[f"2018-0{i}-01" for i in range(1, 5)],
    ),
    Case(
        "quarters of the Korean office",
        _counted(f"{year}.{quarter}/4" for year in _YEARS for quarter in (1, 2, 3, 4)),
        series=_up_to(16),
        times=_QUARTER_TIMES,
        written=("2018.1/4", "2018.2/4"),
    ),
    Case(
        "thirds of a year",
        _counted(f"{year}-T{third}" for year, third in _THIRDS),
        series=_up_to(12),
        times=_THIRD_TIMES,
        written=("2018-T1", "2018-T2", "2018-T3", "2019-T1"),
        found={"time": "period (third of a year)"},
    ),
    Case(
        "thirds of a year in words",
        _counted(f"{third}{'er' if third != 2 else 'º'} cuatrimestre {year}" for year, third in _THIRDS),
        series=_up_to(12),
        times=_THIRD_TIMES,
        written=("1er cuatrimestre 2018", "2º cuatrimestre 2018", "3er cuatrimestre 2018"),
    ),
    Case(
        "thirds of a year, the third first",
        _counted(f"T{third} {year}" for year, third in _THIRDS),
        series=_up_to(12),
        times=_THIRD_TIMES,
    ),
    Case(
        "thirds of a year in a column of their own",
        _text(["Year,Tertial,y", *(f"{year},{third},{i}" for i, (year, third) in enumerate(_THIRDS))]),
        series=_up_to(12),
        times=_THIRD_TIMES,
        found={"time": "Year + Tertial"},
    ),
    Case(
        "years, quarters and months below one another",
        _ONS,
        error=(
            "'Title' holds months ('2018 JAN') and, in 20 rows, quarters ('2018 Q1'), years ('2018')",
            "`data.on_bad_rows=drop` keeps the months",
            '`"data.time_format=%Y Q%q"` or `data.time_format=%Y` beside it',
        ),
    ),
    Case(
        "of these the months",
        _ONS,
        {"on_bad_rows": "drop"},
        series={"Index of prices": [float(i) for i in range(20, 68)]},
        times=[f"{year}-{month:02d}-01" for year in _YEARS for month in range(1, 13)],
        notes=("lines 2 to 6 under the header left out", "20 rows left out, lines 7 to 26"),
        quiet=False,
    ),
    Case(
        "of these the quarters",
        _ONS,
        {"on_bad_rows": "drop", "time_format": "%Y Q%q"},
        series={"Index of prices": [float(i) for i in range(4, 20)]},
        times=_QUARTER_TIMES,
        quiet=False,
    ),
    Case(
        "of these the years",
        _ONS,
        {"on_bad_rows": "drop", "time_format": "%Y"},
        series={"Index of prices": [0.0, 1.0, 2.0, 3.0]},
        times=[f"{year}-01-01" for year in _YEARS],
        quiet=False,
    ),
    Case(
        "years of Japanese eras",
        _counted(["平成29年", "平成30年", "令和元年", "令和2年"], "年,値"),
        series={"値": [0.0, 1.0, 2.0, 3.0]},
        times=["2017-01-01", "2018-01-01", "2019-01-01", "2020-01-01"],
        notes=("'平成29年' as '2017年'",),
        quiet=False,
    ),
    Case(
        "days of Japanese eras, by their letters",
        _counted(["H31.4.29", "H31.4.30", "R1.5.1", "R1.5.2"], "date,y"),
        series=_up_to(4),
        times=iso_days("2019-04-29", 4),
        notes=("'H31.4.29' as '2019.4.29'",),
        quiet=False,
    ),
    Case(
        "letters and numbers that are no eras",
        _text(["id,date,y", *(f"H{i % 2},{d},{i}" for i, d in enumerate(_DAYS))]),
        series={"y": _VALUES},
    ),
    Case(
        "years before our era",
        _counted((f"{500 - 10 * i} BCE" for i in range(9)), "year,y"),
        error=("'500 BCE' in 'year' lies outside 1678-01-01", "data.time=none"),
    ),
)
_AROUND = (
    Case(
        "facts of more cells above the header, as of a French meter",
        _text(
            [
                "Identifiant;Type;Debut;Fin;Grandeur",
                "123;Courbe;01/01/2024;12/01/2024;Energie",
                "Horodate;Valeur",
                *_ROWS,
            ]
        ),
        series={"Valeur": _VALUES},
        times=_DAYS,
        notes=("lines 1 to 2 before the table left out: 'Identifiant Type",),
        quiet=False,
    ),
    Case(
        "facts of as many cells above a blank line",
        _text(["Security;EURUSD Curncy", "Start Date;1/1/2024", "Period;D", "", "Date;PX_LAST", *_ROWS]),
        series={"PX_LAST": _VALUES},
        times=_DAYS,
        notes=("lines 1 to 3 before the table left out: 'Security EURUSD Curncy'",),
        quiet=False,
    ),
    Case(
        "facts in words above a blank line, cells apart by blanks",
        _text(
            [
                *("Title:     Consumer Price Index", "Source:    U.S. BLS", "Frequency: Monthly", "", "DATE   VALUE"),
                *(f"{day}   {i}" for i, day in enumerate(_DAYS)),
            ]
        ),
        series={"VALUE": _VALUES},
        times=_DAYS,
        quiet=False,
    ),
    Case(
        "facts under the header, one of them a date, as of a central bank",
        _text(['"";RATE', '"";End of day', "Unit;Percent", "Released;30.06.2024 12:00", *_ROWS]),
        series={"RATE": _VALUES},
        times=_DAYS,
        notes=("lines 2 to 4 under the header left out",),
        quiet=False,
    ),
    Case(
        "years without a name beside months in words",
        _text(
            [
                ";;Price",
                *(
                    f"{year};{month.title()};{i}"
                    for i, (year, month) in enumerate((y, m) for y in _YEARS for m in _MONTHS)
                ),
            ]
        ),
        series={"Price": [float(i) for i in range(48)]},
        times=[f"{year}-{month:02d}-01" for year in _YEARS for month in range(1, 13)],
        found={"time": "column 1 + column 2"},
    ),
    Case(
        "months with points in the header",
        _text(["시도별,항목,2024.01,2024.02,2024.03,2024.04", "서울,인구,5,7,6,8", "부산,인구,3,2,4,5"]),
        series={"부산": [3.0, 2.0, 4.0, 5.0], "서울": [5.0, 7.0, 6.0, 8.0]},
        times=["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"],
        written=("2024.01", "2024.02"),
        quiet=False,
    ),
    Case(
        "a count of days that is called like a time",
        _text(["Nth day,Users", *(f"{i:04d},{3 * i % 7}" for i in range(12))]),
        series={"Users": [float(3 * i % 7) for i in range(12)]},
        times=list(range(12)),
    ),
    Case(
        "dates without a year that are not called dates alone",
        _text(["Belegdatum;Umsatz", *(f"{day[8:]}{day[5:7]};{i}" for i, day in enumerate(_DAYS))]),
        {"target": "Umsatz"},
        series={"Umsatz": _VALUES},
        notes=("'Belegdatum' holds numbers such as '0101' that are neither dates nor steps",),
        quiet=False,
    ),
    Case(
        "commands of a database",
        _text(["INSERT INTO sales VALUES", *(f"('{day}', {i})," for i, day in enumerate(_DAYS))]),
        error=("is a list of SQL commands, no table", "export the table as CSV"),
    ),
)
_CELLS = (
    Case(
        "marks of direction around dates and numbers",
        _text(
            [
                "תאריך,ערך",
                *(f"\u200e{day[8:]}/{day[5:7]}/{day[:4]}\u200e,\u200f{i}\u200f" for i, day in enumerate(_DAYS)),
            ]
        ),
        {"day_first": True},
        series={"ערך": _VALUES},
        times=_DAYS,
    ),
    Case(
        "two files with their byte-order marks, one after the other",
        "\ufeff" + _text(["date;y", *_ROWS[:6]]) + "\ufeff" + _text(["date;y", *_ROWS[6:]]),
        series={"y": _VALUES},
        times=_DAYS,
        notes=("the header comes again in line 8: left out",),
        quiet=False,
    ),
    Case(
        "Arabic marks of thousands and decimals",
        _text(["date,value", *(f"{day},٣٬٠{'٠١٢٣٤٥٦٧٨٩'[i % 10]}٠٫٥" for i, day in enumerate(_DAYS))]),
        series={"value": [3000.5 + 10 * (i % 10) for i in range(12)]},
        times=_DAYS,
        found={"thousands": "apostrophe"},
    ),
    Case(
        "-999 where a station has no value",
        _text(["date;wind", *(f"{day};{-999 if i == 5 else i}" for i, day in enumerate(_DAYS))]),
        series={"wind": [*_VALUES[:5], -999.0, *_VALUES[6:]]},
        notes=("'wind' holds -999 in line 7, far from all other numbers", "set `data.missing=[-999]`"),
        quiet=False,
    ),
    Case(
        "-999 where a station has no value, with the remedy",
        _text(["date;wind", *(f"{day};{-999 if i == 5 else i}" for i, day in enumerate(_DAYS))]),
        {"missing": ["-999"]},
        series={"wind": [*_VALUES[:5], None, *_VALUES[6:]]},
        times=_DAYS,
        panel=None,
    ),
    Case(
        "two currencies in one column",
        _text(["date;y", *(f"{day};{'$' if i % 2 else '€'}{i}.50" for i, day in enumerate(_DAYS))]),
        error=("'y' of", "holds numbers in '€' and in '$': write all of them in one unit"),
    ),
    Case(
        "one currency, in two ways",
        _text(["date;y", *(f"{day};{'US$' if i % 2 else '$'}{i}.50" for i, day in enumerate(_DAYS))]),
        series={"y": [i + 0.5 for i in range(12)]},
        times=_DAYS,
    ),
    Case(
        "days with their weekday and without a year",
        _counted(["Mon 01 Jan", "Tue 02 Jan", "Wed 03 Jan"], "Day,y"),
        error=("'Mon 01 Jan' is a time without a year",),
    ),
    Case(
        "times with the name of a zone",
        _counted([f"2024-01-01 0{hour}:00:00 America/New_York" for hour in range(5)], "time,y"),
        error=("'2024-01-01 00:00:00 America/New_York' is no known time",),
    ),
    Case(
        "JSON whose rows have their times as keys, beside facts",
        '{"Meta": {"1. Information": "Daily"}, "Time Series": '
        '{"2024-01-01": {"close": "1"}, "2024-01-02": {"close": "2.5"}}}',
        series={"close": [1.0, 2.5]},
        times=iso_days("2024-01-01", 2),
        suffix=".json",
    ),
    Case(
        "99 at the end of percents",
        _text(["date;y", *(f"{day};{99 - 7 * i}" for i, day in enumerate(_DAYS))]),
        series={"y": [99.0 - 7 * i for i in range(12)]},
    ),
    Case(
        "credits and debits in two columns",
        _text(
            ["Date;Debit;Credit", *(f"{day};{'' if i % 3 else i};{i if i % 3 else ''}" for i, day in enumerate(_DAYS))]
        ),
        error=(
            "which column is to be forecast?",
            "set `data.target=Debit` or `data.target=Credit`",
            "data.layout=columns",
        ),
    ),
    Case(
        "codes of months, and of the mean of the year",
        "series_id\tyear\tperiod\tvalue\n"
        + "".join(f"LNS14\t{year}\tM{month:02d}\t{month % 5}\n" for year in (2020, 2021) for month in range(1, 14)),
        series={"LNS14": [float(month % 5) for _ in range(2) for month in range(1, 13)]},
        times=[f"{2020 + i // 12}-{i % 12 + 1:02d}-01" for i in range(24)],
        notes=("rows of totals left out, lines 14, 27",),
        quiet=False,
    ),
    Case(
        "codes of quarters, and of the mean of the year",
        "series_id\tyear\tperiod\tvalue\n"
        + "".join(f"LNS14\t{year}\tQ{part:02d}\t{part % 3}\n" for year in (2020, 2021) for part in range(1, 6)),
        series={"LNS14": [1.0, 2.0, 0.0, 1.0, 1.0, 2.0, 0.0, 1.0]},
        times=[f"{2020 + i // 4}-{i % 4 * 3 + 1:02d}-01" for i in range(8)],
        notes=("rows of totals left out, lines 6, 11",),
        quiet=False,
    ),
    Case(
        "three stars for no value",
        "date,y\n2024-01-01,1\n2024-01-02,***\n2024-01-03,3\n2024-01-04,4\n",
        series={"y": [1.0, None, 3.0, 4.0]},
        panel=None,
    ),
)
OFFICES = (*_PERIODS, *_AROUND, *_CELLS)
