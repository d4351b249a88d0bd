"""How a text is cut into cells: delimiter, quotes, comment lines, titles above the table, header rows.

Every delimiter is tried on the first lines; the best is the one under which most lines have the same number of cells
and most cells are data (a number, a time, nothing) instead of torn text. Of the 168 texts in `tests/corpus` that are
readable and leave this open, table and header come out right 168 times; with DuckDB 2.0.1's sniffer 152 times and with
CleverCSV 0.8.5 144 times (both fail on header rows, years as names, decimal commas, runs of blanks).
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from forecast.errors import ForecastError
from forecast.reading.cells import is_data, is_missing, is_number
from forecast.reading.time_forms import is_time, names_time
from forecast.reading.vocabulary import TIME, is_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from forecast.reading.settings import FileSettings


NAMES = {"\t": "tab", ";": "semicolon", "|": "pipe", ",": "comma", " ": "space", "": "none"}
_BY_NAME = {name: mark for mark, name in NAMES.items()} | {"\\t": "\t", "whitespace": " ", "blank": " "}
_COMMENTS = ("#", "%", "//")
_SCORED_LINES = 80  # lines, and at most so many cells, on which a delimiter is scored
_SCORED_CELLS = 2000
_TORN = 0.6  # what a delimiter loses under which the first row has fewer or more cells
_TWO = 2  # columns, of which a header has both names
_MOST_HEADERS, _MOST_FACTS = 5, 20  # header rows, and rows with facts above or among them
_FORMAT_CODE = re.compile(r"\d{1,3}[sdn]")
"""Below the names of a table as USGS writes it (RDB): 15s is a text of 15 letters."""
_YEAR_ALONE = re.compile(r"(?:1[6-9]|2[01])\d\d", re.ASCII)
_MOST_CELLS = 8000  # cells looked at to tell columns of data
_MOST_UNITS = 2  # rows of units below names that stand under wider facts
_FEWEST_YEARS = 3  # in order, that may be names without being consecutive
_FEWEST_TIMES, _TIMES_OVER = 2, 10  # columns called by times, and rows below them, that show a header of times


@dataclass(frozen=True)
class Dialect:
    """Delimiter (" ": any run of blanks, "": one cell per line), quote and start of comment lines ("": none)."""

    delimiter: str
    quote: str = '"'
    comment: str = ""


class Row(NamedTuple):
    """The stripped cells of one row, and the line of the file on which it starts, counted from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """Names of columns, `line` where the data begin, `width` of a row in cells, `kind` in words ("": one plain row)."""

    names: tuple[str, ...]
    line: int
    width: int
    kind: str
    notes: tuple[str, ...]


def find_dialect(text: str, settings: FileSettings) -> Dialect:
    """Detect what the settings leave open.

    Raises
    ------
    ForecastError
        `data.delimiter` is neither one character nor a known name.

    """
    head = first_lines(text, _SCORED_LINES)
    comment = settings.comment or next((mark for mark in _COMMENTS if head.lstrip().startswith(mark)), "")
    declared = re.match(r"sep=(.)\n", head, re.IGNORECASE)
    if settings.delimiter is not None:
        candidates = [_named(settings.delimiter)]
    elif declared:
        candidates = [declared[1]]
    else:
        # Where each line has as many tabs, blanks group digits or stand between words.
        unlikely = {" "} if _same_in_each_line(head, "\t") else set()
        candidates = [mark for mark in NAMES if (mark != settings.decimal or '"' in head) and mark not in unlikely]
    quote = '"' if settings.quote is None else settings.quote.replace("none", "")
    tried = [Dialect(mark, quote if mark != quote else "", comment) for mark in candidates]
    if settings.quote is None and _single_quoted(head):
        tried = [Dialect(mark, "'", comment) for mark in candidates]
    return max(tried, key=lambda dialect: _score(head, dialect))


def _same_in_each_line(head: str, mark: str) -> bool:
    """Whether each line that is not blank has a mark, and as often, but for titles and notes, which have none."""
    counts = Counter(line.count(mark) for line in head.splitlines() if line.strip())
    without = counts.pop(0, 0)
    return len(counts) == 1 and counts.total() > without


