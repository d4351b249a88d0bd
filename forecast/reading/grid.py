"""The cells of a table by column, each row with its line in the file.

Text is cut by Arrow where every row is regular, else row by row (`formats` reads what is no text).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import Notation, find_notation, is_data, is_missing
from forecast.reading.dialect import NAMES, Dialect, find_dialect, find_header, first_lines, rows_of
from forecast.reading.read_columns import ReadColumn, RegularText, read_at_once, sampled_rows, trimmed
from forecast.wording import name_some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reading.dialect import Header, Row
    from forecast.reading.settings import FileSettings
    from forecast.series.panel import BoolArray, FloatArray, IntArray


_MOST_COLUMNS, _ROWS_TELL = 100_000, 5  # columns that a file may have, and rows of its head that tell
_SAMPLE = 400  # cells of a column by which its kind is detected
_COMPARED = 50  # columns whose notation of numbers is compared
_HEAD_LINES, _HEAD = 400, 1 << 20  # lines in which the header is looked for, and bytes if they are long ...
_FEWEST_HEAD_LINES = 20  # ... but so many lines in any case
_DOTTED = re.compile(r"\d{1,2}\.\s?\d{1,2}\.\s?\d{2,4}\b", re.ASCII)
_BLANKS = b"\n "


@dataclass(frozen=True, eq=False)
class Grid:
    """A table of cells.

    Attributes
    ----------
    names : of the columns, all different
    columns : cells of each column, (row,): trimmed texts, which may have been read already, or the types that the
        file's columns have
    lines : (row,) int64
    ragged : rows with too many cells, which are not among the others: line and what is wrong
    found, notes : as in `RawTable`
    delimiter, encoding : of a text; " " is any run of blanks
    file_column : the column that says from which of several files a row is; "": there is one file
    twins : columns that share a name in the file and differ: "x (1)" and "x (2)", by which they are told apart -> "x"

    """

    names: tuple[str, ...]
    columns: tuple[pa.Array | ReadColumn, ...]
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

    @cached_property
    def _filled(self) -> dict[str, list[str]]:
        return {}

    @cached_property
    def common_notation(self) -> Notation | None:
        """Notation of numbers that the columns prove together; None: none."""
        names = [name for name in self.names if pa.types.is_string(self.kind(name))][:_COMPARED]
        common, guessed = find_notation((cell for name in names for cell in self.sample(name)), self.european)
        return None if guessed else common

    @cached_property
    def has_dotted_dates(self) -> bool:
        """Whether a column holds dates with the day first and points, as in countries with decimal commas."""
        names = [name for name in self.names if pa.types.is_string(self.kind(name))][:_COMPARED]
        return any(cells and all(map(_DOTTED.match, cells)) for cells in map(self.filled, names))

    @cached_property
    def none_bad(self) -> BoolArray:
        """False for each row, (row,), for all columns that have no bad cell."""
        return np.zeros(len(self), dtype=np.bool_)

    def column(self, name: str) -> pa.Array:
        """Return the cells of a column."""
        return _cells(self.columns[self._places[name]])

    def texts(self, name: str) -> pa.StringArray:
        """Return the cells of a column as texts, an empty one where there is no value."""
        return pc.fill_null(pc.cast(self.column(name), pa.string()), "")

    def kind(self, name: str) -> pa.DataType:
        """Return the type of a column's cells."""
        cells = self.columns[self._places[name]]
        return pa.string() if isinstance(cells, ReadColumn) else cells.type

    def numbers(self, name: str) -> FloatArray | None:
        """Numbers of a column whose texts are plain ones, (row,), NaN where there is none; None: not known."""
        cells = self.columns[self._places[name]]
        return cells.numbers if isinstance(cells, ReadColumn) else None

    def moments(self, name: str) -> IntArray | None:
        """Nanoseconds since 1970 of a column whose texts are ISO times without a zone, (row,); None: not known."""
        cells = self.columns[self._places[name]]
        return cells.moments if isinstance(cells, ReadColumn) else None

    def coded(self, name: str) -> pa.DictionaryArray:
        """Return the different texts of a column, and which each row has."""
        cells = self.columns[self._places[name]]
        if isinstance(cells, ReadColumn) and cells.coded is not None:
            return cells.coded
        return pc.dictionary_encode(pc.cast(_cells(cells), pa.string()))

    def sample(self, name: str) -> list[str]:
        """Sample a column's cells that are not empty, as texts."""
        if name not in self._samples:
            most = _SAMPLE if len(self.names) <= 50 else _SAMPLE // 8
            cells = self.columns[self._places[name]]
            if isinstance(cells, ReadColumn):
                sample = cells.sample(most)
                self._samples[name] = sample if all(sample) else [text for text in sample if text]
            else:
                self._samples[name] = some_cells(cells, most)
        return self._samples[name]

    def filled(self, name: str) -> list[str]:
        """Those of a column's sample that are not missing."""
        if name not in self._filled:
            sample = self.sample(name)
            filled = [cell for cell in sample if not is_missing(cell)]
            self._filled[name] = sample if len(filled) == len(sample) else filled
        return self._filled[name]

    def keep(self, rows: BoolArray) -> Grid:
        """Return some of the rows."""
        if rows.all():
            return self
        kept = pa.array(rows)
        return replace(
            self, columns=tuple(_cells(cells).filter(kept) for cells in self.columns), lines=self.lines[rows]
        )


