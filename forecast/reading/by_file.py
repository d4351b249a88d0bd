"""A panel that is larger than memory: files are read one by one, and what they hold lies on the disk, mapped.

Reading a table takes some ten times the memory of what it comes to. Here only one file is in memory at a time; its rows
are appended to arrays on the disk (`forecast.series.mapped`), of which the panel's arrays are views.
"""

from __future__ import annotations

import hashlib
import mmap
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.opening import find_files
from forecast.reading.raw_table import in_order_of_ids
from forecast.reading.values import covariate_words
from forecast.series.mapped import append, new_file, view
from forecast.series.panel import KnownAhead, Source, Statics
from forecast.wording import counted, quote_some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from forecast.reading.settings import CsvSettings
    from forecast.series.panel import BoolArray, Channel, FloatArray, IntArray, Panel


def load_by_file(settings: CsvSettings, load: Callable[[CsvSettings], Source]) -> Source:
    """Read each file of `data.path` with `load` as if it were alone, into one panel on the disk.

    Raises
    ------
    ForecastError
        A series in two files, files of different frequency or columns, or what `load` raises.

    """
    if settings.symbols or settings.target_at == "end":
        raise ForecastError("`data.by_file=true` reads values, a number a row: leave it out for symbols and labels")
    paths = find_files(settings.path)
    digest, ids, statics, has_mask = hashlib.sha256(), dict[str, str](), list[Statics](), False
    first: Source | None = None
    with ExitStack() as stack:
        rows, ahead = _Rows(stack), _Rows(stack)
        for path in paths:
            source = load(settings.model_copy(update={"path": path, "by_file": False}))
            panel = source.panel
            first = first or replace(source, panel=panel.take(np.zeros(1, dtype=np.int64)))
            _check_alike(panel, first.panel, path, paths[0])
            _check_new(panel.ids, ids, path)
            ids |= dict.fromkeys(panel.ids, path)
            digest.update(source.fingerprint.encode())
            has_mask |= panel.masked is not None
            _append(panel, rows, ahead)
            statics += [] if panel.static is None else [panel.static]
        if first is None:
            raise RuntimeError("a path stands for a file at least")
        mapped = rows.mapped()
        panel = replace(
            first.panel,
            values=mapped["values"],
            observed=mapped["observed"],
            times=mapped["times"],
            masked=mapped["masked"] if has_mask else None,
            offsets=rows.offsets(),
            ids=tuple(ids),
            channels=rows.channels(),
            ahead=KnownAhead(**ahead.mapped(), offsets=ahead.offsets(), channels=ahead.channels()) if ahead else None,
            static=_together(statics),
        )
    note = f"{counted(len(paths), 'file')} read one by one; notes are those on the first, {paths[0]!r}."
    return replace(
        first,
        panel=panel,
        found=_found(first, panel, len(paths)),
        notes=(note, *first.notes),
        fingerprint=digest.hexdigest(),
    )


def _append(panel: Panel, rows: _Rows, ahead: _Rows) -> None:
    """Append the rows of a file, and what it knows ahead; without a mask nothing is masked."""
    masked = np.zeros(panel.values.shape, dtype=np.bool_) if panel.masked is None else panel.masked
    arrays = {"values": panel.values, "masked": masked, "observed": panel.observed, "times": panel.times}
    rows.append(panel.channels, panel.lengths, arrays)
    if panel.ahead is not None:
        known = {"values": panel.ahead.values, "masked": panel.ahead.masked}
        ahead.append(panel.ahead.channels, np.diff(panel.ahead.offsets), known)


def _found(first: Source, panel: Panel, files: int) -> dict[str, str]:
    """What was found in the first file, with the numbers of all."""
    found = {**first.found, "rows": f"{len(panel.times):,} in {len(panel)} series of {counted(files, 'file')}"}
    if "id" in found:
        found["id"] = f"{found['id'].rpartition(' (')[0]} ({len(panel)} series)"
    if "covariates" in found:
        found["covariates"] = covariate_words(_covariates(panel))
    return found


