"""Windows: `context_steps` rows before an origin and the origin itself. Index arithmetic only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.series.panel import IntArray


def window_rows(origin_rows: IntArray, context_steps: int) -> IntArray:
    """Rows of the windows that end at some origins, oldest first, (window, context step)."""
    return origin_rows[:, None] + np.arange(1 - context_steps, 1)


def whole_windows(starts: IntArray, ends: IntArray, context_steps: int) -> IntArray:
    """Origins with a whole window before them and at least one target after, in rows `starts[i]:ends[i]`, (origin,)."""
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.concatenate([np.arange(start + context_steps - 1, end - 1) for start, end in pairs]).astype(np.int64)


def draw_windows(origin_rows: IntArray, batch_size: int, batches: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """Batches of origins drawn without repetition, (window,); at most `batches`, fewer where the origins run out."""
    drawn = rng.permutation(origin_rows)[: batches * batch_size]
    for first in range(0, len(drawn), batch_size):
        yield drawn[first : first + batch_size]
