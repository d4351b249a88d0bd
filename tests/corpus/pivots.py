"""Wide tables as people export them: labels beside the values, notes around them, dates in the header."""

from __future__ import annotations

import numpy as np
from corpus.case import Case, iso_days

_DATES = ",".join(f"1/{day}/20" for day in range(22, 30))
_COUNTS = {"Norland": [3, 5, 8, 9, 12, 15, 16, 20], "East": [1, 2, 2, 3, 5, 8, 9, 9], "West": [2, 2, 4, 4, 5, 6, 7, 9]}
_PLACES = {"Norland": ",Norland,33.9,67.7", "East": "East,Sudland,1.5,2", "West": "West,Sudland,-3,20"}
_BY_DATE = f"Province/State,Country/Region,Lat,Long,{_DATES}\n" + "".join(
    f"{_PLACES[name]},{','.join(map(str, values))}\n" for name, values in _COUNTS.items()
)
_EAST, _NORTH, _WEST = ([*map(float, _COUNTS[name])] for name in ("East", "Norland", "West"))
_BY_PLACE: dict[str, list[float | None]] = {"East/Sudland": [*_EAST], "Norland": [*_NORTH], "West/Sudland": [*_WEST]}
_YEARS = range(2012, 2020)
_BANK = "".join(
    f'"{name}","{name[:3].upper()}","Population, total",{",".join(str(i * i + size) for i in range(8))},\n'
    for size, name in enumerate(("Aruba", "France", "Korea, Rep."))
)
_BANK_VALUES: dict[str, list[float | None]] = {
    name: [float(i * i + size) for i in range(8)] for size, name in enumerate(("Aruba", "France", "Korea, Rep."))
}
_BANK_TIMES = [f"{year}-01-01" for year in _YEARS]
_SALES = "id,item_id,store_id," + ",".join(f"d_{j}" for j in range(1, 10)) + "\n"
_SALES += "A_1,A,1,0,0,2,1,0,3,0,1,1\nB_1,B,1,4,0,0,0,1,2,0,0,2\n"
_SALES_VALUES: dict[str, list[float | None]] = {"A_1": [0, 0, 2, 1, 0, 3, 0, 1, 1], "B_1": [4, 0, 0, 0, 1, 2, 0, 0, 2]}
_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_LONG_NAMES = ["January", "February", "March", "April", "May", "June", "July", "August", "September"]
_LONG_NAMES += ["October", "November", "December"]
_MONTHS = [f"{2020 + i // 12}-{i % 12 + 1:02d}-01" for i in range(24)]
_BY_MONTH: list[float | None] = [float((7 * i) % 11) for i in range(24)]


def _row(values: list[float | None]) -> str:
    return ",".join("" if value is None else f"{value:g}" for value in values)


_YEAR_MONTHS = "".join(f"{2020 + y},{_row(_BY_MONTH[12 * y : 12 * y + 12])}\n" for y in range(2))
_HOURS = [float((5 * i) % 7) for i in range(72)]
_DAY_HOURS = "".join(f"0{day + 1}.03.2024,{_row([*_HOURS[24 * day : 24 * day + 24]])}\n" for day in range(3))
_DAY_HALF_HOURS = "".join(
    f"{day + 1:02d}.03.2024,{_row([*_HOURS, *_HOURS][48 * day : 48 * day + 48])}\n" for day in range(3)
)
_BY_HOUR = [f"2024-03-0{i // 24 + 1}T{i % 24:02d}:00" for i in range(72)]
_BY_HOUR_IN_BERLIN = [f"2024-10-25T{hour}:00" for hour in (22, 23)]  # UTC; the second day has 25 hours
_BY_HOUR_IN_BERLIN += [f"2024-10-2{6 + i // 24}T{i % 24:02d}:00" for i in range(47)]
_DAYS = [float(day % 9) for day in range(31 + 29)]
_DAY_CELLS = f"2024,1,{_row([*_DAYS[:31]])}\n2024,2,{_row([*_DAYS[31:]])},,\n"

