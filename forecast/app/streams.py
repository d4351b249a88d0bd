"""Standard output and error as they may be: closed, full, or in an encoding that lacks characters. None ends a run."""

from __future__ import annotations

import codecs
import errno
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = "forecast.plain"
_INSTEAD = dict(zip("−–—‑━─×·≤≥≈→’‘“”µ\u202f", "------x.<>~>''\"\"u ", strict=True)) | {"∞": "inf", "…": "..."}
"""What stands for characters of ours that a terminal may lack, as one of code page 1252 or 949 does; "?" for others."""


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded.

    >>> "−3 … ∞".encode("cp1252", _PLAIN).decode("cp1252")
    '-3 … inf'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_INSTEAD.get(each, "?") for each in error.object[error.start : error.end]), error.end


codecs.register_error(_PLAIN, _plain)


class Output:
    """A stream whose failure is remembered as `error` and not raised; what is written from then on goes nowhere."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write if that is possible."""
        with self._forgiven():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush if that is possible."""
        with self._forgiven():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _forgiven(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error
            with suppress(OSError, ValueError, AttributeError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())  # what is buffered would fail again at the end of Python
                os.close(nowhere)


@contextmanager
def forgiving_output() -> Iterator[Output]:
    """Make standard output and error such streams while the block runs; gives the former."""
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:  # one that is closed would be the number of the next file
        pass
    os.close(number)
    before = sys.stdout, sys.stderr
    encodings = []
    for stream in before:
        if stream is not None and hasattr(stream, "reconfigure"):
            encodings.append((stream, stream.errors))
            stream.reconfigure(errors=_PLAIN)
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - closed below
    out, err = (Output(stream or nowhere) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        nowhere.close()
        sys.stdout, sys.stderr = before
        for stream, errors in encodings:
            with suppress(OSError, ValueError):
                stream.reconfigure(errors=errors)


def is_closed_pipe(error: OSError) -> bool:
    """Whether whoever reads has just gone, as `head` does."""
    return error.errno in (errno.EPIPE, errno.ESHUTDOWN)
