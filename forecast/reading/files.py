"""From bytes to text: the encoding is read off the byte-order mark, off what the bytes rule out, or guessed."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from forecast.errors import ForecastError
from forecast.reading.month_names import month_numbers
from forecast.reading.vocabulary import TIME

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
BOM = "utf-8 with BOM"
_SHOWN = {"utf-8-sig": BOM, "utf-16": "utf-16", "utf-32": "utf-32"}
# Guesses of charset-normalizer that are trusted: scripts that no Western code page can be mistaken for. Among the many
# Western code pages a guess from a few bytes is chance, and cp1252 is what such files nearly always are.
_OTHER_SCRIPTS = {"cp932", "shift_jis", "euc_jp", "gb18030", "gbk", "gb2312", "big5", "cp1251", "koi8_r", "cp1253"}
_TWO_BYTES = {"cp949", "cp932", "shift_jis", "euc_jp", "gb18030", "gbk", "gb2312", "big5"}
# In the order in which they are preferred where the same dates read in several.
_DATED = ("cp1252", "cp949", "gb18030", "cp932", "big5", "euc_jp", "cp1251", "koi8_r", "cp1253", "cp1250", "cp1254")
_DATE_SIGN = re.compile(r"(?<=\d)\s?[年月日週周季년월일주](?!\w{2})")
_FOREIGN_WORD = re.compile(r"(?=[A-Za-z]*[^\W\d_\x00-\x7f])[^\W\d_]{2,}")
_CALLED_TIME = TIME | {*("дата", "месяц", "год", "период", "miesiąc", "měsíc", "日期", "日付", "时间", "年月", "月份")}
_MIXED, _FEWEST_LINES = 0.05, 2  # share and number of lines in UTF-8 from which on a file mixes encodings
_ENOUGH = 1 << 18  # bytes on which an encoding is guessed
_MOST_WORDS = 500  # different words that are looked up among the names of months
_HANGUL = re.compile("[가-힣]")
_OUTSIDE_ASCII = re.compile(r"[^\x00-\x7f]")


def decode(data: bytes, encoding: str | None, name: str) -> tuple[str, str]:
    """Return the text with line ends as newlines, and the encoding's name.

    Raises
    ------
    ForecastError
        `data.encoding` does not fit, or the bytes are no text.

    """
    text, used = decode_exactly(data, encoding, name, "a CSV or Parquet file")
    return plain_line_ends(text), used


def as_utf8(data: bytes, encoding: str | None, name: str) -> tuple[bytes, str]:
    """Return the text in UTF-8 with line ends as newlines and plain marks, and the encoding's name.

    Raises
    ------
    ForecastError
        As `decode`.

    """
    if encoding in (None, "utf-8") and data.isascii() and b"\x00" not in data:
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data, "utf-8"
    text, used = decode(data, encoding, name)
    return in_plain_marks(text).encode("utf-8", "surrogatepass"), used


def in_plain_marks(text: str) -> str:
    """Write digits of other scripts in ASCII, and leave out marks that nobody sees.

    >>> in_plain_marks("\u200e۲۰۲۴-۰۱-۳۱, ١٬٢٣٤٫٥")
    '2024-01-31, 1’234.5'
    """
    if _OTHER_DIGITS.search(text, 0, _LOOKED_AT):
        text = text.translate(_AS_ASCII)
    for mark in _UNSEEN:
        text = text.replace(mark, "")
    return text


_LOOKED_AT = 1 << 16  # characters in which digits of another script are looked for
_OTHER_DIGITS = re.compile("[٠-٩۰-۹０-９]")
# The Arabic mark of thousands becomes an apostrophe, which does not separate cells.
_AS_ASCII = {ord(first) + i: str(i) for first in "٠۰０" for i in range(10)} | dict(
    zip(map(ord, "٫٬．－％"), ".’.-%", strict=True)
)
_UNSEEN = "\ufeff\u200b\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2069"
"""Byte-order marks of texts that were joined, and the marks that say in which direction letters run."""


def decode_exactly(data: bytes, encoding: str | None, name: str, expected: str) -> tuple[str, str]:
    """Return the text as it is written, without a byte-order mark, and the encoding's name.

    `expected` is the kind of file that an error asks for.

    Raises
    ------
    ForecastError
        `data.encoding` does not fit, or the bytes are no text.

    """
    decoded = _decode_as(data, encoding, name) if encoding else _decode_detected(data, name)
    if decoded is None or "\x00" in decoded[0]:
        raise ForecastError(f"{name!r} is binary, no text: name {expected}")
    return decoded[0].removeprefix("\ufeff"), decoded[1]


def plain_line_ends(text: str) -> str:
    """Replace all line ends by newlines."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _decode_as(data: bytes, encoding: str, name: str) -> tuple[str, str]:
    try:
        return data.decode(encoding), encoding
    except LookupError:
        raise ForecastError(
            f"`data.encoding` {encoding!r} is not known: try utf-8, utf-16, cp1252, latin-1 or cp949"
        ) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ForecastError(
            f"{name!r} is not {encoding} at line {line} (byte {error.start}): leave `data.encoding` out to find it"
        ) from None


