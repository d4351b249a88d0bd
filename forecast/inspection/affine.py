"""How what a network is handed follows from the values of a series some steps back.

The forecasts of every reference, and the differences that a network reads, are affine in the values of the series, its
running means included. What a change of some values does to them is therefore found by asking the reference about the
series with these values changed and about the series without: exactly, however young the series is, and without the
matrix of all values, which would not fit into memory. `series.stepwise` asks about unit vectors in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray, Panel

NEAR = 200
"""Lags that are looked at one by one; further back ranges of lags are, each this share longer than the one before:"""
_WIDER = 0.1

SEASONS = 7
"""Seasons back whose same phase is looked at by itself: as far as a blend looks."""

_NUMBERS_AT_ONCE = 2_000_000
"""values of the series x ranges of lags that are asked about in one piece (some 100 MB)."""


class Handed(NamedTuple):
    """What the reference hands on, in the target's units.

    Attributes
    ----------
    inputs : (..., walked step, difference) what the network reads
    forecast : (..., horizon) what its output is added to

    """

    inputs: FloatArray
    forecast: FloatArray


def lag_edges(length: int, season_steps: int, ahead: IntArray) -> IntArray:
    """Where ranges of lags begin and end, (range + 1,) from 0 to `length`.

    Lags whole seasons before the steps `ahead` have a range of their own, and a season's end is a border.
    """
    edges = list(range(min(NEAR, length) + 1))
    while edges[-1] < length:
        edges.append(min(edges[-1] + max(int(_WIDER * edges[-1]), 1), length))
    if season_steps > 1:
        seasons = season_steps * np.arange(1, SEASONS + -(-int(ahead.max()) // season_steps) + 1)
        same = (seasons[:, None] - ahead).reshape(-1)
        edges += [int(lag) for lag in (*same, *(same + 1), *seasons) if 0 <= lag < length]
    return np.unique(np.array(edges, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Lags:
    """One origin of one series.

    Attributes
    ----------
    past : one series, which ends at the origin
    number : what the reference calls it
    baseline : the value that it is compared with, at every step
    walked_steps : steps before the origin, and it, at which a network reads

    """

    reference: Reference
    past: Panel
    number: int
    baseline: float
    walked_steps: int

    def ends(self) -> tuple[Handed, Handed]:
        """What is handed on at the baseline, and at the values of the series."""
        held = np.full_like(self.past.target, self.baseline)
        told = self._told(np.stack([held, self.past.target]), np.arange(len(held) - self.walked_steps, len(held)))
        return Handed(told.inputs[0], told.forecast[0]), Handed(told.inputs[1], told.forecast[1])

    def responses(self, edges: IntArray) -> Iterator[tuple[slice, int, Handed]]:
        """What values at some lags change when they are the series', and all others the baseline's.

        Some ranges of lags at a time: which of them, the first walked step at which any of them is seen, and what
        changes from there on, (range, ...).
        """
        length = len(self.past.target)
        at_once = max(_NUMBERS_AT_ONCE // length, 1)
        for first in range(0, len(edges) - 1, at_once):
            here = slice(first, min(first + at_once, len(edges) - 1))
            oldest = max(length - int(edges[here.stop]), length - self.walked_steps)
            values = np.full((here.stop - here.start + 1, length), self.baseline)
            for row, (low, high) in enumerate(zip(edges[here], edges[here.start + 1 : here.stop + 1], strict=True)):
                changed = slice(max(length - int(high), 0), max(length - int(low), 0))
                values[row, changed] = self.past.target[changed]
            told = self._told(values, np.arange(oldest, length))
            changes = Handed(told.inputs[:-1] - told.inputs[-1], told.forecast[:-1] - told.forecast[-1])
            yield here, oldest - (length - self.walked_steps), changes

    def _told(self, values: FloatArray, steps: IntArray) -> Handed:
        """Ask about several courses of the series, (course, step), at some of its steps."""
        courses, length = values.shape
        panel, reference = _several(self.past, values), _repeated(self.reference, self.number, courses)
        known = reference.causal_features(panel)
        starts = np.arange(courses) * length
        inputs = reference.inputs(known, (starts[:, None] + steps).reshape(-1))
        return Handed(inputs.reshape(courses, len(steps), -1), reference.at(known, starts + length - 1))


def _several(past: Panel, values: FloatArray) -> Panel:
    """Pack courses of one series, (course, step), as series of their own, masked where it is masked."""
    courses, length = values.shape
    return replace(
        past,
        values=values.reshape(-1, 1),
        observed=np.tile(past.observed, (courses, 1)),
        offsets=np.arange(courses + 1) * length,
        times=np.arange(courses * length),
        ids=past.ids * courses,
        masked=None if past.masked is None else np.tile(past.masked, (courses, 1)),
    )


def _repeated(reference: Reference, number: int, times: int) -> Reference:
    """Return the reference of so many series that are all this one."""
    weights = np.broadcast_to(reference.weights[number], (times, *reference.weights.shape[1:]))
    return replace(reference, centre=np.full(times, reference.centre[number]), weights=weights)
