"""Times as people write them."""

from __future__ import annotations

from collections.abc import Sequence

from corpus.case import Case, iso_days


def _column(texts: Sequence[str], name: str = "date", delimiter: str = ",") -> str:
    rows = [f"{text}{delimiter}{i}.5" for i, text in enumerate(texts)]
    return "\n".join([f"{name}{delimiter}value", *rows]) + "\n"


def _case(name: str, texts: Sequence[str], times: list[str], **more: object) -> Case:
    values = {"value": [i + 0.5 for i in range(len(texts))]}
    column = str(more.pop("column", "date"))
    data = _column(texts, column, str(more.pop("delimiter", ",")))
    return Case(name, data, series=values, times=times, **{"written": tuple(texts), **more})  # type: ignore[arg-type]  # one table of keywords


_THREE = iso_days("2024-01-01", 3)
_HOURS = ["2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T02:00"]
_AFTERNOON = ["2024-01-02T11:00", "2024-01-02T12:00", "2024-01-02T13:00"]
_MONTHS = ["2024-01-01", "2024-02-01", "2024-03-01"]
_CROSSING = ["2024-01-12", "2024-01-13", "2024-01-14"]

TIMES = (
    Case(
        "a German date beside a clock",
        "Datum;Zeit;Wert\n1. März 2024;10:00;1\n1. März 2024;11:00;2\n2. März 2024;10:00;4\n",
        series={"Wert": [1, 2, 4]},
        times=["2024-03-01T10:00", "2024-03-01T11:00", "2024-03-02T10:00"],
        written=("1. März 2024 10:00", "1. März 2024 11:00"),
        panel=None,
    ),
    Case(
        "Brazilian months",
        "mês;valor\n" + "".join(f"{m}/23;{i + 1},5\n" for i, m in enumerate(["ago", "set", "out", "nov", "dez"])),
        series={"valor": [1.5, 2.5, 3.5, 4.5, 5.5]},
        times=["2023-08-01", "2023-09-01", "2023-10-01", "2023-11-01", "2023-12-01"],
        written=("ago/23", "set/23", "out/23", "nov/23", "dez/23"),
    ),
    Case(
        "French days of the week",
        "jour,valeur\nlun. 3 juin 2024,1\nmar. 4 juin 2024,2\nmer. 5 juin 2024,4\njeu. 6 juin 2024,3\n",
        series={"valeur": [1, 2, 4, 3]},
        times=iso_days("2024-06-03", 4),
        written=("lun. 3 juin 2024", "mar. 4 juin 2024"),
    ),
    _case("iso with T and Z", [f"2024-01-01T0{h}:00:00Z" for h in range(3)], _HOURS, timezone="UTC"),
    _case("iso with blanks and no seconds", [f"2024-01-01 0{h}:00" for h in range(3)], _HOURS),
    _case("iso with milliseconds", [f"2024-01-01T0{h}:00:00.000" for h in range(3)], _HOURS),
    _case(
        "a fixed offset",
        [f"2024-01-01T{h:02d}:00:00+09:00" for h in (9, 10, 11)],
        _HOURS,
        timezone="+09:00",
        found={"time": "date (+09:00)"},
    ),
    _case(
        "offsets that change in spring",
        ["2024-03-31T00:00:00+01:00", "2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"],
        ["2024-03-30T23:00", "2024-03-31T00:00", "2024-03-31T01:00"],
        timezone="Europe/Berlin",
    ),
    _case(
        "offsets that change in autumn, in america",
        ["2024-11-03 00:00:00-0400", "2024-11-03 01:00:00-0400", "2024-11-03 01:00:00-0500"],
        ["2024-11-03T04:00", "2024-11-03T05:00", "2024-11-03T06:00"],
        timezone="America/New_York",
    ),
    _case("a zone's letters", [f"2024-01-01 0{h}:00 UTC" for h in range(3)], _HOURS, timezone="UTC"),
    _case("slashes, year first", ["2024/01/01", "2024/01/02", "2024/01/03"], _THREE),
    _case("slashes without zeros", ["2024/1/1", "2024/1/2", "2024/1/3"], _THREE),
    _case(
        "month first by content",
        ["1/12/2024", "1/13/2024", "1/14/2024"],
        _CROSSING,
        found={"time": "date (month first)"},
    ),
    _case(
        "day first by content",
        ["12/01/2024", "13/01/2024", "14/01/2024"],
        _CROSSING,
        found={"time": "date (day first)"},
    ),
    _case(
        "day first by regularity: the firsts of months over a year's end",
        ["01/11/2023", "01/12/2023", "01/01/2024", "01/02/2024"],
        ["2023-11-01", "2023-12-01", "2024-01-01", "2024-02-01"],
        found={"time": "date (day first)"},
    ),
    _case(
        "all days up to 12: month first, with a note",
        ["01/01/2024", "01/02/2024", "01/03/2024"],
        _THREE,
        notes=("which no row proves: `data.day_first=true` reads them the other way",),
        quiet=False,
    ),
    _case(
        "all days up to 12 in a file with semicolons: day first",
        ["01/01/2024", "01/02/2024", "01/03/2024"],
        _MONTHS,
        delimiter=";",
        notes=("`data.day_first=false`",),
        quiet=False,
    ),
    _case(
        "all days up to 12, set by hand",
        ["01/01/2024", "01/02/2024", "01/03/2024"],
        _MONTHS,
        settings={"day_first": True},
    ),
    _case("dots", ["1.1.2024", "2.1.2024", "3.1.2024"], _THREE, found={"time": "date (day first)"}),
    _case("korean dots and blanks", ["2024. 1. 1.", "2024. 1. 2.", "2024. 1. 3."], _THREE),
    _case("korean words", ["2024년 1월 1일", "2024년 1월 2일", "2024년 1월 3일"], _THREE, column="날짜"),
    _case("korean months", ["2024년 1월", "2024년 2월", "2024년 3월"], _MONTHS),
    _case(
        "korean halves of the day",
        ["2024-01-02 오전 11:00", "2024-01-02 오후 12:00", "2024-01-02 오후 1:00"],
        _AFTERNOON,
    ),
    _case(
        "a clock of 12 hours",
        ["1/2/2024 11:00 AM", "1/2/2024 12:00 PM", "1/2/2024 1:00 PM"],
        _AFTERNOON,
        quiet=False,
        notes=("the month first",),
    ),
    _case(
        "midnight on a clock of 12 hours",
        ["2024-01-01 12:00 am", "2024-01-01 1:00 am", "2024-01-01 2:00 am"],
        _HOURS,
    ),
    _case("two-digit years, american", ["1/30/24", "1/31/24", "2/1/24"], ["2024-01-30", "2024-01-31", "2024-02-01"]),
    _case("two-digit years, german", ["30.01.24", "31.01.24", "01.02.24"], ["2024-01-30", "2024-01-31", "2024-02-01"]),
    _case("two-digit years in front", ["24-01-30", "24-01-31", "24-02-01"], ["2024-01-30", "2024-01-31", "2024-02-01"]),
    _case("two-digit years of the last century", ["12/30/98", "12/31/98"], ["1998-12-30", "1998-12-31"]),
    _case("names of months", ["01-Jan-2024", "02-Jan-2024", "03-Jan-2024"], _THREE),
    _case("american names of months", ["Jan 1, 2024", "Jan 2, 2024", "Jan 3, 2024"], _THREE, delimiter=";"),
    _case("investing.com", ['"Jan 01, 2024"', '"Jan 02, 2024"', '"Jan 03, 2024"'], _THREE, written=("Jan 01, 2024",)),
    _case("weekdays", ["Mon, 01 Jan 2024", "Tue, 02 Jan 2024", "Wed, 03 Jan 2024"], _THREE, delimiter=";"),
    _case("compact dates", ["20240101", "20240102", "20240103"], _THREE),
    _case("compact times", ["20240101T000000", "20240101T010000", "20240101T020000"], _HOURS),
    _case("compact hours", ["2024010100", "2024010101", "2024010102"], _HOURS, column="time"),
    _case("year and month", ["2024-01", "2024-02", "2024-03"], _MONTHS, found={"time": "date (year-month)"}),
    _case("month and year", ["01/2024", "02/2024", "03/2024"], _MONTHS),
    _case("month's name and year", ["Jan-24", "Feb-24", "Mar-24"], _MONTHS),
    _case("eurostat's months", ["2024M01", "2024M02", "2024M03"], _MONTHS, column="TIME_PERIOD"),
    _case("compact months", ["202401", "202402", "202403"], _MONTHS, column="년월"),
    _case("quarters", ["2024Q1", "2024Q2", "2024Q3"], ["2024-01-01", "2024-04-01", "2024-07-01"]),
    _case("quarters in front", ["Q1 2024", "Q2 2024", "Q3 2024"], ["2024-01-01", "2024-04-01", "2024-07-01"]),
    _case("weeks", ["2024-W52", "2025-W01", "2025-W02"], ["2024-12-23", "2024-12-30", "2025-01-06"]),
    _case("years", ["1999", "2000", "2001"], ["1999-01-01", "2000-01-01", "2001-01-01"], column="year"),
    _case(
        "years without a name for time",
        ["1999", "2000", "2001"],
        ["1999-01-01", "2000-01-01", "2001-01-01"],
        column="x",
    ),
    _case("epoch seconds", ["1704067200", "1704070800", "1704074400"], _HOURS, column="timestamp", timezone="UTC"),
    _case(
        "epoch milliseconds", ["1704067200000", "1704070800000", "1704074400000"], _HOURS, column="time", timezone="UTC"
    ),
    _case(
        "descending",
        ["2024-01-03", "2024-01-02", "2024-01-01"],
        _THREE[::-1],
    ),
    _case(
        "24:00 is the end of a day",
        ["2024-01-01 23:00", "2024-01-01 24:00", "2024-01-02 01:00"],
        ["2024-01-01T23:00", "2024-01-02T00:00", "2024-01-02T01:00"],
        written=("2024-01-01 23:00",),
    ),
    _case(
        "midnights without hours, as spreadsheets write them",
        ["2024-01-01", "2024-01-01 12:00", "2024-01-02"],
        ["2024-01-01T00:00", "2024-01-01T12:00", "2024-01-02T00:00"],
        written=(),
    ),
    _case(
        "a format set by hand",
        ["1~2024~31", "2~2024~29", "3~2024~31"],
        ["2024-01-31", "2024-02-29", "2024-03-31"],
        settings={"time_format": "%m~%Y~%d", "time": "date"},
    ),
    Case(
        "year, month, day and hour apart",
        "year,month,day,hour,load\n2024,1,1,22,5\n2024,1,1,23,6\n2024,1,2,0,7\n",
        series={"load": [5, 6, 7]},
        times=["2024-01-01T22:00", "2024-01-01T23:00", "2024-01-02T00:00"],
        found={"time": "year + month + day + hour"},
    ),
    Case(
        "korean fields set by hand, in any order",
        "일,월,년,값\n30,1,2024,5\n31,1,2024,6\n1,2,2024,7\n",
        {"time": ["년", "월", "일"]},
        series={"값": [5, 6, 7]},
        times=["2024-01-30", "2024-01-31", "2024-02-01"],
    ),
    Case(
        "day of the year",
        "YEAR,DOY,T2M\n2023,364,5\n2023,365,6\n2024,1,7\n",
        series={"T2M": [5, 6, 7]},
        times=["2023-12-30", "2023-12-31", "2024-01-01"],
    ),
    Case(
        "date and clock apart",
        "Date,Time,Load\n01.01.2024,22:00,5\n01.01.2024,23:00,6\n02.01.2024,00:00,7\n13.01.2024,00:00,8\n",
        series={"Load": [5, 6, 7, 8]},
        times=["2024-01-01T22:00", "2024-01-01T23:00", "2024-01-02T00:00", "2024-01-13T00:00"],
        written=("01.01.2024 22:00",),
        panel=None,
    ),
    Case(
        "stooq",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n"
        "AAPL.US,5,20240102,153000,187,188,186,187.5,100\nAAPL.US,5,20240102,153500,187,188,186,187.7,100\n"
        "AAPL.US,5,20240102,154000,187,188,186,187.1,100\n",
        series={"<CLOSE>": [187.5, 187.7, 187.1]},
        times=["2024-01-02T15:30", "2024-01-02T15:35", "2024-01-02T15:40"],
    ),
    Case(
        "yahoo finance",
        "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,187.1,188.4,183.8,185.6,184.9,82488700\n"
        "2024-01-03,184.2,185.8,183.4,184.2,183.5,58414500\n2024-01-04,182.1,183.0,180.8,181.9,181.1,71983600\n",
        series={"Close": [185.6, 184.2, 181.9]},
        times=["2024-01-02", "2024-01-03", "2024-01-04"],
        found={"target": "Close (by its name)"},
    ),
    Case(
        "smard: two columns of times, german numbers",
        "Datum von;Datum bis;Netzlast [MWh]\n01.01.2024 00:00;01.01.2024 01:00;1.234,25\n"
        "01.01.2024 01:00;01.01.2024 02:00;987,5\n01.01.2024 02:00;01.01.2024 03:00;-\n"
        "13.01.2024 02:00;13.01.2024 03:00;1.000.000,5\n",
        series={"Netzlast [MWh]": [1234.25, 987.5, None, 1000000.5]},
        found={"time": "Datum von (day first)", "decimal": "comma", "thousands": "point"},
        panel=None,
    ),
    Case(
        "entso-e: intervals, of which the start counts",
        "MTU (CET);Day-ahead Price [EUR/MWh]\n13.01.2024 22:00 - 13.01.2024 23:00;5,5\n"
        "13.01.2024 23:00 - 14.01.2024 00:00;6\n14.01.2024 00:00 - 14.01.2024 01:00;7\n",
        series={"Day-ahead Price [EUR/MWh]": [5.5, 6, 7]},
        times=["2024-01-13T22:00", "2024-01-13T23:00", "2024-01-14T00:00"],
        written=("13.01.2024 22:00",),
    ),
    Case(
        "days of a spreadsheet",
        "Datum;Wert\n45292;1\n45293;2\n45294;4\n",
        series={"Wert": [1, 2, 4]},
        times=_THREE,
        written=("2024-01-01",),
    ),
    Case(
        "hours of a spreadsheet",
        "Zeit;Wert\n45292;1\n45292.0416666667;2\n45292.0833333333;4\n",
        series={"Wert": [1, 2, 4]},
        times=_HOURS,
    ),
    Case(
        "features of the time are no targets",
        "date,hour,weekday,month,load_mw\n2024-01-01 00:00,0,0,1,5\n2024-01-01 01:00,1,0,1,6\n"
        "2024-01-01 02:00,2,0,1,8\n",
        series={"load_mw": [5, 6, 8]},
        times=_HOURS,
        panel=None,
    ),
    Case(
        "numbers called time that are no dates",
        "time,value\n0.0,1\n0.1,2\n0.2,4\n",
        series={"value": [1, 2, 4]},
        notes=("'time' holds numbers such as '0.0' that are neither",),
        quiet=False,
    ),
    Case(
        "times set to none",
        "date,value\n2024-01-01,1\n2024-01-09,2\n2024-02-03,7\n",
        {"time": "none"},
        series={"value": [1, 2, 7]},
        found={"time": "none, rows are steps"},
    ),
    Case("a column that counts", "step,value\n10,1\n20,2\n30,7\n", series={"value": [1, 2, 7]}, times=[10, 20, 30]),
    Case(
        "months without a blank before the year, as SAS writes them",
        "DATE,AIR\nJAN2024,1\nFEB2024,2\nMAR2024,4\n",
        series={"AIR": [1, 2, 4]},
        times=["2024-01-01", "2024-02-01", "2024-03-01"],
        written=("JAN2024", "FEB2024"),
    ),
)