def _cells(cells: pa.Array | ReadColumn) -> pa.Array:
    return cells.texts if isinstance(cells, ReadColumn) else cells


def cut_text(text: bytes, settings: FileSettings, name: str) -> Grid:
    """Detect delimiter and header of a text in UTF-8, with newlines, and cut it into columns.

    Raises
    ------
    ForecastError
        The text has no rows, or a quote that is never closed.

    """
    skipped = settings.skip_rows or 0
    start = _after_lines(text, 0, skipped)
    head = _head(text, start)
    dialect = find_dialect(head, settings)
    if head[:4].lower() == "sep=":
        skipped, start = skipped + 1, _after_lines(text, start, 1)
        head = _head(text, start)
    rows = list(rows_of(head, dialect, skipped + 1))
    if not rows:
        raise ForecastError(f"{name!r} holds no rows: expected a table with a time and a value")
    _refuse_open_quote(text, start, dialect)
    _refuse_many_columns(rows, name)
    header = find_header(rows, settings.header)
    if header.kind == "none" and dialect.comment and settings.header is None:
        header = _commented(first_lines(head, header.line - skipped - 1), dialect, header)
    if header.width == 1 and (inner := _lines_in_quotes(text[start:], rows, dialect)):
        return cut_text(inner, settings.model_copy(update={"skip_rows": 0}), name)
    body = _after_lines(text, start, header.line - skipped - 1)
    below = [row for row in rows if row.line >= header.line]
    columns = _cut_at_once(text, body, dialect, header, below)
    if columns is None:
        columns, lines, ragged = _cut_by_row(_decoded(text[body:]), dialect, header.width, header.line)
    else:
        lines, ragged = np.arange(header.line, header.line + len(columns[0]), dtype=np.int64), []
    names, columns, twins, about = _told_apart(header.names, columns)
    grid = Grid(
        names=names,
        columns=tuple(columns),
        lines=lines,
        ragged=tuple(ragged),
        found=_found(dialect, header),
        notes=(*header.notes, *about),
        delimiter=dialect.delimiter or ",",  # one cell a line has none
        twins=twins,
    )
    return _without_empty(grid)


def _lines_in_quotes(text: bytes, rows: Sequence[Row], dialect: Dialect) -> bytes:
    """Return what stands within the quotes where each line is one cell that holds a row; empty: it does not."""
    if not dialect.quote or not text.lstrip().startswith(dialect.quote.encode()):
        return b""
    if not any(all(mark in row.cells[0] for row in rows) for mark in NAMES if mark.strip()):
        return b""
    return "\n".join(row.cells[0] for row in rows_of(_decoded(text), dialect)).encode()


def _head(text: bytes, start: int) -> str:
    """The lines from a place on by which delimiter and header are found."""
    end = _after_lines(text, start, _HEAD_LINES)
    if end - start > _HEAD:
        end = _after_lines(text, start, _FEWEST_HEAD_LINES)
        end = max(end, text.find(b"\n", start + _HEAD) + 1)
    return _decoded(text[start:end])


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


def _refuse_many_columns(rows: Sequence[Row], name: str) -> None:
    least = min(len(row.cells) for row in rows[-_ROWS_TELL:])
    if least > _MOST_COLUMNS:
        raise ForecastError(
            f"{name!r} has {least:,} columns, at most {_MOST_COLUMNS:,} are read: set `data.delimiter` if they are "
            "none, or give the series below each other (`data.id`)"
        )


def _told_apart(
    names: Sequence[str], columns: Sequence[pa.Array | ReadColumn]
) -> tuple[tuple[str, ...], list[pa.Array | ReadColumn], dict[str, str], tuple[str, ...]]:
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


def _refuse_open_quote(text: bytes, start: int, dialect: Dialect) -> None:
    """Refuse a quote that is never closed: all that follows would be one cell."""
    quote = dialect.quote.encode()
    # To find none is quicker than to count them.
    if not quote or text.find(quote, start) < 0 or text.count(quote, start) % 2 == 0:
        return
    for row in rows_of(_decoded(text[start:]), dialect):
        last = row
    if any("\n" in cell for cell in last.cells):
        raise ForecastError(
            f"line {last.line} opens a quote ({dialect.quote}) that is never closed: close it, or set `data.quote=none`"
        )