def _decode_detected(data: bytes, name: str) -> tuple[str, str] | None:
    """Detect the encoding and decode; None: the bytes are no text."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_as(data, encoding, name)[0], _SHOWN[encoding]
    wide = _wide(data)
    if wide:
        return _decode_as(data, wide, name)[0], wide
    if b"\x00" in data:
        return None
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        _refuse_damaged(data, error, name)
    text, encoding = _decode_legacy(data)
    _refuse_mixed(data, encoding, name)
    return text, encoding


def _wide(data: bytes) -> str | None:
    """UTF-16 without a byte-order mark: nearly every second byte of digits and commas is zero."""
    head = data[:4096]
    half = len(head) // 2
    if half < 4 or len(data) % 2:
        return None
    if head[1::2].count(0) > 0.7 * half and head[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[0::2].count(0) > 0.7 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _refuse_damaged(data: bytes, error: UnicodeDecodeError, name: str) -> None:
    """Refuse a file that is UTF-8 but for a few bytes: any other encoding would garble the rest."""
    text = data.decode("utf-8", errors="replace")
    wrong = text.count("\ufffd")
    if len(_OUTSIDE_ASCII.findall(text)) - wrong < 10 * wrong:
        return
    line = data.count(b"\n", 0, error.start) + 1
    raise ForecastError(
        f"{name!r} is UTF-8 but for {wrong} damaged characters, the first in line {line}: correct them, "
        f"or set `data.encoding`"
    )


def _refuse_mixed(data: bytes, encoding: str, name: str) -> None:
    """Refuse a file of which some lines are UTF-8, and others not: two files that were put together.

    By chance a line of another encoding is UTF-8 now and then ("É»" in cp1252), but hardly with a character of three
    bytes in an encoding that has two for each.
    """
    first, wrong, right, count = 0, 0, 0, 0
    for number, line in enumerate(data.splitlines(), start=1):
        if line.isascii():
            continue
        count += 1
        try:
            text = line.decode()
        except UnicodeDecodeError:
            first, wrong = first or number, wrong + 1
        else:
            right += encoding not in _TWO_BYTES or max(text) > "\u07ff"
    if right < max(_FEWEST_LINES, _MIXED * count):
        return
    raise ForecastError(
        f"{name!r} mixes encodings: line {first} is no UTF-8, like {wrong} of the {count} lines outside "
        "ASCII, and the others are: save it again in one encoding, or set `data.encoding=latin-1` to read it with "
        "garbled texts"
    )


def _decode_legacy(data: bytes) -> tuple[str, str]:
    dated = _by_dates(data)
    if dated is not None:
        return data.decode(dated), dated
    korean = _korean(data)
    if korean is not None:
        return korean, "cp949"
    other = _other_script(data)
    if other is not None:
        return data.decode(other), other
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _by_dates(data: bytes) -> str | None:
    """Encoding in which most words and signs of dates are read: months, 年, a column called дата; None: in none any."""
    head = _lines_outside_ascii(data)
    counts = {encoding: _count_dates(head, encoding) for encoding in _DATED if _fits(data, encoding)}
    best = max(counts, key=counts.__getitem__, default="")
    return best if counts.get(best) else None


def _count_dates(head: bytes, encoding: str) -> int:
    text = head.decode(encoding, errors="ignore")
    words = sorted(set(_FOREIGN_WORD.findall(text)))[:_MOST_WORDS]
    named = sum(word.lower() in _CALLED_TIME for word in words)
    return named + len(set(_DATE_SIGN.findall(text))) + sum(month > 0 for month in month_numbers(words))


def _lines_outside_ascii(data: bytes) -> bytes:
    """The first lines that are not ASCII: others prove nothing, and there may be a million of them."""
    return b"".join(line for line in data.splitlines(keepends=True) if not line.isascii())[:_ENOUGH]


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _other_script(data: bytes) -> str | None:
    """Encoding of a script without Latin letters, whose words are runs of high bytes (umlauts stand alone)."""
    if not re.search(rb"[\x80-\xff]{3,}", data):
        return None
    guess = from_bytes(_lines_outside_ascii(data)).best()
    if guess is None or guess.encoding not in _OTHER_SCRIPTS or not _fits(data, guess.encoding):
        return None
    return guess.encoding


def _korean(data: bytes) -> str | None:
    """Decode as CP949 if the result reads as Korean.

    CP949 maps nearly every pair of bytes to a Hangul syllable, even a degree sign before a C. Only the 2,350 syllables
    of EUC-KR are in use, so most of the decoded ones must be among them.
    """
    try:
        text = data.decode("cp949")
    except UnicodeDecodeError:
        return None
    foreign = [char for char in _OUTSIDE_ASCII.findall(text[: _ENOUGH * 4]) if char.isalpha()]
    hangul = [char for char in foreign if _HANGUL.match(char)]
    usual = sum(_in_euc_kr(char) for char in hangul)
    return text if usual > 0.5 * len(foreign) else None


def _in_euc_kr(char: str) -> bool:
    """Whether a syllable is one of EUC-KR's; Python's codec writes others as four pairs of bytes."""
    return len(char.encode("euc_kr", errors="ignore")) == 2
