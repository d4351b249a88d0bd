"""A text as one series of symbols: a step a character."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.jamo import decompose_jamo
from forecast.reading.opening import TEXT, open_packed
from forecast.reading.text_encoding import decode_exactly, plain_line_ends
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.reading.data_settings import TextSettings
    from forecast.series.panel import IntArray, Panel

_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
"""What no text holds but by mistake: neither blanks and line ends nor the escape of terminals."""
_MOST_CONTROL = 0.02
NAME = "text"
"""Of the only series, whatever the file is called, so that a run continues another text."""


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
