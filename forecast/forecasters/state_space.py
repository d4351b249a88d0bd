"""Linear state-space models by statsmodels: likelihood, estimation, and forecasts from every step of one pass.

    y_t = d + Z a_t + noise,   a_{t+1} = c + T a_t + noise

with matrices that do not change in time. The Kalman filter gives a_{t+1} from y_1 ... y_t, so that one pass over a
series has in it the state at each origin, and the forecast h steps ahead is Z T^{h-1} a_{t+1} (Durbin and Koopman, Time
Series Analysis by State Space Methods, 2nd ed., 2012). What was not observed is NaN, and the filter goes past it.

A *pattern*, a line and a season that never change, is taken out before. A *form* is a model without its parameters:
which components, which orders. *Bound* to data it gives their likelihood at some parameters. `z` is near 1 in scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from scipy.optimize import minimize
from statsmodels.tsa.statespace.kalman_filter import MEMORY_CONSERVE, MEMORY_NO_PREDICTED_MEAN, KalmanFilter
from statsmodels.tsa.statespace.structural import UnobservedComponents

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray


_DIFFUSE = 1e6
"""Variance of a state of which nothing is known, where the data's is near 1."""
_TOLERANCE = 1e-10
"""Where the filter's variances change by less they count as converged: a long series becomes cheap to estimate."""
_IMPOSSIBLE, _PERFECT = 1e10, -50.0
"""Losses a step, of invalid parameters and of errors that are all zero."""


_MOST_HARMONICS = 24


@dataclass(frozen=True, eq=False)
class Pattern:
    """A straight line and a season of harmonics over the steps of one series, the same in every season.

    It is for seasons too long for the states of a model (a week of hours has 168): "for long seasonal periods a dynamic
    regression with Fourier terms" (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 12.1);
    and for the line of the Theta method.

    Attributes
    ----------
    harmonics : (harmonic,) cycles a season, each from 1 to half a season
    weights : (2 * harmonic,) of the cosines, then of the sines

    """

    slope: float = 0.0
    season_steps: int = 1
    harmonics: FloatArray = field(default_factory=lambda: np.zeros(0))
    weights: FloatArray = field(default_factory=lambda: np.zeros(0))

    @property
    def size(self) -> int:
        """Parameters that were estimated for it."""
        return len(self.weights) + (self.slope != 0)

    def at(self, steps: IntArray) -> FloatArray:
        """Values at some steps, counted from the first of the series; of the shape of `steps`."""
        values: FloatArray = _waves(steps, self.season_steps, self.harmonics) @ self.weights
        return values + self.slope * steps


def _waves(steps: IntArray, season_steps: int, harmonics: FloatArray) -> FloatArray:
    """Cosines and sines at some steps, (..., 2 * harmonic)."""
    # 2 pi k t / m, with k t reduced modulo m first: at step 10^6 the phase keeps its digits.
    angle = 2 * np.pi * ((steps[..., None] * harmonics) % season_steps) / season_steps
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)


