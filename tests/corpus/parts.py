"""Times that lie in several columns, a part in each, as numbers and as words."""

from __future__ import annotations

from corpus.case import Case

_QUARTERS = "".join(f"{2020 + i // 4},{{}}{i % 4 + 1},{i + (i % 3)}\n" for i in range(12))
_VALUES: list[float | None] = [float(i + (i % 3)) for i in range(12)]
_BY_QUARTER = [f"{2020 + i // 4}-{3 * (i % 4) + 1:02d}-01" for i in range(12)]
_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_BY_MONTH = [f"2020-{month:02d}-01" for month in range(1, 13)]
_HOURS = "".join(f"2024-01-0{i // 24 + 1},{{}}{i % 24 + 1:02d},{i % 5}\n" for i in range(48))
_HOUR_VALUES: list[float | None] = [float(i % 5) for i in range(48)]
_BY_HOUR = [f"2024-01-0{i // 24 + 1}T{i % 24:02d}:00" for i in range(48)]
_APRIL = _NAMES[3:] + _NAMES[:3]
_FISCAL_MONTHS = [f"{2019 + (i + 3) // 12}-{(i + 3) % 12 + 1:02d}-01" for i in range(24)]
_FISCAL: list[float | None] = [float(i + i % 5) for i in range(24)]
_BY_ROW = [[_FISCAL[12 * year + month] for month in range(12)] for year in (0, 1)]


def _years_over_rows(years: tuple[str, str], header: str = "Year") -> str:
    rows = [f"{year},{','.join(map(str, values))}\n" for year, values in zip(years, _BY_ROW, strict=True)]
    return f"{header},{','.join(_APRIL)}\n{''.join(rows)}"


def _fiscal(name: str, data: str, *notes: str, **more: object) -> Case:
    values = {"value": _FISCAL}
    return Case(name, data, series=values, times=_FISCAL_MONTHS, notes=notes, quiet=False, **more)  # type: ignore[arg-type]  # one table of keywords


_YEAR_AND_NEXT = ("2019/20", "2020/21")
_AS_OF_NEXT = "go from April to March: those from January on were read as of the year after it"
_MONTH_ROWS = [f"{name},{_BY_ROW[0][i]},{_BY_ROW[1][i]}\n" for i, name in enumerate(_APRIL)]
_LONG_ROWS = [f"{year},{name}" for year in _YEAR_AND_NEXT for name in _APRIL]

