"""Layers of an LSTM, a GRU or an RNN that numba compiles, behind torch's modules; needs the extra `[fast]`."""

from __future__ import annotations

import contextlib
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGE = Path(__file__).parents[2]
_READ = ("network", "reference")
"""Parts of the package from which compiled functions take constants and other functions."""


def cached(**options: Any) -> Callable[[Any], Any]:
    """Compile as `numba.njit` does, and keep the result on the disk for as long as the sources stay as they are.

    numba by itself looks at the function's own file alone: a constant of another module, and a function that is called,
    stayed as they had been when it was compiled.
    """
    from numba import njit  # noqa: PLC0415  # it takes most of a second

    def compiled(function: Any) -> Any:
        dispatcher: Any = njit(cache=True, **options)(function)
        with contextlib.suppress(AttributeError):  # numba has no public way to say what a result depends on
            dispatcher._cache._cache_file._source_stamp = sources_stamp(_PACKAGE)
        return dispatcher

    return compiled


@cache
def sources_stamp(package: Path) -> str:
    """Return the SHA-256 of all sources that compiled functions may depend on."""
    sources = sorted(path for part in _READ for path in (package / part).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
