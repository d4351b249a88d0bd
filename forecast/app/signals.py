"""What ends the program from outside: a request to terminate does what Ctrl-C does, and is heeded within five seconds.

The handlers raise `Stopped`, on whose way out everything is kept that can be. Python runs them between two of its own
instructions; where a library computes for longer, a thread that the signal wakes ends the process itself.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from forecast.errors import Stopped, raise_stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_GRACE_S = 3.0
_INTERRUPTED = 130

_farewell: list[Callable[[], str]] = []
"""What to say of the task under way when the process is ended without it."""


def ended_line(error: BaseException) -> tuple[str, int]:
    """Return the line that says what ended the program and how to go on, and the exit status."""
    stopped = isinstance(error, Stopped) and error.signal_number != signal.SIGINT
    what = f"stopped by {signal.Signals(error.signal_number).name}" if stopped else "interrupted"  # type: ignore[attr-defined]
    status = 128 + error.signal_number if isinstance(error, Stopped) else _INTERRUPTED
    return "; ".join([f"forecast: {what}", *getattr(error, "__notes__", ())]), status


@contextmanager
def said_when_ended(say: Callable[[], str]) -> Iterator[None]:
    """Have something said in case the process has to be ended while the block runs."""
    _farewell.append(say)
    try:
        yield
    finally:
        _farewell.remove(say)


@contextmanager
def goes_on_with(command: str) -> Iterator[None]:
    """Have it said by which command a block that is ended from outside goes on."""
    note = f"go on with `{command}`"
    try:
        with said_when_ended(lambda: note):
            yield
    except (KeyboardInterrupt, Stopped) as error:
        error.add_note(note)
        raise


@contextmanager
def heeded() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP where it is not ignored, raise `Stopped` in the block; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in signals}
    heeded_here = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    interrupts = signal.getsignal(signal.SIGINT)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    old_wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(ours, {int(number) for number in heeded_here}), daemon=True).start()
    for number in heeded_here:
        signal.signal(number, raise_stopped)
    if interrupts != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.set_wakeup_fd(old_wakeup)
        for number in heeded_here:
            signal.signal(number, before[number])
        signal.signal(signal.SIGINT, interrupts)
        theirs.close()


def _watch(ours: socket.socket, numbers: set[int]) -> None:
    """Wait for a signal, and then for the program to end; the other end of the socket closes when it has."""
    with ours:
        while (received := ours.recv(1)) and received[0] not in numbers:
            pass
        if not received:
            return
        ours.settimeout(_GRACE_S)
        with suppress(TimeoutError):
            while ours.recv(64):
                pass
            return
    _end_now(received[0])


def _end_now(number: int, _: object = None) -> None:
    """End the process without a word of Python's: after a signal before the task, or too long after one."""
    error = Stopped(number)
    with suppress(Exception):
        for say in _farewell:
            if note := say():
                error.add_note(note)
    line, status = ended_line(error)
    with suppress(OSError):
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{line}\n".encode())
    os._exit(status)