PARTS = (
    _fiscal("years from April on, a row each", _years_over_rows(_YEAR_AND_NEXT)),
    _fiscal(
        "years from April on, a column each",
        "Month,2019-20,2020-21,2021-22,2022-23\n" + "".join(row.replace("\n", ",,\n") for row in _MONTH_ROWS),
    ),
    _fiscal("years from April on that are called by their first", _years_over_rows(("2019", "2020")), _AS_OF_NEXT),
    _fiscal("such years called fiscal", _years_over_rows(("FY2019", "FY2020"), "FY"), _AS_OF_NEXT),
    _fiscal(
        "years from April on beside their months",
        "Season,Month,value\n" + "".join(f"{row},{y}\n" for row, y in zip(_LONG_ROWS, _FISCAL, strict=True)),
        written=("2019-04", "2019-05"),
    ),
    Case(
        "the same, the newest first",
        "Season,Month,value\n"
        + "".join(f"{row},{y}\n" for row, y in reversed([*zip(_LONG_ROWS, _FISCAL, strict=True)])),
        series={"value": _FISCAL[::-1]},
        times=_FISCAL_MONTHS[::-1],
    ),
    Case(
        "years over a new year in which no month is the first",
        "Year,Month,value\n" + "".join(f"{row},{y}\n" for row, y in sorted(zip(_LONG_ROWS, _FISCAL, strict=True))),
        error=("'Year' holds years such as '2019/20'", "sort the table by time"),
    ),
    Case(
        "a year and a quarter",
        "Year,Quarter,GDP\n" + _QUARTERS.format(*["Q"] * 12),
        series={"GDP": _VALUES},
        times=_BY_QUARTER,
        found={"time": "Year + Quarter"},
        written=("2020-Q1", "2020-Q2"),
    ),
    Case(
        "a year and a quarter in numbers",
        "Year,Quarter,GDP\n" + _QUARTERS.format(*[""] * 12),
        series={"GDP": _VALUES},
        times=_BY_QUARTER,
    ),
    Case(
        "a year and a quarter named by hand, the columns called otherwise",
        "yr,period,GDP\n" + _QUARTERS.format(*["Quarter "] * 12),
        {"time": ["period", "yr"]},
        series={"GDP": _VALUES},
        times=_BY_QUARTER,
    ),
    Case(
        "a year and a month's name",
        "Year,Month,Sales\n" + "".join(f"2020,{name},{i + i % 3}\n" for i, name in enumerate(_NAMES)),
        series={"Sales": _VALUES},
        times=_BY_MONTH,
        written=("2020-01",),
    ),
    Case(
        "a month's name that stands before its year, in upper case and under another name",
        "per,Jahr,Sales\n" + "".join(f"{name.upper()},2020,{i + i % 3}\n" for i, name in enumerate(_NAMES)),
        series={"Sales": _VALUES},
        times=_BY_MONTH,
    ),
    Case(
        "months as a statistical office writes them, in several series",
        "series_id,year,period,value\n"
        + "".join(f"{which},2020,M{month:02d},{month % 5}\n" for which in "AB" for month in range(1, 13)),
        series={which: [float(month % 5) for month in range(1, 13)] for which in "AB"},
        times=_BY_MONTH,
        found={"id": "series_id (2 series)"},
    ),
    Case(
        "a year and an ISO week",
        "year,week,cases\n2020,52,1\n2020,53,2\n2021,1,4\n2021,2,3\n",
        series={"cases": [1, 2, 4, 3]},
        times=["2020-12-21", "2020-12-28", "2021-01-04", "2021-01-11"],
        written=("2020-W52", "2020-W53", "2021-W01"),
    ),
    Case(
        "hours named by their ends",
        "Date,Hour Ending,MW\n" + _HOURS.format(*["HE"] * 48),
        series={"MW": _HOUR_VALUES},
        times=_BY_HOUR,
        written=("2024-01-01 HE01", "2024-01-01 HE02"),
        notes=("each read as the time at which it begins ('HE01')",),
        quiet=False,
    ),
    Case(
        "parts that make no time",
        "Year,Sector,GDP\n2020,1,3\n2021,2,4\n2022,3,6\n",
        {"time": ["Year", "Sector"]},
        error=("`data.time` names 2 columns", "'Year', 'Sector'"),
    ),
    Case(
        "a fiscal year and its periods",
        "Fiscal Year,Period,Revenue\n"
        + "".join(f"FY{year},P{month:02d},{month % 5}\n" for year in (2020, 2021) for month in range(1, 13)),
        series={"Revenue": [float(month % 5) for _ in range(2) for month in range(1, 13)]},
        written=("2020-01", "2020-02"),
        notes=("their first period is written as January",),
        quiet=False,
    ),
    Case(
        "intervals of the day in a column of their own",
        "Date,Interval,kWh\n"
        + "".join(
            f"2024-01-{day:02d},{hour:02d}:00 - {hour + 1:02d}:00,{(day + hour) % 7}\n"
            for day in (1, 2)
            for hour in range(24)
        ),
        series={"kWh": [float((day + hour) % 7) for day in (1, 2) for hour in range(24)]},
        written=("2024-01-01 00:00", "2024-01-01 01:00"),
    ),
    Case(
        "counts of seconds out of order, under a name of another language",
        "data,loja,valor\n"
        + "".join(
            f"{1_672_617_600 + 86_400 * (7 * i % 10)},{shop},{7 * i % 10 + k}.5\n"
            for i in range(10)
            for k, shop in enumerate("ab")
        ),
        series={shop: [7 * i % 10 + k + 0.5 for i in range(10)] for k, shop in enumerate("ab")},
        found={"id": "loja (2 series)"},
        quiet=False,
    ),
    Case(
        "hours from the one to the next in a column of their own",
        "Date;Hours;FI\n"
        + "".join(f"0{day}-01-2024;{h:02d} - {h + 1:02d};{day + h}\n" for day in (1, 2) for h in range(24)),
        series={"FI": [day + h for day in (1, 2) for h in range(24)]},
        times=_BY_HOUR,
        quiet=False,
    ),
    Case(
        "scores beside a date",
        "Date;Result;Spectators\n" + "".join(f"0{day}-01-2024;{day % 3} - 1;{day}00\n" for day in range(1, 8)),
        series={"Spectators": [100.0 * day for day in range(1, 8)]},
        found={"time": "Date (day first)"},
        quiet=False,
    ),
)
