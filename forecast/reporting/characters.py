"""How characters are shown that nobody would see, or that would move or turn what stands around them.

Symbols and texts come from anybody's files. On a page or a picture a symbol can be seen (`written`), and a text stays
on its lines and turns nothing around (`readable`): what cannot be shown is written by its number, U+001B. For a
terminal it is `wording.printable`; messages on data quote symbols, see `reading.symbols`.
"""

from __future__ import annotations

import unicodedata

from forecast.wording import shortened

_LONGEST = 24
_MARKS = {" ": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥", "": "nothing"}

_NAMES = {" ": "the space", "\n": "the line end", "\t": "the tab"}
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_JAMO = {
    chr(first + i): letter
    for first, letters in ((0x1100, _INITIALS), (0x1161, _VOWELS), (0x11A8, _FINALS))
    for i, letter in enumerate(letters)
}
"""Letters that would join into syllables (Unicode 3.12), and their twins that stand alone."""


def written(symbol: str, longest: int = _LONGEST) -> str:
    """Write a symbol so that it is seen, whatever it is, in at most `longest` letters.

    >>> written("a"), written(" "), written(chr(10)), written(chr(7)), written(chr(0xA0)), written(chr(0x1112))
    ('a', '␣', '⏎', 'U+0007', 'U+00A0', 'ㅎ')
    """
    if symbol in _MARKS:
        return _MARKS[symbol]
    text = _JAMO.get(symbol, symbol)
    if len(text) == 1 and not text.isprintable():  # alone, blanks of other widths and joiners are not seen either
        return _numbered(text)
    text = "".join(_shown(letter) for letter in text)
    if unicodedata.category(text[0]).startswith("M"):
        text = f"◌{text}"
    return shortened(text, longest)


def named(symbol: str) -> str:
    """Write a symbol for a sentence.

    >>> named("a"), named(" "), named(chr(10))
    ('‘a’', 'the space', 'the line end')
    """
    return _NAMES.get(symbol, f"‘{written(symbol)}’")


def readable(text: str) -> str:
    """Write what cannot be shown in a longer text, its lines and its letters that join staying as they are."""
    return "".join(letter if letter in "\n\t" else _shown(letter) for letter in text)


def _shown(letter: str) -> str:
    """Write letters that are not seen by their numbers: control, unpaired, unassigned, turning the text around."""
    hidden = unicodedata.category(letter) in ("Cc", "Cs", "Cn", "Co", "Zl", "Zp")
    alone = unicodedata.category(letter) == "Cf" and letter not in "\u200c\u200d"
    return _numbered(letter) if hidden or alone else letter


def _numbered(letter: str) -> str:
    return f"U+{ord(letter):04X}"