def fit_season(z: FloatArray, first_step: int, season_steps: int) -> Pattern:
    """Fit harmonics of a season to differences from its moving mean, as many as have the least BIC.

    `z` (step,) begins at `first_step` of its series, NaN where nothing was observed. The pattern has no
    harmonic where fewer than two seasons were seen, or none is worth its two weights.
    """
    rest = z - moving_mean(z, season_steps)
    seen = np.flatnonzero(np.isfinite(rest))
    harmonics = np.arange(1.0, season_steps // 2 + 1)
    if len(seen) <= season_steps or not len(harmonics):
        return Pattern()
    wave, y = _waves(seen + first_step, season_steps, harmonics), rest[seen]
    scores = (wave.T @ y) ** 2  # of the cosines, then of the sines
    strongest = np.argsort(-(scores[: len(harmonics)] + scores[len(harmonics) :]), kind="stable")
    season, least = Pattern(), _bic(y, 0)
    for count in range(1, min(len(harmonics), _MOST_HARMONICS) + 1):
        chosen = np.sort(harmonics[strongest[:count]])
        wave = _waves(seen + first_step, season_steps, chosen)
        weights: FloatArray = np.linalg.lstsq(wave, y, rcond=None)[0].astype(np.float64)
        if (bic := _bic(y - wave @ weights, 2 * count)) < least:
            season, least = Pattern(0.0, season_steps, chosen, weights), bic
    return season


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
    # With fewer than half of the season observed, the mean would itself follow the season.
    mean[half : len(z) - half] = np.where(count > steps / 2, total / np.maximum(count, 1e-9), np.nan)
    return mean


def _bic(rest: FloatArray, weights: int) -> float:
    count = len(rest)
    return float(count * np.log(max(float(np.mean(rest**2)), 1e-30)) + (weights + 1) * np.log(count))


class Bound(NamedTuple):
    """A form with its data: the filter at some parameters, the first parameters of a search, and their limits."""

    at: Callable[[FloatArray], Any]
    start: FloatArray
    limits: tuple[tuple[float, float], ...]


Bind: TypeAlias = "Callable[[FloatArray], Bound]"


@dataclass(frozen=True, eq=False)
class Form:
    """A model without its parameters.

    Attributes
    ----------
    bind : from data (step,) to the model that forecasts them
    likelihood : from data to the model that parameters are estimated by, where it is another (of differenced data)
    unscored : steps at the beginning that the states settle in, which are no part of the likelihood
    pattern : taken out of the data first

    """

    label: str
    bind: Bind
    likelihood: Bind | None = None
    unscored: int = 0
    pattern: Pattern = field(default_factory=Pattern)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A form with the most likely parameters, and its AICc."""

    form: Form
    params: FloatArray
    aicc: float

    def forecast(self, z: FloatArray, steps: IntArray, horizon: int) -> FloatArray:
        """Forecast after some steps of a series that begins with `z[0]`, (origin, horizon).

        A forecast knows `z` up to its own step: a filter, not a smoother.
        """
        known = z[: int(steps.max()) + 1]
        ssm = self.form.bind(known - self.form.pattern.at(np.arange(len(known)))).at(self.params)
        # (state, step + 1): column t + 1 is a_{t+1}.
        states = ssm.filter(conserve_memory=MEMORY_CONSERVE & ~MEMORY_NO_PREDICTED_MEAN).predicted_state
        rows, constants = ahead(ssm, horizon)
        targets = steps[:, None] + np.arange(1, horizon + 1)
        # (origin, state) @ (state, horizon)
        y_hat: FloatArray = states[:, steps + 1].T @ rows.T + constants + self.form.pattern.at(targets)
        return y_hat


def ahead(ssm: Any, horizon: int) -> tuple[FloatArray, FloatArray]:
    """Z T^{h-1}, (horizon, state), and what the constants c and d add to the forecast, (horizon,)."""
    # The last axis of statsmodels is time, of length 1 where a matrix does not change.
    transition, intercept = ssm.transition[:, :, -1], ssm.state_intercept[:, -1]
    row, constant = ssm.design[0, :, -1], float(ssm.obs_intercept[0, -1])
    rows, constants = [], []
    for _ in range(horizon):
        rows.append(row)
        constants.append(constant)
        row, constant = row @ transition, constant + float(row @ intercept)  # Z T^h, and Z (c + T c + ... )
    return np.array(rows), np.array(constants)


def estimate(form: Form, z: FloatArray, first_step: int, on_trial: Callable[[], None]) -> Estimate | None:
    """Find the most likely parameters; None where the data are too few for the form, or no parameters are valid.

    `z` (step,) begins at `first_step` of its series; `on_trial` is called before each trial, and may raise.
    """
    rest = z - form.pattern.at(np.arange(len(z)) + first_step)
    bound = (form.likelihood or form.bind)(rest)
    bare = bound.at(bound.start)
    scored = int(np.isfinite(bare.endog[0, form.unscored :]).sum())
    size = len(bound.start) + form.pattern.size + 1  # and the variance
    if scored <= size + 2:
        return None

    def loss(params: FloatArray) -> float:
        on_trial()
        try:
            ssm = bound.at(params)
            ssm.loglikelihood_burn, ssm.tolerance = form.unscored, _TOLERANCE
            negative = -float(ssm.loglike()) / scored
        except np.linalg.LinAlgError:
            return _IMPOSSIBLE
        return _IMPOSSIBLE if np.isnan(negative) else min(max(negative, _PERFECT), _IMPOSSIBLE)

    params, least = bound.start, loss(bound.start)
    if len(params):
        result = minimize(loss, params, method="L-BFGS-B", bounds=bound.limits, options={"maxiter": 50, "ftol": 1e-7})
        params, least = result.x, float(result.fun)
    if least >= _IMPOSSIBLE:
        return None
    aicc = 2 * least * scored + 2 * size + 2 * size * (size + 1) / (scored - size - 1)  # -2 log L + penalty
    return Estimate(form, np.asarray(params), aicc)


def best(estimates: Iterable[Estimate | None]) -> Estimate | None:
    """Return the estimate of the least AICc, the first of equals."""
    valid = (estimated for estimated in estimates if estimated is not None)
    return min(valid, key=lambda estimated: estimated.aicc, default=None)


def smoothing(trend: str = "N", season_steps: int = 1, pattern: Pattern | None = None, unscored: int = 1) -> Form:
    """Exponential smoothing ETS(A, trend, season): trend "N", "A" or "Ad", a season where longer than one step.

    Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing: the State Space Approach (2008).
    """
    label = f"ETS(A,{trend},{'A' if season_steps > 1 else 'N'})"
    return Form(label, partial(_bind_smoothing, trend, season_steps), None, unscored, pattern or Pattern())


def _bind_smoothing(trend: str, season_steps: int, z: FloatArray) -> Bound:
    """Innovations form: y_t = e_t + l_{t-1} + phi b_{t-1} + s_{t-m}, each state corrected by a share of e_t.

    State: (e_t, level l, slope b where there is a trend, season s from the latest to the oldest), all but e_t of the
    step before.
    """
    sloped, season = int(trend != "N"), season_steps if season_steps > 1 else 0
    size = 2 + sloped + season
    ssm = KalmanFilter(k_endog=1, k_states=size, k_posdef=1)
    ssm.bind(z)
    ssm.filter_concentrated = True
    ssm["selection", 0, 0] = ssm["state_cov", 0, 0] = 1.0
    ssm["design", 0, :2] = ssm["transition", 1, 1] = 1.0  # y_t = e_t + l_{t-1} + ..., l_t = l_{t-1} + ...
    if season:
        # The season in turn: the oldest of its m states is read, and becomes the latest.
        ssm["design", 0, -1] = ssm["transition", 2 + sloped, -1] = 1.0
        ssm["transition", 3 + sloped :, 2 + sloped : -1] = np.eye(season - 1)
    ssm.initialize_known(np.zeros(size), np.diag([1.0, *[_DIFFUSE] * (size - 1)]))
    limits = [(1e-4, 0.9999), *[(1e-4, 0.9999)] * (sloped + (season > 0)), *[(0.8, 0.98)] * (trend == "Ad")]
    start = [0.3, *[0.1] * sloped, *[0.1] * (season > 0), *[0.95] * (trend == "Ad")]

    def at(params: FloatArray) -> Any:
        alpha, kept = params[0], params[-1] if trend == "Ad" else 1.0
        ssm["transition", 1, 0] = alpha  # l_t = l_{t-1} + phi b_{t-1} + alpha e_t
        if sloped:
            ssm["transition", 2, 0] = alpha * params[1]  # beta below alpha
            ssm["design", 0, 2] = ssm["transition", 1, 2] = ssm["transition", 2, 2] = kept
        if season:
            ssm["transition", 2 + sloped, 0] = (1 - alpha) * params[1 + sloped]  # gamma below 1 - alpha
        return ssm

    return Bound(at, np.array(start), tuple(limits))


def structural(level: str, season_steps: int, harmonics: int, unscored: int, pattern: Pattern | None = None) -> Form:
    """Return a structural model: a level (as statsmodels names it), a season of harmonics that may change, and noise.

    Harvey, Forecasting, Structural Time Series Models and the Kalman Filter (1989).
    """
    label = f"{level} + {harmonics} harmonics" if harmonics else level
    return Form(label, partial(_bind_structural, level, season_steps, harmonics), None, unscored, pattern or Pattern())


_FIRST_VARIANCES = {"irregular": 0.3, "level": 0.1, "trend": 1e-3, "freq_seasonal": 1e-3}


def _bind_structural(level: str, season_steps: int, harmonics: int, z: FloatArray) -> Bound:
    """Parameters are logarithms of variances."""
    season = [{"period": season_steps, "harmonics": harmonics}] if harmonics else None
    model = UnobservedComponents(z, level, freq_seasonal=season)
    kinds = [name.removeprefix("sigma2.") for name in model.param_names]
    first = [next(value for kind, value in _FIRST_VARIANCES.items() if name.startswith(kind)) for name in kinds]
    limits = tuple((np.log(1e-6 if name == "irregular" else 1e-10), np.log(1e3)) for name in kinds)
    return Bound(partial(updated, model, np.exp), np.log(first), limits)


def updated(model: Any, transform: Callable[[FloatArray], FloatArray], params: FloatArray) -> Any:
    """Set a model of statsmodels to some parameters and return its filter."""
    model.update(transform(params))
    return model.ssm
