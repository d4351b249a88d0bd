"""From a path to the bytes of a table, and from bytes to text: compression, foreign formats, encoding.

An encoding is read off the byte-order mark, then off what the bytes rule out, then guessed; the guess is reported.
"""

from __future__ import annotations

import bz2
import codecs
import difflib
import gzip
import hashlib
import io
import lzma
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from charset_normalizer import from_bytes

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Expected:
    """What a file should be, for messages about files that are not.

    Attributes
    ----------
    holds : its content
    file : the kinds of files that are read
    kind : the kind in a word
    save_as : what to do with a file of another program
    endings : endings of files that are named as examples

    """

    holds: str
    file: str
    kind: str
    save_as: str
    endings: tuple[str, ...]


_TABLE = Expected(
    "a table with a time and a value", "a CSV or Parquet file", "CSV", "save the table as CSV", (".csv", ".parquet")
)
TEXT = Expected("a text", "a text file", "text", "save it as plain text", (".txt",))
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", None),
    b"%PDF": ("a PDF", None),
    b"\x89PNG": ("a picture", ""),
    b"\xff\xd8\xff": ("a picture", ""),
    b"ARROW1": ("an Arrow file", "save the table as Parquet or CSV"),
    b"FEA1": ("a Feather file", "save the table as Parquet or CSV"),
    b"SQLite format 3": ("a SQLite database", None),
    b"\x89HDF": ("an HDF5 file", None),
    b"\x93NUMPY": ("a NumPy array", None),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it first"),
    b"Rar!": ("a RAR archive", "unpack it first"),
}
"""First bytes of other programs' files: what it is, and the remedy (None: save it otherwise, "": name another)."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHOWN = {"utf-8-sig": "utf-8 with BOM", "utf-16": "utf-16", "utf-32": "utf-32"}
# Guesses of charset-normalizer that are trusted: scripts that no Western code page can be mistaken for. Among the many
# Western code pages a guess from a few bytes is chance, and cp1252 is what such files nearly always are.
_OTHER_SCRIPTS = {"cp932", "shift_jis", "euc_jp", "gb18030", "gbk", "gb2312", "big5", "cp1251", "koi8_r", "cp1253"}
_ENOUGH = 1 << 18  # bytes on which an encoding is guessed
_HANGUL = re.compile("[가-힣]")
_OUTSIDE_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass(frozen=True)
class Content:
    """A file's unpacked bytes; `fingerprint` is the SHA-256 of the file on disk."""

    data: bytes
    fingerprint: str
    compression: str | None

    @property
    def is_parquet(self) -> bool:
        """Whether the bytes are Parquet, whatever the suffix."""
        return self.data[:4] == b"PAR1" and self.data[-4:] == b"PAR1"


def open_content(name: str, compression: str | None = None) -> Content:
    """Read and unpack the file of a table.

    Raises
    ------
    ForecastError
        The file is missing, a directory, empty, unreadable, damaged, or no table.

    """
    content = open_packed(name, compression, _TABLE)
    _refuse_marked_up(content.data, name)
    return content


def open_packed(name: str, compression: str | None, expected: Expected) -> Content:
    """Read and unpack a file.

    Raises
    ------
    ForecastError
        The file is missing, a directory, empty, unreadable, damaged, or of another program.

    """
    raw = _read(Path(name).expanduser(), expected)
    if not raw:
        raise ForecastError(f"{name!r} is empty: expected {expected.holds}")
    detected = next((kind for magic, kind in _PACKED.items() if raw.startswith(magic)), None)
    kind = compression or detected
    data = raw if kind in (None, "none") else _unpack(raw, str(kind), name)
    if not data:
        raise ForecastError(f"{name!r} holds an empty file: expected {expected.holds}")
    _refuse_foreign(data, name, expected)
    return Content(data, hashlib.sha256(raw).hexdigest(), None if kind == "none" else kind)


def _read(path: Path, expected: Expected) -> bytes:
    if path.is_dir():
        raise ForecastError(
            f"`data.path` {str(path)!r} is a directory: name the file in it, {_some_of(path, expected)}"
        )
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ForecastError(f"`data.path` {str(path)!r} does not exist{_near(path)}") from None
    except OSError as error:
        raise ForecastError(f"`data.path` {str(path)!r} cannot be read: {error.strerror or error}") from None


