"""A fixed pattern over the steps of one series: a straight line and a season as harmonics, the same in every year.

What is taken out before a state-space model is fitted and put back into its forecasts. A season too long for the
states of a model (a week of hours has 168) goes here: "for long seasonal periods a dynamic regression with Fourier
terms" (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 12.1). So does the seasonal
adjustment and the line of the Theta method.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray

_MOST_HARMONICS = 24


def _nothing() -> FloatArray:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class Pattern:
    """A slope a step and some harmonics of a season.

    Attributes
    ----------
    harmonics : (harmonic,) cycles a season, each from 1 to half a season
    weights : (2 * harmonic,) of the cosines, then of the sines

    """

    slope: float = 0.0
    season_steps: int = 1
    harmonics: FloatArray = field(default_factory=_nothing)
    weights: FloatArray = field(default_factory=_nothing)

    @property
    def size(self) -> int:
        """How many numbers were estimated for it."""
        return len(self.weights) + (self.slope != 0)

    def at(self, steps: IntArray) -> FloatArray:
        """Its value at some steps, counted from the first of the series; of the shape of `steps`."""
        values: FloatArray = waves(steps, self.season_steps, self.harmonics) @ self.weights
        return values + self.slope * steps


def waves(steps: IntArray, season_steps: int, harmonics: FloatArray) -> FloatArray:
    """Cosines and sines at some steps, (..., 2 * harmonic)."""
    # The phase is reduced before the multiplication: at step 10^6 it keeps its digits.
    angle = 2 * np.pi * ((steps[..., None] * harmonics) % season_steps) / season_steps
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)


def fit_season(z: FloatArray, first_step: int, season_steps: int) -> Pattern:
    """Fit the harmonics of a season to differences from its moving mean; how many is decided by BIC.

    `z` (step,) begins at `first_step` of its series, NaN where nothing was observed. There is no harmonic in the
    pattern where fewer than two seasons were seen, or none is worth its two weights.
    """
    rest = z - moving_mean(z, season_steps)
    seen = np.flatnonzero(np.isfinite(rest))
    harmonics = np.arange(1.0, season_steps // 2 + 1)
    if len(seen) <= season_steps or not len(harmonics):
        return Pattern()
    wave, y = waves(seen + first_step, season_steps, harmonics), rest[seen]
    scores = (wave.T @ y) ** 2
    strongest = np.argsort(-(scores[: len(harmonics)] + scores[len(harmonics) :]), kind="stable")
    best, least = Pattern(), _bic(y, 0)
    for count in range(1, min(len(harmonics), _MOST_HARMONICS) + 1):
        chosen = np.sort(harmonics[strongest[:count]])
        wave = waves(seen + first_step, season_steps, chosen)
        weights: FloatArray = np.linalg.lstsq(wave, y, rcond=None)[0].astype(np.float64)
        if (bic := _bic(y - wave @ weights, 2 * count)) < least:
            best, least = Pattern(0.0, season_steps, chosen, weights), bic
    return best


def season_strength(z: FloatArray, first_step: int, season: Pattern) -> float:
    """1 - Var(rest) / Var(season + rest), from 0 to 1 (Wang, Smith and Hyndman 2006)."""
    if not season.size:
        return 0.0
    both = z - moving_mean(z, season.season_steps)
    seen = np.isfinite(both)
    rest = both - season.at(np.arange(len(z)) + first_step)
    return max(0.0, 1 - float(np.var(rest[seen]) / np.var(both[seen])))


def line_slope(z: FloatArray) -> float:
    """Slope of the least-squares line through what was observed; 0 where fewer than three values were."""
    seen = np.flatnonzero(np.isfinite(z))
    return float(np.polyfit(seen, z[seen], 1)[0]) if len(seen) > 2 else 0.0


def moving_mean(z: FloatArray, steps: int) -> FloatArray:
    """Centred mean over `steps` of what was observed, NaN within half of that of either end, (step,).

    Of an even number the outermost two count half (the 2 x m mean of classical decomposition).
    """
    mean = np.full(len(z), np.nan)
    weights = np.ones(steps) if steps % 2 else np.concatenate([[0.5], np.ones(steps - 1), [0.5]])
    if len(z) < len(weights):
        return mean
    seen = np.isfinite(z)
    total = np.convolve(np.where(seen, z, 0.0), weights, "valid")
    count = np.convolve(seen.astype(float), weights, "valid")
    half = len(weights) // 2
    # With fewer than half of the season the mean would itself swing with the season.
    mean[half : len(z) - half] = np.where(count > steps / 2, total / np.maximum(count, 1e-9), np.nan)
    return mean


def _bic(rest: FloatArray, weights: int) -> float:
    count = len(rest)
    return float(count * np.log(max(float(np.mean(rest**2)), 1e-30)) + (weights + 1) * np.log(count))
