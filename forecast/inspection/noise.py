"""How the forecast's error grows with noise on what is read, compared with the best linear filter for that noise.

White noise is added to the whole past, the targets stay as they were. The filter is least squares on lags, fitted on
the training split with the same strength of noise on its inputs: where the series is one that linear filters suit it
is Wiener's, and no forecaster of so many lags can be better by more than what is not linear in the data.

Where rises are forecast the target is 1 or 0 and errors are roots of Brier scores; least squares then gives the
probability that is linear in the lags, which is cut to lie between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.inspection.answers import VALUES, AnswerKind
from forecast.inspection.curves import NETWORK, Axis, Curve, panel
from forecast.inspection.page import Section
from forecast.reference.causal_features import filled_target
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.inspection.system import System
    from forecast.series.panel import FloatArray, IntArray


_STRENGTHS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Standard deviations of the noise, in spreads."""

_MOST_LAGS = 256
_ROWS_A_LAG = 4
_MOST_PAST = 20_000
_DRAWS = 4


@dataclass(frozen=True, eq=False)
class Noise:
    """Root mean squared errors with noise on the input, each (strength, horizon step), in the target's units.

    Of probabilities of a rise, where such are forecast.

    Attributes
    ----------
    strengths : standard deviation of the noise, in spreads
    steps : horizon steps that are looked at
    network, reference, linear : errors of the network, of what is untrained, and of the linear filter
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


def noise_of(system: System, strengths: tuple[float, ...] = _STRENGTHS, seed: int = 0) -> Noise:
    """Measure errors on the test split with each strength of noise."""
    first = max(int(system.origins[0]) - _MOST_PAST, 0)
    y = filled_target(system.past, system.season_steps)[first:]
    origins, train = system.origins - first, system.train_steps - first
    target = system.outcomes(system.origins)[:, np.array(system.steps) - 1]
    rng = np.random.default_rng(seed)
    lags = _lags(system, train)
    shape = (len(strengths), len(system.steps))  # (strength, horizon step)
    network, reference, linear = (np.zeros(shape) for _ in range(3))
    for i, strength in enumerate(strengths):
        noisy = y + strength * system.spread * rng.normal(size=(_DRAWS if strength else 1, len(y)))  # (draw, step)
        answers = system.answers(noisy[:, : origins[-1] + 1], int(origins[0]), first)
        judged = origins - origins[0]
        network[i], reference[i] = (_rmse(system.kind.to_forecast(answer[:, judged]), target) for answer in answers)
        linear[i] = _rmse(_linear(system, y[:train], noisy, origins, lags), target)
    return Noise(np.array(strengths), system.steps, network, reference, linear, lags, len(origins), _DRAWS)


def _lags(system: System, train_steps: int) -> int:
    """Two seasons, at least 32, as far as the training split can bear."""
    wanted = min(max(2 * system.season_steps, 32), _MOST_LAGS)
    return max(min(wanted, (train_steps - system.horizon) // _ROWS_A_LAG, int(system.origins[0]) + 1), 1)


def _linear(system: System, clean: FloatArray, noisy: FloatArray, origins: IntArray, lags: int) -> FloatArray:
    """Forecasts of the linear filter at origins of each noisy series, (draw, origin, horizon step).

    The training split, clean, has as many noisy copies as there are series, the same of which it was part.
    """
    copies = noisy[:, : len(clean)]
    windows = _windows(noisy, origins, lags)  # (draw, origin, lag)
    weights = [fit_filter(copies, clean, lags, step, system.kind) for step in system.steps]
    return system.kind.bounded(np.stack([filtered(part, windows) for part in weights], axis=-1))


def fit_filter(inputs: FloatArray, target: FloatArray, lags: int, step: int, kind: AnswerKind = VALUES) -> FloatArray:
    """Least squares weights, (lag + 1,), newest lag first and a constant last, of the value `step` steps ahead.

    `inputs` is (draw, step), `target` (step,). Of rises: whether the target is higher then than now.
    """
    origins = np.arange(lags - 1, len(target) - step)
    x = _windows(inputs, origins, lags).reshape(-1, lags)  # (draw * origin, lag)
    y = np.tile(kind.linear_target(target[origins + step], target[origins]), len(inputs))
    centre = x.mean(axis=0)  # the constant follows from the means
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


def _noise_says(noise: Noise, kind: AnswerKind) -> str:
    """Compare the growth of the error with that of the linear filter."""
    last = len(noise.strengths) - 1
    network, linear, quiet = (
        float(kind.errors(rmse)) for rmse in (noise.network[last, 0], noise.linear[last, 0], noise.network[0, 0])
    )
    grown = network / quiet if quiet > 0 else float("inf")
    than = "less than" if network < 0.98 * linear else "more than" if network > 1.02 * linear else "as much as"
    return (
        f"Noise of {number(float(noise.strengths[last]), 2)} spread on what is read makes the error one step ahead "
        f"{number(grown, 2)} times as large ({kind.error} {number(network)}), {than} the {kind.linear} of "
        f"{noise.lags} lags errs there ({number(linear)})."
    )


def _noise_figure(noise: Noise, kind: AnswerKind) -> Figure:
    """Draw errors against the strength of the noise."""
    panels = tuple(
        panel(
            [
                Curve(kind.linear, LIGHT.truth, noise.strengths, kind.errors(noise.linear[:, i])),
                Curve(NETWORK, LIGHT.network, noise.strengths, kind.errors(noise.network[:, i]), 2.8),
                Curve(kind.untrained, LIGHT.baseline, noise.strengths, kind.errors(noise.reference[:, i]), 1.3),
            ],
            Axis("standard deviation of the noise, in spreads"),
            Axis(kind.error),
            title=f"{counted(step, 'step')} ahead",
        )
        for i, step in enumerate(noise.steps)
    )
    says = (
        f"Noise is added to the past that is read and not to the targets; {noise.origins} origins, {noise.draws} draws "
        f"of the noise. The {kind.linear} is fitted on the training split with noise of the same strength; the "
        f"network has not been trained on that noise."
    )
    keys = charts.keys({NETWORK: LIGHT.network, kind.untrained: LIGHT.baseline, kind.linear: LIGHT.truth})
    return Figure("noise", "What noise does to it", says, panels, keys, columns=2)


SECTION: Section[System, Noise] = Section(
    "noise",
    measure=noise_of,
    figures=lambda noise, system: (_noise_figure(noise, system.kind),),
    sentences=lambda noise, system: (_noise_says(noise, system.kind),),
    numbers=lambda noise: {"found": {"noise": noise}},
)
