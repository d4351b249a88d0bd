"""How the lines of a text are cut into cells: delimiter, quotes, comment lines.

Every delimiter is tried on the first lines; the one wins under which most lines have the same number of cells and most
cells are something (a number, a time, nothing) instead of torn text.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.reading.cells import is_data, is_missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from forecast.reading.csv_settings import CsvSettings

NAMES = {"\t": "tab", ";": "semicolon", "|": "pipe", ",": "comma", " ": "space", "": "none"}
_BY_NAME = {name: mark for mark, name in NAMES.items()} | {"\\t": "\t", "whitespace": " ", "blank": " "}
_COMMENTS = ("#", "%", "//")
_HEAD_LINES = 400
_SCORED_LINES = 80
_SCORED_CELLS = 2000


@dataclass(frozen=True)
class Dialect:
    """`delimiter` " " means any run of blanks, "" one cell a line; `quote` and `comment` "" mean none."""

    delimiter: str
    quote: str = '"'
    comment: str = ""


@dataclass(frozen=True)
class Row:
    """The cells of one row, stripped, and the line of the file that it begins on, counted from 1."""

    line: int
    cells: tuple[str, ...]


def rows_of(text: str, dialect: Dialect, first_line: int = 1) -> Iterator[Row]:
    """Cut a text into rows, blank lines and comments left out."""
    at, begun = first_line - 1, 0

    def lines() -> Iterator[str]:
        nonlocal at, begun
        for line in io.StringIO(text, newline="\n"):
            at += 1
            if dialect.comment and line.lstrip().startswith(dialect.comment):
                continue
            begun = begun or at
            yield re.sub(r"[ \t]+", " ", line.strip(" \t")) if dialect.delimiter == " " else line

    csv.field_size_limit(1 << 30)
    reader = csv.reader(
        lines(),
        delimiter=dialect.delimiter or "\x1f",
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )
    for cells in reader:
        if any(cell and not cell.isspace() for cell in cells):
            yield Row(begun, tuple(cell.strip() for cell in cells))
        begun = 0


def head_rows(text: str, dialect: Dialect) -> list[Row]:
    """Return the first rows of a text."""
    return list(rows_of(first_lines(text, _HEAD_LINES), dialect))


def first_lines(text: str, count: int) -> str:
    """Return so many lines of a text without touching the rest, which may be long."""
    at = 0
    for _ in range(count):
        at = text.find("\n", at) + 1
        if at == 0:
            return text
    return text[:at]


def find_dialect(text: str, settings: CsvSettings) -> Dialect:
    """Find what was not said by hand.

    Raises
    ------
    ForecastError
        A delimiter that is neither one character nor a known name.

    """
    head = first_lines(text, _SCORED_LINES)
    comment = settings.comment or next((mark for mark in _COMMENTS if head.lstrip().startswith(mark)), "")
    declared = re.match(r"sep=(.)\n", head, re.IGNORECASE)
    if settings.delimiter is not None:
        candidates = [_named(settings.delimiter)]
    elif declared:
        candidates = [declared[1]]
    else:
        candidates = [mark for mark in NAMES if mark != settings.decimal or '"' in head]
    quote = '"' if settings.quote is None else settings.quote.replace("none", "")
    tried = [Dialect(mark, quote if mark != quote else "", comment) for mark in candidates]
    if settings.quote is None and _single_quoted(head):
        tried = [Dialect(mark, "'", comment) for mark in candidates]
    return max(tried, key=lambda dialect: _score(head, dialect))


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
    """Share of lines with the usual number of cells, times the share of cells that are something."""
    rows = list(rows_of(head, dialect))
    width, count = usual_width(rows)
    if width < 2 and dialect.delimiter:
        return 0.0
    table = [row.cells for row in rows if len(row.cells) == width]
    table = table[: max(6, _SCORED_CELLS // max(width, 1))]
    cells = [cell for row in table[1:] or table for cell in row]
    some = sum(is_missing(cell) or is_data(cell) for cell in cells)
    # A table of texts has its delimiter too: consistency alone counts for a little.
    return count / max(len(rows), 1) * (0.05 + some / max(len(cells), 1))


def usual_width(rows: Iterable[Row]) -> tuple[int, int]:
    """Return the most frequent number of cells in a row, the larger one of equals, and how often it occurs."""
    widths = Counter(len(row.cells) for row in rows)
    return max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
