"""Import large packages without looking for garbage in between, and without being torn out of it by a signal.

While torch and Lightning are imported, a million objects are made, and all of them stay. Python's collector looks
through them a thousand times nevertheless, which takes an eighth of the imports' time. An exception that a signal
raises inside of a compiled module's import can end in a traceback of that module's; it is raised after the import.
"""

from __future__ import annotations

import gc
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_FROZEN_AT_START = 1_000
"""Objects that Python 3.12 has frozen before a program begins, at most; whoever freezes a program has far more."""


@contextmanager
def importing() -> Iterator[None]:
    """Collect no garbage meanwhile; leave alone a collector that somebody has switched off or has frozen objects of.

    >>> with importing():
    ...     import json
    """
    if not gc.isenabled() or gc.get_freeze_count() > _FROZEN_AT_START:
        with _signals_later():
            yield
        return
    gc.disable()
    try:
        with _signals_later():
            yield
    finally:
        # The two move all objects into the oldest generation without looking at any; garbage among them is found there.
        gc.freeze()
        gc.unfreeze()
        gc.enable()


@contextmanager
def _signals_later() -> Iterator[None]:
    """Hand SIGINT and SIGTERM to their handlers when the block is done, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(number))]
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])
