"""How the C library hands out memory: buffers that each training step wants again are better kept than given back."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_LARGEST_KEPT = 32 * 2**20  # bytes of a buffer, the most that glibc allows: a larger one is fetched at each call
_KEPT = 512 * 2**20
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h


def keep_freed_memory() -> None:
    """Let glibc keep up to 512 MB of freed buffers for the rest of the process; elsewhere nothing is done.

    By default a buffer of some megabytes goes back to the system as soon as it is freed, and the next step pays for
    every one of its pages anew: a third of a training step with 256 lanes.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
