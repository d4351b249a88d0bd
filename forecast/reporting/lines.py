"""Times and values as charts take them: plain numbers, thinned to what an eye can tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[Any]"

_SECOND, _MINUTE, _DAY = 1_000, 60_000, 86_400_000


@dataclass(frozen=True)
class Clock:
    """What a time axis counts, and how its points are written (`format` as in strftime).

    Dates are milliseconds since 1970 in the wall-clock time of the data, steps are whole numbers.
    """

    kind: Literal["date", "step"]
    format: str

    def write(self, t: float) -> str:
        """Write one point of the axis."""
        if self.kind == "step":
            return f"step {t:,.0f}"
        time = pd.Timestamp(0) + pd.Timedelta(microseconds=round(t * 1000))
        return time.strftime(self.format.replace(".%L", ".%f"))


@dataclass(frozen=True)
class Line:
    """Values over time; None is a hole."""

    t: tuple[float, ...]
    y: tuple[float | None, ...]


@dataclass(frozen=True)
class Histogram:
    """Counts of values: `counts[i]` of them lie between `edges[i]` and `edges[i + 1]`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


def histogram(values: Array, bins: int, limits: tuple[float, float] | None = None) -> Histogram:
    """Count values (value,) in bins of equal width, between `limits` or from the least to the greatest."""
    counts, edges = np.histogram(values, bins=bins, range=limits)
    return Histogram(tuple(significant(edge) for edge in edges), tuple(int(count) for count in counts))


def axis_times(ds: pd.Series) -> Array:
    """Return times (row,) as numbers of a time axis: milliseconds for dates, whole numbers as they are."""
    if not isinstance(ds.dtype, pd.DatetimeTZDtype) and not pd.api.types.is_datetime64_dtype(ds.dtype):
        return ds.to_numpy().astype(np.int64)
    wall = ds.dt.tz_localize(None) if isinstance(ds.dtype, pd.DatetimeTZDtype) else ds
    microseconds = wall.to_numpy().astype("datetime64[us]").astype(np.int64)
    whole = microseconds // 1000
    return whole if bool((whole * 1000 == microseconds).all()) else microseconds / 1000


def find_clock(ds: pd.Series) -> Clock:
    """Choose how the times of a table are written: no hours where all are midnight, no days where all are the first."""
    if not isinstance(ds.dtype, pd.DatetimeTZDtype) and not pd.api.types.is_datetime64_dtype(ds.dtype):
        return Clock("step", "")
    t = axis_times(ds)
    if len(ds) > 1 and bool((t % _DAY == 0).all() and (ds.dt.day == 1).all()):  # months, or years
        return Clock("date", "%Y" if bool((ds.dt.month == 1).all()) else "%Y-%m")
    for unit, time_format in ((_DAY, "%Y-%m-%d"), (_MINUTE, "%Y-%m-%d %H:%M"), (_SECOND, "%Y-%m-%d %H:%M:%S")):
        if bool((t % unit == 0).all()):
            return Clock("date", time_format)
    return Clock("date", "%Y-%m-%d %H:%M:%S.%L")


def thinned(y: Array, points: int) -> Array:
    """Choose at most `points` of the steps so that every peak stays, as indices in order.

    The steps are cut into equal bins, and the least and the greatest value of each are kept, so that a line through
    them covers the same ink as the whole line does.

    >>> thinned(np.array([0.0, 9.0, 1.0, -5.0, 0.0, 0.0]), 4).tolist()
    [0, 1, 3, 4]
    """
    if len(y) <= points:
        return np.arange(len(y))
    edges = np.linspace(0, len(y), points // 2 + 1).astype(np.int64)  # two points a bin
    high = np.where(np.isnan(y), -np.inf, y)
    low = np.where(np.isnan(y), np.inf, y)
    kept = [
        first + which
        for first, last in pairwise(edges)
        for which in (int(np.argmin(low[first:last])), int(np.argmax(high[first:last])))
    ]
    return np.unique(kept)


def line(t: Array, y: Array, points: int | None = None) -> Line:
    """Make a line of times and values, thinned where `points` is given."""
    if points is not None:
        kept = thinned(y, points)
        t, y = t[kept], y[kept]
    return Line(tuple(t.tolist()), rounded(y))


def rounded(y: Array) -> tuple[float | None, ...]:
    """Round to six digits, which no screen can tell from more; what is not finite becomes None."""
    return tuple(significant(v) if np.isfinite(v) else None for v in y.tolist())


def significant(value: float, digits: int = 6) -> float:
    """Round to so many significant digits.

    >>> significant(1234.5678), significant(0.00123456, 2)
    (1234.57, 0.0012)
    """
    return float(f"{value:.{digits}g}")
