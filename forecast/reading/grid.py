"""The cells of a table by column, each row with its line in the file.

Text is cut by Arrow where every row is regular, else row by row (`formats` reads what is no text).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from forecast.errors import ForecastError
from forecast.reading.cells import is_data
from forecast.reading.dialect import NAMES, Dialect, find_dialect, find_header, first_lines, head_rows, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.dialect import Header
    from forecast.reading.settings import FileSettings
    from forecast.series.panel import BoolArray, IntArray


_MOST_COLUMNS, _ROWS_TELL = 100_000, 5  # columns that a file may have, and rows of its head that tell
_SAMPLE = 400  # cells of a column by which its kind is detected


@dataclass(frozen=True, eq=False)
class Grid:
    """A table of cells.

    Attributes
    ----------
    names : of the columns, all different
    columns : cells of each column, (row,): trimmed texts, or the types that the file's columns have
    lines : (row,) int64
    ragged : rows with too many cells, which are not among the others: line and what is wrong
    found, notes : as in `RawTable`
    delimiter, encoding : of a text; " " is any run of blanks
    file_column : the column that says from which of several files a row is; "": there is one file
    twins : columns that share a name in the file and differ: "x (1)" and "x (2)", by which they are told apart -> "x"

    """

    names: tuple[str, ...]
    columns: tuple[pa.Array, ...]
    lines: IntArray
    ragged: tuple[tuple[int, str], ...] = ()
    found: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    delimiter: str = ","
    encoding: str = "utf-8"
    file_column: str = ""
    twins: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    @property
    def european(self) -> bool:
        """Whether the file is separated by semicolons, as in countries with decimal commas."""
        return self.delimiter == ";"

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: j for j, name in enumerate(self.names)}

    @cached_property
    def _samples(self) -> dict[str, list[str]]:
        return {}

    def column(self, name: str) -> pa.Array:
        """Return the cells of a column."""
        return self.columns[self._places[name]]

    def sample(self, name: str) -> list[str]:
        """Sample a column's cells that are not empty, as texts."""
        if name not in self._samples:
            most = _SAMPLE if len(self.names) <= 50 else _SAMPLE // 8
            self._samples[name] = some_cells(self.column(name), most)
        return self._samples[name]

    def keep(self, rows: BoolArray) -> Grid:
        """Return some of the rows."""
        if rows.all():
            return self
        kept = pa.array(rows)
        return replace(self, columns=tuple(cells.filter(kept) for cells in self.columns), lines=self.lines[rows])


def cut_text(text: str, settings: FileSettings, name: str) -> Grid:
    """Detect delimiter and header of a text and cut it into columns.

    Raises
    ------
    ForecastError
        The text has no rows, or a quote that is never closed.

    """
    skipped = settings.skip_rows or 0
    text = _after_lines(text, skipped)
    dialect = find_dialect(text, settings)
    if text[:4].lower() == "sep=":
        skipped, text = skipped + 1, _after_lines(text, 1)
    rows = head_rows(text, dialect)
    if not rows:
        raise ForecastError(f"{name!r} holds no rows: expected a table with a time and a value")
    _refuse_open_quote(text, dialect)
    least = min(len(row.cells) for row in rows[-_ROWS_TELL:])
    if least > _MOST_COLUMNS:
        raise ForecastError(
            f"{name!r} has {least:,} columns, at most {_MOST_COLUMNS:,} are read: set `data.delimiter` if they are "
            "none, or give the series below each other (`data.id`)"
        )
    header = find_header(rows, settings.header)
    if header.kind == "none" and dialect.comment and settings.header is None:
        header = _commented(text, dialect, header)
    columns, lines, ragged = _cut(_after_lines(text, header.line - 1), dialect, header.width)
    columns = [_plain_blanks(pc.utf8_trim_whitespace(cells)) for cells in columns]
    names, columns, twins, about = _told_apart(header.names, columns)
    grid = Grid(
        names=names,
        columns=tuple(columns),
        lines=lines + header.line - 1 + skipped,
        ragged=tuple((line + header.line - 1 + skipped, why) for line, why in ragged),
        found=_found(dialect, header),
        notes=(*header.notes, *about),
        delimiter=dialect.delimiter or ",",  # one cell a line has none
        twins=twins,
    )
    return _without_empty(grid)


def _told_apart(
    names: Sequence[str], columns: Sequence[pa.Array]
) -> tuple[tuple[str, ...], list[pa.Array], dict[str, str], tuple[str, ...]]:
    """Number columns of one name, "x (1)", and leave out those that repeat another; also names by number, and notes."""
    places: dict[str, list[int]] = {}
    for j, name in enumerate(names):
        places.setdefault(name, []).append(j)
    new, left_out, twins, notes = list(names), set(), {}, []
    for name, all_of_them in places.items():
        if len(all_of_them) == 1:
            continue
        different = [j for i, j in enumerate(all_of_them) if not any(columns[k] == columns[j] for k in all_of_them[:i])]
        if again := sorted({*all_of_them} - {*different}):
            left_out |= set(again)
            notes.append(f"{name!r} comes {len(again) + 1} times with the same cells: it is read once")
        for number, j in enumerate(different if len(different) > 1 else (), start=1):
            new[j] = _free(f"{name} ({number})", names)
            twins[new[j]] = name
    kept = [j for j in range(len(names)) if j not in left_out]
    return tuple(new[j] for j in kept), [columns[j] for j in kept], twins, tuple(notes)


def _free(name: str, taken: Sequence[str]) -> str:
    return name if name not in taken else _free(f"{name}'", taken)


