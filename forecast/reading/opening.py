"""From `data.path` to the bytes of files: which files are meant, how much of them is read, and what packs them.

`data.path` is a file, a folder or a pattern of files of one form, several of them, or "-" for standard input. Nothing
but regular files is opened: a device or a pipe may never end. What is unpacked has a bound (`data.max_mb`).
"""

from __future__ import annotations

import bz2
import difflib
import glob
import gzip
import hashlib
import io
import lzma
import re
import stat
import sys
import zipfile
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, TypeAlias

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Kind: TypeAlias = Literal["text", "parquet", "feather", "workbook", "sqlite", "duckdb"]
_STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Expected:
    """What a file should be, for messages about files that are not.

    Attributes
    ----------
    holds : its content
    file : the kinds of files that are read
    kind : the kind in a word
    save_as : what to do with a file of another program
    endings : endings of files that are named as examples, and that a folder is searched for
    kinds : what its bytes may be

    """

    holds: str
    file: str
    kind: str
    save_as: str
    endings: tuple[str, ...]
    kinds: tuple[Kind, ...]


_TABLE = Expected(
    "a table with a time and a value",
    "a CSV, Parquet, Excel, JSON, Feather, SQLite or DuckDB file",
    "table",
    "save the table as CSV",
    (
        *(".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".ndjson", ".feather", ".arrow"),
        *(".txt", ".dat", ".db", ".sqlite", ".sqlite3", ".duckdb"),
    ),
    ("text", "parquet", "feather", "workbook", "sqlite", "duckdb"),
)
TEXT = Expected("a text", "a text file", "text", "save it as plain text", (".txt",), ("text",))
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_KINDS: tuple[tuple[int, bytes, Kind, str], ...] = (
    (0, b"PAR1", "parquet", "a Parquet file"),
    (0, b"ARROW1", "feather", "a Feather file"),
    (0, b"FEA1", "feather", "a Feather file"),
    (0, b"\xd0\xcf\x11\xe0", "workbook", "an Excel workbook"),
    (0, b"SQLite format 3", "sqlite", "a SQLite database"),
    (8, b"DUCK", "duckdb", "a DuckDB database"),
)
"""What bytes at a place mean: the kind, and its name."""
_WORKBOOK = "a workbook (Excel or LibreOffice)"
_FOREIGN = {
    b"%PDF": ("a PDF", None),
    b"\x89PNG": ("a picture", ""),
    b"\xff\xd8\xff": ("a picture", ""),
    b"\x89HDF": ("an HDF5 file", None),
    b"\x93NUMPY": ("a NumPy array", None),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it first"),
    b"Rar!": ("a RAR archive", "unpack it first"),
}
"""First bytes of other programs' files: what it is, and the remedy (None: save it otherwise, "": name another)."""
_SQL = (b"insert into", b"create table", b"-- mysql dump", b"-- phpmyadmin", b"--\n-- postgresql", b"pragma foreign")
_HEAD = 16  # bytes that tell what a file is
_MB = 10**6
_RATIO = 100  # times its size that a packed file may unpack to; tables of few different values reach 50
_LEAST_MB = 256  # what may be unpacked of a small file
_OF_MEMORY = 4  # part of the free memory that a table may be: reading takes up to four times its size


@dataclass(frozen=True)
class Content:
    """A file's unpacked bytes (of a database none: it is read in place); `hashed`: SHA-256 of the file on disk."""

    name: str
    data: bytes
    hashed: Future[str]
    compression: str | None
    kind: Kind

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file on disk; waits for it."""
        return self.hashed.result()


def find_files(path: str | Sequence[str]) -> tuple[str, ...]:
    """Return the files that `data.path` means: itself, those of a folder with the usual endings, those of a pattern.

    Raises
    ------
    ForecastError
        A folder or a pattern holds no file of a table.

    """
    paths = (path,) if isinstance(path, str) else path
    return tuple(dict.fromkeys(file for one in paths for file in _files_of(one)))


def _files_of(path: str) -> list[str]:
    place = Path(path).expanduser()
    if place.is_dir():
        files = sorted(str(child) for child in place.iterdir() if child.is_file() and _is_table(child))
        if not files:
            raise ForecastError(f"`data.path` {path!r} is a folder without tables: name {_TABLE.file}")
        return files
    if re.search(r"[*?\[]", path) and not _exists(place) and "://" not in path:
        files = sorted(file for file in glob.glob(str(place), recursive=True) if Path(file).is_file())
        if not files:
            raise ForecastError(f"`data.path` {path!r} fits no file: see what lies in {str(_existing(place))!r}")
        return files
    return [path]


def _is_table(path: Path) -> bool:
    """Whether a file of a folder is one of its tables; hidden files and those of other programs are none."""
    packed = (".gz", ".bz2", ".xz", ".zst", ".zip")
    endings = [ending for ending in path.suffixes if ending.lower() not in packed]
    return not path.name.startswith((".", "_")) and bool(endings) and endings[-1].lower() in _TABLE.endings


def _existing(place: Path) -> Path:
    return next(parent for parent in (place.parent, *place.parents) if parent.is_dir()).resolve()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def open_content(name: str, compression: str | None = None, max_mb: float | None = None) -> Content:
    """Read and unpack the file of a table.

    Raises
    ------
    ForecastError
        The file is missing, no regular file, empty, unreadable, damaged, no table, or unpacks to too much.

    """
    content = open_packed(name, compression, _TABLE, max_mb)
    start = content.data[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<table", b"<?xml")):
        raise ForecastError(f"{content.name!r} is a web page or XML, no table: download the table itself")
    if start.startswith(_SQL):
        raise ForecastError(f"{content.name!r} is a list of SQL commands, no table: export the table as CSV instead")
    return content


def open_packed(name: str, compression: str | None, expected: Expected, max_mb: float | None = None) -> Content:
    """Read and unpack a file.

    Raises
    ------
    ForecastError
        The file is missing, no regular file, empty, unreadable, damaged, of another program, or unpacks to too much.

    """
    path, wanted = _path_of(name)
    if path is None:
        name, raw = "standard input", _standard_input(max_mb)
        return _unpacked(name, raw, compression, expected, _bound(len(raw), max_mb))
    try:
        _refuse_irregular(path, name, expected)
        with path.open("rb", buffering=0) as file:  # a buffer would hold the file twice while it is read
            kind, _ = _kind_of(file.read(_HEAD))
            file.seek(0)
            if wanted not in (None, kind):
                raise ForecastError(f"{str(path)!r} is no {wanted} database: leave `{wanted}://` out, or name another")
            if kind in ("sqlite", "duckdb") and kind in expected.kinds:
                hashed = Future[str]()
                hashed.set_result(hashlib.file_digest(file, "sha256").hexdigest())
                return Content(str(path), b"", hashed, None, kind)
            bound = _bound(path.stat().st_size, max_mb)
            _refuse_large(path.stat().st_size, str(path), bound)
            raw = file.read()
    except FileNotFoundError:
        raise ForecastError(f"`data.path` {str(path)!r} does not exist{_near(path)}") from None
    except OSError as error:
        raise ForecastError(f"`data.path` {str(path)!r} cannot be read: {error.strerror or error}") from None
    return _unpacked(name, raw, compression, expected, bound)


def _path_of(name: str) -> tuple[Path | None, str | None]:
    """Path of a file, None for standard input; and the kind of database that an address demands.

    Raises
    ------
    ForecastError
        An address of anything but a database's file.

    """
    if name == _STANDARD_INPUT:
        return None, None
    database = re.fullmatch(r"(sqlite|duckdb):(?://)?(?P<path>.+)", name)
    if database:  # sqlite:///sales.db lies in the working folder, sqlite:////home/sales.db does not
        path = Path(database["path"].removeprefix("/")).expanduser()
        return path if path.exists() else Path(database["path"]), database[1]
    address = re.match(r"(\w[\w+.-]+):/{1,2}", name)
    if address:
        web = address[1] in ("http", "https", "ftp")
        remedy = f"download it first (`curl -LO {name}`)" if web else "save the table as a file first"
        raise ForecastError(
            f"`data.path` {name!r} is an address, and those are not read: what it holds may differ from run to run, "
            f"and nothing here goes out to a network: {remedy} and name the file"
        )
    return Path(name).expanduser(), None


def _refuse_irregular(path: Path, name: str, expected: Expected) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ForecastError(
            f"`data.path` {str(path)!r} is a directory: name the file in it, {_some_of(path, expected)}"
        )
    if not stat.S_ISREG(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a device"
        raise ForecastError(
            f"`data.path` {name!r} is {kind}, no file, and might never end: save it as a file, or hand it to standard "
            f"input (`data.path=-`)"
        )


@cache
def _standard_input(max_mb: float | None) -> bytes:
    """Bytes of standard input, which can be read only once."""
    bound = _bound(0, max_mb)
    if sys.stdin is None or sys.stdin.isatty():
        raise ForecastError("`data.path=-` reads standard input, and nothing is piped into it: name a file")
    raw = sys.stdin.buffer.read(bound.limit + 1)
    _refuse_large(len(raw), "standard input", bound)
    return raw


@dataclass(frozen=True)
class Bound:
    """Bytes that a table may have, and why so many."""

    limit: int
    why: str


def _bound(size: int, max_mb: float | None) -> Bound:
    """Bound for what a file of so many bytes may unpack to."""
    if max_mb is not None:
        return Bound(int(max_mb * _MB), "`data.max_mb`")
    by_size = max(_LEAST_MB * _MB, _RATIO * size)
    by_memory = _free_memory() // _OF_MEMORY
    if by_memory < by_size or not size:
        return Bound(by_memory, f"a quarter of the {_in_mb(by_memory * _OF_MEMORY)} of memory that are free")
    why = f"{_RATIO} times its {_in_mb(size)}" if by_size > _LEAST_MB * _MB else f"what {_in_mb(size)} may unpack to"
    return Bound(by_size, why)


def _free_memory() -> int:
    """Bytes of memory that are free; where the system does not say, 8 GB."""
    try:
        available = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:
        available = None
    return int(available[1]) * 1024 if available else 8 * 1024**3


def _in_mb(size: float) -> str:
    return f"{size / _MB:,.0f} MB" if size >= _MB else f"{size / _MB:.1g} MB"


def _refuse_large(size: int, name: str, bound: Bound) -> None:
    if size > bound.limit:
        raise ForecastError(
            f"{name!r} holds more than {_in_mb(bound.limit)} ({bound.why}): if it is meant to, set `data.max_mb` to "
            f"the megabytes that you expect"
        )


def _some_of(folder: Path, expected: Expected) -> str:
    names = sorted(child.name for child in folder.iterdir())
    fitting = [name for name in names if any(ending in name for ending in expected.endings)]
    return f"such as {fitting[0]!r}" if fitting else expected.file


def _near(path: Path) -> str:
    """Hint for a file that does not exist: the nearest name, or what is wrong with the path."""
    if not path.parent.is_dir():
        return f": there is no directory {str(path.parent)!r}"
    near = difflib.get_close_matches(path.name, [child.name for child in path.parent.iterdir()], n=1)
    if near:
        return f": did you mean {str(path.with_name(near[0]))!r}?"
    return f": the name is looked for from {str(path.parent.resolve())!r}"


def _kind_of(head: bytes) -> tuple[Kind, str]:
    """Kind of a file by its first bytes, and its name."""
    for place, magic, kind, name in _KINDS:
        if head[place:].startswith(magic):
            return kind, name
    return "text", ""


def _unpacked(name: str, raw: bytes, compression: str | None, expected: Expected, bound: Bound) -> Content:
    """Unpack the bytes of a file, and refuse what is not expected."""
    if not raw:
        raise ForecastError(f"{name!r} is empty: expected {expected.holds}")
    detected = next((packed for magic, packed in _PACKED.items() if raw.startswith(magic)), None)
    packed = compression or detected
    packed = None if packed == "none" else packed
    hashing = ThreadPoolExecutor(1)
    hashed = hashing.submit(lambda: hashlib.sha256(raw).hexdigest())
    hashing.shutdown(wait=False)  # the file is cut meanwhile
    if packed == "zip" and _is_workbook(raw, name, bound):
        content = Content(name, raw, hashed, None, "workbook")
        what = _WORKBOOK
    else:
        data = raw if packed is None else _unpack(raw, packed, name, bound)
        if not data:
            raise ForecastError(f"{name!r} holds an empty file: expected {expected.holds}")
        kind, what = _kind_of(data[:_HEAD])
        if data.startswith(b"PK") and _is_workbook(data, name, bound):
            kind, what = "workbook", _WORKBOOK
        content = Content(name, data, hashed, packed, kind)
    if content.kind not in expected.kinds:
        raise ForecastError(f"{name!r} is {what}, no {expected.kind}: {expected.save_as}")
    if content.kind in ("sqlite", "duckdb"):
        raise ForecastError(f"{name!r} holds {what}, which is read in place: unpack it first and name the file")
    for magic, (foreign, advice) in _FOREIGN.items():
        if content.data.startswith(magic):
            remedy = expected.save_as if advice is None else advice or f"name {expected.file}"
            raise ForecastError(f"{name!r} is {foreign}, no {expected.kind}: {remedy}")
    return content


def _unpack(raw: bytes, kind: str, name: str, bound: Bound) -> bytes:
    try:
        with _UNPACK[kind](raw) as stream:
            data = stream.read(bound.limit + 1)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise ForecastError(
            f"{name!r} cannot be unpacked as {kind} ({error}): it is damaged or cut off, fetch it again"
        ) from None
    _refuse_large(len(data), name, bound)
    if data[257:262] == b"ustar":
        raise ForecastError(f"{name!r} is a tar archive: unpack it first and name the file in it")
    return bytes(data)


def _is_workbook(raw: bytes, name: str, bound: Bound) -> bool:
    """Whether a zip archive is a workbook; one that unpacks to too much is refused."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    if not any(member.filename.startswith(("xl/", "content.xml")) for member in members):
        return False
    _refuse_large(sum(member.file_size for member in members), name, bound)
    return True


def _open_zip(raw: bytes) -> IO[bytes]:
    archive = zipfile.ZipFile(io.BytesIO(raw))
    names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
    tables = [name for name in names if name.lower().endswith(_TABLE.endings)] or names
    if len(tables) != 1:
        held = ", ".join(map(repr, tables[:5])) or "nothing"
        raise ForecastError(f"the zip archive should hold one table, found {held}: unpack it and name one")
    return archive.open(tables[0])


def _open_zstd(raw: bytes) -> IO[bytes]:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only for this one compression

    return pa.CompressedInputStream(pa.BufferReader(raw), "zstd")  # type: ignore[no-any-return]  # pyarrow has no types


_UNPACK: dict[str, Callable[[bytes], IO[bytes]]] = {
    "gzip": lambda raw: gzip.GzipFile(fileobj=io.BytesIO(raw)),  # type: ignore[dict-item,return-value]
    "bz2": lambda raw: bz2.BZ2File(io.BytesIO(raw)),
    "xz": lambda raw: lzma.LZMAFile(io.BytesIO(raw)),  # noqa: SIM115 - closed by who reads it
    "zip": _open_zip,
    "zstd": _open_zstd,
}
