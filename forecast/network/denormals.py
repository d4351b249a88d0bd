"""Numbers too small for full precision, which a processor computes with many times slower than with others."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_DENORMAL = 1e-40  # below the smallest normal float32, 1.2e-38


@contextlib.contextmanager
def without_denormals() -> Iterator[None]:
    """Let the processor take denormal numbers for zero while the block runs.

    A gradient that fades on its way back through a window ends among them: one that enters at the last of 168 steps
    made a training step more than twice as slow.
    """
    before = _flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushed() -> bool:
    """Whether they are taken for zero already: torch can be told, and not be asked."""
    return bool((torch.tensor([_DENORMAL]) * 1.0 == 0.0).item())
