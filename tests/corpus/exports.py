"""Files as statistical offices, accounts, spreadsheets and stopwatches export them: what stands around the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corpus.case import Case, iso_days

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAYS = iso_days("2024-01-01", 4)
_QUARTERS = [f"{2018 + i // 4}-Q{i % 4 + 1}" for i in range(8)]
_FLAGGED = ["101.5 ", "98.7 b", "99.1 ", ": c", "100.2 p", "102.3 ", "103.4 e", "104.5 p"]
_BARE = [101.5, 98.7, 99.1, None, 100.2, 102.3, 103.4, 104.5]


def _cells(name: str, cells: Sequence[str], values: Sequence[float | None], **more: Any) -> Case:
    """Cells of the second column of days."""
    rows = "".join(f"{day};{cell}\n" for day, cell in zip(_DAYS, cells, strict=False))
    return Case(name, f"date;y\n{rows}", series={"y": list(values)}, times=_DAYS[: len(cells)], **more)


def _noted(name: str, cells: Sequence[str], values: Sequence[float | None], *notes: str) -> Case:
    return _cells(name, cells, values, notes=notes, quiet=False, panel=None)


def _laid_out(name: str, rows: Sequence[str], series: dict[str, list[float | None]], *notes: str, **more: Any) -> Case:
    return Case(name, "\n".join(rows) + "\n", series=series, notes=notes, quiet=False, **more)


_MONTHS = ("Jan", "Feb", "Mar")
_TIMES = ["2019-01-01", "2019-02-01", "2019-03-01"]
_PLAIN = [f"{day},{i}" for i, day in enumerate(_DAYS)]
_READ: dict[str, list[float | None]] = {"y": [0.0, 1.0, 2.0, 3.0]}
_SHEETS = (
    _laid_out(
        "an id once a block",
        ["Region,Month,y", *(f"{r if i == 0 else ''},{m} 2019,{i}" for r in "ab" for i, m in enumerate(_MONTHS))],
        {"a": [0.0, 1.0, 2.0], "b": [0.0, 1.0, 2.0]},
        "labels that stand once for the rows below them were written into these: 'Region'",
        times=_TIMES,
    ),
    _laid_out(
        "two ids once a block",
        [
            "Region,Shop,Month,y",
            *(
                f"{r if s == 'x' and i == 0 else ''},{s if i == 0 else ''},{m} 2019,{i}"
                for r in "ab"
                for s in "xy"
                for i, m in enumerate(_MONTHS)
            ),
        ],
        {name: [0.0, 1.0, 2.0] for name in ("a/x", "a/y", "b/x", "b/y")},
        "'Region', 'Shop'",
        times=_TIMES,
    ),
    _laid_out(
        "a pivot table with years once a block and totals",
        [
            *(
                "Year,Month,y",
                "2018,Nov,1",
                ",Dec,2",
                "2018 Total,,3",
                "2019,Jan,4",
                ",Feb,5",
                ",Nov,6",
                "2019 Total,,15",
            ),
            "Grand Total,,18",
        ],
        {"y": [1.0, 2.0, 4.0, 5.0, 6.0]},
        "rows of totals left out, lines 4, 8 to 9",
        "'Year'",
        times=["2018-11-01", "2018-12-01", "2019-01-01", "2019-02-01", "2019-11-01"],
        panel=None,
    ),
    _laid_out("a total in the last row", ["date,y", *_PLAIN, "Total,6"], _READ, "rows of totals left out, line 6"),
    _laid_out(
        "notes below the table",
        ["date,y", *_PLAIN, "", "Source: office", "* provisional"],
        _READ,
        "lines 7 to 8 below the table left out: 'Source: office' ...",
    ),
    _laid_out(
        "the header again, as where files were joined",
        ["date,y", *_PLAIN[:2], "date,y", *_PLAIN[2:]],
        _READ,
        "the header comes again in line 4: left out",
        lines=[2, 3, 5, 6],
    ),
    _laid_out(
        "a second table below the first",
        ["date,y", *_PLAIN, "", "Name,Value", "Mean,1.5", "Most,3"],
        _READ,
        "lines 7 to 9 hold another table, 'Name', left out: `data.skip_rows=6` reads it instead",
    ),
    _laid_out(
        "a second table of the same columns under a title of its own",
        ["Sales", "date,y", *_PLAIN, "", "Costs", "date,y", *_PLAIN],
        _READ,
        "hold another table, 'Costs', left out: `data.skip_rows=7`",
    ),
    Case(
        "the second table",
        "\n".join(["Sales", "date,y", *_PLAIN, "", "Costs", "date,y", "2024-01-01,7", "2024-01-02,8", ""]),
        {"skip_rows": 7},
        series={"y": [7.0, 8.0]},
        notes=("line 8 before the table left out: 'Costs'",),
        quiet=False,
    ),
    Case(
        "a column of events is no label of the rows below",
        "event,date,y\n" + "".join(f"{'fair' if i in (0, 2) else ''},{day},{i}\n" for i, day in enumerate(_DAYS)),
        series=_READ,
    ),
)

EXPORTS = (
    *_SHEETS,
    Case(
        "flags of Eurostat, a row a country",
        "geo," + ",".join(_QUARTERS) + "\n" + "".join(f"{g}," + ",".join(_FLAGGED) + "\n" for g in ("AT", "DE")),
        series={"AT": _BARE, "DE": _BARE},
        notes=("'p', 'b', ': c', 'e' after numbers left out, in 10 cells of 'value'",),
        quiet=False,
        panel=None,
    ),
    Case(
        "flags of Eurostat, a column a country",
        "TIME,DE\n" + "".join(f"{q},{cell}\n" for q, cell in zip(_QUARTERS, _FLAGGED, strict=True)),
        series={"DE": _BARE},
        notes=("'p', 'b', ': c', 'e' after numbers left out, in 5 cells of 'DE'",),
        quiet=False,
        panel=None,
    ),
    _noted("footnotes after numbers", ["1.5", "2.5*", "3.5 1)", "4.5(r)"], [1.5, 2.5, 3.5, 4.5], "'*', '1)', '(r)'"),
    Case(
        "flags after times",
        "Month,y\nNov 2021,1\nDec 2021(p),2\nJan 2022*,3\n",
        series={"y": [1.0, 2.0, 3.0]},
        times=["2021-11-01", "2021-12-01", "2022-01-01"],
        notes=("'(p)', '*' after times left out, in 2 cells of 'Month'",),
        quiet=False,
    ),
    _noted("numbers with their unit", ["1.5 MW", "2.5 MW", "3 MW", "4 MW"], [1.5, 2.5, 3.0, 4.0], "'MW' after numbers"),
    Case(
        "numbers in two units",
        "date,y\n" + "".join(f"{d},{c}\n" for d, c in zip(_DAYS, ("2 MW", "900 kW", "3 MW", "4 MW"), strict=True)),
        error=("'y' of", "holds numbers in 'MW' and in 'kW': write all of them in one unit"),
    ),
    Case(
        "names of columns that are numbers with a unit",
        "date,10 m,50 m\n" + "".join(f"{day},{i},{i + 2}\n" for i, day in enumerate(_DAYS)),
        {"layout": "columns"},
        series={"10 m": [0.0, 1.0, 2.0, 3.0], "50 m": [2.0, 3.0, 4.0, 5.0]},
    ),
    Case(
        "units under the names, beside no time",
        "date,Sales,Costs\n,1000 EUR,1000 EUR\n" + "".join(f"{day},{i},{i + 2}\n" for i, day in enumerate(_DAYS)),
        {"target": "Sales"},
        series={"Sales": [0.0, 1.0, 2.0, 3.0]},
        notes=("line 2 under the header left out: '1000 EUR 1000 EUR'",),
        quiet=False,
    ),
    Case(
        "groups of columns with merged names",
        ",North,,South,\nDate,Sales,Costs,Sales,Costs\n"
        + "".join(f"{day},{i},{i + 2},{i + 4},{i + 6}\n" for i, day in enumerate(_DAYS)),
        {"target": ["North Sales", "South Costs"]},
        series={"North Sales": [0.0, 1.0, 2.0, 3.0], "South Costs": [6.0, 7.0, 8.0, 9.0]},
        quiet=False,
    ),
    Case(
        "text as a formula",
        "id,date,y\n" + "".join(f'="00{i}","=""{day}""",{day[-1]}\n' for i in (1, 2) for day in _DAYS),
        series={"001": [1.0, 2.0, 3.0, 4.0], "002": [1.0, 2.0, 3.0, 4.0]},
        times=_DAYS,
    ),
    Case("lines in quotes", '"date,y"\n' + "".join(f'"{row}"\n' for row in _PLAIN), series=_READ, times=_DAYS),
    Case(
        "lines in quotes around quotes",
        '"date,""y"""\n' + "".join(f'"{day},""{i}"""\n' for i, day in enumerate(_DAYS)),
        series=_READ,
        times=_DAYS,
    ),
    Case("digits of Arabic", "date,y\n٢٠٢٤/٠١/٠١,١٫٥\n٢٠٢٤/٠١/٠٢,٢٫٢٥\n", series={"y": [1.5, 2.25]}, times=_DAYS[:2]),
    Case("digits of full width", "date,y\n2024-01-01,１．５\n2024-01-02,２\n", series={"y": [1.5, 2.0]}),
    Case(
        "an index of prices is a value",
        "Jahr;Monat;Index\n2019;Januar;101,3\n2019;Februar;102,5\n",
        series={"Index": [101.3, 102.5]},
        times=_TIMES[:2],
    ),
    Case(
        "rates by day in JSON",
        '{"base": "EUR", "rates": {' + ", ".join(f'"{d}": {{"USD": {i}.5}}' for i, d in enumerate(_DAYS)) + "}}",
        series={"USD": [0.5, 1.5, 2.5, 3.5]},
        times=_DAYS,
        suffix=".json",
        quiet=False,
    ),
    Case(
        "pairs by name in JSON",
        '{"prices": [' + ", ".join(f"[{1704067200000 + i * 86400000}, {i}]" for i in range(4)) + "]}",
        series={"column 2": [0.0, 1.0, 2.0, 3.0]},
        times=_DAYS,
        timezone="UTC",
        suffix=".json",
    ),
    _cells("kroner with groups of thousands", ["kr 1 234,50", "kr 2 345,50"], [1234.5, 2345.5]),
    _cells("rupees in lakh", ["Rs. 9,27,911.97", "Rs. 11,16,706.83"], [927911.97, 1116706.83]),
    _cells(
        "a currency before the brackets of a loss", ["$ 1,300.50", "$(1,300.50)", "$ 3.25"], [1300.5, -1300.5, 3.25]
    ),
    _noted("durations", ["1:30:00", "0:45:00", "10:00:00"], [1.5, 0.75, 10.0], "such as '10:00:00' were read as 10"),
    _noted("minutes and seconds", ["8:30", "9:15"], [8.5, 9.25], "such as '9:15' were read as 9.25 in 'y'"),
    _noted("durations in letters", ["1h 30m", "45m", "2h"], [1.5, 0.75, 2.0], "such as '2h' were read as 2"),
    _noted("durations of ISO 8601", ["PT1H30M", "P1DT6H"], [1.5, 30.0], "such as 'P1DT6H' were read as 30"),
    _noted("durations of pandas", ["0 days 01:30:00", "1 days 00:00:00"], [1.5, 24.0], "were read as 24"),
    _noted("true and false", ["True", "False", "", "True"], [1.0, 0.0, None, 1.0], "'True' was read as 1 in 'y'"),
    _noted("yes and no", ["no", "yes", "yes", "no"], [0.0, 1.0, 1.0, 0.0], "'yes' was read as 1 in 'y'"),
    Case(
        "NA as a code among the ids, and for no value",
        "date,country,value\n"
        + "".join(
            f"2020-{month:02d}-01,{code},{month % 5 + k}\n"
            for k, code in enumerate(["DE", "NA", "ZA"])
            for month in range(1, 12)
        )
        + "2020-12-01,DE,NA\n2020-12-01,NA,4\n2020-12-01,ZA,5\n",
        series={
            "DE": [*[month % 5 for month in range(1, 12)], None],
            "NA": [*[month % 5 + 1 for month in range(1, 12)], 4],
            "ZA": [*[month % 5 + 2 for month in range(1, 12)], 5],
        },
        found={"id": "country (3 series)"},
        panel=None,
    ),
    Case(
        "NA as a part of a name of two columns",
        "date,region,kind,value\n"
        + "".join(
            f"2020-{month:02d}-01,{region},{kind},{month % 5}\n"
            for region in ("APAC", "NA")
            for kind in "xy"
            for month in range(1, 13)
        ),
        series={name: [month % 5 for month in range(1, 13)] for name in ("APAC/x", "APAC/y", "NA/x", "NA/y")},
    ),
    Case(
        "NA among names that are no codes",
        "date,country,value\n"
        + "".join(f"2020-{month:02d}-01,{name},{month}\n" for name in ("Ulm", "NA") for month in range(1, 13)),
        {"id": "country"},
        error=("'NA' in 'country' is not an id",),
    ),
    Case(
        "the day of the export in every row, before the times",
        "idBank,Updated,Période,Value\n"
        + "".join(f"1759970,14/12/2023 08:45,2023-{m:02d},{m}\n" for m in range(12, 0, -1)),
        {"target": "Value"},
        series={"Value": [float(m) for m in range(12, 0, -1)]},
        found={"time": "Période"},
        quiet=False,
    ),
    Case(
        "columns called by amounts of currencies",
        "Datum|1 AUD|100 HUF\n" + "".join(f"{day}|15,{i}1|6,{i}2\n" for i, day in enumerate(_DAYS)),
        {"target": "100 HUF"},
        series={"100 HUF": [6.02, 6.12, 6.22, 6.32]},
        times=_DAYS,
        quiet=False,
    ),
    Case(
        "columns called by amounts of currencies, and their names below",
        "data;1THB;1USD;nr;\n;1 bat (Tajlandia);1 dolar;;\n"
        + "".join(f"{day.replace('-', '')};0,1{i};4,{i}5;{i}/A;\n" for i, day in enumerate(_DAYS)),
        {"target": "1USD"},
        series={"1USD": [4.05, 4.15, 4.25, 4.35]},
        times=_DAYS,
        quiet=False,
    ),
    Case(
        "a pivot table of years, months below each, and totals",
        "Row Labels,Sum of Sales\n"
        + "".join(
            f"{year},99\n" + "".join(f"{m},{i + year % 2}\n" for i, m in enumerate(_MONTHS)) for year in (2020, 2021)
        )
        + "Grand Total,999\n",
        series={"Sum of Sales": [0, 1, 2, 1, 2, 3]},
        times=[f"{year}-0{month}-01" for year in (2020, 2021) for month in (1, 2, 3)],
        notes=("rows of totals left out, lines 2, 6, 10",),
        quiet=False,
        panel=None,
    ),
    Case(
        "the header of USGS, with widths of texts below it",
        "# U.S. Geological Survey\n#\nagency_cd\tsite_no\tdatetime\t177801_00060_00003\t177801_00060_00003_cd\n"
        "5s\t15s\t20d\t14n\t10s\n" + "".join(f"USGS\t01646500\t{day}\t{i}\tA\n" for i, day in enumerate(_DAYS)),
        series={"177801_00060_00003": [0, 1, 2, 3]},
        times=_DAYS,
        quiet=False,
    ),
    Case(
        "the header of Campbell's loggers, facts above it and units below it",
        '"TOA5","CR1000","1234","Std.32","CPU","4567","Table1"\n"TIMESTAMP","RECORD","AirTC"\n"TS","RN","Deg C"\n'
        '"","","Avg"\n' + "".join(f'"{day} 00:00:00",{i},1{i}.5\n' for i, day in enumerate(_DAYS)),
        {"target": "AirTC"},
        series={"AirTC": [10.5, 11.5, 12.5, 13.5]},
        times=_DAYS,
        notes=("lines 3 to 4 under the header left out",),
        quiet=False,
    ),
    Case(
        "sensors that report in turn",
        "time,sensor_id,value\n"
        + "".join(f"2024-01-01 {i:02d}:{7 * k:02d},s{k},{i + k}\n" for i in range(12) for k in (0, 1)),
        series={"s0": [*range(12)], "s1": [*range(1, 13)]},
        times=[f"2024-01-01T{i:02d}:00" for i in range(12)],
        found={"id": "sensor_id (2 series)"},
    ),
    Case(
        "machines in no order, one at a time",
        "day,machine,value\n"
        + "".join(f"{day},m{i * i % 3},{i}\n" for i, day in enumerate(iso_days("2024-01-01", 12))),
        series={"value": [*range(12)]},
        quiet=False,
    ),
)
