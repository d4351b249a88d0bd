"""How many threads torch may use: for a small network a second one costs more than it brings."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_ONE_THREAD_WORK = 64 * 64 * 64
"""lanes x hidden units squared, a step's work, below which threads wait for each other longer than they compute."""


@contextlib.contextmanager
def threads_for(lanes: int, hidden_size: int, wanted: int | None = None) -> Iterator[None]:
    """Let torch use `wanted` threads while the block runs; None chooses by the work of a step."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or (1 if lanes * hidden_size**2 <= _ONE_THREAD_WORK else before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
