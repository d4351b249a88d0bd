"""Intervals around forecasts: quantiles in a table's columns, and the bands of a fan that are drawn of them.

A quantile stands in a column named after its level, "q0.05". Two quantiles whose levels add up to 1 bound a band, which
should hold its share of what comes; an interval that is infinite has no band, and is said in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.reporting.lines import moments, rounded
from forecast.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from forecast.reporting.lines import Array

_KEYS = ["model", "unique_id", "cutoff", "step"]


@dataclass(frozen=True)
class Band:
    """An interval over time that should hold `share` (0 to 1) of what comes; None where it is infinite."""

    share: float
    t: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]

    @property
    def label(self) -> str:
        """Name the band as all pictures do.

        >>> Band(0.9, (), (), ()).label
        '90 %'
        """
        return percent(self.share)

    @property
    def drawn(self) -> bool:
        """Whether there is anything to draw; a band may start at the origin, where it has no width."""
        return any(low is not None for low in self.low[1:])


@dataclass(frozen=True)
class Fan:
    """The bands of a model's forecast, the widest first."""

    model: str
    bands: tuple[Band, ...]

    @property
    def drawn(self) -> bool:
        """Whether there is anything to draw."""
        return any(band.drawn for band in self.bands)


def percent(share: float) -> str:
    """Write a share as the pictures do.

    >>> percent(0.95), percent(0.125)
    ('95 %', '12.5 %')
    """
    return f"{round(100 * share, 4):g} %"


def column_of(level: float) -> str:
    """Name the column of a quantile.

    >>> column_of(0.05), column_of(0.975)
    ('q0.05', 'q0.975')
    """
    return f"q{level:g}"


def levels_of(table: pd.DataFrame) -> dict[float, str]:
    """Find the columns of quantiles in a table, by level."""
    found = [name for name in map(str, table.columns) if re.fullmatch(r"q0?\.\d+", name)]
    return dict(sorted((float(name[1:]), name) for name in found))


def pairs(levels: Iterable[float]) -> tuple[tuple[float, float], ...]:
    """Pair levels that add up to 1, the widest interval first.

    >>> pairs([0.05, 0.25, 0.5, 0.75, 0.95])
    ((0.05, 0.95), (0.25, 0.75))
    """
    known = sorted(levels)
    return tuple(
        (low, high) for low in known if low < 0.5 for high in known if high > 0.5 and abs(low + high - 1) < 1e-9
    )


def with_quantiles(rows: pd.DataFrame, quantiles: Mapping[str, Array], levels: Sequence[float]) -> pd.DataFrame:
    """Add the columns of quantiles to forecasts; `quantiles` (row, ..., level) by model, in the order of its rows."""
    values = np.full((len(rows), len(levels)), np.nan)
    models = rows["model"].astype(str).to_numpy()
    for model, told in quantiles.items():
        mine = models == model
        if mine.any():
            values[mine] = told.reshape(-1, len(levels))
    return rows.assign(**{column_of(level): values[:, i] for i, level in enumerate(levels)})


def points_and_quantiles(results: pd.DataFrame) -> pd.DataFrame:
    """Put the quantiles of a table with a column `quantile` (null: the point forecast) into columns of their own."""
    if "quantile" not in results:
        return results
    points = results[results["quantile"].isna()].drop(columns="quantile").reset_index(drop=True)
    for level, rows in results.dropna(subset=["quantile"]).groupby("quantile", sort=True):
        told = rows[[*_KEYS, "y_hat"]].rename(columns={"y_hat": column_of(float(str(level)))})
        points = points.merge(told, on=_KEYS, how="left", validate="one_to_one")
    return points


def fan(rows: pd.DataFrame, model: str, origin: float, known: Array) -> Fan:
    """Make the fan of one forecast, `rows` in the order of time; it starts at the last `known` value, (0 or 1,)."""
    columns = levels_of(rows)
    t = np.concatenate([[origin] * len(known), moments(rows["ds"])])
    told = rows[[*columns.values()]].to_numpy(dtype=np.float64)
    places = {level: i for i, level in enumerate(columns)}
    bands = []
    for low, high in pairs(columns):
        ends = told[:, [places[low], places[high]]]
        if np.isnan(ends).all():
            continue
        ends[~np.isfinite(ends).all(axis=1)] = np.nan
        ends = np.concatenate([np.repeat(known[:, None], 2, axis=1), ends])
        bands.append(Band(round(high - low, 9), tuple(t.tolist()), rounded(ends[:, 0]), rounded(ends[:, 1])))
    return Fan(model, tuple(bands))


def fans_in_words(fans: Sequence[Fan]) -> str:
    """Say what the bands are, and which intervals are infinite and why; nothing where there are no intervals."""
    told = [one for one in fans if one.bands]
    if not told:
        return ""
    shares = sorted({band.share for one in told for band in one.bands if band.drawn})
    says = ""
    if any(one.drawn for one in told):
        models = listed(sorted({one.model for one in told if one.drawn}, key=[one.model for one in told].index))
        strongest = ", the narrowest in the strongest colour" if len(shares) > 1 else ""
        says = f" Shaded are the intervals of {models} that should hold {_percents(shares)} of what comes{strongest}."
    return says + _infinite_in_words(told)


def _infinite_in_words(fans: Sequence[Fan]) -> str:
    holes: dict[float, list[str]] = {}
    steps: dict[float, list[bool]] = {}
    for one in fans:
        for band in one.bands:
            infinite = [low is None for low in band.low]
            if any(infinite):
                holes.setdefault(band.share, []).append(one.model)
                steps.setdefault(band.share, []).append(sum(infinite) >= len(infinite) - 1)
    if not holes:
        return ""
    whose = listed(list(dict.fromkeys(model for models in holes.values() for model in models)))
    shares = sorted(holes)
    everywhere = all(all(all_steps) for all_steps in steps.values())
    needed = [errors_needed(share) for share in shares]
    return (
        f" The {_percents(shares)} intervals of {whose} are infinite{'' if everywhere else ' at some steps'} and have "
        f"no band{'' if everywhere else ' there'}: it takes {listed([str(count) for count in needed])} errors at each "
        f"step to tell how wide they are, and the backtest has fewer."
    )


def _percents(shares: Sequence[float]) -> str:
    return listed([percent(share).removesuffix(" %") for share in shares]) + " %"


def errors_needed(share: float) -> int:
    """Return how many errors a conformal interval of this share must be set by, lest it be infinite.

    >>> errors_needed(0.5), errors_needed(0.9), errors_needed(0.95)
    (3, 19, 39)
    """
    return int(np.ceil(2 / (1 - share) - 1e-6)) - 1
