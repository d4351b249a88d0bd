"""Delimiters, encodings, compression, headers, titles, and what stands around a table."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

from corpus.case import Case, iso_days

_PLAIN = "date,value\n2024-01-01,1.5\n2024-01-02,2.5\n2024-01-03,-3.25\n"
_VALUES: dict[str, list[float | None]] = {"value": [1.5, 2.5, -3.25]}
_DAYS = iso_days("2024-01-01", 3)
_KOREAN = "날짜,종가,거래량\n2024-01-02,71000,1200\n2024-01-03,70500,1300\n2024-01-04,72300,900\n"
_GERMAN = "Datum;Größe\n01.01.2024;1,5\n02.01.2024;2,5\n03.01.2024;-3,25\n"


def _zipped(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, _PLAIN)
    return buffer.getvalue()


def _zstd() -> bytes:
    import pyarrow as pa

    return bytes(pa.compress(_PLAIN.encode(), "zstd", asbytes=True))


def _ok(name: str, data: str | bytes, **more: object) -> Case:
    return Case(name, data, **{"series": _VALUES, "times": _DAYS, **more})  # type: ignore[arg-type]  # one table of keywords


LAYOUTS = (
    _ok("plain", _PLAIN, written=("2024-01-01",), lines=[2, 3, 4], found={"delimiter": "comma", "time": "date"}),
    _ok("windows line ends", _PLAIN.replace("\n", "\r\n")),
    _ok("old mac line ends", _PLAIN.replace("\n", "\r"), lines=[2, 3, 4]),
    _ok("no newline at the end", _PLAIN.rstrip("\n")),
    _ok("blank lines at the end", _PLAIN + "\n\n\n"),
    _ok("blank lines within", _PLAIN.replace("2024-01-03", "\n\n2024-01-03"), lines=[2, 3, 6]),
    _ok("semicolons", _PLAIN.replace(",", ";"), found={"delimiter": "semicolon"}),
    _ok("tabs", _PLAIN.replace(",", "\t"), found={"delimiter": "tab"}, suffix=".tsv"),
    Case(
        "tabs, and blanks between thousands",
        "data\tloja\tvalor\n"
        + "".join(f"2021-{m:02d}\tx-{i}\t1{m % 7} {m}0{i}\n" for i in (0, 1) for m in range(1, 10)),
        series={f"x-{i}": [float(f"1{m % 7}{m}0{i}") for m in range(1, 10)] for i in range(2)},
        found={"delimiter": "tab"},
    ),
    _ok("pipes", _PLAIN.replace(",", "|"), found={"delimiter": "pipe"}),
    _ok("runs of blanks", _PLAIN.replace(",", "    "), found={"delimiter": "space"}, suffix=".txt"),
    _ok("blanks after commas", _PLAIN.replace(",", ", ")),
    _ok("a delimiter set by hand", _PLAIN.replace(",", "^"), settings={"delimiter": "^"}),
    _ok("excel says its delimiter", "sep=;\n" + _PLAIN.replace(",", ";"), lines=[3, 4, 5]),
    _ok(
        "everything quoted",
        '"date","value"\n"2024-01-01","1.5"\n"2024-01-02","2.5"\n"2024-01-03","-3.25"\n',
    ),
    _ok(
        "single quotes",
        "'date','what','value'\n'2024-01-01','a, b','1.5'\n'2024-01-02','c','2.5'\n'2024-01-03','d','-3.25'\n",
        found={"quotes": "single"},
    ),
    _ok(
        "quoted fields hold delimiters and newlines",
        'date,note,value\n2024-01-01,"a, ""b""\nc",1.5\n2024-01-02,"d",2.5\n2024-01-03,,-3.25\n',
        lines=[2, 4, 5],
    ),
    Case(
        "the least and the most are no minutes",
        "date,Min,Max\n2024-01-01,-1.5,4\n2024-01-02,0.5,5\n2024-01-03,2,7\n",
        error=("which column is to be forecast? 2 hold numbers: 'Min', 'Max'",),
    ),
    _ok("blanks before quotes", '"date", "value"\n"2024-01-01", "1.5"\n"2024-01-02", "2.5"\n"2024-01-03", "-3.25"\n'),
    Case(
        "blanks within quotes",
        '"date", "note", "value"\n"2024-01-01", "a, ", "1.5"\n"2024-01-02", ", ""b""", "2.5"\n',
        series={"value": [1.5, 2.5]},
        quiet=False,
    ),
    _ok("a delimiter at the end of each line", _PLAIN.replace("\n", ",\n")),
    _ok("a delimiter at the end of each line but the header's", "date,value\n" + _PLAIN.replace("\n", ",\n")[12:]),
    _ok("rows of delimiters at the end", _PLAIN + ",\n,\n"),
    _ok("utf-8 with bom", b"\xef\xbb\xbf" + _PLAIN.encode(), found={"encoding": "utf-8 with BOM"}),
    _ok("utf-16 little endian", _PLAIN.encode("utf-16"), found={"encoding": "utf-16"}),
    _ok("utf-16 big endian", b"\xfe\xff" + _PLAIN.encode("utf-16-be"), found={"encoding": "utf-16"}),
    _ok("utf-16 without bom", _PLAIN.encode("utf-16-le"), found={"encoding": "utf-16-le"}),
    _ok("excel's unicode text", _PLAIN.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"), suffix=".txt"),
    Case(
        "latin-1 umlauts",
        _GERMAN.encode("latin-1"),
        series={"Größe": [1.5, 2.5, -3.25]},
        times=_DAYS,
        found={"encoding": "cp1252", "decimal": "comma", "time": "Datum (day first)"},
        written=("01.01.2024",),
    ),
    Case(
        "a degree sign is not korean",
        "Zeit;Temperatur [°C]\n01.01.2024;1,5\n02.01.2024;2,5\n".encode("cp1252"),
        series={"Temperatur [°C]": [1.5, 2.5]},
        found={"encoding": "cp1252"},
    ),
    Case(
        "cp949",
        _KOREAN.encode("cp949"),
        series={"종가": [71000, 70500, 72300]},
        times=iso_days("2024-01-02", 3),
        found={"encoding": "cp949", "target": "종가 (by its name)"},
    ),
    Case(
        "korean utf-8, a target set by hand",
        _KOREAN,
        {"target": "거래량"},
        series={"거래량": [1200, 1300, 900]},
    ),
    Case(
        "a name in decomposed hangul",
        "\u1102\u1161\u11af\u110d\u1161,\u1100\u1161\u11b9\n2024-01-02,5\n2024-01-03,6\n",
        {"target": "값"},
        series={"값": [5, 6]},
    ),
    Case(
        "cyrillic set by hand",
        "дата;цена\n2024-01-01;1\n2024-01-02;2\n".encode("cp1251"),
        {"encoding": "cp1251"},
        series={"цена": [1, 2]},
    ),
    Case(
        "cyrillic",
        "дата;цена\n2024-01-01;1\n2024-01-02;2\n".encode("cp1251"),
        series={"цена": [1, 2]},
        found={"encoding": "cp1251", "time": "дата"},
    ),
    Case(
        "chinese dates, of which bytes are hangul",
        "日期,销量\n2024年1月30日,1\n2024年1月31日,2\n2024年2月1日,4\n".encode("gbk"),
        series={"销量": [1, 2, 4]},
        times=iso_days("2024-01-30", 3),
        found={"encoding": "gb18030"},
        written=("2024年1月30日",),
    ),
    Case(
        "chinese names of columns, of which bytes are hangul",
        "日期,销量\n2024-01-01,1\n2024-01-02,2\n".encode("gbk"),
        series={"销量": [1, 2]},
        found={"encoding": "gb18030", "time": "日期"},
    ),
    Case(
        "japanese months, of which bytes are letters",
        "x;y\n2023年12月;1\n2024年1月;2\n2024年2月;4\n".encode("cp932"),
        series={"y": [1, 2, 4]},
        times=["2023-12-01", "2024-01-01", "2024-02-01"],
        found={"encoding": "cp932"},
    ),
    Case(
        "czech months",
        "x;y\nbřezen 2024;1\nduben 2024;2\nkvěten 2024;4\nčerven 2024;3\n".encode("cp1250"),
        series={"y": [1, 2, 4, 3]},
        times=["2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01"],
        found={"encoding": "cp1250"},
        written=("březen 2024",),
    ),
    _ok("gzip", gzip.compress(_PLAIN.encode()), found={"compression": "gzip"}, suffix=".csv.gz"),
    _ok("gzip without its suffix", gzip.compress(_PLAIN.encode()), found={"compression": "gzip"}),
    _ok("bz2", bz2.compress(_PLAIN.encode()), found={"compression": "bz2"}, suffix=".csv.bz2"),
    _ok("xz", lzma.compress(_PLAIN.encode()), found={"compression": "xz"}, suffix=".csv.xz"),
    _ok("zip", _zipped(["a.csv", "__MACOSX/._a.csv"]), found={"compression": "zip"}, suffix=".zip"),
    _ok("zstd", _zstd(), found={"compression": "zstd"}, suffix=".csv.zst"),
    Case("no header", _PLAIN[11:], series={"column 2": [1.5, 2.5, -3.25]}, times=_DAYS, found={"header": "none"}),
    Case(
        "a lone column of numbers",
        "3\n1\n4\n1\n5\n",
        series={"column 1": [3, 1, 4, 1, 5]},
        found={"time": "none, rows are steps", "header": "none"},
        lines=[1, 2, 3, 4, 5],
    ),
    Case("a lone column with a name", "passengers\n112\n118\n132\n", series={"passengers": [112, 118, 132]}),
    Case("a lone column of decimal commas", "wert\n1,5\n2,5\n3,25\n", series={"wert": [1.5, 2.5, 3.25]}),
    Case(
        "years as names",
        "month,1949,1950,1951\n1,112,115,145\n2,118,126,150\n3,132,141,178\n",
        {"target": 1950, "time": "none"},
        series={"1950": [115, 126, 141]},
        lines=[2, 3, 4],
    ),
    Case(
        "nothing but years as names",
        "1949,1950,1951\n112,115,145\n118,126,150\n132,141,178\n",
        {"target": [1949, 1951]},
        series={"1949": [112, 118, 132], "1951": [145, 150, 178]},
        found={"header": "numbers"},
    ),
    Case("pandas without names", ",0\n2024-01-01,1.5\n2024-01-02,2.5\n", series={"0": [1.5, 2.5]}),
    Case("pandas without names or index", "0\n1.5\n2.5\n-0.5\n", series={"0": [1.5, 2.5, -0.5]}),
    Case(
        "an index written by pandas",
        "Unnamed: 0,date,value\n0,2024-01-01,1.5\n1,2024-01-02,2.5\n2,2024-01-03,-3.25\n",
        series=_VALUES,
        times=_DAYS,
    ),
    Case(
        "an index without a name and no time",
        ",value\n0,1.5\n1,2.5\n2,-3.25\n",
        series=_VALUES,
        times=[0, 1, 2],
    ),
    Case(
        "a table of R with the names of rows",
        '"value"\n"2024-01-01" 1.5\n"2024-01-02" 2.5\n"2024-01-03" -3.25\n',
        {"delimiter": "space"},
        series=_VALUES,
        times=_DAYS,
        panel=None,
    ),
    Case(
        "the same name twice",
        "date,close,close\n2024-01-01,1,4\n2024-01-02,2,5\n2024-01-03,3,6\n",
        {"target": "close (2)"},
        series={"close (2)": [4, 5, 6]},
    ),
    Case(
        "the same name twice, and nobody says which",
        "date,close,close\n2024-01-01,1,4\n2024-01-02,2,5\n2024-01-03,3,6\n",
        error=("which column is to be forecast?", "'close (1)', 'close (2)'", '"data.target=close (1)"'),
    ),
    Case(
        "the same name twice, and a target called so",
        "date,close,close\n2024-01-01,1,4\n2024-01-02,2,5\n2024-01-03,3,6\n",
        {"target": "close"},
        error=(
            "2 columns of the file are called 'close' and differ",
            '"data.target=close (1)"',
            '"data.target=close (2)"',
        ),
    ),
    Case(
        "two columns of times of one name",
        "date,date,y\n2024-01-01,2024-02-01,1\n2024-01-02,2024-02-03,4\n2024-01-03,2024-02-05,9\n",
        error=("2 columns of the file are called 'date' and differ", '"data.time=date (2)"'),
    ),
    Case(
        "the same column twice",
        "date,close,date,close\n2024-01-01,1,2024-01-01,1\n2024-01-02,2,2024-01-02,2\n2024-01-03,3,2024-01-03,3\n",
        series={"close": [1, 2, 3]},
        notes=("'close' comes 2 times with the same cells: it is read once",),
        quiet=False,
    ),
    Case(
        "a header of commas",
        "date,value" + "," * 100_000 + "\n2024-01-01,1" + "," * 100_000 + "\n",
        error=("has 100,002 columns, at most 100,000 are read",),
    ),
    Case(
        "a column called null",
        "date,null,other\n2024-01-01,1,4\n2024-01-02,2,5\n2024-01-03,3,6\n",
        error=("""set `"data.target='null'"`""",),
    ),
    Case(
        "names with brackets, blanks and line ends",
        'Date (UTC),"Load\n[MW]",x\n2024-01-01,1.5,1\n2024-01-02,2.5,1\n2024-01-03,-3.25,1\n',
        {"target": "load [mw]"},
        series={"Load [MW]": [1.5, 2.5, -3.25]},
        lines=[3, 4, 5],
    ),
    _ok(
        "a title above the table",
        "Stromverbrauch 2024\nQuelle: Amt\n\n" + _PLAIN,
        notes=("lines 1 to 2 before the table left out: 'Stromverbrauch 2024'",),
        lines=[5, 6, 7],
        quiet=False,
    ),
    _ok(
        "a title padded with delimiters",
        "Report,,\n,,\ndate,value,other\n2024-01-01,1.5,a\n2024-01-02,2.5,b\n2024-01-03,-3.25,c\n",
        notes=("line 1 before the table left out: 'Report'",),
        quiet=False,
    ),
    _ok(
        "two titles padded with delimiters",
        "Report,,\nSource: office,,\n\ndate,value,other\n2024-01-01,1.5,a\n2024-01-02,2.5,b\n2024-01-03,-3.25,c\n",
        notes=("lines 1 to 2 before the table left out: 'Report' ...",),
        quiet=False,
    ),
    _ok(
        "facts above the table, padded with delimiters",
        "Account,17,\nFrom,2024-01-01,\nTo,2024-01-03,\ndate,value,other\n"
        "2024-01-01,1.5,a\n2024-01-02,2.5,b\n2024-01-03,-3.25,c\n",
        notes=("lines 1 to 3 before the table left out: 'Account 17' ...",),
        quiet=False,
    ),
    _ok(
        "facts above a table of two columns",
        "From,2024-01-01\n" + _PLAIN,
        notes=("line 1 before the table left out: 'From 2024-01-01'",),
        lines=[3, 4, 5],
        quiet=False,
    ),
    _ok("lines to skip set by hand", "a,b\nc,d\n" + _PLAIN, settings={"skip_rows": 2}, lines=[4, 5, 6]),
    _ok("comments", "# made by hand\n# twice\n" + _PLAIN + "# the end\n", lines=[4, 5, 6]),
    _ok(
        "a row of units",
        "date,value\n,MW\n" + _PLAIN[11:],
        notes=("line 2 under the header left out: 'MW'",),
        lines=[3, 4, 5],
        quiet=False,
    ),
    Case(
        "two rows of names",
        "Time,Load,Load\n,DE,FR\n2024-01-01,1,4\n2024-01-02,2,5\n2024-01-03,3,6\n",
        {"target": "Load FR"},
        series={"Load FR": [4, 5, 6]},
        quiet=False,
    ),
    Case(
        "yfinance's three header rows",
        "Price,Close,High,Volume\nTicker,MSFT,MSFT,MSFT\nDate,,,\n2024-01-02,370.9,375.9,25258600\n"
        "2024-01-03,370.6,373.3,23083500\n2024-01-04,367.9,373.1,20901500\n",
        series={"Close": [370.9, 370.6, 367.9]},
        found={"time": "Date"},
        lines=[4, 5, 6],
        quiet=False,
        notes=("lines 2 to 3 under the header left out",),
    ),
    _ok(
        "short rows, as spreadsheets cut them",
        "date,value,note\n2024-01-01,1.5,a\n2024-01-02,2.5\n2024-01-03,-3.25\n",
    ),
    Case(
        "names in a comment",
        "# station 5\n#date,value\n2024-01-01,1.5\n2024-01-02,2.5\n",
        series={"value": [1.5, 2.5]},
        found={"header": "in a comment"},
        lines=[3, 4],
    ),
    Case(
        "the world bank's years",
        "Country Name,Code,2000,2001,2002\nKorea,KOR,1,2,3\nJapan,JPN,2,3,4\n",
        {"target": 2001},
        series={"2001": [2, 3]},
    ),
    Case(
        "a long file whose id nobody names",
        "date,region,load\n2024-01-01,north,1\n2024-01-01,south,4\n2024-01-02,north,2\n2024-01-02,south,5\n"
        "2024-01-03,north,3\n2024-01-03,south,6\n",
        series={"north": [1, 2, 3], "south": [4, 5, 6]},
        found={"id": "region (2 series)"},
    ),
    Case(
        "stores with numbers",
        "Store,Date,Weekly_Sales\n1,2024-01-05,1\n1,2024-01-12,2\n1,2024-01-19,3\n2,2024-01-05,4\n"
        "2,2024-01-12,5\n2,2024-01-19,6\n",
        {"target": "Weekly_Sales"},
        series={"1": [1, 2, 3], "2": [4, 5, 6]},
        found={"id": "Store (2 series)"},
    ),
    Case(
        "several targets",
        "date,a,b\n2024-01-01,1,4\n2024-01-02,2,5\n2024-01-03,3,6\n",
        {"target": ["a", "b"]},
        series={"a": [1, 2, 3], "b": [4, 5, 6]},
    ),
    Case(
        "a long file",
        "store,date,sales\nx,2024-01-01,1\ny,2024-01-01,4\nx,2024-01-02,2\ny,2024-01-02,5\nx,2024-01-03,3\ny,2024-01-03,6\n",
        {"id": "store"},
        series={"x": [1, 2, 3], "y": [4, 5, 6]},
        found={"id": "store (2 series)"},
        lines=[2, 4, 6],
    ),
    Case(
        "a long file whose series two columns name",
        "Store,Dept,Date,Sales\n"
        + "".join(f"{s},{d},2024-01-{i + 1:02d},{s}{i + int(d)}\n" for s in "12" for d in "13" for i in range(3)),
        {"id": ["Store", "Dept"], "target": "Sales"},
        series={"1/1": [11, 12, 13], "1/3": [13, 14, 15], "2/1": [21, 22, 23], "2/3": [23, 24, 25]},
        found={"id": "Store + Dept (4 series)"},
    ),
    Case(
        "a long file whose series two columns name, which nobody says",
        "Store,Dept,Date,Weekly_Sales,IsHoliday\n"
        + "".join(
            f"{s},{d},2024-01-{i + 1:02d},{s + d + i},{i % 2}\n" for s in (1, 2) for d in (1, 3) for i in range(3)
        ),
        {"target": "Weekly_Sales"},
        series={"1/1": [2, 3, 4], "1/3": [4, 5, 6], "2/1": [3, 4, 5], "2/3": [5, 6, 7]},
        found={"id": "Store + Dept (4 series)"},
    ),
    Case(
        "numbers of stores are no target",
        "store_nbr,date,demand_kg\n" + "".join(f"{s},2024-01-0{i},{s * i}\n" for s in (1, 2, 3) for i in (1, 2, 3)),
        series={"1": [1, 2, 3], "2": [2, 4, 6], "3": [3, 6, 9]},
        found={"target": "demand_kg (the only column of numbers)"},
    ),
    Case(
        "a store with few rows beside one with many",
        "store,date,y\n"
        + "".join(f"1,2024-01-{day:02d},{day % 4}\n" for day in range(1, 21))
        + "".join(f"2,2024-01-{day:02d},{day % 3}\n" for day in range(18, 22)),
        series={"1": [day % 4 for day in range(1, 21)], "2": [day % 3 for day in range(18, 22)]},
        found={"id": "store (2 series)"},
    ),
    Case(
        "two columns whose names would run into one",
        "a,b,date,y\nx/y,z,2024-01-01,1\nx,y/z,2024-01-01,2\n",
        {"id": ["a", "b"]},
        error=("two series of `data.id` would both be called 'x/y/z'",),
    ),
    Case(
        "a long file with several targets",
        "id,ds,a,b\n1,2024-01-01,1,10\n2,2024-01-01,4,40\n1,2024-01-02,2,20\n2,2024-01-02,5,50\n",
        {"id": "id", "target": ["a", "b"]},
        series={"1/a": [1, 2], "2/a": [4, 5], "1/b": [10, 20], "2/b": [40, 50]},
    ),
    Case(
        "the ecosystem's names, with step numbers",
        "unique_id,ds,y\nH1,1,605\nH1,2,586\nH1,3,580\nH2,1,3124\nH2,2,2990\nH2,3,2862\n",
        series={"H1": [605, 586, 580], "H2": [3124, 2990, 2862]},
        times=[1, 2, 3],
    ),
)
