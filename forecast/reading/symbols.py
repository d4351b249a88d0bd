"""Symbols: the characters of a text as one series, and the alphabet whose indices are the codes of symbols.

Hangul syllables can be broken into the letters (jamo) that they are composed of. Each of the 11,172 syllables U+AC00 to
U+D7A3 is two or three conjoining jamo (Unicode, section 3.12; its canonical decomposition), 67 different ones in all:
a network that writes jamo can write syllables that it has never read.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.files import TEXT, decode_exactly, open_packed, plain_line_ends
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from forecast.reading.settings import TextSettings
    from forecast.series.panel import IntArray, Panel


_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
"""What no text holds but by mistake: neither blanks and line ends nor the escape of terminals."""
_MOST_CONTROL = 0.02
NAME = "text"
"""Of the only series, whatever the file is called, so that a run continues another text."""
_SHOWN = 10
_LONGEST = 20
_SYLLABLES = re.compile("[가-힣]+")
_JAMO = re.compile("[\u1100-\u11ff]+")


@dataclass(frozen=True, eq=False)
class Text:
    """A text as it was read.

    Attributes
    ----------
    codes : (character,) int64, places in `symbols`
    symbols : the different characters, in the order of code points
    found, notes, fingerprint : as in `RawTable`

    """

    codes: IntArray
    symbols: tuple[str, ...]
    found: dict[str, str]
    notes: tuple[str, ...]
    fingerprint: str

    def panel(self) -> Panel:
        """Pack it: times are the places of the characters, from 0."""
        made = single_series(self.codes, np.arange(len(self.codes)), Calendar(freq=None), NAME)
        return replace(made, channels=(replace(made.channels[0], categories=self.symbols),))


def read_characters(settings: TextSettings, bundled: Path) -> Text:
    """Read a text: the one that is said, or a file's, `bundled` where none is named.

    Raises
    ------
    ForecastError
        No such file, an empty or binary one, an encoding that does not fit, or one character again and again.

    """
    if settings.text is not None:
        said = _Written(settings.text, "`data.text`", {}, hashlib.sha256(settings.text.encode()).hexdigest())
    else:
        said = _read_file(settings, settings.path or str(bundled))
    once = plain_line_ends(said.text)
    lines = once * settings.repeat
    text = decompose_jamo(lines) if settings.jamo else lines
    codes, symbols = _coded(text)
    if len(symbols) < 2:
        what = f"nothing but {symbols[0]!r} ({len(codes):,} times)" if symbols else "no character"
        raise ForecastError(f"{said.where} holds {what}: expected a text")
    repeated = f" ({len(once):,}, {settings.repeat:,} times)" if settings.repeat > 1 else ""
    broken = f" ({len(text):,} with syllables as jamo)" if settings.jamo else ""
    found = {**said.found, "characters": f"{len(lines):,}{repeated}{broken}"}
    notes = ("line ends are read as \\n, which some were not",) if once != said.text else ()
    return Text(codes, symbols, found, notes, said.fingerprint)


class _Written(NamedTuple):
    """A text as it is written, and where."""

    text: str
    where: str
    found: dict[str, str]
    fingerprint: str


def _read_file(settings: TextSettings, file: str) -> _Written:
    content = open_packed(file, None, TEXT)
    written, encoding = decode_exactly(content.data, settings.encoding, file, TEXT.file)
    if len(_CONTROL.findall(written)) > _MOST_CONTROL * len(written):
        raise ForecastError(f"{file!r} is binary, no text: name {TEXT.file}")
    packed = {"compression": content.compression} if content.compression else {}
    return _Written(written, repr(file), {**packed, "encoding": encoding}, content.fingerprint)


def _coded(text: str) -> tuple[IntArray, tuple[str, ...]]:
    """Places of characters among the different ones, (character,), and these in the order of code points."""
    points = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
    different, codes = np.unique(points, return_inverse=True)
    return codes.astype(np.int64), tuple(map(chr, different.tolist()))


def decompose_jamo(text: str) -> str:
    """Break each Hangul syllable into its jamo.

    >>> [f"{ord(character):x}" for character in decompose_jamo("a한")]
    ['61', '1112', '1161', '11ab']
    """
    return _SYLLABLES.sub(lambda run: unicodedata.normalize("NFD", run[0]), text)


def compose_jamo(text: str) -> str:
    """Put jamo together into syllables where they make some; undoes `decompose_jamo`.

    >>> compose_jamo(decompose_jamo("cafe\u0301 한글")) == "cafe\u0301 한글"
    True
    """
    return _JAMO.sub(lambda run: unicodedata.normalize("NFC", run[0]), text)


def in_alphabet(panel: Panel, symbols: tuple[str, ...]) -> Panel:
    """Write the target's codes in another alphabet, which holds all symbols that occur.

    Raises
    ------
    ForecastError
        A symbol that it lacks.

    """
    target, *others = panel.channels
    places = {text: place for place, text in enumerate(symbols)}
    table = np.array([places.get(text, -1) for text in target.categories], dtype=np.int64)
    codes = table[panel.target.astype(np.int64)]
    if (codes < 0).any():
        used = np.unique(panel.target[codes < 0].astype(np.int64))
        raise ForecastError(
            f"the data hold {name_unknown([target.categories[code] for code in used])}, which training did not know: "
            f"correct the data, or train again"
        )
    values = np.column_stack([codes.astype(np.float64), panel.values[:, 1:]])
    return replace(panel, values=values, channels=(replace(target, categories=symbols), *others))


def without_unused(panel: Panel) -> Panel:
    """Leave symbols out of the alphabet that occur in no row of a panel, because their rows were left out."""
    used = np.unique(panel.target.astype(np.int64))
    symbols = panel.channels[0].categories
    return panel if len(used) == len(symbols) else in_alphabet(panel, tuple(symbols[code] for code in used))


def describe_symbols(symbols: Sequence[str]) -> str:
    r"""Count and name symbols, the first of them; what cannot be seen is written as Python does.

    >>> describe_symbols(["\n", " ", "a", "b"])
    "4: '\\n', ' ', a, b"
    """
    return f"{len(symbols):,}: {name_some([_quoted(text) for text in symbols[:_SHOWN]], len(symbols))}"


def name_unknown(texts: Sequence[str], lines: Mapping[str, int] | None = None) -> str:
    """Name symbols, the first of them, each with its line where lines are known.

    >>> name_unknown(["x"], {"x": 7})
    "1 symbol 'x' (line 7)"
    """
    shown = [f"{text[:_LONGEST]!r}" + (f" (line {lines[text]})" if lines else "") for text in texts[:_SHOWN]]
    return f"{counted(len(texts), 'symbol')} {name_some(shown, len(texts))}"


def _quoted(text: str) -> str:
    """Quote a symbol as Python does where it could be misread in a list; a picture marks it (reporting.characters).

    A message stands in a terminal, beside settings in the same quotes, and a mark such as ␣ may be a symbol itself.
    """
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    plain = short and short.isprintable() and not set(",'") & set(short) and short == short.strip()
    return short if plain else repr(short)