def _some_of(folder: Path, expected: Expected) -> str:
    names = sorted(child.name for child in folder.iterdir())
    fitting = [name for name in names if any(ending in name for ending in expected.endings)]
    return f"such as {fitting[0]!r}" if fitting else expected.file


def _near(path: Path) -> str:
    """Hint for a file that does not exist: the nearest name, or what is wrong with the path."""
    if "://" in str(path) or str(path).startswith(("http:", "https:")):
        return ": addresses are not read, download the file first"
    if not path.parent.is_dir():
        return f": there is no directory {str(path.parent)!r}"
    near = difflib.get_close_matches(path.name, [child.name for child in path.parent.iterdir()], n=1)
    if near:
        return f": did you mean {str(path.with_name(near[0]))!r}?"
    return f": the name is looked for from {str(path.parent.resolve())!r}"


def _unpack(raw: bytes, kind: str, name: str) -> bytes:
    try:
        data = _UNPACK[kind](raw)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise ForecastError(
            f"{name!r} cannot be unpacked as {kind} ({error}): it is damaged or cut off, fetch it again"
        ) from None
    if data[257:262] == b"ustar":
        raise ForecastError(f"{name!r} is a tar archive: unpack it first and name the file in it")
    return data


def _unzip(raw: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
        if any(name.startswith(("xl/", "content.xml")) for name in names):
            raise ForecastError("the file is a workbook (Excel or LibreOffice), no CSV: save the table as CSV")
        tables = [name for name in names if name.lower().endswith((".csv", ".tsv", ".txt", ".parquet"))] or names
        if len(tables) != 1:
            held = ", ".join(map(repr, tables[:5])) or "nothing"
            raise ForecastError(f"the zip archive should hold one table, found {held}: unpack it and name one")
        return archive.read(tables[0])


def _unzstd(raw: bytes) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only for this one compression

    with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
        return bytes(stream.read())


_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "bz2": bz2.decompress,
    "xz": lzma.decompress,
    "zip": _unzip,
    "zstd": _unzstd,
}


def _refuse_foreign(data: bytes, name: str, expected: Expected) -> None:
    for magic, (what, advice) in _FOREIGN.items():
        if data.startswith(magic):
            remedy = expected.save_as if advice is None else advice or f"name {expected.file}"
            raise ForecastError(f"{name!r} is {what}, no {expected.kind}: {remedy}")


def _refuse_marked_up(data: bytes, name: str) -> None:
    """Refuse web pages and JSON, which would be cut into columns."""
    start = data[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ForecastError(f"{name!r} is a web page or XML, no CSV: download the table itself")
    if start.startswith((b"{", b"[{")):
        raise ForecastError(f"{name!r} looks like JSON, no CSV: {_TABLE.save_as}")


def decode(data: bytes, encoding: str | None, name: str) -> tuple[str, str]:
    """Return the text with line ends as newlines, and the encoding's name.

    Raises
    ------
    ForecastError
        `data.encoding` does not fit, or the bytes are no text.

    """
    text, used = decode_exactly(data, encoding, name, "a CSV or Parquet file")
    return plain_line_ends(text), used


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
    return _decode_legacy(data)


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


def _decode_legacy(data: bytes) -> tuple[str, str]:
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


def _other_script(data: bytes) -> str | None:
    """Encoding of a script without Latin letters, whose words are runs of high bytes (umlauts stand alone)."""
    if not re.search(rb"[\x80-\xff]{3,}", data):
        return None
    # Lines of plain ASCII prove nothing, and there may be a million of them.
    lines = [line for line in data.splitlines(keepends=True) if not line.isascii()]
    guess = from_bytes(b"".join(lines)[:_ENOUGH]).best()
    if guess is None or guess.encoding not in _OTHER_SCRIPTS:
        return None
    try:
        data.decode(guess.encoding)
    except UnicodeDecodeError:
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
    foreign = _OUTSIDE_ASCII.findall(text[: _ENOUGH * 4])
    hangul = [char for char in foreign if _HANGUL.match(char)]
    usual = sum(_in_euc_kr(char) for char in hangul)
    return text if usual > 0.5 * len(foreign) else None


def _in_euc_kr(char: str) -> bool:
    """Whether a syllable is one of EUC-KR's; Python's codec writes others as four pairs of bytes."""
    return len(char.encode("euc_kr", errors="ignore")) == 2
