"""Streams that are kept by id: a row in, a forecast out, the state carried on."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from forecast.serving.forms import Row


SAVE_EVERY_S = 10.0


class Stream(Protocol):
    """A trained network that goes on row by row."""

    def update(self, row: Row) -> dict[str, Any]:
        """Take a row; return the forecast after it, ready for JSON."""
        ...

    def save(self, path: Path) -> None:
        """Write the state, from which another one can go on."""
        ...


class Updated(NamedTuple):
    """What a row brought: the forecast, rows since the stream began here, and the stream that had to go for it."""

    forecast: dict[str, Any]
    rows: int
    dropped: str | None


class _Kept:
    """A stream, or one that is being started, with the rows that it has taken."""

    def __init__(self, run: str) -> None:
        self.run, self.rows = run, 0
        self.unsaved = False
        self.stream: Stream | None = None
        self.lock = asyncio.Lock()


class Streams:
    """Streams by id.

    Parameters
    ----------
    start
        Makes one of the run that is named, from a file that `save` wrote or, where that is not there, anew.
    most
        How many are kept; a further one drops the one that was idle the longest.
    folder
        Where the states of streams are kept, every few seconds, at the end and when one is dropped; None: nowhere.

    """

    def __init__(self, start: Callable[[str, Path | None], Stream], most: int, folder: Path | None = None) -> None:
        self._start, self._most, self._folder = start, most, folder
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ForecastError(
                    f"the streams cannot be kept in {str(folder)!r} ({error.strerror}): set `serve.streams=...`"
                ) from None
        # One begins at a time: many at once would keep rows of others waiting for the interpreter.
        self._beginnings = ThreadPoolExecutor(1, thread_name_prefix="stream")
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # the one that was idle the longest first

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kept)

    async def update(self, name: str, run: str, row: Row) -> Updated:
        """Take a row of a stream, which begins with its first one.

        Raises
        ------
        ForecastError
            The stream is of another run, or the row does not fit.

        """
        kept, dropped = self._kept.get(name), None
        if kept is None:
            kept = self._kept[name] = _Kept(run)
            if len(self._kept) > self._most:
                dropped, idle = self._kept.popitem(last=False)
                self._save(dropped, idle)
        elif kept.run != run:
            raise ForecastError(
                f"the stream {name!r} is of the run {kept.run!r}, and {run!r} was asked for: choose another id, or "
                f"delete it first"
            )
        self._kept.move_to_end(name)
        async with kept.lock:  # rows of one stream are taken in the order in which they came
            if kept.stream is None:
                try:
                    kept.stream = await asyncio.get_running_loop().run_in_executor(
                        self._beginnings, self._start, run, self._state_of(name)
                    )
                except BaseException:
                    self._kept.pop(name, None)
                    raise
            forecast = kept.stream.update(row)
            kept.rows += 1
            kept.unsaved = True
        return Updated(forecast, kept.rows, dropped)

    def drop(self, name: str) -> bool:
        """Forget a stream; return whether there was one."""
        state = self._state_of(name)
        was_saved = state is not None and state.exists()
        if state is not None:
            state.unlink(missing_ok=True)
        return self._kept.pop(name, None) is not None or was_saved

    async def keep_saving(self) -> None:
        """Write the states that have changed every few seconds, so that a crash costs no more than these rows."""
        while self._folder is not None:
            await asyncio.sleep(SAVE_EVERY_S)
            for name, kept in list(self._kept.items()):
                if kept.unsaved and self._kept.get(name) is kept:  # it may have been deleted meanwhile
                    try:
                        self._save(name, kept)
                    except OSError as error:
                        sys.stderr.write(f"forecast: the state of a stream cannot be saved ({error.strerror})\n")
                        break
                    await asyncio.sleep(0)

    def save_all(self) -> None:
        """Write the states of all streams, where they are kept; nothing begins any more."""
        self._beginnings.shutdown(cancel_futures=True)
        for name, kept in self._kept.items():
            self._save(name, kept)

    def _save(self, name: str, kept: _Kept) -> None:
        state = self._state_of(name)
        if state is not None and kept.stream is not None:
            kept.stream.save(state)
            kept.unsaved = False

    def _state_of(self, name: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.safetensors"
