"""A panel that is larger than memory: files are read one by one, and what they hold lies on the disk, mapped.

Reading a table takes some ten times the memory of what it comes to. Here only one file is in memory at a time; its rows
are appended to files below the user's cache folder, which have no name and are gone with the process, and the panel's
arrays are views of these that nothing can write to. What the system has no room for it takes out of memory again.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.opening import find_files
from forecast.series.panel import Source
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from forecast.reading.settings import CsvSettings
    from forecast.series.panel import Panel

_ARRAYS = ("values", "observed", "times", "masked")


def load_by_file(settings: CsvSettings, load: Callable[[CsvSettings], Source]) -> Source:
    """Read each file of `data.path` with `load` as if it were alone, into one panel on the disk.

    Raises
    ------
    ForecastError
        A series in two files, files of different frequency or columns, covariates known ahead, or what `load` raises.

    """
    if settings.symbols or settings.target_at == "end":
        raise ForecastError("`data.by_file=true` reads values, a number a row: leave it out for symbols and labels")
    paths = find_files(settings.path)
    digest, lengths = hashlib.sha256(), [np.zeros(1, dtype=np.int64)]
    ids: dict[str, str] = {}
    first: Source | None = None
    with ExitStack() as stack:
        stored = {name: stack.enter_context(tempfile.TemporaryFile(dir=_cache())) for name in _ARRAYS}
        for path in paths:
            source = load(settings.model_copy(update={"path": path, "by_file": False}))
            first = first or replace(source, panel=source.panel.take(np.zeros(1, dtype=np.int64)))
            _check_alike(source.panel, first.panel, path, paths[0])
            _check_new(source.panel.ids, ids, path)
            ids |= dict.fromkeys(source.panel.ids, path)
            lengths.append(source.panel.lengths)
            digest.update(source.fingerprint.encode())
            _append(source.panel, stored)
        arrays = {name: _mapped(file) for name, file in stored.items()}
    if first is None:
        raise RuntimeError("a path stands for a file at least")
    part, channels = first.panel, len(first.panel.channels)
    times: Any = arrays["times"].view(part.times.dtype)
    masked = arrays["masked"].view(np.bool_).reshape(-1, channels)
    panel = replace(
        part,
        values=arrays["values"].view(np.float64).reshape(-1, channels),
        observed=arrays["observed"].view(np.bool_).reshape(-1, channels),
        times=times,
        offsets=np.cumsum(np.concatenate(lengths)),
        ids=tuple(ids),
        masked=masked if masked.any() else None,
    )
    found = {**first.found, "rows": f"{len(panel.times):,} in {len(panel)} series of {counted(len(paths), 'file')}"}
    note = f"{counted(len(paths), 'file')} read one by one; notes are those on the first, {paths[0]!r}."
    return replace(first, panel=panel, found=found, notes=(note, *first.notes), fingerprint=digest.hexdigest())


def _cache() -> Path:
    """Return a folder on the disk, which the folder of temporary files need not be."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forecast"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ForecastError(
            f"`data.by_file=true` keeps the panel in {str(folder)!r}, which cannot be made ({error.strerror}): name "
            "another place by the environment's XDG_CACHE_HOME"
        ) from None
    return folder


def _append(panel: Panel, stored: Mapping[str, IO[bytes]]) -> None:
    for name, file in stored.items():
        array = getattr(panel, name)
        if array is None:  # nothing is masked
            array = np.zeros(panel.values.shape, dtype=np.bool_)
        np.ascontiguousarray(array).view(np.uint8).tofile(file)


def _mapped(file: IO[bytes]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a view of all bytes of a file, which stays when the file is closed."""
    file.flush()
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)


def _check_alike(panel: Panel, first: Panel, path: str, first_path: str) -> None:
    if panel.ahead is not None or panel.static is not None:
        raise ForecastError(
            "`data.by_file=true` reads no covariates that are known ahead or constant: leave out `data.future` and "
            "`data.static`, or read all files at once"
        )
    if [one.name for one in panel.channels[1:]] != [one.name for one in first.channels[1:]]:
        raise ForecastError(f"{path!r} has other covariates than {first_path!r}: name them with `data.past`")
    if panel.calendar != first.calendar or panel.times.dtype != first.times.dtype:
        ours, theirs = (one.calendar.freq or f"steps of {one.calendar.step}" for one in (panel, first))
        what = f"are {ours} and {theirs}" if ours != theirs else "leave out different days"
        raise ForecastError(
            f"the rows of {path!r} and {first_path!r} {what}: say `data.freq` (where trading days are meant, `D` with "
            "`data.on_gaps=mask`), or read all files at once"
        )


def _check_new(ids: Iterable[str], known: dict[str, str], path: str) -> None:
    if twice := [name for name in ids if name in known]:
        named = name_some([repr(name) for name in twice[:3]], len(twice))
        hint = (
            "put each as a whole into one file" if len(known) > 1 else "say which column names the series (`data.id`)"
        )
        raise ForecastError(f"series {named} stand in {known[twice[0]]!r} and in {path!r}: {hint}")
