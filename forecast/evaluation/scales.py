"""The denominators of MASE and RMSSE: errors of the seasonal naive forecast within the training split.

With season m, Q = mean |y_t - y_{t-m}| (Hyndman and Koehler 2006, "Another look at measures of forecast accuracy") and
Q2 = mean (y_t - y_{t-m})^2 (RMSSE, M5 competition). A series that repeats itself to within rounding, or is shorter
than one season, has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from utilsforecast import losses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from forecast.series.panel import FloatArray, Panel

_BLOCK_ROWS = 1_000_000
_ROUNDING = 1e-9
"""A mean seasonal difference below this share of the series' largest value is rounding, not change."""


@dataclass(frozen=True, eq=False)
class Scales:
    """Denominators of each series, NaN where there is none.

    Attributes
    ----------
    ids : of the series
    absolute : (series,) mean absolute seasonal difference Q, in the target's units
    squared : (series,) mean squared seasonal difference Q2, in the target's units squared
    reasons : why a series has none, by id

    """

    ids: tuple[str, ...]
    absolute: FloatArray
    squared: FloatArray
    reasons: dict[str, str]

    def of(self, ids: pd.Series) -> tuple[FloatArray, FloatArray]:
        """Return the absolute and squared denominators of these ids, (id,) each."""
        table = pd.DataFrame({"absolute": self.absolute, "squared": self.squared}, index=pd.Index(self.ids))
        rows = table.reindex(ids.astype(str))
        return rows["absolute"].to_numpy(), rows["squared"].to_numpy()


def fit_scales(training: Panel, season_steps: int) -> Scales:
    """Measure the denominators on a panel that holds the training split alone, on pairs of two observed values."""
    return _joined([_scales_of(part, season_steps) for part in _blocks(training)])


def _blocks(panel: Panel) -> Iterator[Panel]:
    """Share out the series over panels of some rows each: tables of all rows take many times its memory."""
    if len(panel.target) <= _BLOCK_ROWS:
        yield panel
        return
    alone, block = panel.target_alone(), panel.offsets[1:] // _BLOCK_ROWS  # (series,)
    for number in np.unique(block):
        yield alone.take(np.flatnonzero(block == number))


def _joined(parts: Sequence[Scales]) -> Scales:
    if len(parts) == 1:
        return parts[0]
    return Scales(
        ids=tuple(uid for part in parts for uid in part.ids),
        absolute=np.concatenate([part.absolute for part in parts]),
        squared=np.concatenate([part.squared for part in parts]),
        reasons={uid: why for part in parts for uid, why in part.reasons.items()},
    )


def _scales_of(training: Panel, season_steps: int) -> Scales:
    y = np.where(training.target_observed, training.target, np.nan)
    series = np.repeat(np.arange(len(training)), training.lengths)
    pairs = pd.DataFrame({"series": series, "y": y})
    pairs["seasonal_naive"] = pairs.groupby("series")["y"].shift(season_steps)  # y_{t-m}
    pairs = pairs.dropna()
    absolute = _per_series(losses.mae(pairs, ["seasonal_naive"], id_col="series"), len(training))
    squared = _per_series(losses.mse(pairs, ["seasonal_naive"], id_col="series"), len(training))
    largest = pd.Series(np.abs(y)).groupby(series).max().reindex(range(len(training))).to_numpy()
    vanishes = absolute <= _ROUNDING * largest
    reasons = {
        name: _why(season_steps, missing=bool(np.isnan(absolute[i])))
        for i, name in enumerate(training.ids)
        if vanishes[i] or np.isnan(absolute[i])
    }
    return Scales(
        ids=training.ids,
        absolute=np.where(vanishes, np.nan, absolute),
        squared=np.where(vanishes, np.nan, squared),
        reasons=reasons,
    )


def _per_series(scores: pd.DataFrame, series: int) -> FloatArray:
    """Return the score of each series, (series,), NaN where it has no pairs."""
    return scores.set_index("series")["seasonal_naive"].reindex(range(series)).to_numpy(dtype=np.float64)


def _why(season_steps: int, *, missing: bool) -> str:
    if missing:
        return f"the training split has no two observed values {season_steps} steps apart"
    if season_steps == 1:
        return "the training split is constant, so that naive never errs there"
    return f"the training split repeats itself every {season_steps} steps, so that seasonal naive never errs there"
