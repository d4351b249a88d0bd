"""Batches from a collection of series that somebody has, in the place of made-up ones.

Every batch has series of one length, drawn at random: stretches of the collection, longer ones from longer series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.pretraining.recipe import POINTS, Kind, batch_of, draw_batch
from forecast.reference.smoothers import second_season

if TYPE_CHECKING:
    from forecast.pretraining.recipe import TrainingBatch
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel

_SHORTEST = 4
_LONGEST = 900
_MOST_SERIES = 256


@dataclass(frozen=True, eq=False)
class Collection:
    """Series of one frequency.

    Attributes
    ----------
    share : of the batches that come from them; the others are made up
    season : steps

    """

    panel: Panel
    season: int
    horizon: int
    share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a collection without a series to learn from."""
        if self.panel.lengths.max() < _SHORTEST + 1:
            raise ForecastError(
                f"`pretrain.data` has no series of {_SHORTEST + 1} rows, and fewer teach nothing: give longer ones"
            )

    def draw(self, rng: np.random.Generator) -> TrainingBatch:
        """Draw a batch from the collection, or a made-up one."""
        if rng.random() >= self.share:
            return draw_batch(rng)
        longest = int(self.panel.lengths.max())
        horizon = int(rng.integers(max(1, self.horizon // 3), self.horizon + 1))
        horizon = min(horizon, longest - _SHORTEST)
        kind = Kind(1.0, self.season, second_season(self.season), horizon, min(longest - horizon, _LONGEST))
        steps = int(np.exp(rng.uniform(np.log(_SHORTEST), np.log(kind.longest))))
        whole = np.flatnonzero(self.panel.lengths >= steps + horizon)
        count = int(np.clip(POINTS // (steps + horizon), 16, _MOST_SERIES))
        return batch_of(rng, self._stretches(rng, rng.choice(whole, count), steps + horizon), steps, kind, self.season)

    def _stretches(self, rng: np.random.Generator, series: IntArray, steps: int) -> tuple[FloatArray, BoolArray]:
        """Cut a stretch out of each series, (series, step), and turn half of those upside down that cross zero."""
        first = self.panel.offsets[series] + rng.integers(0, self.panel.lengths[series] - steps + 1)
        rows = first[:, None] + np.arange(steps)
        values, observed = self.panel.target[rows], self.panel.target_observed[rows].copy()
        observed[:, 0] = True  # the bank begins with a value, a filled one here
        turned = (values.min(axis=1) < 0) & (rng.random(len(series)) < 0.5)
        return np.where(turned[:, None], -values, values), observed
