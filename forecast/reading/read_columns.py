"""Columns that Arrow reads as numbers, times or repeated texts while it cuts a regular text (`read_at_once`).

A large file is mostly plain numbers and ISO times. Cutting them into texts first and reading these afterwards takes
several times as long and as much memory as reading them at once. What is read so is what the texts would be read as:
Arrow's readers of numbers and times are those that read texts. Whoever needs the texts gets them, by cutting once more.
"""

from __future__ import annotations

import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from forecast.reading.cells import MISSING, PLAIN_NUMBER
from forecast.reading.time_forms import ISO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from forecast.reading.dialect import Dialect, Row
    from forecast.series.panel import FloatArray, IntArray

_Kind: TypeAlias = Literal["number", "time", "coded", "text"]
_LOOKED_AT = 40  # rows by which the kind of a column is guessed
_TRIES = 4  # guesses that may prove wrong
_FEW_CUTS = 3  # columns that are cut once more one by one; of more all are
_BLOCK, _LARGE_BLOCK = 1 << 20, 1 << 23  # bytes that are read at a time
_LINES_A_BLOCK = 64  # that a block holds at least: each costs something for each of its columns
_PIECE = 1 << 14  # bytes in which the beginning of a row is looked for
_NEWLINE = ord("\n")
_NOTHING = ("", "NA", "N/A", "null", "NULL", "None", "-")
"""The commonest words for nothing. Arrow keeps them once more for each column, some kB: of many columns only two."""
_MANY, _NOTHING_OF_MANY = 500, 2


