"""Weeks, quarters, half-years, fiscal years, numbered hours; times as plain numbers, beside others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from corpus.case import Case, iso_days


def _case(name: str, texts: Sequence[str], times: Sequence[str], column: str = "period", **more: object) -> Case:
    rows = [f"{text};{i}" for i, text in enumerate(texts)]
    values = {"value": [float(i) for i in range(len(texts))]}
    data = "\n".join([f"{column};value", *rows]) + "\n"
    more = {"written": tuple(texts), **more}
    return Case(name, data, series=values, times=list(times), **more)  # type: ignore[arg-type]  # one table of keywords


def _hours(days_and_hours: Sequence[tuple[str, str]], header: str) -> str:
    rows = [f"{day};{hour};{i}" if hour else f"{day};{i}" for i, (day, hour) in enumerate(days_and_hours)]
    return "\n".join([f"{header};value", *rows]) + "\n"


def _counted_through(first: str, lengths: Sequence[int]) -> list[tuple[str, str]]:
    days = iso_days(first, len(lengths))
    return [(day, str(hour)) for day, hours in zip(days, lengths, strict=True) for hour in range(1, hours + 1)]


_TWO_DAYS = iso_days("2024-01-01", 2)
_HOURS = [str(np.datetime64("2024-01-01T00:00") + np.timedelta64(i, "h")) for i in range(48)]
_WEEKS = ["2015-12-21", "2015-12-28", "2016-01-04", "2016-01-11"]  # weeks 52 and 53 of 2015, 1 and 2 of 2016
_NUMBERED = ((2015, 52), (2015, 53), (2016, 1), (2016, 2))
_YEARS = ["1998-01-01", "1999-01-01", "2000-01-01"]
_HALVES = ["2019-01-01", "2019-07-01", "2020-01-01"]
_QUARTERS = ["2019-07-01", "2019-10-01", "2020-01-01"]
_MONTHS = [f"{2014 + i // 12}-{i % 12 + 1:02d}-01" for i in range(24)]

PERIODS = (
    _case("calendar weeks in german", [f"KW {w:02d}/{y}" for y, w in _NUMBERED], _WEEKS, "Kalenderwoche"),
    _case("calendar weeks after the year", [f"{y}-KW{w:02d}" for y, w in _NUMBERED], _WEEKS, "x"),
    _case("weeks in words without zeros", [f"Week {w}, {y}" for y, w in _NUMBERED], _WEEKS, "x"),
    _case("weeks in korean", [f"{y}년 {w}주차" for y, w in _NUMBERED], _WEEKS, "주차"),
    _case(
        "weeks by their first and last days",
        [f"{day} - {np.datetime64(day) + 6}" for day in _WEEKS],
        _WEEKS,
        "Week",
        written=tuple(_WEEKS),
    ),
    _case("week and year alone", [f"{w:02d}/{y}" for y, w in _NUMBERED], _WEEKS, "week", found={"time": "(week)"}),
    _case("year and week alone", [f"{y}-{w:02d}" for y, w in _NUMBERED], _WEEKS, "week", found={"time": "(week)"}),
    _case("weeks as numbers", [f"{y}{w:02d}" for y, w in _NUMBERED], _WEEKS, "yearweek", found={"time": "(week)"}),
    _case(
        "the first weeks of a year, which could be months",
        ["202401", "202402", "202403"],
        ["2024-01-01", "2024-01-08", "2024-01-15"],
        "yearweek",
        found={"time": "(week)"},
    ),
    _case(
        "months in a column called like weeks",
        [f"{month[:4]}{month[5:7]}" for month in _MONTHS],
        _MONTHS,
        "week",
        found={"time": "(year-month)"},
    ),
    _case("fiscal years", ["FY1998", "FY1999", "FY2000"], _YEARS, "Fiscal Year"),
    _case("fiscal years of two digits", ["FY98", "FY99", "FY00"], _YEARS, "x"),
    _case("years over a new year", ["1998/99", "1999/00", "2000/01"], _YEARS, "season"),
    _case(
        "years over a new year that could be months",
        ["2000-01", "2001-02", "2002-03"],
        ["2000-01-01", "2001-01-01", "2002-01-01"],
        "season",
        found={"time": "(fiscal year)"},
    ),
    _case("years over a new year in full", ["1998-1999", "1999-2000", "2000-2001"], _YEARS, "x"),
    _case("half-years", ["2019H1", "2019H2", "2020H1"], _HALVES),
    _case("half-years first", ["S1 2019", "S2 2019", "S1 2020"], _HALVES, "semestre"),
    _case("quarters of fiscal years", ["FY2019 Q3", "FY2019 Q4", "FY2020 Q1"], _QUARTERS),
    _case("quarters of two-digit years", ["Q3/19", "Q4/19", "Q1/20"], _QUARTERS),
    _case("quarters in french", ["T3 2019", "T4 2019", "T1 2020"], _QUARTERS, "trimestre"),
    _case("quarters as numbers", ["20193", "20194", "20201"], _QUARTERS, "quarter", found={"time": "(quarter)"}),
    _case("days of the year", ["2019-364", "2019-365", "2020-001"], ["2019-12-30", "2019-12-31", "2020-01-01"], "date"),
    _case("days of the year as numbers", ["2020001", "2020002", "2020003"], iso_days("2020-01-01", 3), "date"),
    _case("compact dates, day first", ["30012020", "31012020", "01022020"], iso_days("2020-01-30", 3), "date"),
    _case("compact dates of two-digit years", ["200130", "200131", "200201"], iso_days("2020-01-30", 3), "date"),
    _case(
        "months with a point without zeros",
        [f"{month[:4]}.{int(month[5:7])}" for month in _MONTHS],
        _MONTHS,
        "x",
    ),
    _case(
        "october that lost its zero in a spreadsheet",
        [f"{month[:4]}.{month[5:7]}".removesuffix("0") for month in _MONTHS],
        _MONTHS,
        "Monat",
        written=(*[f"2014.{month:02d}" for month in range(1, 13)],),
        notes=("'2014.1' in 'Monat' was read as 2014-10, whose zero got lost",),
        quiet=False,
    ),
    _case(
        "years with decimals, as R writes months",
        [f"{2014 + i / 12:.12g}" for i in range(24)],
        _MONTHS,
        "time",
        written=("2014-01", "2014-02"),
        notes=("'2014.08333333' in 'time' was read as 2014-02",),
        quiet=False,
    ),
    _case(
        "the middles of months in years with decimals",
        [f"{2014 + (i + 0.5) / 12:.3f}".replace(".", ",") for i in range(24)],
        _MONTHS,
        "decimal date",
        written=("2014-01", "2014-02"),
        notes=("'2014,042' in 'decimal date' was read as 2014-01",),
        quiet=False,
    ),
    _case(
        "quarters in years with decimals",
        ["2019.5", "2019.75", "2020"],
        _QUARTERS,
        "year",
        written=("2019-07", "2019-10", "2020-01"),
        notes=("'2019.5' in 'year' was read as 2019-07",),
        quiet=False,
    ),
    _case(
        "days of a spreadsheet with a decimal comma",
        ["45000", "45000,25", "45000,5", "45000,75"],
        ["2023-03-15T00:00", "2023-03-15T06:00", "2023-03-15T12:00", "2023-03-15T18:00"],
        "Zeit",
        written=("2023-03-15 00:00:00", "2023-03-15 06:00:00"),
    ),
    Case(
        "seconds since 1970 beside rates that look like months and years",
        "time,rate\n1704067200,1.1700\n1704153600,1.1701\n1704240000,1.1702\n",
        series={"rate": [1.17, 1.1701, 1.1702]},
        times=iso_days("2024-01-01", 3),
        written=("1704067200", "1704153600"),
        timezone="UTC",
    ),
    Case(
        "milliseconds without a name that says so beside such rates",
        "x,rate\n1704067200000,2.1969\n1704153600000,1.1941\n1704240000000,1.1927\n",
        series={"rate": [2.1969, 1.1941, 1.1927]},
        times=iso_days("2024-01-01", 3),
        timezone="UTC",
    ),
    Case(
        "steps beside rates that look like months and years",
        "step,rate\n1,1.1700\n2,1.1701\n3,1.1702\n",
        series={"rate": [1.17, 1.1701, 1.1702]},
        times=[1, 2, 3],
    ),
    Case(
        "rates that look like the first months of years come first",
        "rate,value\n1.1700,1\n1.1701,2\n1.1702,4\n",
        series={"value": [1.0, 2.0, 4.0]},
        found={"time": "none, rows are steps"},
    ),
    Case(
        "depths that look like years with decimals come first",
        "depth,y\n1700.0,1\n1700.5,2\n1701.0,4\n1701.5,3\n",
        series={"y": [1.0, 2.0, 4.0, 3.0]},
        found={"time": "none, rows are steps"},
    ),
    Case(
        "numbers of orders that look like days of a year come first",
        "order,y\n2020001,1\n2020002,2\n2020003,4\n",
        series={"y": [1.0, 2.0, 4.0]},
        found={"time": "none, rows are steps"},
    ),
    _case(
        "the same days over a new year",
        ["2020365", "2020366", "2021001"],
        ["2020-12-30", "2020-12-31", "2021-01-01"],
        "x",
    ),
    Case(
        "a date and its hour, named the other way round",
        "hour,day,y\n0,2024-01-01,1\n1,2024-01-01,2\n2,2024-01-01,4\n",
        {"time": ["hour", "day"]},
        series={"y": [1.0, 2.0, 4.0]},
        times=["2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T02:00"],
        written=("2024-01-01 0",),
    ),
    Case(
        "a label with a year that nobody knows",
        "label,value\n1990 part a,1\n1990 part b,2\n1991 part a,4\n",
        series={"value": [1.0, 2.0, 4.0]},
        found={"time": "none, rows are steps"},
        notes=("'label' looks like a time, but '1990 part a' is no known one",),
        quiet=False,
    ),
    Case(
        "years of two digits alone",
        "year,value\n97,1\n98,2\n99,4\n",
        series={"value": [1.0, 2.0, 4.0]},
        notes=("`data.time=year` takes them as step numbers",),
        quiet=False,
    ),
    Case(
        "the same with the first remedy",
        "year,value\n97,1\n98,2\n99,4\n",
        {"time": "year"},
        series={"value": [1.0, 2.0, 4.0]},
        times=[97, 98, 99],
    ),
    Case(
        "the same with the second remedy",
        "year,value\n97,1\n98,2\n99,4\n",
        {"time_format": "%y"},
        series={"value": [1.0, 2.0, 4.0]},
        times=["1997-01-01", "1998-01-01", "1999-01-01"],
        written=("97", "98"),
    ),
    Case(
        "a column of dates that nobody knows beside a counter",
        "id,date,value\n1,first 1,1\n2,first 2,2\n3,second 1,4\n",
        error=("'first 1' is no known time", "data.time=none"),
    ),
    Case(
        "hours from 1 to 24 in a column of their own",
        _hours([(day, str(hour)) for day in ("1.1.2024", "2.1.2024") for hour in range(1, 25)], "Datum;Stunde"),
        series={"value": [float(i) for i in range(48)]},
        times=_HOURS,
        written=("1.1.2024 1", "1.1.2024 2"),
        found={"time": "Datum + Stunde"},
        notes=("'Stunde' numbers the hours of a day, each read as the time at which it begins ('1')",),
        quiet=False,
    ),
    Case(
        "labels of the hours that end",
        _hours([(day, f"HE{hour:02d}") for day in _TWO_DAYS for hour in range(1, 25)], "date;x"),
        series={"value": [float(i) for i in range(48)]},
        times=_HOURS,
        written=(*[f"2024-01-01 HE{hour:02d}" for hour in range(1, 25)], "2024-01-02 HE01"),
        notes=("'x' numbers the hours",),
        quiet=False,
    ),
    Case(
        "hours that are named ending",
        _hours([(day, f"{hour:02d}:00") for day in _TWO_DAYS for hour in range(1, 25)], "Date;HourEnding"),
        series={"value": [float(i) for i in range(48)]},
        times=_HOURS,
        written=("2024-01-01 01:00", "2024-01-01 02:00"),
        notes=("'HourEnding' numbers the hours",),
        quiet=False,
    ),
    Case(
        "year, month, day and an hour from 1 to 24",
        _hours([(f"2024;1;{day}", str(hour)) for day in (1, 2) for hour in range(1, 25)], "year;month;day;hour"),
        series={"value": [float(i) for i in range(48)]},
        times=_HOURS,
        written=("2024-01-01 1",),
        notes=("'hour' numbers the hours",),
        quiet=False,
    ),
    Case(
        "hours from 0 to 23",
        _hours([(day, str(hour)) for day in _TWO_DAYS for hour in range(24)], "date;hour"),
        series={"value": [float(i) for i in range(48)]},
        times=_HOURS,
        written=("2024-01-01 0",),
    ),
    Case(
        "midnight as the end of a day",
        _hours([(day, f"{hour}:00") for day in _TWO_DAYS for hour in range(1, 25)], "date;time"),
        series={"value": [float(i) for i in range(48)]},
        times=[str(np.datetime64(hour) + np.timedelta64(1, "h")) for hour in _HOURS],
        written=(*[f"2024-01-01 {hour}:00" for hour in range(1, 25)], "2024-01-02 1:00"),
    ),
    Case(
        "times of day that are numbers",
        _hours([(day, str(100 * hour)) for day in _TWO_DAYS for hour in range(24)], "date;hhmm"),
        series={"value": [float(i) for i in range(48)]},
        times=_HOURS,
        written=("2024-01-01 0000", "2024-01-01 0100"),
        found={"time": "date + hhmm"},
    ),
    Case(
        "times of day that are numbers, with seconds",
        _hours([(day, str(10_000 * hour)) for day in _TWO_DAYS for hour in range(24)], "date;time"),
        series={"value": [float(i) for i in range(48)]},
        times=_HOURS,
        written=("2024-01-01 000000", "2024-01-01 010000"),
    ),
    Case(
        "quarters of an hour to 24:00 in one column",
        _hours([(f"2024-01-01 {q // 4:02d}:{q % 4 * 15:02d}", "") for q in range(1, 97)], "date"),
        series={"value": [float(i) for i in range(96)]},
        times=[str(np.datetime64("2024-01-01T00:00") + np.timedelta64(15 * q, "m")) for q in range(1, 97)],
        written=tuple(f"2024-01-01 {q // 4:02d}:{q % 4 * 15:02d}" for q in range(1, 97)),
    ),
    Case(
        "hours that count through in autumn, without a zone",
        _hours(_counted_through("2024-10-26", (24, 25, 24)), "date;hour"),
        error=("'hour' counts to 25 (line 50), the end of 25 hours", "`data.timezone` (such as Europe/Berlin)"),
    ),
    Case(
        "hours that count through in spring, without a zone",
        _hours(_counted_through("2024-03-30", (24, 23, 24)), "date;hour"),
        error=("'hour' counts to 23 (line 48), the end of 23 hours", "`data.timezone` (such as Europe/Berlin)"),
    ),
    Case(
        "a day of 23 hours on which no clocks change",
        _hours(_counted_through("2024-03-20", (24, 23, 24)), "date;hour"),
        series={"value": [float(i) for i in range(71)]},
        written=("2024-03-20 1",),
        notes=("'hour' numbers the hours",),
        panel=None,
        quiet=False,
    ),
    Case(
        "hours that count through in autumn",
        _hours(_counted_through("2024-10-26", (24, 25, 24)), "date;hour"),
        {"timezone": "Europe/Berlin"},
        series={"value": [float(i) for i in range(73)]},
        times=[str(np.datetime64("2024-10-25T22:00") + np.timedelta64(i, "h")) for i in range(73)],
        written=tuple(f"{day} {hour}" for day, hour in _counted_through("2024-10-26", (24, 25, 24))),
        timezone="Europe/Berlin",
        notes=("hours count through where clocks change",),
        quiet=False,
    ),
    Case(
        "hours that count through in spring",
        _hours(_counted_through("2024-03-30", (24, 23, 24)), "date;hour"),
        {"timezone": "Europe/Berlin"},
        series={"value": [float(i) for i in range(71)]},
        times=[str(np.datetime64("2024-03-29T23:00") + np.timedelta64(i, "h")) for i in range(71)],
        written=tuple(f"{day} {hour}" for day, hour in _counted_through("2024-03-30", (24, 23, 24))),
        timezone="Europe/Berlin",
        notes=("hours count through where clocks change",),
        quiet=False,
    ),
    Case(
        "half-hours that are numbered",
        _hours(_counted_through("2024-01-01", (48, 48)), "SettlementDate;SettlementPeriod"),
        series={"value": [float(i) for i in range(96)]},
        times=[str(np.datetime64("2024-01-01T00:00") + np.timedelta64(30 * i, "m")) for i in range(96)],
        written=("2024-01-01 1", "2024-01-01 2"),
        found={"time": "SettlementDate + SettlementPeriod"},
        notes=("'SettlementPeriod' numbers the half-hours of a day, each read as the time at which it begins ('1')",),
        quiet=False,
    ),
    Case(
        "half-hours of half a day",
        _hours(_counted_through("2024-01-01", (24,)), "SettlementDate;SettlementPeriod"),
        series={"value": [float(i) for i in range(24)]},
        times=[str(np.datetime64("2024-01-01T00:00") + np.timedelta64(30 * i, "m")) for i in range(24)],
        notes=("'SettlementPeriod' numbers the half-hours",),
        quiet=False,
    ),
    Case(
        "half-hours beside midnights",
        _hours([(f"{day}T00:00:00", f"TP{i:02d}") for day in _TWO_DAYS for i in range(1, 49)], "date;x"),
        series={"value": [float(i) for i in range(96)]},
        times=[str(np.datetime64("2024-01-01T00:00") + np.timedelta64(30 * i, "m")) for i in range(96)],
        written=("2024-01-01T00:00:00 TP01", "2024-01-01T00:00:00 TP02"),
        notes=("'x' numbers the half-hours",),
        quiet=False,
    ),
    Case(
        "half-hours that count through in autumn, without a zone",
        _hours(_counted_through("2024-10-26", (48, 50, 48)), "date;period"),
        error=("'period' counts to 50 (line 99), the end of 25 hours", "`data.timezone` (such as Europe/London)"),
    ),
    Case(
        "half-hours that count through in spring and in autumn",
        _hours(
            [
                *_counted_through("2024-03-30", (48, 46, *[48] * 209, 50, 48)),
            ],
            "date;period",
        ),
        {"timezone": "Europe/London"},
        series={"value": [float(i) for i in range(48 * 213)]},
        times=[str(np.datetime64("2024-03-30T00:00") + np.timedelta64(30 * i, "m")) for i in range(48 * 213)],
        written=tuple(f"{day} {i}" for day, i in _counted_through("2024-03-30", (48, 46, *[48] * 209, 50, 48))),
        timezone="Europe/London",
        notes=("half-hours count through where clocks change",),
        quiet=False,
    ),
    Case(
        "quarters of an hour that are numbered, beside a year, a month and a day",
        _hours([(f"2024;1;{day}", str(i)) for day in (1, 2) for i in range(1, 97)], "year;month;day;QH"),
        series={"value": [float(i) for i in range(192)]},
        times=[str(np.datetime64("2024-01-01T00:00") + np.timedelta64(15 * i, "m")) for i in range(192)],
        written=("2024-01-01 1",),
        notes=("'QH' numbers the quarter-hours",),
        quiet=False,
    ),
    Case(
        "periods that count days, one a day",
        _hours([(day, str(i + 1)) for i, day in enumerate(iso_days("2024-01-01", 48))], "date;period"),
        series={"value": [float(i) for i in range(48)]},
        times=iso_days("2024-01-01", 48),
        found={"time": "date"},
        quiet=False,
    ),
    Case(
        "the hour of a peak, one a day",
        _hours([(day, str(7 * i % 24 + 1)) for i, day in enumerate(iso_days("2024-01-01", 48))], "date;peak hour"),
        {"target": "value"},
        series={"value": [float(i) for i in range(48)]},
        times=iso_days("2024-01-01", 48),
        found={"time": "date"},
        quiet=False,
    ),
)
