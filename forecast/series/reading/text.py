"""A text as one series of symbols: a step a character."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series
from forecast.series.reading.encoding import decode_exactly, plain_line_ends
from forecast.series.reading.jamo import decompose_jamo
from forecast.series.reading.opening import TEXT, open_packed

if TYPE_CHECKING:
    from forecast.series.panel import IntArray, Panel
    from forecast.series.settings import TextSettings

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


def read_characters(settings: TextSettings) -> Text:
    """Read a text file.

    Raises
    ------
    ForecastError
        No such file, an empty or binary one, an encoding that does not fit, or one character again and again.

    """
    file = settings.path
    content = open_packed(file, None, TEXT)
    written, encoding = decode_exactly(content.data, settings.encoding, file, TEXT.file)
    if len(_CONTROL.findall(written)) > _MOST_CONTROL * len(written):
        raise ForecastError(f"{file!r} is binary, no text: name {TEXT.file}")
    lines = plain_line_ends(written)
    text = decompose_jamo(lines) if settings.jamo else lines
    codes, symbols = _coded(text)
    if len(symbols) < 2:
        what = f"nothing but {symbols[0]!r} ({len(codes):,} times)" if symbols else "no character"
        raise ForecastError(f"{file!r} holds {what}: expected a text")
    found = {
        **({"compression": content.compression} if content.compression else {}),
        "encoding": encoding,
        "characters": f"{len(lines):,}" + (f" ({len(text):,} with syllables as jamo)" if settings.jamo else ""),
    }
    notes = ("line ends are read as \\n, which some were not",) if lines != written else ()
    return Text(codes, symbols, found, notes, content.fingerprint)


def _coded(text: str) -> tuple[IntArray, tuple[str, ...]]:
    """Places of characters among the different ones, (character,), and these in the order of code points."""
    points = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
    different, codes = np.unique(points, return_inverse=True)
    return codes.astype(np.int64), tuple(map(chr, different.tolist()))
