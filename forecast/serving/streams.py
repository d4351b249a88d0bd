"""Streams that are kept by id: a row in, a forecast out, the state carried on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Stream(Protocol):
    """A trained network that goes on row by row."""

    def update(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Take a row; return the forecast after it, a step a row."""
        ...


class Updated(NamedTuple):
    """What a row brought: the forecast, rows since the stream began, and the stream that had to go for it."""

    forecast: list[dict[str, Any]]
    rows: int
    dropped: str | None


class _Kept:
    """A stream, or one that is being started, with the rows that it has taken."""

    def __init__(self, run: str) -> None:
        self.run, self.rows = run, 0
        self.stream: Stream | None = None
        self.lock = asyncio.Lock()


class Streams:
    """Streams by id; `start` makes one, of the run that is named, where its data end."""

    def __init__(self, start: Callable[[str], Stream], most: int) -> None:
        self._start, self._most = start, most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # the one that was idle the longest first

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kept)

    async def update(self, name: str, run: str, row: Mapping[str, Any]) -> Updated:
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
                dropped, _ = self._kept.popitem(last=False)
        elif kept.run != run:
            raise ForecastError(
                f"the stream {name!r} is of the run {kept.run!r}, and {run!r} was asked for: choose another id, or "
                f"delete it first"
            )
        self._kept.move_to_end(name)
        async with kept.lock:  # rows of one stream are taken in the order in which they came
            if kept.stream is None:
                try:
                    kept.stream = await asyncio.to_thread(self._start, run)
                except BaseException:
                    self.drop(name)
                    raise
            forecast = kept.stream.update(row)
            kept.rows += 1
        return Updated(forecast, kept.rows, dropped)

    def drop(self, name: str) -> bool:
        """Forget a stream; return whether there was one."""
        return self._kept.pop(name, None) is not None
