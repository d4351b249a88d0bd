"""Times and values as a picture takes them: plain numbers, thinned to what an eye can tell apart."""

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
    """What the time axis counts, and how one of its points is written (`format` in the letters of strftime).

    Dates are milliseconds since 1970 in the wall-clock time of the data, steps are whole numbers.
    """

    kind: Literal["date", "step"]
    format: str

    def write(self, t: float) -> str:
        """Write one point of the axis."""
        if self.kind == "step":
            return f"step {t:,.0f}"
        moment = pd.Timestamp(0) + pd.Timedelta(microseconds=round(t * 1000))
        return moment.strftime(self.format.replace(".%L", ".%f"))


@dataclass(frozen=True)
class Line:
    """Values over time; None is a hole."""

    t: tuple[float, ...]
    y: tuple[float | None, ...]


def moments(ds: pd.Series) -> Array:
    """Return times as numbers: milliseconds for dates, themselves for whole numbers, (row,)."""
    if not isinstance(ds.dtype, pd.DatetimeTZDtype) and not pd.api.types.is_datetime64_dtype(ds.dtype):
        return ds.to_numpy().astype(np.int64)
    wall = ds.dt.tz_localize(None) if isinstance(ds.dtype, pd.DatetimeTZDtype) else ds
    microseconds = wall.to_numpy().astype("datetime64[us]").astype(np.int64)
    whole = microseconds // 1000
    return whole if bool((whole * 1000 == microseconds).all()) else microseconds / 1000


def find_clock(ds: pd.Series) -> Clock:
    """Say how the times of a table are to be written: no hours where all are midnight, and so on."""
    if not isinstance(ds.dtype, pd.DatetimeTZDtype) and not pd.api.types.is_datetime64_dtype(ds.dtype):
        return Clock("step", "")
    t = moments(ds)
    for unit, written in ((_DAY, "%Y-%m-%d"), (_MINUTE, "%Y-%m-%d %H:%M"), (_SECOND, "%Y-%m-%d %H:%M:%S")):
        if bool((t % unit == 0).all()):
            return Clock("date", written)
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
    edges = np.linspace(0, len(y), points // 2 + 1).astype(np.int64)
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
    return tuple(float(f"{v:.6g}") if np.isfinite(v) else None for v in y.tolist())
