"""Segments, lanes and chunks: which rows a streamed batch reads. Index arithmetic only.

A *segment* is a run of rows of one series that are read in order; a *lane* is a run of segments one after the other; a
*chunk* is the next `chunk_steps` rows of every lane, one batch. A segment always begins at a chunk's start: its first
chunk is empty up to the segment's *offset*, which is drawn anew each epoch, so that the borders between chunks, where
the gradient is cut, fall elsewhere each time. The last chunk is empty after the segment's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.series.panel import BoolArray, IntArray

_OFFSETS = 8
"""How many different offsets are drawn. A backbone cuts a chunk at each that occurs in it."""

_CHUNKS_A_SEGMENT = 4
"""Series are cut into segments of no fewer chunks than this: each cut costs a warm-up."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Runs of rows, each (segment,): read from `first` on, trained from `trained_from` to before `end`.

    Rows between `first` and `trained_from` only warm the state; the segment before trains them.
    """

    first: IntArray
    trained_from: IntArray
    end: IntArray

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.first)


@dataclass(frozen=True, eq=False)
class Chunk:
    """One batch of rows, lanes side by side; steps at its ends at which no lane is inside a segment are left out.

    Attributes
    ----------
    rows : (lane, step) rows of the panel; where `inside` is False some valid row, to be ignored
    inside : (lane, step) whether the lane is inside a segment
    trained : (lane, step) whether the step carries loss
    resets : (lane,) step at which a segment begins, so that the state is reset before it; -1: none

    """

    rows: IntArray
    inside: BoolArray
    trained: BoolArray
    resets: IntArray


def cut_segments(starts: IntArray, ends: IntArray, lanes: int, chunk_steps: int, warmup_steps: int) -> Segments:
    """Cut series, of which series i has training rows `starts[i]:ends[i]`, so that `lanes` lanes are filled evenly.

    No segment is longer than an equal share of all rows, unless that share is less than a few chunks.
    """
    share = -(-int((ends - starts).sum()) // lanes)  # rows a lane, rounded up
    longest = max(share, _CHUNKS_A_SEGMENT * chunk_steps)
    first, trained_from, end = [], [], []
    for start, stop in zip(starts.tolist(), ends.tolist(), strict=True):
        count = -(-(stop - start) // longest)
        borders = np.linspace(start, stop, count + 1).round().astype(np.int64)
        trained_from.append(borders[:-1])
        first.append(np.maximum(borders[:-1] - warmup_steps, start))
        end.append(borders[1:])
    return Segments(np.concatenate(first), np.concatenate(trained_from), np.concatenate(end))


def cut_at(
    borders: IntArray, starts: IntArray, ends: IntArray, lanes: int, chunk_steps: int, *, warmup_steps: int
) -> tuple[Segments, BoolArray]:
    """Cut series so that no segment has rows on both sides of a border; also say which lie behind theirs, (segment,).

    The state of those behind is warmed on the rows before the border.
    """
    before = cut_segments(starts, borders, lanes, chunk_steps, warmup_steps)
    behind = cut_segments(borders, ends, lanes, chunk_steps, warmup_steps)
    series_start = starts[np.searchsorted(starts, behind.trained_from, side="right") - 1]
    first = np.maximum(behind.trained_from - warmup_steps, series_start)
    segments = Segments(
        np.concatenate([before.first, first]),
        np.concatenate([before.trained_from, behind.trained_from]),
        np.concatenate([before.end, behind.end]),
    )
    return segments, np.arange(len(segments)) >= len(before)


def with_replay(segments: Segments, new: BoolArray, rng: np.random.Generator) -> Segments:
    """Return the new segments, and as many trained rows of others, drawn at random, as they have."""
    rows = segments.end - segments.trained_from
    others = rng.permutation(np.flatnonzero(~new))
    count = int(np.searchsorted(np.cumsum(rows[others]), rows[new].sum())) + 1
    chosen = np.concatenate([np.flatnonzero(new), others[:count]])
    return Segments(segments.first[chosen], segments.trained_from[chosen], segments.end[chosen])


def whole_segments(starts: IntArray, ends: IntArray) -> Segments:
    """Take the rows `starts[i]:ends[i]` of each series as one segment, uncut; series without any have none."""
    has_rows = ends > starts
    return Segments(starts[has_rows], starts[has_rows], ends[has_rows])


def full_last_chunks(segments: Segments, chunk_steps: int) -> IntArray:
    """Empty steps before each segment that fill its last chunk as far as the grain of offsets goes, (segment,).

    Where the last step alone carries loss, the gradient then reaches nearly a chunk back from it, or the whole segment.
    """
    grain = -(-chunk_steps // _OFFSETS)
    missing = -(segments.end - segments.first) % chunk_steps
    return np.where(segments.end - segments.first > chunk_steps, missing // grain * grain, 0).astype(np.int64)


def draw_offsets(segments: Segments, chunk_steps: int, rng: np.random.Generator) -> IntArray:
    """Empty steps before each segment, (segment,); none where a segment fits into one chunk: nothing is cut there."""
    grain = -(-chunk_steps // _OFFSETS)
    offsets = rng.integers(0, -(-chunk_steps // grain), len(segments)) * grain
    return np.where(segments.end - segments.first > chunk_steps, offsets, 0).astype(np.int64)


def lane_chunks(
    segments: Segments, lanes: int, chunk_steps: int, rng: np.random.Generator, offsets: IntArray | None = None
) -> Iterator[Chunk]:
    """Chunks that read every segment once, in lanes of about equal length; order and lanes are drawn from `rng`."""
    if offsets is None:
        offsets = draw_offsets(segments, chunk_steps, rng)
    chunks = -(-(segments.end - segments.first + offsets) // chunk_steps)  # (segment,) rounded up
    runs = _assign_lanes(chunks, min(lanes, len(segments)), rng)
    segment, place = _lane_table(runs, chunks)  # each (batch, lane)
    step = np.arange(chunk_steps)
    for which, at in zip(segment, place, strict=True):
        idle = which < 0  # (lane,) no segment left
        first = segments.first[which] - offsets[which]
        rows = first[:, None] + at[:, None] * chunk_steps + step  # (lane, step)
        inside = (rows >= segments.first[which, None]) & (rows < segments.end[which, None]) & ~idle[:, None]
        busy = np.flatnonzero(inside.any(axis=0))  # steps at which some lane is inside a segment
        steps = slice(busy[0], busy[-1] + 1)
        rows, inside = rows[:, steps], inside[:, steps]
        yield Chunk(
            rows=np.clip(rows, segments.first[which, None], segments.end[which, None] - 1),
            inside=inside,
            trained=inside & (rows >= segments.trained_from[which, None]),
            resets=np.where((at == 0) & ~idle, offsets[which] - busy[0], -1),
        )


def _assign_lanes(chunks: IntArray, lanes: int, rng: np.random.Generator) -> list[IntArray]:
    """Give each lane segments, longest first to the lane that has least, then shuffle each lane's order."""
    order = rng.permutation(len(chunks))
    order = order[np.argsort(-chunks[order], kind="stable")]
    load = np.zeros(lanes, dtype=np.int64)  # chunks of each lane so far
    runs: list[list[int]] = [[] for _ in range(lanes)]
    for segment in order.tolist():
        lane = int(np.argmin(load))
        runs[lane].append(segment)
        load[lane] += chunks[segment]
    return [rng.permutation(np.array(run, dtype=np.int64)) for run in runs]


def _lane_table(runs: list[IntArray], chunks: IntArray) -> tuple[IntArray, IntArray]:
    """Which segment each lane is in at each batch (-1: none left), and at which of its chunks; each (batch, lane)."""
    batches = max(int(chunks[run].sum()) for run in runs)
    segment = np.full((batches, len(runs)), -1, dtype=np.int64)
    place = np.zeros((batches, len(runs)), dtype=np.int64)
    for lane, run in enumerate(runs):
        count = chunks[run]
        total = int(count.sum())
        segment[:total, lane] = np.repeat(run, count)
        place[:total, lane] = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    return segment, place
