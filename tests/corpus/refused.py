"""Files that must be refused in one clear line, and rows that are left out only when somebody says so."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

from corpus.case import Case

_BAD = "date,value\n2024-01-01,1\n2024-01-02,abc\nlater,9\n2024-01-03,3\n2024-01-04,4\n"


def _workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return buffer.getvalue()


def _two_tables() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "y")
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"), io.BytesIO())
    return buffer.getvalue()


REFUSED = (
    Case(
        "days of months that the header names",
        "Day,Jan 2024,Feb 2024,Mar 2024,Apr 2024\n" + "".join(f"{d},{d},{d + 1},{d % 5},9\n" for d in range(1, 29)),
        error=("'Day' holds days of the months in the header ('Jan 2024', ...)", "data.layout=rows"),
    ),
    Case("empty", "", error=("is empty",)),
    Case("blanks", "\n  \n\n", error=("nothing but blanks",)),
    Case("a header alone", "date,value\n", error=("no rows below",)),
    Case("binary", bytes(range(256)) * 8, error=("binary",)),
    Case("a picture", b"\x89PNG\r\n\x1a\n\x00\x00", error=("is a picture, no table",)),
    Case("excel", _workbook(), error=("cannot be read as a workbook", "save the table as CSV"), suffix=".xlsx"),
    Case(
        "old excel",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
        error=("cannot be read as a workbook",),
        suffix=".xls",
    ),
    Case("a web page", "<!DOCTYPE html><html><body>404</body></html>", error=("web page",)),
    Case(
        "a quote that is never closed",
        'date,value\n2024-01-01,1\n2024-01-02,"2\n2024-01-03,3\n',
        error=("line 3 opens a quote", "data.quote=none"),
    ),
    Case(
        "times of the day without a date",
        "time,value\n08:00,1\n09:00,2\n10:00,4\n",
        error=("'time' should hold times, but '08:00' is a time of day without a date",),
    ),
    Case(
        "a time that nobody knows",
        "date,value\nfirst 1,1\nsecond 2,2\n",
        error=("'first 1' is no known time", "data.time=none"),
    ),
    Case("json without a table", '{"date": "2024-01-01", "value": [[1]]}', error=("JSON without a table",)),
    Case("damaged json", '{"date": ["2024-01-01"], "value": [1}', error=("looks like JSON and is damaged", "line 1")),
    Case("gzip cut off", gzip.compress(b"date,value\n2024-01-01,1\n" * 99)[:-9], error=("cannot be unpacked as gzip",)),
    Case("two tables in a zip", _two_tables(), error=("should hold one table", "'a.csv', 'b.csv'")),
    Case("gzip of nothing", gzip.compress(b""), error=("holds an empty file",)),
    Case("gzip of a tar archive", gzip.compress(_tar()), error=("is a tar archive: unpack it first",)),
    Case(
        "gzip of a database",
        gzip.compress(b"SQLite format 3" + bytes(40)),
        error=("holds a SQLite database, which is read in place: unpack it first",),
    ),
    Case("comments alone", "# a\n# b\n", error=("holds no rows: expected a table with a time and a value",)),
    Case(
        "several columns without brackets",
        "date,y,Promo,Holiday\n2024-01-01,1,0,1\n2024-01-02,2,1,0\n2024-01-03,4,0,0\n",
        {"target": "y", "future": "Promo,Holiday"},
        error=("'Promo,Holiday' is no column, its parts are: set `data.future=[Promo,Holiday]`",),
    ),
    Case(
        "columns of symbols where there are times alone",
        "date\n2024-01-01\n2024-01-02\n",
        {"symbols": True, "layout": "columns", "time": "date"},
        error=("no column is left that could hold symbols",),
    ),
    Case(
        "series that never change",
        "shop,date,y\n" + "".join(f"{shop},2024-01-0{day},{shop}\n" for shop in "12" for day in (1, 2, 3)),
        {"id": "shop", "target": "y"},
        error=("all 2 series of", "are constant: there is nothing to forecast"),
    ),
    Case(
        "a covariate without any value",
        "date,y,note\n2024-01-01,1,\n2024-01-02,3,\n2024-01-03,2,\n",
        {"target": "y", "past": "note"},
        error=("column 'note' of", "found nothing: leave it out of `data.past`"),
    ),
    Case("parquet cut off", b"PAR1" + bytes(40) + b"PAR1", error=("cannot be read as Parquet",)),
    Case("damaged utf-8", ("날짜,값\n" * 20).encode() + b"\xff,1\n", error=("UTF-8 but for 1", "line 21")),
    Case(
        "an encoding that does not fit",
        "날짜,값\n2024-01-01,1\n".encode("cp949"),
        {"encoding": "utf-8"},
        error=("is not utf-8 at line 1",),
    ),
    Case("an unknown encoding", "a\n1\n", {"encoding": "utf8000"}, error=("`data.encoding` 'utf8000' is not known",)),
    Case("an unknown delimiter", "a\n1\n", {"delimiter": "comm"}, error=("`data.delimiter`", "'comm'")),
    Case("no numbers", "date,name\n2024-01-01,ab\n2024-01-02,cd\n", error=("no column of numbers", "'date', 'name'")),
    Case(
        "two candidates",
        "date,north,south\n2024-01-01,1,4\n2024-01-02,2,5\n",
        error=("which column is to be forecast", "'north', 'south'", "data.target=north"),
    ),
    Case(
        "a misspelt target",
        "date,Close,Open\n2024-01-01,1,4\n2024-01-02,2,5\n",
        {"target": "Clsoe"},
        error=("`data.target` 'Clsoe' is no column", "did you mean 'Close'?"),
    ),
    Case(
        "a misspelt id",
        "shop,date,y\na,2024-01-01,1\na,2024-01-02,2\n",
        {"id": "shpo"},
        error=("`data.id` 'shpo'", "did you mean 'shop'?"),
    ),
    Case(
        "a time column without times",
        "date,name,value\n2024-01-01,ab,1\n2024-01-02,cd,2\n",
        {"time": "name"},
        error=("`data.time` 'name' holds no times, found 'ab'", "data.time_format"),
    ),
    Case(
        "a target without numbers",
        "date,name,value\n2024-01-01,ab,1\n2024-01-02,cd,2\n",
        {"target": "name"},
        error=("'name' of", "holds no numbers, found 'ab'"),
    ),
    Case(
        "constant",
        "date,value\n2024-01-01,5\n2024-01-02,5\n2024-01-03,5.0\n",
        error=("'value' of", "always 5 (3 rows)"),
    ),
    Case(
        "infinite",
        "date,value\n2024-01-01,5\n2024-01-02,inf\n2024-01-03,-Infinity\n",
        {"on_bad_rows": "drop"},
        error=("is infinite in lines 3 to 4", "data.missing=[inf,-inf]"),
    ),
    Case("infinite by overflow", "date,value\n2024-01-01,5\n2024-01-02,1e999\n", error=("is infinite in line 3",)),
    Case(
        "bad rows",
        _BAD,
        error=(
            "2 rows that cannot be read",
            "line 3: 'abc' in 'value' is not a number",
            "line 4: 'later' in 'date' is not a time",
            "data.on_bad_rows=drop",
        ),
    ),
    Case(
        "bad rows left out",
        _BAD,
        {"on_bad_rows": "drop"},
        series={"value": [1, 3, 4]},
        lines=[2, 5, 6],
        quiet=False,
        notes=(
            "1 row left out, line 3: 'abc' in 'value' is not a number",
            "1 row left out, line 4: 'later' in 'date' is not a time",
        ),
        panel=None,
    ),
    Case(
        "many bad rows",
        "date,value\n" + "".join(f"2024-01-{i:02d},{i if i < 16 else 'x'}\n" for i in range(1, 29)),
        error=("13 rows", "line 17: 'x'", "in all lines 17 to 29"),
    ),
    Case(
        "too many cells",
        "date,value\n2024-01-01,1\n2024-01-02,2,7\n2024-01-03,3\n",
        error=("line 3: 3 cells where 2 are expected: '2024-01-02,2,7'",),
    ),
    Case(
        "decimal commas that are not quoted",
        "date,value\n2024-01-01,1,5\n2024-01-02,2,7\n2024-01-03,3,1\n",
        error=("rows have 3 cells", "header 2"),
    ),
    Case("an empty time", "date,value\n2024-01-01,1\n,2\n2024-01-03,3\n", error=("line 3: 'date' is empty",)),
    Case(
        "a 30th of february",
        "date,value\n2024-02-28,1\n2024-02-29,2\n2024-02-30,3\n",
        error=("line 4: '2024-02-30' in 'date' is not a time",),
    ),
    Case(
        "two orders of day and month in one column",
        "date,value\n13/01/2024,1\n14/01/2024,2\n01/15/2024,3\n",
        error=("line 4: '01/15/2024'",),
    ),
    Case(
        "an error of a spreadsheet",
        "date,value\n2024-01-01,1\n2024-01-02,#DIV/0!\n2024-01-03,3\n",
        error=("'#DIV/0!' in 'value' is not a number",),
    ),
    Case(
        "a row without an id",
        "id,date,y\na,2024-01-01,1\na,2024-01-02,2\n,2024-01-03,3\n",
        {"id": "id"},
        error=("line 4: 'id' is empty",),
    ),
    Case(
        "a code that is not known",
        "date,value\n2024-01-01,1\n2024-01-02,2\n",
        {"time_format": "%Y-%m-%Q"},
        error=("`data.time_format`", "'%Q'"),
    ),
    Case(
        "a year that nanoseconds cannot reach",
        "date,value\n1500-01-01,1\n1500-01-02,2\n",
        {"time": "date"},
        error=("'1500-01-01' in 'date' lies outside 1678-01-01 to 2262-04-11",),
    ),
)
