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
from forecast.reading.files import decode_exactly, plain_line_ends
from forecast.reading.opening import TEXT, open_packed
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from forecast.reading.settings import TextSettings
    from forecast.series.panel import IntArray, Panel


_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
"""Control characters that a text does not hold; blanks, line ends and the escape of terminals are allowed."""
_MOST_CONTROL = 0.02
_NAME = "text"
"""Id of the only series, whatever the file is called, so that a run can continue another text."""
_SHOWN = 10
_LONGEST = 20
_SYLLABLES = re.compile("[가-힣]+")
_JAMO = re.compile("[\u1100-\u11ff]+")


@dataclass(frozen=True, eq=False)
class Text:
    """A text as it was read.

    Attributes
    ----------
    codes : (character,) int64, indices into `symbols`
    symbols : the different characters, in the order of code points
    found, notes, fingerprint : as in `RawTable`

    """

    codes: IntArray
    symbols: tuple[str, ...]
    found: dict[str, str]
    notes: tuple[str, ...]
    fingerprint: str

    def panel(self) -> Panel:
        """Make a panel of one series, whose times are the positions of the characters from 0."""
        panel = single_series(self.codes, np.arange(len(self.codes)), Calendar(freq=None), _NAME)
        return replace(panel, channels=(replace(panel.channels[0], categories=self.symbols),))


def read_characters(settings: TextSettings, bundled: Path) -> Text:
    """Read the text of the settings, or of their file, or of `bundled` where they name neither.

    Raises
    ------
    ForecastError
        The file is missing, empty or binary, its encoding does not fit, or all characters are the same.

    """
    if settings.text is not None:
        written = _Written(settings.text, "`data.text`", {}, hashlib.sha256(settings.text.encode()).hexdigest())
    else:
        written = _read_file(settings, settings.path or str(bundled))
    plain = plain_line_ends(written.text)
    lines = plain * settings.repeat
    text = decompose_jamo(lines) if settings.jamo else lines
    codes, symbols = _coded(text)
    if len(symbols) < 2:
        what = f"nothing but {symbols[0]!r} ({len(codes):,} times)" if symbols else "no character"
        raise ForecastError(f"{written.where} holds {what}: expected a text")
    repeated = f" ({len(plain):,}, {settings.repeat:,} times)" if settings.repeat > 1 else ""
    broken = f" ({len(text):,} with syllables as jamo)" if settings.jamo else ""
    facts = {**written.found, "characters": f"{len(lines):,}{repeated}{broken}"}
    notes = ("line ends are read as \\n, which some were not",) if plain != written.text else ()
    return Text(codes, symbols, facts, notes, written.fingerprint)


class _Written(NamedTuple):
    """A text as it is written, and where it comes from."""

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
    """Codes of the characters, (character,), and the alphabet in the order of code points."""
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
    """Recode the target in another alphabet, which holds all symbols that occur.

    Raises
    ------
    ForecastError
        A symbol occurs that the alphabet lacks.

    """
    target, *others = panel.channels
    places = {text: place for place, text in enumerate(symbols)}
    recoded = np.array([places.get(text, -1) for text in target.categories], dtype=np.int64)  # (old code,)
    codes = recoded[panel.target.astype(np.int64)]  # (row,)
    if (codes < 0).any():
        used = np.unique(panel.target[codes < 0].astype(np.int64))
        raise ForecastError(
            f"the data hold {name_unknown([target.categories[code] for code in used])}, which training did not know: "
            f"correct the data, or train again"
        )
    values = np.column_stack([codes.astype(np.float64), panel.values[:, 1:]])
    return replace(panel, values=values, channels=(replace(target, categories=symbols), *others))


def without_unused(panel: Panel) -> Panel:
    """Drop symbols from the alphabet that occur in no row, because their rows were left out."""
    used = np.unique(panel.target.astype(np.int64))
    symbols = panel.channels[0].categories
    return panel if len(used) == len(symbols) else in_alphabet(panel, tuple(symbols[code] for code in used))


def describe_symbols(symbols: Sequence[str]) -> str:
    r"""Count symbols and name the first of them; invisible ones are written as Python does.

    >>> describe_symbols(["\n", " ", "a", "b"])
    "4: '\\n', ' ', a, b"
    """
    return f"{len(symbols):,}: {name_some([_quoted(text) for text in symbols[:_SHOWN]], len(symbols))}"


def name_unknown(texts: Sequence[str], lines: Mapping[str, int] | None = None) -> str:
    """Name the first of some symbols, each with its line where lines are known.

    >>> name_unknown(["x"], {"x": 7})
    "1 symbol 'x' (line 7)"
    """
    shown = [f"{text[:_LONGEST]!r}" + (f" (line {lines[text]})" if lines else "") for text in texts[:_SHOWN]]
    return f"{counted(len(texts), 'symbol')} {name_some(shown, len(texts))}"


def _quoted(text: str) -> str:
    """Quote a symbol as Python does where it could be misread in a list.

    Charts mark such symbols instead (`reporting.characters`); in a message a mark such as ␣ may be a symbol itself.
    """
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    plain = short and short.isprintable() and not set(",'") & set(short) and short == short.strip()
    return short if plain else repr(short)