def _named(delimiter: str) -> str:
    mark = _BY_NAME.get(delimiter.lower(), delimiter)
    if len(mark) > 1 or mark in {'"', "\n", "\r"}:
        raise ForecastError(
            f"`data.delimiter` should be one character or one of comma, semicolon, tab, pipe, space, none, "
            f"found {delimiter!r}"
        )
    return mark


def _single_quoted(head: str) -> bool:
    cells = re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|]|$)", head, re.MULTILINE)
    return '"' not in head and len(cells) >= max(2, head.count("'") // 2)


def _score(head: str, dialect: Dialect) -> float:
    """Share of lines with the usual number of cells, times the share of cells that are data or missing."""
    rows = list(rows_of(head, dialect))
    width, count = _usual_width(rows)
    if width < 2 and dialect.delimiter:
        return 0.0
    table = [row.cells for row in rows if len(row.cells) == width]
    table = table[: max(6, _SCORED_CELLS // max(width, 1))]
    cells = [cell for row in table[1:] or table for cell in row]
    known = sum(is_missing(cell) or is_data(cell) or is_number(cell) for cell in cells)
    # A row above the data that is narrower by more than a name: the mark that was tried cuts numbers or dates in two.
    place = next((i for i, row in enumerate(rows) if len(row.cells) == width), 0)
    above = len(rows[place - 1].cells) if place and any(map(is_data, rows[place].cells)) else width
    torn = _TORN if above != width and (above != width - 1 or width == _TWO) else 1.0
    # A table of texts has a delimiter too: a constant number of cells alone counts for a little.
    return torn * count / max(len(rows), 1) * (0.05 + known / max(len(cells), 1))


def _usual_width(rows: Iterable[Row]) -> tuple[int, int]:
    """Return the most frequent number of cells in a row (of equals the largest), and how often it occurs.

    Rows of one cell are titles and notes, of which a short table has more than rows.
    """
    widths = Counter(len(row.cells) for row in rows)
    if any(count > 1 for width, count in widths.items() if width > 1):
        del widths[1]
    return max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))


def rows_of(text: str, dialect: Dialect, first_line: int = 1) -> Iterator[Row]:
    """Cut a text into rows, without blank lines and comments."""
    current, start = first_line - 1, 0  # line that was read last, and on which the row starts

    def lines() -> Iterator[str]:
        nonlocal current, start
        for line in io.StringIO(text, newline="\n"):
            current += 1
            if dialect.comment and line.lstrip().startswith(dialect.comment):
                continue
            start = start or current
            yield re.sub(r"[ \t]+", " ", line.strip(" \t")) if dialect.delimiter == " " else line

    csv.field_size_limit(1 << 30)
    reader = csv.reader(
        lines(),
        delimiter=dialect.delimiter or "\x1f",
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )
    for row in reader:
        cells = tuple(map(str.strip, row))
        if any(cells):
            yield Row(start, cells)
        start = 0


def first_lines(text: str, count: int) -> str:
    """Return the first lines of a text without reading the rest, which may be long."""
    end = 0
    for _ in range(count):
        end = text.find("\n", end) + 1
        if end == 0:
            return text
    return text[:end]


def find_header(rows: Sequence[Row], given: bool | None) -> Header:
    """Find the header in the first rows of a file; `given`: whether there is one, None: detect it."""
    rows = [row for row in rows if not all(map(_FORMAT_CODE.fullmatch, row.cells))]
    width, _ = _usual_width(rows)
    start = _table_start(rows, width)
    notes: tuple[str, ...] = (_left_out("before the table", rows[:start]),) if start else ()
    table = rows[start:]
    headers = _header_rows(table, width)
    if given is not None:
        headers = max(headers, 1) if given else 0
    kind = {0: "none", 1: ""}.get(headers, f"{headers} rows")
    if headers == 1 and all(is_data(cell) or is_missing(cell) for cell in table[0].cells):
        kind = "numbers"
    full = [row.cells for row in table[headers:] if len(row.cells) == width]
    ends_filled = any(cells[-1] for cells in full)  # else each line ends with a delimiter
    if headers and ends_filled and full:
        _refuse_torn(table[0].cells, full[0])
    above = [row.cells for row in table[:headers]]
    names = _names(above, width, shift=ends_filled)
    joined = names[1:] != _names(above[:1], width, shift=ends_filled)[1:]  # the second row is in the names
    if extra := table[1 + joined : headers]:
        notes += (_left_out("under the header", extra),)
    line = table[headers].line if headers < len(table) else table[-1].line + 1
    return Header(names, line, width, kind, notes)


def _left_out(where: str, rows: Sequence[Row]) -> str:
    shown = " ".join(cell for cell in rows[0].cells if cell)
    lines = f"line {rows[0].line}" if len(rows) == 1 else f"lines {rows[0].line} to {rows[-1].line}"
    return f"{lines} {where} left out: {shown[:60]!r}{' ...' if len(rows) > 1 else ''}"


def _table_start(rows: Sequence[Row], width: int) -> int:
    """Index of the first row of the table: titles above it have fewer cells, or only the first one filled."""
    if header := _header_under_facts(rows, width) or _header_apart(rows, width):
        return header
    for i, row in enumerate(rows):
        below = rows[i + 1].cells if i + 1 < len(rows) else ()
        short_header = len(row.cells) == width - 1 and len(below) == width
        if width == 2 and short_header:
            # A line without a delimiter: a title, unless it stands alone and the data follow at once.
            if i == 0 and rows[1].line == row.line + 1 and any(map(is_data, below)):
                return i
            continue
        if len(row.cells) < width and not short_header:
            continue
        if width < 2 or not _is_padded_title(row) or (below and not _ends_in_table(rows[i + 1 :])):
            return i
    return 0


def _header_under_facts(rows: Sequence[Row], width: int) -> int:
    """Index of a header below lines such as "Account;DE12;;", as banks and instruments write them; 0: there is none."""
    first = next((i for i, row in enumerate(rows) if is_time(row.cells[0])), 0)
    table = [row for row in rows[first:] if len(row.cells) == width]
    if width < 2 or first < 2 or not table or not all(is_time(row.cells[0]) for row in table[:_TIMES_OVER]):
        return 0
    usual = Counter(sum(map(bool, row.cells)) for row in table).most_common(1)[0][0]
    above = rows[:first]
    header = next((i for i, row in enumerate(above) if _names_columns(row, usual)), 0)
    with_values = any(any(map(is_data, row.cells)) for row in above[:header])
    fewer = all(sum(map(bool, row.cells)) <= min(2, usual - 1 + with_values) for row in above[:header])
    if header and _are_groups(above[header - 1].cells, above[header].cells):
        header -= 1
    return header if fewer and (with_values or usual > 2) else 0


def _header_apart(rows: Sequence[Row], width: int) -> int:
    """Index of a row of names below facts of another width, or of a blank line, and above data; 0: there is none."""
    for i in range(1, min(_MOST_FACTS, len(rows) // 2)):
        names, above = rows[i].cells, rows[:i]
        if len(names) != width or width < _TWO or not all(names) or any(map(is_data, names)):
            continue
        wider = all(len(row.cells) > width for row in above)
        units = _MOST_UNITS if wider and width > _TWO else 0
        below = next((row for row in rows[i + 1 : i + 2 + units] if any(map(is_data, row.cells))), None)
        apart = wider or rows[i].line > above[-1].line + 1
        if apart and below and len(below.cells) == width and not any(is_time(row.cells[0]) for row in above):
            return i
    return 0


def _are_groups(upper: Sequence[str], lower: Sequence[str]) -> bool:
    """Whether a row names groups of columns, ",North,,South,", over names that are the same in each group."""
    names = [name for name in lower[1:] if name]
    groups = sum(map(bool, upper[1:]))
    data = any(is_data(cell) and not _YEAR_ALONE.fullmatch(cell) for cell in upper)
    return len(set(names)) < len(names) and 1 < groups < len(names) and not data


def _names_columns(row: Row, least: int) -> bool:
    return sum(map(bool, row.cells)) >= least and not any(map(is_data, row.cells))


def _is_padded_title(row: Row) -> bool:
    """Whether only the first cell is filled, as spreadsheets write a line above a table."""
    return bool(row.cells[0]) and not any(row.cells[1:]) and not is_data(row.cells[0])


def _ends_in_table(rows: Sequence[Row]) -> bool:
    """Whether further titles are followed by a row of several cells: a table of one filled column has none."""
    after = next((row for row in rows if not _is_padded_title(row)), None)
    return after is not None and sum(map(bool, after.cells)) > 1


def _header_rows(table: Sequence[Row], width: int) -> int:
    """Count the rows above the data that hold no data where columns do."""
    data = _data_columns(table[1 : max(20, _MOST_CELLS // max(width, 1))] or table, width)
    if not data or len(table) == 1:
        return int(not any(is_data(cell) for cell in table[0].cells))
    count = int(_years_over_names(table, data))
    while count < min(_MOST_HEADERS, len(table) - 1) and (
        _is_header(table[count].cells, data) or (count == 0 and _names_like_numbers(table, data))
    ):
        if count and _YEAR_ALONE.fullmatch("".join(table[count].cells)):
            break  # it is that of the rows below
        count += 1
    if count == 1 and _holds_units(table, data):
        count += 1
    if count > 1 and data[0] == 0:  # facts of a source, of which one may be a date: "Released;30.06.2024"
        below = enumerate(table[:_MOST_FACTS])
        count = next((i for i, row in below if i >= count and is_data(row.cells[0])), count)
    return count or int(_numbers_as_names(table, data) or _times_as_names(table, data))


def _names_like_numbers(table: Sequence[Row], data: Sequence[int]) -> bool:
    """Whether the first row names a time and what looks like numbers, "Date,1 USD,100 JPY" or codes "2_00060"."""
    first, below = table[0].cells, [row.cells for row in table[1:_TIMES_OVER]]
    named = [j for j in data if j < len(first) and not is_missing(first[j]) and not is_data(first[j])]
    over_data = any(all(is_data(cells[j]) for cells in below if j < len(cells) and cells[j]) for j in named)
    return over_data and not any(re.fullmatch(r"[\W\d]*\d[\W\d]*", cell) for cell in first)


def _years_over_names(table: Sequence[Row], data: Sequence[int]) -> bool:
    """Whether the first row holds years of several columns each, "2018,,2019,,", over names, "H1,H2,H1,H2"."""
    years = [cell for j in data if j < len(table[0].cells) and (cell := table[0].cells[j])]
    several = 0 < len({*years}) < len(data) and all(map(_YEAR_ALONE.fullmatch, years))
    return several and len(table) > _TWO and _is_header(table[1].cells, data)


def _data_columns(rows: Sequence[Row], width: int) -> list[int]:
    """Columns most of whose cells are numbers or times."""
    columns = []
    for j in range(width):
        cells = [row.cells[j] for row in rows if j < len(row.cells) and not is_missing(row.cells[j])]
        if cells and sum(is_data(cell) or is_number(cell) for cell in cells) >= 0.5 * len(cells):
            columns.append(j)
    return columns


def _is_header(cells: Sequence[str], data: Sequence[int]) -> bool:
    above = [cells[j] for j in data if j < len(cells)]
    return any(cells) and not any(is_data(cell) for cell in above) and any(cell for cell in cells)


def _holds_units(table: Sequence[Row], data: Sequence[int]) -> bool:
    """Whether the row under the names says in what they are counted, "1000 EUR", beside no time."""
    units, below = table[1].cells, [row.cells for row in table[2:_TIMES_OVER]]
    times = [j for j in data if below and all(j < len(cells) and is_time(cells[j]) for cells in below)]
    filled = [units[j] for j in data if j < len(units) and units[j]]
    return bool(times and filled) and all(re.search(r"[^\W\d]|[%€$]", cell) and not is_time(cell) for cell in filled)


def _numbers_as_names(table: Sequence[Row], data: Sequence[int]) -> bool:
    """Whether the first row holds numbers that are names: years, or 0, 1, 2, ... as pandas writes for want of names."""
    first, second = table[0].cells, table[1].cells
    above = [first[j] for j in data if j < len(first)]
    numbers = [cell for cell in above if re.fullmatch(r"\d{1,4}", cell)]
    texts = [cell for cell in above if not is_data(cell)]
    if not numbers or len(numbers) + len(texts) < len(above):
        return False
    counting = _count_on(numbers)
    if texts and (counting or all(len(number) == 4 for number in numbers)):
        return True
    if len(numbers) == 1:
        column = [row.cells[data[0]] for row in table[1:] if data[0] < len(row.cells)]
        return numbers == ["0"] and all("." in cell for cell in column)
    below = [second[j] for j in data if j < len(second)]
    years = all(map(_YEAR_ALONE.fullmatch, numbers))
    return counting and (not _count_on(below) or (years and not all(len(cell) == 4 for cell in below)))


def _times_as_names(table: Sequence[Row], data: Sequence[int]) -> bool:
    """Whether the first row holds times above numbers: each column is a step of the series that its rows are."""
    first = table[0].cells
    above = [j for j in data if j < len(first) and names_time(first[j])]
    others = [first[j] for j in data if j < len(first) and not names_time(first[j])]
    if len(above) < _FEWEST_TIMES or any(is_data(cell) for cell in others):
        return False
    below = [row.cells[j] for row in table[1:_TIMES_OVER] for j in above if j < len(row.cells)]
    return not any(map(names_time, below))


def _count_on(cells: Sequence[str]) -> bool:
    """Whether cells are whole numbers one after the other, or years of which some are left out."""
    if len(cells) >= _FEWEST_YEARS and all(map(_YEAR_ALONE.fullmatch, cells)):
        return list(cells) in (sorted({*cells}), sorted({*cells}, reverse=True))
    if not all(re.fullmatch(r"\d{1,4}", cell) for cell in cells):
        return False
    steps = {int(b) - int(a) for a, b in pairwise(cells)}
    return steps in ({1}, {-1}) or (not steps and cells == ["0"])


def _refuse_torn(names: Sequence[str], cells: Sequence[str]) -> None:
    """Refuse rows with one cell more than there are names, if the first name fits the first cell: decimal commas."""
    if len(names) == len(cells) - 1 and is_named(names[0], TIME) and is_data(cells[0]) and not is_number(cells[0]):
        raise ForecastError(
            f"rows have {len(cells)} cells, the header {len(names)} names ({', '.join(names[:5])}): if commas are "
            f"decimal, they have to be in quotes or cells separated by something else; else correct the header"
        )


def _names(headers: Sequence[Sequence[str]], width: int, *, shift: bool) -> tuple[str, ...]:
    """Names of all columns, of which some may be the same."""
    if not headers:
        return tuple(f"column {j + 1}" for j in range(width))
    padded = [_padded(row, width, shift=shift) for row in headers]
    first, last = padded[0], padded[-1]
    filled = [name for name in first if name]
    if len(padded) > 1 and _are_groups(first, padded[1]):
        first = _joined([first[0], *_groups_of(first[1:])], padded[1])
    elif len(padded) > 1 and len(set(filled)) < len(filled):
        first = _joined(first, padded[1])
    if 1 < len(padded) <= _MOST_HEADERS and last[0] and not any(last[1:]):
        # The name of the index, as pandas writes it under several header rows.
        first = [last[0], *first[1:]]
    return tuple(name or f"column {j + 1}" for j, name in enumerate(first))


def _groups_of(names: Sequence[str]) -> list[str]:
    """Repeat the name of a group over its columns, of which the first alone has it."""
    groups: list[str] = []
    for name in names:
        groups.append(name or (groups[-1] if groups else ""))
    return groups


def _padded(row: Sequence[str], width: int, *, shift: bool) -> list[str]:
    cells = [unicodedata.normalize("NFC", re.sub(r"\s+", " ", cell)).strip() for cell in row]
    # One name less than cells: the row names have no header, as R writes tables.
    return ["", *cells] if shift and len(cells) == width - 1 else (cells + [""] * width)[:width]


def _joined(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    return [a if a == b else f"{a} {b}".strip() for a, b in zip(upper, lower, strict=True)]