class _Rows:
    """Rows of arrays that grow on the disk, file by file; texts get the places that they have among those of all."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._files: dict[str, tuple[IO[bytes], np.ndarray[Any, Any]]] = {}
        """Arrays by name, each with an empty one of its form."""
        self._parts: list[tuple[tuple[Channel, ...], IntArray]] = []
        """Channels and lengths of the series of each file."""

    def __bool__(self) -> bool:
        return bool(self._parts)

    def append(
        self, channels: tuple[Channel, ...], lengths: IntArray, arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> None:
        """Append arrays, (row, ...), of which `values` and `masked` have a column a channel."""
        self._parts.append((channels, lengths))
        for name, array in arrays.items():
            if name not in self._files:
                self._files[name] = (self._stack.enter_context(new_file()), array[:0])
            append(array, self._files[name][0])

    def channels(self) -> tuple[Channel, ...]:
        """Return the channels with the categories of all files."""
        return _of_all([channels for channels, _ in self._parts])

    def offsets(self) -> IntArray:
        """Return the first row of each series and the end, (series + 1,)."""
        return np.concatenate([[0], np.concatenate([lengths for _, lengths in self._parts]).cumsum()])

    def mapped(self) -> dict[str, Any]:
        """Return views of the files, which stay when these are closed, and which nothing can write to."""
        values, masked = (view(*self._files[name], mmap.ACCESS_WRITE) for name in ("values", "masked"))
        channels, begin = self.channels(), 0
        for own, lengths in self._parts:
            part = slice(begin, begin := begin + int(lengths.sum()))
            _recode(values[part], masked[part], own, channels)
        return {name: view(*of_file) for name, of_file in self._files.items()}


def _of_all(parts: Sequence[tuple[Channel, ...]]) -> tuple[Channel, ...]:
    """Return channels with the categories that they have in any of the files, in the order of a table read at once."""
    texts = [in_order_of_ids({text for one in same for text in one.categories}) for same in zip(*parts, strict=True)]
    return tuple(replace(channel, categories=tuple(found)) for channel, found in zip(parts[0], texts, strict=True))


def _recode(values: FloatArray, masked: BoolArray, own: tuple[Channel, ...], channels: tuple[Channel, ...]) -> None:
    """Replace places among a file's own categories, (row, channel), by those among the categories of all."""
    for j, (before, after) in enumerate(zip(own, channels, strict=True)):
        if before.categories != after.categories:
            places = np.array([after.categories.index(text) for text in before.categories], dtype=np.float64)
            there = ~masked[:, j]
            values[there, j] = places[values[there, j].astype(np.int64)]


def _together(parts: Sequence[Statics]) -> Statics | None:
    """Put what is constant in the series of each file below each other; there is little of it."""
    if not parts:
        return None
    channels = _of_all([part.channels for part in parts])
    values = [part.values.copy() for part in parts]
    for part, recoded in zip(parts, values, strict=True):
        _recode(recoded, part.masked, part.channels, channels)
    return Statics(np.concatenate(values), np.concatenate([part.masked for part in parts]), channels)


def _check_alike(panel: Panel, first: Panel, path: str, first_path: str) -> None:
    ours, theirs = ([(c.name, c.role, bool(c.categories)) for c in _covariates(one)] for one in (panel, first))
    if sorted(name for name, _, _ in ours) != sorted(name for name, _, _ in theirs):
        named = "`data.past`, `data.future` or `data.static`"
        raise ForecastError(f"{path!r} has other covariates than {first_path!r}: name those of all with {named}")
    if ours != theirs:
        name = next(one[0] for one, other in zip(ours, theirs, strict=True) if one != other)
        raise ForecastError(
            f"the covariate {name!r} is of one kind in {path!r} and of another in {first_path!r} (numbers or texts, "
            f"known ahead or so far): write it alike in all files"
        )
    if panel.calendar != first.calendar or panel.times.dtype != first.times.dtype:
        now, before = (one.calendar.freq or f"steps of {one.calendar.step}" for one in (panel, first))
        what = f"are {now} and {before}" if now != before else "leave out different days"
        raise ForecastError(
            f"the rows of {path!r} and {first_path!r} {what}: say `data.freq` (where trading days are meant, `D` with "
            "`data.on_gaps=mask`), or read all files at once"
        )


def _covariates(panel: Panel) -> tuple[Channel, ...]:
    ahead = () if panel.ahead is None else panel.ahead.channels
    static = () if panel.static is None else panel.static.channels
    return (*panel.channels[1:], *ahead, *static)


def _check_new(ids: Iterable[str], known: dict[str, str], path: str) -> None:
    if twice := [name for name in ids if name in known]:
        named = quote_some(twice, 3)
        hint = (
            "put each as a whole into one file" if len(known) > 1 else "say which column names the series (`data.id`)"
        )
        raise ForecastError(f"series {named} stand in {known[twice[0]]!r} and in {path!r}: {hint}")
