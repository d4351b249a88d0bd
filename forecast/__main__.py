"""`python -m forecast`, and what the console script `forecast` calls."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys


def main() -> int:
    """Run the command; until it is loaded, which takes a second, a signal ends the program without a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _leave)
    from forecast.app import main as command  # noqa: PLC0415

    status = command()
    if status > 128:  # ended by a signal: what else would be tidied up takes a second
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
    gc.freeze()  # the interpreter would look through a million objects of torch's before it ends, for over a second
    return status


def _leave(number: int, _: object) -> None:
    os.write(2, b"forecast: interrupted\n" if number == signal.SIGINT else b"forecast: stopped by SIGTERM\n")
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
