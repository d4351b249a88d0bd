"""What is known of a series at each of its rows: the causal quantities that references and inputs are made of.

At row t of a series with season m: the value y_t, the expanding mean, the exponential mean ("level"), moving means,
and values whole seasons before a future step. Nothing here looks past its own row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray, Panel


@dataclass(frozen=True, eq=False)
class Quantities:
    """Causal quantities of packed rows; each array is (row,) unless said otherwise.

    Attributes
    ----------
    y : the target
    series : number of the series that a row belongs to
    start : first row of that series
    mean : expanding mean of y up to the row
    level : exponential mean of y up to the row
    phase_mean : mean of y at the row, one season before, two seasons before, ... to the series' start
    running : running sum within the series of y less its first value (less to round off), for moving means

    """

    y: FloatArray
    series: IntArray
    start: IntArray
    mean: FloatArray
    level: FloatArray
    phase_mean: FloatArray
    running: FloatArray

    def before(self, rows: IntArray, steps: int) -> FloatArray:
        """Value `steps` before each row, or the row's own value where the series is too young, (row,)."""
        earlier = rows - steps
        return self.y[np.where(earlier >= self.start[rows], earlier, rows)]

    def moving_mean(self, rows: IntArray, steps: int) -> FloatArray:
        """Mean of the last `steps` values up to each row, of fewer where the series is younger, (row,)."""
        start = self.start[rows]
        before = rows - steps
        earlier = np.where(before >= start, self.running[np.maximum(before, 0)], 0.0)
        mean: FloatArray = self.y[start] + (self.running[rows] - earlier) / np.minimum(steps, rows + 1 - start)
        return mean

    def seasons_before(self, rows: IntArray, horizon: int, season_steps: int, seasons: int) -> FloatArray:
        """For each future step the value a whole number of seasons before it, (row, horizon).

        With h = 1..horizon and m = season_steps it is y[t + h - m * (ceil(h / m) - 1 + seasons)]; fewer seasons back
        where the series is younger, and y[t] where it is younger than a season.
        """
        latest, lived = self._season_before(rows, horizon, season_steps)
        earlier = latest - season_steps * np.minimum(seasons - 1, lived // season_steps)
        return self.y[np.where(lived >= 0, earlier, rows[:, None])]

    def phase_means(self, rows: IntArray, horizon: int, season_steps: int) -> FloatArray:
        """For each future step the mean over all seasons before it, y[t] where there is none, (row, horizon)."""
        latest, lived = self._season_before(rows, horizon, season_steps)
        return np.where(lived >= 0, self.phase_mean[np.maximum(latest, 0)], self.y[rows][:, None])

    def _season_before(self, rows: IntArray, horizon: int, season_steps: int) -> tuple[IntArray, IntArray]:
        """Latest rows of the phase of each future step, and how many steps after the series' first they are."""
        ahead = np.arange(1, horizon + 1)
        latest = rows[:, None] + ahead - season_steps * ((ahead + season_steps - 1) // season_steps)
        return latest, latest - self.start[rows][:, None]


def panel_quantities(past: Panel, smoothing: float, season_steps: int) -> Quantities:
    """Quantities of every row of a panel; `smoothing` is the weight of a new value in the level."""
    y = past.target
    mean, level, phase_mean, running = (np.empty_like(y) for _ in range(4))
    for _, rows in past.series():
        mine = y[rows]
        if len(mine):
            mean[rows] = expanding_mean(mine, 1)
            level[rows] = exponential_mean(mine, smoothing)
            phase_mean[rows] = expanding_mean(mine, season_steps)
            running[rows] = np.cumsum(mine - mine[0])
    return Quantities(
        y=y,
        series=np.repeat(np.arange(len(past)), past.lengths),
        start=np.repeat(past.offsets[:-1], past.lengths),
        mean=mean,
        level=level,
        phase_mean=phase_mean,
        running=running,
    )


def expanding_mean(y: FloatArray, season_steps: int) -> FloatArray:
    """Mean of each value and those whole seasons before it, (step,); with a season of 1, of all values so far."""
    seasons = -(-len(y) // season_steps)
    table = np.zeros(seasons * season_steps)
    table[: len(y)] = y
    sums = np.cumsum(table.reshape(seasons, season_steps), axis=0)
    means: FloatArray = (sums / np.arange(1, seasons + 1)[:, None]).reshape(-1)[: len(y)]
    return means


def exponential_mean(y: FloatArray, smoothing: float) -> FloatArray:
    """l_t = l_{t-1} + smoothing * (y_t - l_{t-1}) with l_0 = y_0, (step,)."""
    import pandas as pd  # noqa: PLC0415  # naming a reference needs no pandas, and it takes long to import

    return pd.Series(y).ewm(alpha=smoothing, adjust=False).mean().to_numpy()
