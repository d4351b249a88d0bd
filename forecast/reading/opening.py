"""From a path to the bytes that the table is written in: opened, unpacked, and recognised if they are no table."""

from __future__ import annotations

import bz2
import difflib
import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}


@dataclass(frozen=True)
class Expected:
    """What a file should be, for the lines that say it is not.

    Attributes
    ----------
    holds : what is in it
    file : what to name
    kind : what it is in a word
    save_as : what to do with a file of another program
    endings : of the files that are named as examples

    """

    holds: str
    file: str
    kind: str
    save_as: str
    endings: tuple[str, ...]


TABLE = Expected(
    "a table with a time and a value", "a CSV or Parquet file", "CSV", "save the table as CSV", (".csv", ".parquet")
)
TEXT = Expected("a text", "a text file", "text", "save it as plain text", (".txt",))

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
"""Beginnings of files of other programs: what they are, and what to do (None: save it otherwise, "": name another)."""


@dataclass(frozen=True)
class Content:
    """A file's bytes, unpacked; `fingerprint` is the SHA-256 of the file as it lies there."""

    data: bytes
    fingerprint: str
    compression: str | None

    @property
    def is_parquet(self) -> bool:
        """Whether the bytes, and not only a suffix, say Parquet."""
        return self.data[:4] == b"PAR1" and self.data[-4:] == b"PAR1"


def open_content(name: str, compression: str | None = None) -> Content:
    """Read the file of a table whole and unpack it.

    Raises
    ------
    ForecastError
        Missing, a directory, empty, unreadable, damaged, or something that is no table.

    """
    content = open_packed(name, compression, TABLE)
    _refuse_marked_up(content.data, name)
    return content


def open_packed(name: str, compression: str | None, expected: Expected) -> Content:
    """Read a file whole and unpack it.

    Raises
    ------
    ForecastError
        Missing, a directory, empty, unreadable, damaged, or a file of another program.

    """
    raw = _read(Path(name).expanduser(), expected)
    if not raw:
        raise ForecastError(f"{name!r} is empty: expected {expected.holds}")
    found = next((kind for magic, kind in _PACKED.items() if raw.startswith(magic)), None)
    kind = compression or found
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
    for magic, (what, said) in _FOREIGN.items():
        if data.startswith(magic):
            remedy = expected.save_as if said is None else said or f"name {expected.file}"
            raise ForecastError(f"{name!r} is {what}, no {expected.kind}: {remedy}")


def _refuse_marked_up(data: bytes, name: str) -> None:
    """Refuse texts of other kinds, that would be cut into columns."""
    start = data[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ForecastError(f"{name!r} is a web page or XML, no CSV: download the table itself")
    if start.startswith((b"{", b"[{")):
        raise ForecastError(f"{name!r} looks like JSON, no CSV: {TABLE.save_as}")