def _refuse_open_quote(text: str, dialect: Dialect) -> None:
    """Refuse a quote that is never closed: all that follows would be one cell."""
    if not dialect.quote or text.count(dialect.quote) % 2 == 0:
        return
    for row in rows_of(text, dialect):
        last = row
    if any("\n" in cell for cell in last.cells):
        raise ForecastError(
            f"line {last.line} opens a quote ({dialect.quote}) that is never closed: close it, or set `data.quote=none`"
        )


def _commented(text: str, dialect: Dialect, header: Header) -> Header:
    """Take names from the comment right above the rows, if it has as many."""
    above = first_lines(text, header.line - 1).splitlines()
    if not above or not above[-1].lstrip().startswith(dialect.comment):
        return header
    line = above[-1].lstrip().removeprefix(dialect.comment)
    names = [cell for row in rows_of(line, replace(dialect, comment="")) for cell in row.cells]
    if len(names) != header.width or len(set(names)) < len(names) or any(map(is_data, names)):
        return header
    return replace(header, names=tuple(names), kind="in a comment")


def _found(dialect: Dialect, header: Header) -> tuple[tuple[str, str], ...]:
    """Describe dialect and header for the report."""
    facts = [("delimiter", NAMES.get(dialect.delimiter, repr(dialect.delimiter)))]
    if dialect.quote == "'":
        facts.append(("quotes", "single"))
    if header.kind:
        facts.append(("header", header.kind))
    return tuple(facts)


def _after_lines(text: str, count: int) -> str:
    start = 0
    for _ in range(count):
        start = text.find("\n", start) + 1
        if start == 0:
            return ""
    return text[start:]


def _cut(text: str, dialect: Dialect, width: int) -> tuple[list[pa.Array], IntArray, list[tuple[int, str]]]:
    quick = _cut_at_once(text.rstrip("\n "), dialect, width)
    if quick is not None:
        return quick, np.arange(1, len(quick[0]) + 1, dtype=np.int64), []
    return _cut_by_row(text, dialect, width)


def _cut_at_once(text: str, dialect: Dialect, width: int) -> list[pa.Array] | None:
    """Cut a text with Arrow; None where a row is not regular (blank, of another width, a comment, on several lines)."""
    if not text or dialect.delimiter in {" ", ""}:
        return None
    if dialect.comment and f"\n{dialect.comment}" in text:
        return None
    names = [str(j) for j in range(width)]
    quoted = bool(dialect.quote) and dialect.quote in text
    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(text.encode()),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=1 << 23),
            parse_options=arrow_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote if quoted else False,
                ignore_empty_lines=False,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, UnicodeEncodeError):
        return None
    if table.num_rows != text.count("\n") + 1:
        return None
    return [_joined(table.column(j)) for j in range(width)]


def _joined(chunks: pa.ChunkedArray) -> pa.Array:
    return chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)


def _cut_by_row(text: str, dialect: Dialect, width: int) -> tuple[list[pa.Array], IntArray, list[tuple[int, str]]]:
    """Cut with Python's reader: short rows are padded, rows with surplus cells that are not empty are `ragged`."""
    columns: list[list[str]] = [[] for _ in range(width)]
    lines, ragged = [], []
    for row in rows_of(text, dialect):
        if len(row.cells) > width and any(row.cells[width:]):
            shown = (dialect.delimiter or " ").join(row.cells)
            ragged.append((row.line, f"{len(row.cells)} cells where {width} are expected: {shown[:60]!r}"))
            continue
        lines.append(row.line)
        for j, column in enumerate(columns):
            column.append(row.cells[j] if j < len(row.cells) else "")
    return [pa.array(column, pa.string()) for column in columns], np.array(lines, dtype=np.int64), ragged


def _without_empty(grid: Grid) -> Grid:
    """Drop rows without any text, as spreadsheets write them at the end, and columns without name and text."""
    if not len(grid):
        return grid
    empty = np.ones(len(grid), dtype=np.bool_)
    keep = []
    for j, cells in enumerate(grid.columns):
        blank = pc.equal(cells, "").to_numpy(zero_copy_only=False)
        empty &= blank
        if not (blank.all() and grid.names[j] == f"column {j + 1}"):
            keep.append(j)
    columns = tuple(grid.columns[j] for j in keep)
    return replace(grid, names=tuple(grid.names[j] for j in keep), columns=columns).keep(~empty)


def line_list(lines: IntArray, most: int = 20) -> str:
    """Name lines for a message, runs of lines as "7 to 9", at most `most` of them.

    >>> line_list(np.array([3, 7, 8, 9]))
    'lines 3, 7 to 9'
    """
    runs = np.split(lines, np.flatnonzero(np.diff(lines) != 1) + 1)
    shown = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in islice(runs, most)]
    more = f" and {len(runs) - most} more" if len(runs) > most else ""
    return f"line{'' if len(lines) == 1 else 's'} {', '.join(shown)}{more}"


def _plain_blanks(cells: pa.StringArray) -> pa.StringArray:
    """Replace the narrow and non-breaking blanks of other locales by ordinary ones."""
    if pc.all(pc.string_is_ascii(cells)).as_py():
        return cells
    return pc.replace_substring_regex(cells, "[\u00a0\u2009\u202f]", " ")


def some_cells(cells: pa.Array, most: int = _SAMPLE) -> list[str]:
    """Sample cells that are not empty, half from the start of a column and half spread over it, in order."""
    rows: Sequence[int] = range(len(cells))
    if len(cells) > most:
        spread = np.linspace(most // 2, len(cells) - 1, most // 2).astype(np.int64)
        rows = np.unique(np.concatenate([np.arange(most // 2), spread])).tolist()
    chosen = cells.take(pa.array(rows, pa.int64()))
    texts: list[str | None] = pc.cast(chosen, pa.string()).to_pylist()
    return [text for text in texts if text]
