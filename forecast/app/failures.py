"""What ends a job early, as one line and an exit status; the traceback only for those who ask for it.

`HYDRA_FULL_ERROR=1` is Hydra's own variable for that. We set it too, so that Hydra raises its errors and leaves them to
us; a mark beside it tells the two apart.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.app.streams import is_closed_pipe
from forecast.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.errors import ForecastError

NOT_WRITTEN = 74  # EX_IOERR of sysexits.h
_FULL_ERROR = "HYDRA_FULL_ERROR"
_MARK = "FORECAST_SET_FULL_ERROR"


def report_error(error: ForecastError) -> int:
    """Print the one line that a user's mistake gets; return the exit status."""
    if _user_wants_traceback():
        raise error
    print(f"forecast: {printable(error.line)}", file=sys.stderr)
    return 2


def report_refusal(error: OSError) -> int:
    """Print the one line that a disk which is full, a folder that is gone and the like get; return the exit status.

    Whoever closes a pipe has read enough, and is told nothing.
    """
    if _user_wants_traceback():
        raise error
    if is_closed_pipe(error):
        return 1
    what = f" {str(error.filename)!r}" if error.filename else ""
    why = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
    try:
        Path.cwd()
    except OSError:
        why += " (the working directory has been removed: change into one that is there)"
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    print(printable(f"forecast: cannot read or write{what}: {why}{notes}"), file=sys.stderr)
    return NOT_WRITTEN


def _user_wants_traceback() -> bool:
    """Whether the user, and not we, set HYDRA_FULL_ERROR=1."""
    return os.environ.get(_FULL_ERROR) == "1" and _MARK not in os.environ


@contextmanager
def full_errors() -> Iterator[None]:
    """Make Hydra raise its errors instead of printing them and leaving with status 1."""
    if _user_wants_traceback():
        yield
        return
    before = os.environ.get(_FULL_ERROR)
    os.environ |= {_FULL_ERROR: "1", _MARK: "1"}
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def without_our_full_error() -> Iterator[None]:
    """Take it out again while a task runs, so that no child process inherits it."""
    if _MARK not in os.environ:
        yield
        return
    _restore(None)
    try:
        yield
    finally:
        os.environ |= {_FULL_ERROR: "1", _MARK: "1"}


def _restore(before: str | None) -> None:
    os.environ.pop(_MARK, None)
    os.environ.pop(_FULL_ERROR, None)
    if before is not None:
        os.environ[_FULL_ERROR] = before
