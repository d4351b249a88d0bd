"""Arrays on the disk: files below the user's cache folder without a name, gone with the process, and views of them.

What the system has no room for it takes out of memory again; nothing can write to a view.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Iterable

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_ROWS_AT_ONCE = 4_000_000
"""So many rows of an array are in memory at a time, and so many need no file."""


def is_mapped(array: Array) -> bool:
    """Whether an array is a view of a file."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(getattr(base, "obj", base), mmap.mmap)


def new_file() -> IO[bytes]:
    """Open a file on the disk, which the folder of temporary files need not be on.

    Raises
    ------
    ForecastError
        The cache folder cannot be made.

    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forecast"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ForecastError(
            f"`data.by_file=true` keeps the panel in {str(folder)!r}, which cannot be made ({error.strerror}): name "
            "another place by the environment's XDG_CACHE_HOME"
        ) from None
    return tempfile.TemporaryFile(dir=folder)


def append(array: Array, file: IO[bytes]) -> None:
    """Write an array after what a file holds."""
    np.ascontiguousarray(array).view(np.uint8).tofile(file)


def view(file: IO[bytes], form: Array, access: int = mmap.ACCESS_READ) -> Array:
    """Map a file as an array, (row, ...), of the type and the columns of `form`."""
    file.flush()
    if not file.tell():
        return form[:0]
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=access), form.dtype).reshape(-1, *form.shape[1:])


def kept(array: Array, keep: Array) -> Array:
    """Return the rows that `keep` (row,) says, of an array on the disk on the disk as well."""
    if len(array) <= _ROWS_AT_ONCE or not is_mapped(array):
        return array[keep]
    blocks = (slice(begin, begin + _ROWS_AT_ONCE) for begin in range(0, len(array), _ROWS_AT_ONCE))
    return _on_disk((array[block][keep[block]] for block in blocks), array)


def gathered(array: Array, rows: Array) -> Array:
    """Return the rows of these numbers, of very many of an array on the disk on the disk as well."""
    if len(rows) <= _ROWS_AT_ONCE or not is_mapped(array):
        return array[rows]
    starts = range(0, len(rows), _ROWS_AT_ONCE)
    return _on_disk((array[rows[begin : begin + _ROWS_AT_ONCE]] for begin in starts), array)


def _on_disk(parts: Iterable[Array], form: Array) -> Array:
    with new_file() as file:
        for part in parts:
            append(part, file)
        return view(file, form)
