"""Hangul syllables as the letters (jamo) that they are composed of, and back.

Each of the 11,172 syllables U+AC00 to U+D7A3 is two or three conjoining jamo (Unicode, section 3.12; its canonical
decomposition), 67 different ones in all, of which many syllables share each: a network that writes jamo can write
syllables that it has never read. Everything else stays as it is.
"""

from __future__ import annotations

import re
import unicodedata

_SYLLABLES = re.compile("[가-힣]+")
_JAMO = re.compile("[\u1100-\u11ff]+")


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
