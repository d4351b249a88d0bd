"""What makes the same computation faster on a CPU: memory that is kept, denormals taken for zero, few threads."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST_KEPT = 32 * 2**20  # bytes of a buffer, the most that glibc allows: a larger one is fetched at each call
_KEPT = 512 * 2**20
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h

_DENORMAL = 1e-40  # below the smallest normal float32, 1.2e-38

_ONE_THREAD_WORK = 64 * 64 * 64
"""lanes x hidden units squared, a step's work, below which threads wait for each other longer than they compute."""


def keep_freed_memory() -> None:
    """Let glibc keep up to 512 MB of freed buffers for the rest of the process; a no-op elsewhere.

    By default a buffer of some megabytes goes back to the system as soon as it is freed, and the next step pays for
    every one of its pages anew: a tenth to a third of a training step with 256 lanes; with 32 it makes no difference.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)


@contextlib.contextmanager
def flush_denormals() -> Iterator[None]:
    """Let the processor take denormal numbers for zero while the block runs.

    A gradient that fades on its way back through a window ends among them. Where it enters at the last of 168 steps, a
    training step took more than twice as long on one processor, and no longer on another (AMD EPYC): a switch that
    costs nothing.
    """
    before = _flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushed() -> bool:
    """Whether flush-to-zero is on; torch has no getter."""
    return bool((torch.tensor([_DENORMAL]) * 1.0 == 0.0).item())


@contextlib.contextmanager
def threads_for(lanes: int, hidden_size: int, wanted: int | None = None) -> Iterator[None]:
    """Let torch use `wanted` threads while the block runs; None: one where a step is small, else torch's own number."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or (1 if lanes * hidden_size**2 <= _ONE_THREAD_WORK else before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
