"""Written times taken apart, a column at a time: numbers by the name of the part, and the texts that say a zone.

Cells that differ in nothing but digits, as most columns' do, are cut at the same places; any other column goes through
Arrow's regular expressions, some fifty times as slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.reading.time_forms import MONTHS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from forecast.reading.time_forms import TimeForm
    from forecast.series.panel import BoolArray, IntArray

Parts: TypeAlias = "dict[str, IntArray]"

_TEXTS = frozenset({"offset", "zone"})
_WORDS = frozenset({"name", "ampm", "half"})
_UNREAD = frozenset({"dow", "until"})
_LONGEST = 64


@dataclass(frozen=True, eq=False)
class Cut:
    """A column of written times.

    Attributes
    ----------
    parts : by name, (row,) int64; -1 where a cell lacks the part; `name` as a month, `ampm` and `half` as 0 and 1
    texts : `offset` and `zone` of every row where the form has them, coded: the texts, and which of them (row,)
    fits : (row,) bool, whether the cell has the form

    """

    parts: Parts
    texts: dict[str, tuple[list[str], IntArray]]
    fits: BoolArray


def cut_times(cells: pa.StringArray, form: TimeForm) -> Cut:
    """Take cells apart."""
    return _cut_alike(cells, form) or _cut_any(cells, form)


def _cut_alike(cells: pa.StringArray, form: TimeForm) -> Cut | None:
    """Cut cells that are as long as the first one and differ from it in digits only; None: they are not."""
    first = cells[0].as_py() if len(cells) else None
    match = form.expression.fullmatch(first) if first and first.isascii() else None
    if match is None or len(match.string) > _LONGEST or cells.null_count:
        return None
    letters = _letters(cells, len(match.string))
    if letters is None:
        return None
    like = np.frombuffer(match.string.encode(), dtype=np.uint8)
    spans = {name: match.span(name) for name, text in match.groupdict().items() if text}
    numbers = {name: span for name, span in spans.items() if name not in _TEXTS | _WORDS | _UNREAD}
    digits = _marked(numbers.values(), len(like))
    same = ~digits & ~_marked([spans[name] for name in _UNREAD & spans.keys()], len(like))
    if not (letters[:, same] == like[same]).all() or not ((letters[:, digits] - 48) < 10).all():
        return None
    parts = {name: _number(letters[:, start:end], name) for name, (start, end) in numbers.items()}
    parts |= {name: np.full(len(cells), _word(name, match[name])) for name in _WORDS & spans.keys()}
    first_one = np.zeros(len(cells), dtype=np.int64)
    texts = {name: ([match[name] or ""], first_one) for name in _TEXTS & form.groups}
    return Cut(parts, texts, np.ones(len(cells), dtype=np.bool_))


def _marked(spans: Iterable[tuple[int, int]], width: int) -> BoolArray:
    marked = np.zeros(width, dtype=np.bool_)
    for start, end in spans:
        marked[start:end] = True
    return marked


def _letters(cells: pa.StringArray, width: int) -> npt.NDArray[np.uint8] | None:
    """Bytes of all cells, (row, width), if all are that long."""
    _, offsets, data = cells.buffers()
    starts = np.frombuffer(offsets, dtype=np.int32)[cells.offset : cells.offset + len(cells) + 1]
    if not (np.diff(starts) == width).all():
        return None
    return np.frombuffer(data, dtype=np.uint8)[starts[0] : starts[-1]].reshape(len(cells), width)


def _number(digits: npt.NDArray[np.uint8], name: str) -> IntArray:
    number = np.zeros(len(digits), dtype=np.int64)
    for column in digits.T:
        number = number * 10 + (column - 48)
    return number * 10 ** (9 - digits.shape[1]) if name == "fraction" else number


def _cut_any(cells: pa.StringArray, form: TimeForm) -> Cut:
    found = pc.extract_regex(cells, f"^(?:{form.pattern})$")
    fits: BoolArray = pc.is_valid(found).to_numpy(zero_copy_only=False)
    parts: Parts = {}
    for name in sorted(form.groups - _TEXTS - _UNREAD):
        column = pc.struct_field(found, name)
        part = _words(column, name) if name in _WORDS else _numbers(column, name)
        if part.max(initial=-1) >= 0:
            parts[name] = part
    texts = {name: _coded(pc.struct_field(found, name)) for name in _TEXTS & form.groups}
    return Cut(parts, texts, fits)


def _coded(column: pa.StringArray) -> tuple[list[str], IntArray]:
    coded = pc.dictionary_encode(pc.fill_null(column, ""))
    which = np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    return coded.dictionary.to_pylist(), which


def _words(column: pa.StringArray, name: str) -> IntArray:
    texts, which = _coded(column)
    return np.array([_word(name, text) for text in texts], dtype=np.int64)[which]


def _numbers(column: pa.StringArray, name: str) -> IntArray:
    empty = pc.equal(column, "")
    if name == "fraction":
        column = pc.utf8_rpad(column, 9, "0")
    column = pc.if_else(empty, None, column)
    return np.asarray(pc.fill_null(pc.cast(column, pa.int64()), -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _word(name: str, text: str | None) -> int:
    """Turn a word into a number: months from 1, halves of the day 0 and 1, -1: nothing."""
    if not text:
        return -1
    if name == "name":
        low = text.lower()
        return next((MONTHS[low[:size]] for size in (4, 3) if low[:size] in MONTHS), -1)
    return int(text[0] in "pP" or text in {"오후", "下午", "午後"})
