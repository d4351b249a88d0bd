"""Linear state-space models by statsmodels: likelihood, estimation, and forecasts from every step of one pass.

    y_t = d + Z a_t + noise,   a_{t+1} = c + T a_t + noise

with matrices that do not change in time. The Kalman filter gives a_{t+1} from y_1 ... y_t, so that one pass over a
series has in it the state at each origin, and h steps ahead stands Z T^{h-1} a_{t+1} (Durbin and Koopman, Time
Series Analysis by State Space Methods, 2nd ed., 2012). What was not observed is NaN, and the filter goes past it.

A *form* is a model without its parameters: which components, which orders. *Bound* to data it says how likely
some parameters make them. Everywhere the scale of `z` is taken to be near 1.
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

from forecast.forecasters.pattern import Pattern

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, IntArray

_DIFFUSE = 1e6
"""Variance of a state of which nothing is known, where the data's is near 1."""
_TOLERANCE = 1e-10
"""Where the filter's variances change by less, an estimation takes them for settled: a long series becomes cheap."""
_IMPOSSIBLE, _PERFECT = 1e10, -50.0
"""Losses a step, of parameters that cannot be and of errors that are all zero."""


class Bound(NamedTuple):
    """A form with its data: the filter at some parameters, where to begin to look for them, and their limits."""

    at: Callable[[FloatArray], Any]
    start: FloatArray
    limits: tuple[tuple[float, float], ...]


Bind: TypeAlias = "Callable[[FloatArray], Bound]"


@dataclass(frozen=True, eq=False)
class Form:
    """A model to be tried.

    Attributes
    ----------
    bind : from data (step,) to the model that forecasts them
    likelihood : from data to the model that parameters are estimated by, where that is another (differenced data)
    unscored : steps at the beginning that find the states, and are no part of the likelihood
    pattern : what is taken out of the data first

    """

    label: str
    bind: Bind
    likelihood: Bind | None = None
    unscored: int = 0
    pattern: Pattern = field(default_factory=Pattern)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A form with the most likely parameters, and its AICc: the less the better."""

    form: Form
    params: FloatArray
    aicc: float

    def forecast(self, z: FloatArray, steps: IntArray, horizon: int) -> FloatArray:
        """Forecasts after some steps of a series that begins with `z[0]`, (origin, horizon).

        A forecast knows `z` up to its own step: the filter goes forward only.
        """
        known = z[: int(steps.max()) + 1]
        ssm = self.form.bind(known - self.form.pattern.at(np.arange(len(known)))).at(self.params)
        states = ssm.filter(conserve_memory=MEMORY_CONSERVE & ~MEMORY_NO_PREDICTED_MEAN).predicted_state
        rows, constants = ahead(ssm, horizon)
        targets = steps[:, None] + np.arange(1, horizon + 1)
        y_hat: FloatArray = states[:, steps + 1].T @ rows.T + constants + self.form.pattern.at(targets)
        return y_hat


def ahead(ssm: Any, horizon: int) -> tuple[FloatArray, FloatArray]:
    """Z T^{h-1}, (horizon, state), and what the constants c and d add to it, (horizon,)."""
    # The last axis is time, along which statsmodels repeats a constant, or does not.
    transition, intercept = ssm.transition[:, :, -1], ssm.state_intercept[:, -1]
    row, constant = ssm.design[0, :, -1], float(ssm.obs_intercept[0, -1])
    rows, constants = [], []
    for _ in range(horizon):
        rows.append(row)
        constants.append(constant)
        row, constant = row @ transition, constant + float(row @ intercept)
    return np.array(rows), np.array(constants)


def estimate(form: Form, z: FloatArray, first_step: int, on_trial: Callable[[], None]) -> Estimate | None:
    """Find the most likely parameters; None where the data are too few for the form, or none are possible.

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
            found = -float(ssm.loglike()) / scored
        except np.linalg.LinAlgError:
            return _IMPOSSIBLE
        return _IMPOSSIBLE if np.isnan(found) else min(max(found, _PERFECT), _IMPOSSIBLE)

    params, least = bound.start, loss(bound.start)
    if len(params):
        made = minimize(loss, params, method="L-BFGS-B", bounds=bound.limits, options={"maxiter": 50, "ftol": 1e-7})
        params, least = made.x, float(made.fun)
    if least >= _IMPOSSIBLE:
        return None
    aicc = 2 * least * scored + 2 * size + 2 * size * (size + 1) / (scored - size - 1)
    return Estimate(form, np.asarray(params), aicc)


def best(estimates: Iterable[Estimate | None]) -> Estimate | None:
    """The least AICc; the first of equals."""
    return min((one for one in estimates if one is not None), key=lambda one: one.aicc, default=None)


def smoothing(trend: str = "N", season_steps: int = 1, pattern: Pattern | None = None, unscored: int = 1) -> Form:
    """Exponential smoothing ETS(A, trend, season): trend "N", "A" or "Ad", a season where longer than one step.

    Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing: the State Space Approach (2008).
    """
    label = f"ETS(A,{trend},{'A' if season_steps > 1 else 'N'})"
    return Form(label, partial(_bind_smoothing, trend, season_steps), None, unscored, pattern or Pattern())


def _bind_smoothing(trend: str, season_steps: int, z: FloatArray) -> Bound:
    """State: (e_t, level, slope?, the season from the latest to the oldest), all but e_t of the step before."""
    sloped, season = int(trend != "N"), season_steps if season_steps > 1 else 0
    size = 2 + sloped + season
    ssm = KalmanFilter(k_endog=1, k_states=size, k_posdef=1)
    ssm.bind(z)
    ssm.filter_concentrated = True
    ssm["selection", 0, 0] = ssm["state_cov", 0, 0] = 1.0
    ssm["design", 0, :2] = ssm["transition", 1, 1] = 1.0
    if season:
        ssm["design", 0, -1] = ssm["transition", 2 + sloped, -1] = 1.0
        ssm["transition", 3 + sloped :, 2 + sloped : -1] = np.eye(season - 1)
    ssm.initialize_known(np.zeros(size), np.diag([1.0, *[_DIFFUSE] * (size - 1)]))
    limits = [(1e-4, 0.9999), *[(1e-4, 0.9999)] * (sloped + (season > 0)), *[(0.8, 0.98)] * (trend == "Ad")]
    start = [0.3, *[0.1] * sloped, *[0.1] * (season > 0), *[0.95] * (trend == "Ad")]

    def at(params: FloatArray) -> Any:
        alpha, kept = params[0], params[-1] if trend == "Ad" else 1.0
        ssm["transition", 1, 0] = alpha
        if sloped:
            ssm["transition", 2, 0] = alpha * params[1]  # beta below alpha
            ssm["design", 0, 2] = ssm["transition", 1, 2] = ssm["transition", 2, 2] = kept
        if season:
            ssm["transition", 2 + sloped, 0] = (1 - alpha) * params[1 + sloped]  # gamma below 1 - alpha
        return ssm

    return Bound(at, np.array(start), tuple(limits))


def structural(level: str, season_steps: int, harmonics: int, unscored: int, pattern: Pattern | None = None) -> Form:
    """A structural model: level (of statsmodels' names), a season of harmonics that may change, and noise.

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
    """Bring a model of statsmodels to some parameters and return its filter."""
    model.update(transform(params))
    return model.ssm
