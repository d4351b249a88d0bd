"""Several series in a file: one a column, and one a row as the M competitions ship them."""

from __future__ import annotations

from corpus.case import Case, iso_days

_M4_ROWS = (
    'H10,605,586,586.5,559,511,443,422,395,401,410\nH2,3124,2990,2862,2809,2544,2201,1996,"",,\nH1,1,2,3,4,5,6,7,8,9,\n'
)
_M4 = ",".join(f'"V{j}"' for j in range(1, 12)) + "\n" + _M4_ROWS
_SERIES: dict[str, list[float | None]] = {
    "H1": [1, 2, 3, 4, 5, 6, 7, 8, 9],
    "H2": [3124, 2990, 2862, 2809, 2544, 2201, 1996],
    "H10": [605, 586, 586.5, 559, 511, 443, 422, 395, 401, 410],
}
_WIDE = "date,north,east (MW),note\n2024-01-01,1.5,7,\n2024-01-02,2.5,,rain\n2024-01-03,-3.25,9,\n2024-01-04,4,8,\n"
_YEARS = "country," + ",".join(map(str, range(2010, 2020))) + "\nKorea,1,2,3,4,5,6,7,8,9,\nJapan,9,8,7,6,5,4,3,2,1,0\n"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHORT = "id,1,2,3,4\na,5,2,3,9\nb,4,3,2,\n"

