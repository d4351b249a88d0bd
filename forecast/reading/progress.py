"""Lines that say that data are still being read, where somebody wants to hear it: a library call says nothing."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SILENT_S, _SAY_AGAIN_S = 3.0, 10.0
"""Seconds of reading until the first line that says so, and from line to line."""
_TOLD: ContextVar[Callable[[str], None] | None] = ContextVar("told", default=None)


@contextmanager
def telling(tell: Callable[[str], None]) -> Iterator[None]:
    """Have all reading in this block say what takes long."""
    before = _TOLD.set(tell)
    try:
        yield
    finally:
        _TOLD.reset(before)


@contextmanager
def said_to_be_read(path: str | tuple[str, ...] | None) -> Iterator[None]:
    """Say from the third second on, and then every ten, that the data are still being read."""
    tell = _TOLD.get()
    if tell is None:
        yield
        return
    began, done = time.monotonic(), threading.Event()

    def say() -> None:
        pause = _SILENT_S
        while not done.wait(pause):
            what = path if isinstance(path, str) else "the data"
            tell(f"reading {what} ({time.monotonic() - began:.0f} s so far) ...")
            pause = _SAY_AGAIN_S

    sayer = threading.Thread(target=say, daemon=True)
    sayer.start()
    try:
        yield
    finally:
        done.set()
        sayer.join()
