"""What reading a file gives: series as they stand in it, how its times are written, and what was found out.

Nothing here is sorted, filled, checked for gaps or counted in steps; that is the calendar's work. Order, duplicates and
missing values are passed on as they are, each value with the line that it stands on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from forecast.series.panel import Channel, FloatArray, IntArray, TimeArray
    from forecast.series.time_writing import TimeStyle


@dataclass(frozen=True, eq=False)
class RawSeries:
    """One series in the file's order.

    Attributes
    ----------
    id : the name of the target's column, the value of `data.id`, or "id/column" where both vary
    times : (row,) datetime64[ns] (UTC where the style has a zone), int64 step numbers, or None: no time column
    values : (row,) float64, NaN where the file has nothing; never infinite
    lines : (row,) int64, line of the file, counted from 1 (Parquet: rows, counted from 1)
    covariates : (row, channel) float64, NaN where the file has nothing; None: the file has none

    """

    id: str
    times: TimeArray | None
    values: FloatArray
    lines: IntArray
    covariates: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class RawTable:
    """All series of a file.

    Attributes
    ----------
    found : what was found out, in order, in a few words each ("delimiter" -> "semicolon")
    notes : what the user should know of what was left out or decided, a sentence each
    fingerprint : SHA-256 of the file's bytes, hexadecimal
    channels : of the covariates
    symbols : texts of the symbols whose places the targets' values are; empty: they are numbers
    unknown : symbols that the alphabet lacks in which the file was read, with the line of the first; they are NaN

    """

    series: tuple[RawSeries, ...]
    style: TimeStyle
    found: dict[str, str]
    notes: tuple[str, ...]
    fingerprint: str
    channels: tuple[Channel, ...] = ()
    symbols: tuple[str, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)


def in_order_of_ids(ids: Iterable[str]) -> list[str]:
    """Sort ids as people do, by the numbers in them.

    Series are put into this order as they are read, so that the order in which a file has them changes no forecast:
    a network draws its batches, and a regressor its windows, by the places that series have.

    >>> in_order_of_ids(["H10", "H2", "a"])
    ['H2', 'H10', 'a']
    """
    return sorted(ids, key=_natural)


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)], name