@dataclass(frozen=True, eq=False)
class RegularText:
    """Bytes `start` to `end` of an UTF-8 text whose lines are rows, each of `width` cells, if it is regular."""

    data: bytes
    start: int
    end: int
    dialect: Dialect
    width: int
    _texts: dict[int, pa.Array] = field(default_factory=dict)
    _samples: dict[int, list[list[str]]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> int:
        """The number of rows."""
        return int(self._begun[-1]) + 1

    def blocks(
        self, types: dict[str, pa.DataType], nothing: Sequence[str] = ("",), size: int = _BLOCK
    ) -> Iterator[pa.Table]:
        """Read the columns of `types`, called by their places, in blocks of some bytes; cells of `nothing` are null.

        Later blocks are cut in threads, as many as there are cores (or `OMP_NUM_THREADS`), while one is looked at.

        Raises
        ------
        pyarrow.ArrowInvalid
            A row has another width, a cell is not of its column's type, or a cell goes on in the next line.

        """
        quote = self.dialect.quote if self.dialect.quote and self._holds(self.dialect.quote) else ""
        parse = arrow_csv.ParseOptions(
            delimiter=self.dialect.delimiter, quote_char=quote or False, ignore_empty_lines=False
        )
        convert = arrow_csv.ConvertOptions(
            column_types=types, strings_can_be_null=False, null_values=list(nothing), include_columns=list(types)
        )
        text, names = pa.py_buffer(self.data), [str(j) for j in range(self.width)]

        def cut(begin: int, end: int) -> pa.Table:
            read = arrow_csv.ReadOptions(column_names=names, block_size=end - begin + 1, use_threads=False)
            return arrow_csv.read_csv(text.slice(begin, end - begin), read, parse, convert)

        # Arrow lets go of the interpreter. Of many columns, whose blocks cost memory and calls, threads gain nothing.
        begin, threads = self.start, 1 if self.width > _MANY else pa.cpu_count()
        with ThreadPoolExecutor(threads) as pool:
            ahead = deque[Future[pa.Table]]()  # blocks that are being cut, first to last
            while begin < self.end:
                end = self._end_of_block(begin, size)
                if quote and self.data.count(quote.encode(), begin, end) % 2:
                    raise pa.ArrowInvalid("a block ends in quotes")
                ahead.append(pool.submit(cut, begin, end))
                begin = end
                if len(ahead) == threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _holds(self, mark: str) -> bool:
        return self.data.find(mark.encode(), self.start, self.end) >= 0

    def _end_of_block(self, begin: int, size: int) -> int:
        """Place after whole lines of about so many bytes; of long lines there are some in any case."""
        line = (self.data.find(b"\n", begin, self.end) + 1 or self.end) - begin
        size = max(size, _LINES_A_BLOCK * line)
        return self.end if begin + size >= self.end else self.data.rindex(b"\n", begin, begin + size) + 1

    def texts(self, places: Sequence[int]) -> list[pa.Array]:
        """Return the trimmed cells of some columns.

        Raises
        ------
        pyarrow.ArrowInvalid
            As `blocks`.

        """
        names = [str(place) for place in places]
        blocks = list(self.blocks(dict.fromkeys(names, pa.string()), size=_LARGE_BLOCK))
        return [trimmed(one_array([chunk for block in blocks for chunk in block.column(j).chunks])) for j in names]

    def text(self, place: int) -> pa.Array:
        """Return the trimmed cells of a column."""
        if place not in self._texts:
            places = [place] if len(self._texts) < _FEW_CUTS else [j for j in range(self.width) if j not in self._texts]
            self._texts.update(zip(places, self.texts(places), strict=True))
        return self._texts[place]

    def sample(self, place: int, most: int) -> list[str]:
        """Return the trimmed cells of a column in the `sampled_rows`."""
        if most not in self._samples:
            self._samples[most] = self._cells_of(list(self._lines(sampled_rows(self.rows, most))))
        return self._samples[most][place]

    def _cells_of(self, lines: Sequence[bytes]) -> list[list[str]]:
        """Return the trimmed cells of some lines, a list for each column."""
        quote = self.dialect.quote.encode()
        if all(line.isascii() and line.decode().isprintable() and not (quote and quote in line) for line in lines):
            rows = ([cell.strip() for cell in line.decode().split(self.dialect.delimiter)] for line in lines)
            return list(map(list, zip(*rows, strict=True)))
        text = b"\n".join(lines)
        few = RegularText(text, 0, len(text), self.dialect, self.width)
        return [cells.to_pylist() for cells in few.texts(range(self.width))]

    @cached_property
    def _begun(self) -> IntArray:
        """Rows that end before each piece of the text, (piece,)."""
        text = np.frombuffer(self.data, np.uint8, self.end - self.start, self.start)
        counts = [np.count_nonzero(text[i : i + _PIECE] == _NEWLINE) for i in range(0, len(text), _PIECE)]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def _lines(self, rows: Sequence[int]) -> Iterator[bytes]:
        """The lines of some rows, in order."""
        last, end = -1, self.start - 1
        for row in rows:
            begin = (end if row == last + 1 else self._end_of(row - 1)) + 1
            end = self.data.find(b"\n", begin, self.end)
            end = self.end if end < 0 else end
            yield self.data[begin:end]
            last = row

    def _end_of(self, row: int) -> int:
        """Place of the newline that ends a row."""
        piece = int(np.searchsorted(self._begun, row, side="right")) - 1
        start = self.start + piece * _PIECE
        inside = np.frombuffer(self.data, np.uint8, min(_PIECE, self.end - start), start)
        return start + int(np.flatnonzero(inside == _NEWLINE)[row - int(self._begun[piece])])


@dataclass(frozen=True, eq=False)
class ReadColumn:
    """A column of texts of which Arrow has read what they say.

    Attributes
    ----------
    numbers : (row,) float64, NaN where there is nothing; None: they are no plain numbers
    moments : (row,) int64, nanoseconds since 1970; None: they are no ISO times without a zone
    coded : the different texts and which each row has; None: not known

    """

    of: RegularText
    place: int
    numbers: FloatArray | None = None
    moments: IntArray | None = None
    coded: pa.DictionaryArray | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.of.rows

    @cached_property
    def texts(self) -> pa.Array:
        """The trimmed cells, (row,)."""
        return self.of.text(self.place) if self.coded is None else self.coded.dictionary_decode()

    def sample(self, most: int) -> list[str]:
        """Return the trimmed cells in the `sampled_rows`."""
        return self.of.sample(self.place, most)


def read_at_once(text: RegularText, rows: Sequence[Row]) -> list[pa.Array | ReadColumn] | None:
    """Read all columns; `rows` are the first, by which their kinds are guessed.

    None: no column holds plain numbers or times, or not every line is a row with its cells.
    """
    cells = [row.cells for row in rows[:_LOOKED_AT] if len(row.cells) == text.width]
    kinds = [_guess(column) for column in zip(*cells, strict=True)]
    for _ in range(_TRIES):
        if not {"number", "time"} & {*kinds}:
            return None
        try:
            return _read(text, kinds)
        except pa.ArrowInvalid as error:
            wrong = re.search(r"CSV column #(\d+)", str(error))
            if wrong is None:
                return None
            kinds[int(wrong[1])] = "text"
    return None


def _guess(cells: Sequence[str]) -> _Kind:
    """Guess the kind of a column by its first cells."""
    filled = [cell for cell in cells if cell.lower() not in MISSING]
    if filled and all(map(PLAIN_NUMBER.fullmatch, filled)):
        return "number"
    if filled and len(filled) == len(cells) and all(map(ISO_TIME.fullmatch, filled)):
        return "time"
    return "coded" if 2 * len(set(cells)) <= len(cells) else "text"


_TYPES: dict[_Kind, pa.DataType] = {
    "number": pa.float64(),
    "time": pa.timestamp("ns"),
    "coded": pa.dictionary(pa.int32(), pa.string()),
    "text": pa.string(),
}


def _read(text: RegularText, kinds: Sequence[_Kind]) -> list[pa.Array | ReadColumn] | None:
    """Read columns of known kinds; None: there are more or fewer rows than lines."""
    places: dict[_Kind, list[int]] = {kind: [j for j, k in enumerate(kinds) if k == kind] for kind in _TYPES}
    numbers = np.empty((len(places["number"]), text.rows))  # (column, row)
    moments = np.empty((len(places["time"]), text.rows), dtype=np.int64)
    parts: dict[int, list[pa.Array]] = {j: [] for j in (*places["coded"], *places["text"])}
    missing, begin = set(), 0
    nothing = _NOTHING[:_NOTHING_OF_MANY] if len(kinds) > _MANY else _NOTHING
    for block in text.blocks({str(j): _TYPES[kind] for j, kind in enumerate(kinds)}, nothing):
        batch = block.to_batches()[0]
        end = begin + batch.num_rows
        if end > text.rows:
            return None
        few = None
        if places["number"]:
            few = batch.select(places["number"]).to_tensor(null_to_nan=True, row_major=False)
            numbers[:, begin:end] = few.to_numpy().T
        for row, j in zip(moments, places["time"], strict=True):
            if batch.column(j).null_count:
                missing.add(j)
            else:
                row[begin:end] = batch.column(j).cast(pa.int64()).to_numpy()
        for j, chunks in parts.items():
            chunks.append(batch.column(j))
        begin = end
        del block, batch, few  # before the next are read
    if begin < text.rows:
        return None
    pa.default_memory_pool().release_unused()
    result: dict[int, pa.Array | ReadColumn] = {
        j: ReadColumn(text, j, numbers=row) for row, j in zip(numbers, places["number"], strict=True)
    }
    for row, j in zip(moments, places["time"], strict=True):
        result[j] = ReadColumn(text, j, moments=None if j in missing else row)
    for j, chunks in parts.items():
        result[j] = _of_texts(text, j, chunks)
    return [result[j] for j in range(text.width)]


def _of_texts(text: RegularText, place: int, chunks: list[pa.Array]) -> pa.Array | ReadColumn:
    """Trim a column of texts; where they are coded, the different ones."""
    if pa.types.is_string(chunks[0].type):
        return trimmed(one_array(chunks))
    coded = one_array(pa.chunked_array(chunks).unify_dictionaries().chunks)
    different = trimmed(coded.dictionary)
    if different != coded.dictionary or coded.null_count:
        return trimmed(coded.dictionary_decode().fill_null(""))
    return ReadColumn(text, place, coded=coded)


def one_array(chunks: list[pa.Array]) -> pa.Array:
    """Join the chunks of a column."""
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)


def trimmed(cells: pa.StringArray) -> pa.StringArray:
    """Trim cells, and replace the narrow and non-breaking blanks of other locales by ordinary ones."""
    cells = pc.utf8_trim_whitespace(cells)
    if pc.all(pc.string_is_ascii(cells)).as_py():
        return cells
    return pc.replace_substring_regex(cells, "[\u00a0\u2009\u202f]", " ")


def sampled_rows(count: int, most: int) -> list[int]:
    """Return at most so many of `count` rows, half from the start and half spread over the rest, in order."""
    if count <= most:
        return list(range(count))
    spread = np.linspace(most // 2, count - 1, most // 2).astype(np.int64)
    rows: list[int] = np.unique(np.concatenate([np.arange(most // 2), spread])).tolist()
    return rows
