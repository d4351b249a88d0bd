"""What a network is handed of a series, and how it follows from past values and covariates.

The forecasts of every reference, and the differences that a network reads, are affine in the values of the series, its
running means included; the value itself, where a network reads it, follows from one value alone. What a change of some
values does is therefore measured by evaluating the reference on the series with these values changed and on the series
without: exactly, however young the series is, and without the matrix of all values, which would not fit into memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.reference.encoding import ChannelEncoding, CovariateEncoding
    from forecast.reference.references import Reference
    from forecast.series.panel import Channel, FloatArray, IntArray, Panel

SEASONS = 7
"""Seasons back whose same phase has a range of lags of its own: as far as a blend looks."""

_NEAR = 200
"""Lags that have a range each; further back ranges are wider, each this share longer than its lag:"""
_WIDER = 0.1
_VALUES_AT_ONCE = 2_000_000
"""values of the series x ranges of lags that are changed in one piece (some 100 MB)."""


class Handed(NamedTuple):
    """What the reference hands on, in the target's units.

    Attributes
    ----------
    inputs : (..., step, difference) what the network reads
    forecast : (..., horizon) what its output is added to

    """

    inputs: FloatArray
    forecast: FloatArray


def lag_edges(length: int, season_steps: int, ahead: IntArray) -> IntArray:
    """Where ranges of lags begin and end, (range + 1,) from 0 to `length`.

    Lags whole seasons before the steps `ahead` have a range of their own, and a season's end is a border.
    """
    edges = list(range(min(_NEAR, length) + 1))  # one lag a range
    while edges[-1] < length:
        edges.append(min(edges[-1] + max(int(_WIDER * edges[-1]), 1), length))
    if season_steps > 1:
        seasons = season_steps * np.arange(1, SEASONS + -(-int(ahead.max()) // season_steps) + 1)
        same = (seasons[:, None] - ahead).reshape(-1)  # lags of the same phase as a step ahead
        edges += [int(lag) for lag in (*same, *(same + 1), *seasons) if 0 <= lag < length]
    return np.unique(np.array(edges, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class PastValues:
    """How inputs and reference follow from the values of a series up to an origin.

    Attributes
    ----------
    past : one series, which ends at the origin
    number : its number for the reference
    baseline : the value that it is compared with, at every step
    read_steps : steps before the origin, and it, at which a network reads

    """

    reference: Reference
    past: Panel
    number: int
    baseline: float
    read_steps: int

    def ends(self) -> tuple[Handed, Handed]:
        """What is handed on at the baseline, and at the values of the series."""
        held = np.full_like(self.past.target, self.baseline)  # (step,)
        both = self._handed(np.stack([held, self.past.target]), np.arange(len(held) - self.read_steps, len(held)))
        return Handed(both.inputs[0], both.forecast[0]), Handed(both.inputs[1], both.forecast[1])

    def responses(self, edges: IntArray) -> Iterator[tuple[slice, int, Handed]]:
        """Yield what changes where values at some lags are the series', and all others the baseline's.

        Some ranges of lags at a time: which of them, the first step at which the network reads any of them, and what
        changes from there on, (range, ...).
        """
        length = len(self.past.target)
        at_once = max(_VALUES_AT_ONCE // (length * (1 + self.reference.channel_count)), 1)
        for first in range(0, len(edges) - 1, at_once):
            some = slice(first, min(first + at_once, len(edges) - 1))
            oldest = max(length - int(edges[some.stop]), length - self.read_steps)
            values = np.full((some.stop - some.start + 1, length), self.baseline)  # the last stays at the baseline
            for row, (low, high) in enumerate(zip(edges[some], edges[some.start + 1 : some.stop + 1], strict=True)):
                changed = slice(max(length - int(high), 0), max(length - int(low), 0))
                values[row, changed] = self.past.target[changed]
            handed = self._handed(values, np.arange(oldest, length))
            changes = Handed(handed.inputs[:-1] - handed.inputs[-1], handed.forecast[:-1] - handed.forecast[-1])
            yield some, oldest - (length - self.read_steps), changes

    def _handed(self, values: FloatArray, steps: IntArray) -> Handed:
        """Evaluate the reference on several courses of the series, (course, step), at some of its steps."""
        courses, length = values.shape
        panel, reference = _several(self.past, values), self.reference.of_series(np.full(courses, self.number))
        known = reference.causal_features(panel)
        starts = np.arange(courses) * length
        inputs = reference.inputs(known, (starts[:, None] + steps).reshape(-1))  # (course * step, difference)
        return Handed(inputs.reshape(courses, len(steps), -1), reference.at(known, starts + length - 1))


def _several(past: Panel, values: FloatArray) -> Panel:
    """Pack courses of one series, (course, step), as series of their own, masked where it is masked."""
    courses, length = values.shape
    times: Any = np.tile(past.times, courses)
    ahead = past.ahead
    if ahead is not None:
        offsets = np.arange(courses + 1) * len(ahead.values)
        tiled = np.tile(ahead.values, (courses, 1)), np.tile(ahead.masked, (courses, 1))
        ahead = replace(ahead, values=tiled[0], masked=tiled[1], offsets=offsets)
    return replace(
        past,
        values=np.concatenate([values.reshape(-1, 1), np.tile(past.values[:, 1:], (courses, 1))], axis=1),
        ahead=ahead,
        static=None,
        observed=np.tile(past.observed, (courses, 1)),
        offsets=np.arange(courses + 1) * length,
        times=times,
        ids=past.ids * courses,
        masked=None if past.masked is None else np.tile(past.masked, (courses, 1)),
    )


# Columns that a network reads beside the target, grouped by column of the data.


@dataclass(frozen=True, eq=False)
class CovariateGroups:
    """Groups of columns.

    Attributes
    ----------
    of_input : (column,) the group of each column that is known at a row
    of_ahead : (column,) the group of each column that is known ahead

    """

    names: tuple[str, ...]
    of_input: IntArray
    of_ahead: IntArray

    def summed(self, by_input: FloatArray, by_ahead: FloatArray) -> FloatArray:
        """Sum (..., column) each over the columns of a group, (..., group)."""
        total = np.zeros((*by_input.shape[:-1], len(self.names)))
        for group in range(len(self.names)):
            at_rows = by_input[..., self.of_input == group].sum(axis=-1)
            total[..., group] = at_rows + by_ahead[..., self.of_ahead == group].sum(axis=-1)
        return total


def covariate_groups(encoding: CovariateEncoding) -> CovariateGroups:
    """Group the columns of an encoding: one group a covariate, all columns of a calendar feature in one."""
    past, ahead = _column_names(encoding.past), _column_names(encoding.ahead)
    inputs = [*past, *ahead, *["whether values are missing"] * int(encoding.target_marked)]
    names = tuple(dict.fromkeys(inputs))
    of_input, of_ahead = ([names.index(name) for name in columns] for columns in (inputs, ahead))
    return CovariateGroups(names, np.array(of_input, dtype=np.int64), np.array(of_ahead, dtype=np.int64))


def _column_names(columns: ChannelEncoding) -> list[str]:
    """Name the group of each column."""
    counts = np.array(columns.widths, dtype=np.int64) + columns.marked
    return [_group(channel) for channel, count in zip(columns.channels, counts, strict=True) for _ in range(count)]


def _group(channel: Channel) -> str:
    return channel.name if channel.computed is None else channel.computed