def _commented(above: str, dialect: Dialect, header: Header) -> Header:
    """Take names from the comment at the end of what stands above the rows, if it has as many."""
    lines = above.splitlines()
    if not lines or not lines[-1].lstrip().startswith(dialect.comment):
        return header
    line = lines[-1].lstrip().removeprefix(dialect.comment)
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


def _after_lines(text: bytes, start: int, count: int) -> int:
    """Place after so many lines; the end where there are not as many."""
    for _ in range(count):
        start = text.find(b"\n", start) + 1
        if start == 0:
            return len(text)
    return start


def _cut_at_once(
    text: bytes, start: int, dialect: Dialect, header: Header, rows: Sequence[Row]
) -> Sequence[pa.Array | ReadColumn] | None:
    """Cut a text with Arrow; None where a row is not regular (blank, of another width, a comment, on several lines)."""
    end = len(text)
    while end > start and text[end - 1] in _BLANKS:
        end -= 1
    if end == start or dialect.delimiter in {" ", ""}:
        return None
    if dialect.comment and text.find(f"\n{dialect.comment}".encode(), start) >= 0:
        return None
    regular = RegularText(text, start, end, dialect, header.width)
    if len({*header.names}) == header.width:
        read = read_at_once(regular, rows)
        if read is not None:
            return read
    try:
        columns = regular.texts(range(header.width))
    except pa.ArrowInvalid:
        return None
    return columns if len(columns[0]) == regular.rows else None


def _cut_by_row(
    text: str, dialect: Dialect, width: int, line: int
) -> tuple[list[pa.Array], IntArray, list[tuple[int, str]]]:
    """Cut with Python's reader; short rows are padded, rows with surplus cells that are not empty are `ragged`.

    The text begins in a `line` of the file.
    """
    columns: list[list[str]] = [[] for _ in range(width)]
    lines, ragged = [], []
    for row in rows_of(text, dialect, line):
        if len(row.cells) > width and any(row.cells[width:]):
            shown = (dialect.delimiter or " ").join(row.cells)
            ragged.append((row.line, f"{len(row.cells)} cells where {width} are expected: {shown[:60]!r}"))
            continue
        lines.append(row.line)
        for j, column in enumerate(columns):
            column.append(row.cells[j] if j < len(row.cells) else "")
    return [trimmed(pa.array(column, pa.string())) for column in columns], np.array(lines, dtype=np.int64), ragged


def _without_empty(grid: Grid) -> Grid:
    """Drop rows without any text, as spreadsheets write them at the end, and columns without name and text."""
    if not len(grid):
        return grid
    empty = np.ones(len(grid), dtype=np.bool_)
    for cells in grid.columns:
        empty &= may_be_blank(cells)
        if not empty.any():
            break
    else:  # what holds no number may still hold a word for nothing
        for cells in grid.columns:
            empty &= pc.equal(_cells(cells), "").to_numpy(zero_copy_only=False)
    nameless = [j for j, name in enumerate(grid.names) if name == f"column {j + 1}"]
    drop = {j for j in nameless if may_be_blank(grid.columns[j]).all()}
    keep = [j for j in range(len(grid.names)) if j not in drop]
    columns = tuple(grid.columns[j] for j in keep)
    return replace(grid, names=tuple(grid.names[j] for j in keep), columns=columns).keep(~empty)


def may_be_blank(cells: pa.Array | ReadColumn) -> BoolArray:
    """Whether each cell is empty, (row,), as far as it is known; no filled one is called so that holds a number."""
    if isinstance(cells, pa.Array):
        return np.asarray(pc.equal(cells, "").to_numpy(zero_copy_only=False))
    if cells.numbers is not None:
        return np.isnan(cells.numbers)
    if cells.coded is not None:
        blank = np.asarray(pc.equal(cells.coded.dictionary, "").to_numpy(zero_copy_only=False))
        return blank[cells.coded.indices.to_numpy()] if blank.any() else np.zeros(len(cells), dtype=np.bool_)
    if cells.moments is not None:
        return np.zeros(len(cells), dtype=np.bool_)
    return np.asarray(pc.equal(cells.texts, "").to_numpy(zero_copy_only=False))


def line_list(lines: IntArray, most: int = 20) -> str:
    """Name lines for a message, runs of lines as "7 to 9", at most `most` of them.

    >>> line_list(np.array([3, 7, 8, 9]))
    'lines 3, 7 to 9'
    """
    runs = np.split(lines, np.flatnonzero(np.diff(lines) != 1) + 1)
    shown = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in islice(runs, most)]
    return f"line{'' if len(lines) == 1 else 's'} {name_some(shown, len(runs))}"


def some_cells(cells: pa.Array, most: int = _SAMPLE) -> list[str]:
    """Sample cells that are not empty, half from the start of a column and half spread over it, in order."""
    chosen = cells.take(pa.array(sampled_rows(len(cells), most), pa.int64()))
    texts: list[str | None] = pc.cast(chosen, pa.string()).to_pylist()
    return [text for text in texts if text]