PIVOTS = (
    Case(
        "a row a place, under dates, with its coordinates",
        _BY_DATE,
        series=_BY_PLACE,
        times=iso_days("2020-01-22", 8),
        written=("1/22/20", "1/23/20"),
        found={"id": "Province/State + Country/Region (3 series)", "layout": "one row a series"},
        notes=("columns beside the values left out: 'Lat', 'Long' (`data.static=[Lat,Long]`",),
        quiet=False,
    ),
    Case(
        "a row a place, its coordinates given to the models",
        _BY_DATE,
        {"static": ["Lat", "Long"]},
        series=_BY_PLACE,
        found={"covariates": "Lat (static), Long (static)"},
    ),
    Case(
        "a row a place, set by hand",
        _BY_DATE.replace("East,Sudland", "East,Estland"),
        {"layout": "rows", "header": True, "id": "Country/Region"},
        series={"Estland": [*_EAST], "Norland": [*_NORTH], "Sudland": [*_WEST]},
        times=iso_days("2020-01-22", 8),
        notes=("left out: 'Province/State', 'Lat', 'Long'",),
        quiet=False,
    ),
    Case(
        "rows of one id, which two columns would tell apart",
        _BY_DATE,
        {"layout": "rows", "id": "Country/Region"},
        error=("lines 3 and 4 are both called 'Sudland'", "`data.id`"),
    ),
    Case(
        "a development bank's table, with titles above",
        '"Data Source","Indicators",\n\n"Last Updated","2024-05-30",\n\n"Country Name","Country Code","Indicator Name",'
        + ",".join(f'"{year}"' for year in _YEARS)
        + ",\n"
        + _BANK,
        series=_BANK_VALUES,
        times=_BANK_TIMES,
        written=("2012", "2013"),
        notes=("before the table left out: 'Data Source Indicators'", "'Country Code', 'Indicator Name'"),
        quiet=False,
    ),
    Case(
        "a development bank's other table, with notes below",
        "Country Name,Country Code,Series Name,"
        + ",".join(f"{year} [YR{year}]" for year in _YEARS)
        + ",\n"
        + _BANK
        + "Not classified,INX,Population,,,,,,,,\n\n\nData from database: Indicators\nLast Updated: 05/30/2024\n",
        series=_BANK_VALUES,
        times=_BANK_TIMES,
        notes=("rows without any value left out, line 5: 'Not classified'", "lines 8 to 9 below the table left out"),
        quiet=False,
    ),
    Case(
        "years as R writes them",
        "country,indicator,"
        + ",".join(f"X{year}" for year in _YEARS)
        + "\nFrance,gdp,1,2,3,4,5,6,7,9\nFrance,pop,9,8,7,6,5,4,3,1\n",
        series={"gdp": [1, 2, 3, 4, 5, 6, 7, 9], "pop": [9, 8, 7, 6, 5, 4, 3, 1]},
        times=_BANK_TIMES,
        notes=("left out: 'country'",),
        quiet=False,
    ),
    Case(
        "a row an item, under numbered days, with more labels",
        _SALES,
        series=_SALES_VALUES,
        found={"id": "id (2 series)", "time": "none"},
        notes=("left out: 'item_id', 'store_id'",),
        quiet=False,
    ),
    Case(
        "a row an item, told apart by two columns",
        _SALES.replace("id,item_id", "x,item_id").replace("A_1", "a").replace("B_1", "a"),
        {"id": ["store_id", "item_id"]},
        series={"1/A": _SALES_VALUES["A_1"], "1/B": _SALES_VALUES["B_1"]},
        quiet=False,
    ),
    Case(
        "a row of years, a column a month",
        "Year," + ",".join(_NAMES) + "\n" + _YEAR_MONTHS,
        series={"value": _BY_MONTH},
        times=_MONTHS,
        written=("2020-01",),
        notes=("'Year' of its row with the month in the header: the table is read as one series",),
        quiet=False,
    ),
    Case(
        "a row of years, a column a month, not all of the last year, and a mean of each",
        "Year,"
        + ",".join(_LONG_NAMES)
        + ",Mean\n"
        + f"2020,{_row(_BY_MONTH[:12])},5\n2021,{_row([*_BY_MONTH[12:17], *[None] * 7])},4\n",
        series={"value": _BY_MONTH[:17]},
        times=_MONTHS[:17],
        notes=("columns beside the values left out: 'Mean'",),
        quiet=False,
    ),
    Case(
        "a row of years, a column a month in German",
        "Jahr;Jan;Feb;Mrz;Apr;Mai;Jun;Jul;Aug;Sep;Okt;Nov;Dez\n" + _YEAR_MONTHS.replace(",", ";"),
        series={"value": _BY_MONTH},
        times=_MONTHS,
        quiet=False,
    ),
    Case(
        "a row a series by dates, its name a number",
        "x,2024-01-01,2024-01-02,2024-01-03,2024-01-04\n7,1,2,3,5\n9,2,3,5,8\n",
        series={"7": [1, 2, 3, 5], "9": [2, 3, 5, 8]},
        times=iso_days("2024-01-01", 4),
    ),
    Case(
        "a row of months, a column a year",
        "Month,2020,2021,2022,2023\n"
        + "".join(f"{name},{i},{i + 1},{i % 3},{2 * i}\n" for i, name in enumerate(_LONG_NAMES)),
        series={"value": [*map(float, [*range(12), *range(1, 13), *(i % 3 for i in range(12)), *range(0, 24, 2)])]},
        times=[f"{2020 + i // 12}-{i % 12 + 1:02d}-01" for i in range(48)],
        found={"layout": "year in the header"},
        quiet=False,
    ),
    Case(
        "a row of quarters, a column a year, and totals below",
        "Quarter,2020,2021,2022,2023\nQ1,1,5,2,1\nQ2,2,6,1,4\nQ3,3,7,0,2\nQ4,4,9,5,6\nTotal,10,27,8,13\nMean,2.5,7,2,3\n",
        series={"value": [1, 2, 3, 4, 5, 6, 7, 9, 2, 1, 0, 5, 1, 4, 2, 6]},
        times=[f"{2020 + i // 4}-{3 * (i % 4) + 1:02d}-01" for i in range(16)],
        notes=("rows of totals left out, lines 6 to 7",),
        quiet=False,
    ),
    Case(
        "a row of months, a column a year, read as a series for each month on request",
        "Month,2020,2021,2022,2023\nJan,1,2,3,5\nFeb,2,3,5,8\n",
        {"layout": "rows"},
        series={"Feb": [2, 3, 5, 8], "Jan": [1, 2, 3, 5]},
        times=[f"{year}-01-01" for year in range(2020, 2024)],
    ),
    Case(
        "a row of stations and years, a column a month",
        "station,year,"
        + ",".join(_NAMES)
        + "\n"
        + "".join(f"{name},{line}\n" for name in ("Ulm", "Bonn") for line in _YEAR_MONTHS.split()),
        series={"Bonn": _BY_MONTH, "Ulm": _BY_MONTH},
        times=_MONTHS,
        notes=("a series for each station",),
        quiet=False,
    ),
    Case(
        "a row of Japanese financial years, a column a month from April on",
        f"年度,{','.join(f'{m}月' for m in (*range(4, 13), 1, 2, 3))}\n"
        f"2020年度,{_row(_BY_MONTH[:12])}\n2021年度,{_row(_BY_MONTH[12:])}\n",
        series={"value": _BY_MONTH},
        times=[f"{2020 + (i + 3) // 12}-{(i + 3) % 12 + 1:02d}-01" for i in range(24)],
        notes=("go from April to March",),
        quiet=False,
    ),
    Case(
        "a row of years, a column a quarter",
        "Year,Q1,Q2,Q3,Q4\n2021,1,2,3,4\n2022,2,3,4,6\n2023,5,6,7,9\n",
        series={"value": [1, 2, 3, 4, 2, 3, 4, 6, 5, 6, 7, 9]},
        times=[f"{2021 + i // 4}-{3 * (i % 4) + 1:02d}-01" for i in range(12)],
        quiet=False,
    ),
    Case(
        "a row of years, a column a quarter in words",
        "Jahr;1. Quartal;2. Quartal;3. Quartal;4. Quartal\n2021;1;2;3;4\n2022;2;3;4;6\n2023;5;6;7;9\n",
        series={"value": [1, 2, 3, 4, 2, 3, 4, 6, 5, 6, 7, 9]},
        times=[f"{2021 + i // 4}-{3 * (i % 4) + 1:02d}-01" for i in range(12)],
        quiet=False,
    ),
    Case(
        "a row of days, a column an hour named by its end",
        "Date," + ",".join(f"HE{hour:02d}" for hour in range(1, 25)) + "\n" + _DAY_HOURS,
        series={"value": [*_HOURS]},
        times=_BY_HOUR,
        notes=("with the time of day in the header", "each read as the time at which it begins"),
        written=("01.03.2024 HE01", "01.03.2024 HE02"),
        quiet=False,
    ),
    Case(
        "a row of days, a column an hour from 1 to 24",
        "Date," + ",".join(map(str, range(1, 25))) + "\n" + _DAY_HOURS,
        series={"value": [*_HOURS]},
        times=_BY_HOUR,
        quiet=False,
    ),
    Case(
        "a row of days, a column a half-hour from 1 to 48",
        "Date," + ",".join(f"HH{i}" for i in range(1, 49)) + "\n" + _DAY_HALF_HOURS,
        series={"value": [*_HOURS, *_HOURS]},
        times=[str(np.datetime64("2024-03-01T00:00") + np.timedelta64(30 * i, "m")) for i in range(144)],
        notes=("numbers the half-hours of a day",),
        quiet=False,
    ),
    Case(
        "a row of days, a column an hour, one more on the day when clocks go back",
        "Date,"
        + ",".join(f"HE{hour:02d}" for hour in range(1, 26))
        + "\n"
        + f"2024-10-26,{_row([*_HOURS[:24]])},\n2024-10-27,{_row([*_HOURS[24:49]])}\n",
        {"timezone": "Europe/Berlin"},
        series={"value": [*_HOURS[:49]]},
        times=_BY_HOUR_IN_BERLIN,
        timezone="Europe/Berlin",
        quiet=False,
    ),
    Case(
        "a row of days, a column an hour from 0 to 23",
        "Date," + ",".join(map(str, range(24))) + "\n" + _DAY_HOURS,
        series={"value": [*_HOURS]},
        times=_BY_HOUR,
        written=("01.03.2024 00:00", "01.03.2024 01:00"),
        quiet=False,
    ),
    Case(
        "a row of days, a column a time of day",
        "Datum;" + ";".join(f"{hour:02d}:00" for hour in range(24)) + "\n" + _DAY_HOURS.replace(",", ";"),
        series={"value": [*_HOURS]},
        times=_BY_HOUR,
        quiet=False,
    ),
    Case(
        "a row of days, a column an hour of half a day",
        "Datum;"
        + ";".join(f"{hour % 12 or 12} {'AP'[hour // 12]}M" for hour in range(24))
        + "\n"
        + _DAY_HOURS.replace(",", ";"),
        series={"value": [*_HOURS]},
        times=_BY_HOUR,
        quiet=False,
    ),
    Case(
        "a row of months, a column a day, of which February lacks some",
        "Year,Month," + ",".join(f"Day{day}" for day in range(1, 32)) + "\n" + _DAY_CELLS,
        series={"value": [*_DAYS]},
        times=iso_days("2024-01-01", 60),
        quiet=False,
    ),
    Case(
        "a row of days in the year, a column a year, of which some have no 29 February",
        "Month,Day,2021,2022,2023,2024\n2,27,1,5,8,11\n2,28,2,6,9,12\n2,29,,,,13\n3,1,3,7,10,14\n",
        series={"value": [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]},
        quiet=False,
        panel=False,
    ),
    Case(
        "a pivot table that is none",
        "date,north,south\n2024-01-01,1,4\n2024-01-02,2,5\n",
        {"layout": "pivot"},
        error=("`data.layout=pivot` needs a header of years", "'north'"),
    ),
    Case(
        "prices of futures by date stay a question",
        "Date,2025-03,2025-06,2025-09,2025-12\n2024-01-02,1,2,3,4\n2024-01-03,2,3,4,5\n2024-01-04,3,4,5,7\n",
        error=("which column is to be forecast?", "data.target=2025-03", "data.layout=columns"),
    ),
    Case(
        "rows that are series, of which no cell is a number",
        "id,1,2,3\na,x,y,z\nb,u,v,w\n",
        {"layout": "rows", "header": True, "on_bad_rows": "drop"},
        error=("holds no numbers",),
    ),
    Case(
        "rows that are series, each with a bad cell",
        "id,1,2,3\na,1,y,2\nb,2,3,w\n",
        {"layout": "rows", "on_bad_rows": "drop"},
        error=("has no row that can be read",),
    ),
    Case(
        "a row of days, a column an hour from the one to the next",
        "Date," + ",".join(f"{hour:02d} - {hour + 1:02d}" for hour in range(24)) + "\n" + _DAY_HOURS,
        series={"value": [*_HOURS]},
        times=_BY_HOUR,
        quiet=False,
    ),
)