WIDE = (
    Case(
        "a row a series, as the M4 competition ships them",
        _M4,
        series=_SERIES,
        lines=[4] * 9,
        found={"layout": "one row a series", "id": "V1 (3 series)", "time": "none", "target": "each row after its id"},
    ),
    Case("a row a series, numbered columns", _M4.replace("V", "").replace('"1"', '"item"'), series=_SERIES),
    Case(
        "a row a series in a notation of its own",
        _M4.replace(",", ";").replace("586.5", "586,5"),
        series=_SERIES,
        found={"decimal": "comma"},
    ),
    Case(
        "a row a series by years",
        _YEARS,
        series={"Japan": [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], "Korea": [*range(1, 10)]},
        times=[f"{year}-01-01" for year in range(2010, 2020)],
        written=("2010",),
    ),
    Case(
        "a row a series set by hand, without names",
        _M4_ROWS,
        {"layout": "rows", "header": False},
        series=_SERIES,
    ),
    Case(
        "a row a series set by hand, few steps", _SHORT, {"layout": "rows"}, series={"a": [5, 2, 3, 9], "b": [4, 3, 2]}
    ),
    Case(
        "a row a series, its id in another column",
        "1,2,3,who\n1,2,3,a\n4,5,6,b\n",
        {"layout": "rows", "id": "who", "header": True},
        series={"a": [1, 2, 3], "b": [4, 5, 6]},
    ),
    Case(
        "a row a series with holes",
        _M4.replace("586.5", "-"),
        series={**_SERIES, "H10": [605, 586, None, 559, 511, 443, 422, 395, 401, 410]},
        panel=False,
    ),
    Case(
        "a row with a cell that is no number is dropped whole",
        _M4.replace("586.5", "oops"),
        {"on_bad_rows": "drop"},
        series={name: values for name, values in _SERIES.items() if name != "H10"},
        notes=("oops",),
        quiet=False,
    ),
    Case(
        "a row with a cell that is no number",
        _M4.replace("586.5", "oops"),
        {"layout": "rows"},
        error=("line 2", "oops"),
    ),
    Case("two rows of one name", _M4.replace("H10", "H1"), {"layout": "rows"}, error=("lines 2 and 4", "'H1'")),
    Case(
        "rows as series need no target",
        _M4,
        {"layout": "rows", "target": "V2"},
        error=("data.layout=rows", "data.target"),
    ),
    Case(
        "a column a series",
        _WIDE,
        {"layout": "columns"},
        series={"east (MW)": [7, None, 9, 8], "north": [1.5, 2.5, -3.25, 4]},
        times=iso_days("2024-01-01", 4),
        found={"target": "east (MW), north (each a series)", "time": "date"},
        notes=("left out: 'note'",),
        quiet=False,
        panel=False,
    ),
    Case(
        "some of the columns, in the order given",
        _WIDE,
        {"layout": "columns", "target": ["north", "east (MW)"]},
        series={"north": [1.5, 2.5, -3.25, 4], "east (MW)": [7, None, 9, 8]},
        panel=False,
    ),
    Case(
        "columns that begin and end at times of their own",
        "t,a,b\n1,1,\n2,2,5\n3,4,6\n4,,8\n",
        {"layout": "columns"},
        series={"a": [1, 2, 4, None], "b": [None, 5, 6, 8]},
        panel=False,
    ),
    Case("which column is asked with both answers", _WIDE, error=("data.target=north", "data.layout=columns")),
    Case("columns have no ids", _WIDE, {"layout": "columns", "id": "note"}, error=("data.layout=columns", "data.id")),
    Case(
        "no column of numbers",
        "date,a\n2024-01-01,x\n2024-01-02,y\n",
        {"layout": "columns"},
        error=("no column holds",),
    ),
    Case(
        "a row a series, a year of which is flagged throughout",
        "freq,geo\\TIME_PERIOD\t" + "\t".join(f"{year} " for year in range(2015, 2021)) + "\n"
        "A,AT\t1.5 \t2.5 \t3 b\t4 \t5 \t6 \nA,BE\t: \t3.5 \t4 b\t5 \t6 \t8 p\n",
        series={"A,AT": [1.5, 2.5, 3, 4, 5, 6], "A,BE": [None, 3.5, 4, 5, 6, 8]},
        times=[f"{year}-01-01" for year in range(2015, 2021)],
        found={"id": "freq,geo"},
        quiet=False,
        panel=None,
    ),
    Case(
        "a row a series, under years of which some are left out",
        "country,1990,1995,2000,2005,2010\nUlm,1000,2000,3100,4000,5500\nBonn,1100,2500,3800,4200,5700\n",
        series={"Bonn": [1100, 2500, 3800, 4200, 5700], "Ulm": [1000, 2000, 3100, 4000, 5500]},
        times=[f"{year}-01-01" for year in range(1990, 2011, 5)],
    ),
    Case(
        "a row a series, under months in Korean",
        "시도별,항목," + ",".join(f"2023.{month:02d} 월" for month in range(1, 13)) + "\n"
        "서울,취업자,1,2,3,4,5,6,7,8,9,8,7,6\n부산,취업자,2,3,4,5,6,7,8,9,1,2,3,4\n",
        series={"부산": [2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4], "서울": [1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6]},
        times=[f"2023-{month:02d}-01" for month in range(1, 13)],
        written=("2023.01 월", "2023.02 월"),
        notes=("columns beside the values left out: '항목'",),
        quiet=False,
    ),
    Case(
        "a row a series, under quarters in Korean",
        "시도별," + ",".join(f"{2022 + i // 4}.{i % 4 + 1}/4 분기" for i in range(8)) + "\n"
        "서울,1,2,3,4,5,6,7,8\n부산,2,3,4,5,6,7,8,9\n",
        series={"부산": [2, 3, 4, 5, 6, 7, 8, 9], "서울": [1, 2, 3, 4, 5, 6, 7, 8]},
        times=[f"{2022 + i // 4}-{3 * (i % 4) + 1:02d}-01" for i in range(8)],
        written=("2022.1/4 분기", "2022.2/4 분기"),
    ),
    Case(
        "a row a series, under years that are merged over months",
        f"Region,2022{',' * 12}2023{',' * 11}\n," + ",".join(2 * _MONTHS) + "\n"
        f"North,{','.join(map(str, range(24)))}\nSouth,{','.join(map(str, range(5, 29)))}\n",
        series={"North": [*map(float, range(24))], "South": [*map(float, range(5, 29))]},
        times=[f"{2022 + i // 12}-{i % 12 + 1:02d}-01" for i in range(24)],
        found={"layout": "one row a series"},
    ),
    Case(
        "years over other names",
        "region,2022,2022,2023,2023\nregion,men,women,men,women\nNorth,11,12,13,14\nSouth,21,22,23,24\n",
        error=("'2022 men', '2022 women'",),
    ),
    Case(
        "a row a series, under months behind what is counted",
        '"03013: Konsumpris"\n\n"gruppe";'
        + ";".join(f'"Konsumpris (2015=100) 2020M{m:02d}"' for m in range(1, 7))
        + "\n"
        '"I alt";1,5;2,5;3,5;4,5;5;6\n"Mat";2;3;4;5;6;7,5\n',
        series={"I alt": [1.5, 2.5, 3.5, 4.5, 5, 6], "Mat": [2, 3, 4, 5, 6, 7.5]},
        times=[f"2020-{month:02d}-01" for month in range(1, 7)],
        written=("2020M01",),
        found={"id": "gruppe (2 series)"},
        quiet=False,
    ),
    Case(
        "a row a series, under years behind what is counted",
        "region,Sales 2018,Sales 2019,Sales 2020,Sales 2021\nUlm,10,20,31,40\nBonn,11,25,38,42\n",
        series={"Bonn": [11, 25, 38, 42], "Ulm": [10, 20, 31, 40]},
        times=[f"{year}-01-01" for year in range(2018, 2022)],
    ),
    Case(
        "years behind two things that are counted",
        "region,Sales 2018,Sales 2019,Sales 2020,Sales 2021,Costs 2018,Costs 2019,Costs 2020,Costs 2021\n"
        "Ulm,10,20,31,40,55,3,4,4\nBonn,11,25,38,42,57,4,5,6\n",
        error=("which column is to be forecast? 8 hold numbers",),
    ),
    Case(
        "more titles and notes than rows",
        "monthly data\ntime: last months\nindex,2024年4月,2024年3月,2024年2月,2024年1月\nall,4,3,2,1\nfood,5,6,7,8\n"
        "note: data\nsource: office\n",
        series={"all": [4, 3, 2, 1], "food": [5, 6, 7, 8]},
        times=[f"2024-{month:02d}-01" for month in range(4, 0, -1)],
        quiet=False,
    ),
)
