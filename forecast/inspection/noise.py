"""How the forecast's error grows with noise on what is read, beside the best linear filter for that noise.

White noise is added to the whole past, the targets stay as they were. The filter is least squares on lags, fitted on
the training split with the same strength of noise on its inputs: where the series is one that linear filters suit it
is Wiener's, and no forecaster of so many lags can be better by more than what is not linear in the data.

Where rises are asked for the target is 1 or 0 and errors are roots of Brier scores; least squares then gives the
probability that is linear in the lags, which is cut to lie between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.inspection.answer import probabilities
from forecast.reference.causal_features import filled_target

if TYPE_CHECKING:
    from forecast.inspection.system import System
    from forecast.series.panel import FloatArray, IntArray

STRENGTHS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Standard deviations of the noise, in spreads."""

_MOST_LAGS = 256
_ROWS_A_LAG = 4
_MOST_PAST = 20_000
_DRAWS = 4


@dataclass(frozen=True, eq=False)
class Noise:
    """Root mean squared errors with noise on the input, each (strength, horizon step), in the target's units.

    Of probabilities of a rise, where such are asked for.

    Attributes
    ----------
    strengths : standard deviation of the noise, in spreads
    lags : how many the linear filter reads
    origins : how many forecasts were judged, of `draws` draws of the noise each

    """

    strengths: FloatArray
    steps: tuple[int, ...]
    network: FloatArray
    reference: FloatArray
    linear: FloatArray
    lags: int
    origins: int
    draws: int


def noise_of(system: System, strengths: tuple[float, ...] = STRENGTHS, seed: int = 0) -> Noise:
    """Measure errors on the test split with each strength of noise."""
    first = max(int(system.origins[0]) - _MOST_PAST, 0)
    y = filled_target(system.past)[first:]
    origins, train = system.origins - first, system.train_steps - first
    target = system.outcomes(system.origins)[:, np.array(system.steps) - 1]
    rng = np.random.default_rng(seed)
    lags = _lags(system, train)
    shape = (len(strengths), len(system.steps))
    network, reference, linear = (np.zeros(shape) for _ in range(3))
    for i, strength in enumerate(strengths):
        noisy = y + strength * system.spread * rng.normal(size=(_DRAWS if strength else 1, len(y)))
        told = system.answers(noisy[:, : origins[-1] + 1], int(origins[0]), first)
        picked = origins - origins[0]
        network[i], reference[i] = (_rmse(_said(system, answer[:, picked]), target) for answer in told)
        linear[i] = _rmse(_linear(system, y[:train], noisy, origins, lags), target)
    draws = _DRAWS
    return Noise(np.array(strengths), system.steps, network, reference, linear, lags, len(origins), draws)


def _lags(system: System, train_steps: int) -> int:
    """Two seasons, at least 32, as far as the training split can bear."""
    wanted = min(max(2 * system.season_steps, 32), _MOST_LAGS)
    return max(min(wanted, (train_steps - system.horizon) // _ROWS_A_LAG, int(system.origins[0]) + 1), 1)


def _said(system: System, answers: FloatArray) -> FloatArray:
    """What is forecast, of what was answered: values, or probabilities."""
    return probabilities(answers) if system.rises else answers


def _linear(system: System, clean: FloatArray, noisy: FloatArray, origins: IntArray, lags: int) -> FloatArray:
    """Forecasts of the linear filter at origins of each noisy series, (draw, origin, horizon step).

    The training split, clean, has as many noisy copies as there are series, the same of which it was part.
    """
    copies = noisy[:, : len(clean)]
    windows = _windows(noisy, origins, lags)
    told = [filtered(fit_filter(copies, clean, lags, step, rises=system.rises), windows) for step in system.steps]
    made = np.stack(told, axis=-1)
    return np.clip(made, 0.0, 1.0) if system.rises else made


def fit_filter(inputs: FloatArray, target: FloatArray, lags: int, step: int, *, rises: bool = False) -> FloatArray:
    """Least squares weights, (lag + 1,), newest lag first and a constant last, of the value `step` steps ahead.

    `inputs` is (draw, step), `target` (step,); with `rises` it is whether the target is higher then than now.
    """
    origins = np.arange(lags - 1, len(target) - step)
    x = _windows(inputs, origins, lags).reshape(-1, lags)
    later = target[origins + step]
    y = np.tile((later > target[origins]).astype(np.float64) if rises else later, len(inputs))
    centre = x.mean(axis=0)
    weights, *_ = np.linalg.lstsq(x - centre, y - y.mean(), rcond=1e-9)
    return np.append(weights, y.mean() - centre @ weights)


def filtered(weights: FloatArray, windows: FloatArray) -> FloatArray:
    """Apply weights to windows, (..., lag) -> (...)."""
    answer: FloatArray = windows @ weights[:-1] + weights[-1]
    return answer


def _windows(series: FloatArray, origins: IntArray, lags: int) -> FloatArray:
    """Values up to each origin, newest first, (draw, origin, lag)."""
    return series[:, origins[:, None] - np.arange(lags)]


def _rmse(answers: FloatArray, target: FloatArray) -> FloatArray:
    """Over draws and origins, (draw, origin, horizon step) -> (horizon step,)."""
    error: FloatArray = np.sqrt(np.nanmean((answers - target) ** 2, axis=(0, 1)))
    return error
