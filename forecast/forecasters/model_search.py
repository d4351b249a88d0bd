"""How each statistical method finds its form: the candidates, in the order in which they are tried, judged by AICc.

    exponential smoothing   season or none, then the trend             Hyndman et al. 2008
    ARIMA                   differences, then lags, step by step       Hyndman and Khandakar 2008
    Theta                   season or none, and how much of the line   Assimakopoulos and Nikolopoulos 2000
    structural (Kalman)     season or none, then the trend             Harvey 1989

Only additive forms: forecasts move with the level of the data, and `data.transform=log` makes the others of them.
All candidates of a search are scored on the same steps, or else their likelihoods could not be compared.

Why not a library (November 2026): statsforecast 2.1 has these searches, but demands pandas below 3 and fugue, refuses
missing values (ETS and Theta) and has no time limit. Four series of 400 steps with a season of 7, mean absolute error
14 steps ahead from 100 origins, CPU seconds a series to fit and to forecast from all origins (here | statsforecast):

    ETS     1.40 | 1.40    0.8 | 0.4     0.01 | 0.01
    ARIMA   1.19 | 1.21    1.7 | 4.2     0.01 | 0.31
    Theta   1.40 | 1.47    0.1 | 0.05    0.01 | 0.12

ETSModel of statsmodels needs 2.2 and 1.4 s for 1.40, and forecasts NaN after a missing value; pmdarima 2.1 has ARIMA
alone; sktime 1.2 wraps them all and demands pandas below 3.1. A statsforecast that takes pandas 3 and missing values
would replace all but the structural model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.optimize import least_squares
from scipy.signal import lfilter
from statsmodels.tsa.statespace.sarimax import SARIMAX
from statsmodels.tsa.statespace.tools import constrain_stationary_univariate
from statsmodels.tsa.stattools import kpss

from forecast.forecasters.state_space import (
    Bound,
    Estimate,
    Form,
    Pattern,
    best,
    estimate,
    fit_season,
    line_slope,
    season_strength,
    smoothing,
    structural,
    updated,
)

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray


_SMOOTHED_SEASON, _ARIMA_SEASON = 24, 12
"""Steps. Longer seasons are a fixed pattern: a state for each step of a season slows a filter with its square."""
_MOST_HARMONICS = 6
_STRONG_SEASON = 0.64


@dataclass(frozen=True, eq=False)
class Task:
    """One series to find a form for: `z` (step,), NaN where not observed, begins at `first_step` of its series.

    `on_trial` is called before each evaluation of a likelihood, and may raise (the time limit).
    """

    z: FloatArray
    first_step: int
    season_steps: int
    on_trial: Callable[[], None]

    def estimate(self, form: Form) -> Estimate | None:
        """Estimate one form."""
        return estimate(form, self.z, self.first_step, self.on_trial)

    def best(self, *forms: Form) -> Estimate | None:
        """Estimate some forms and return the one of the least AICc."""
        return best(self.estimate(form) for form in forms)

    def season(self) -> Pattern:
        """The season as a fixed pattern; empty where there is none."""
        if self.season_steps < 2:
            return Pattern()
        return fit_season(self.z, self.first_step, self.season_steps)

    def has_seasons(self, most_steps: int) -> bool:
        """Whether there is a season of at most so many steps, and it was seen twice."""
        return 1 < self.season_steps <= most_steps and 2 * self.season_steps <= len(self.z)


Search: TypeAlias = Callable[[Task], Estimate | None]


def _find_smoothing(task: Task) -> Estimate | None:
    """Find ETS(A, trend, season): trend N, A or Ad, season N or A."""
    seasonal = task.has_seasons(_SMOOTHED_SEASON)
    season_steps = task.season_steps if seasonal else 1
    unscored = season_steps + 2
    if seasonal:
        start = task.best(smoothing(unscored=unscored), smoothing("N", season_steps, unscored=unscored))
    else:
        start = task.best(*(smoothing(pattern=pattern, unscored=unscored) for pattern in _patterns(task)))
    if start is None:
        return None
    season_steps = season_steps if start.form.label.endswith(",A)") else 1
    trends = (smoothing(trend, season_steps, start.form.pattern, unscored) for trend in ("A", "Ad"))
    return best((start, task.best(*trends)))


def _find_theta(task: Task) -> Estimate | None:
    """Find simple exponential smoothing around a part of the least-squares line: none, half (theta 2) or all of it.

    The classical Theta forecast is that of simple exponential smoothing with half the slope as its drift (Hyndman
    and Billah 2003), which is smoothing of what is left of the line.
    """
    forms = []
    for season in _patterns(task):
        slope = line_slope(task.z - season.at(np.arange(len(task.z)) + task.first_step))
        for share, name in ((0.5, "Theta"), (0.0, "Theta without a line"), (1.0, "Theta with the whole line")):
            form = smoothing(pattern=replace(season, slope=share * slope), unscored=3)
            forms.append(replace(form, label=name + (", season taken out" if season.size else "")))
    return task.best(*forms)


def _find_structural(task: Task) -> Estimate | None:
    """Find a local level, local linear trend or smooth trend, with a season of harmonics or without."""
    seasonal = task.has_seasons(_SMOOTHED_SEASON)
    harmonics = min(task.season_steps // 2, _MOST_HARMONICS) if seasonal else 0
    unscored = 2 + 2 * harmonics
    if harmonics:
        counts = (0, harmonics)
        start = task.best(*(structural("llevel", task.season_steps, count, unscored) for count in counts))
        count = harmonics if start and "harmonics" in start.form.label else 0
    else:
        start = task.best(*(structural("llevel", 1, 0, unscored, pattern) for pattern in _patterns(task)))
        count = 0
    if start is None:
        return None
    trends = (
        structural(level, task.season_steps, count, unscored, start.form.pattern) for level in ("lltrend", "strend")
    )
    return best((start, task.best(*trends)))


def _patterns(task: Task) -> tuple[Pattern, ...]:
    """No pattern, and the season as a fixed pattern where there is one."""
    season = task.season()
    return (Pattern(), season) if season.size else (Pattern(),)


def _find_arima(task: Task) -> Estimate | None:
    """Find an ARIMA: seasonal lags of a short season, differenced where it is strong; a fixed pattern of a long one."""
    season = task.season()
    if task.has_seasons(_ARIMA_SEASON):
        strength = season_strength(task.z, task.first_step, season)
        forms = find_orders(task.z, task.season_steps, int(strength > _STRONG_SEASON), task.on_trial)
        pattern = Pattern()
    else:
        start = task.best(*(smoothing(pattern=pattern, unscored=3) for pattern in _patterns(task)))
        pattern = start.form.pattern if start else Pattern()
        rest = task.z - pattern.at(np.arange(len(task.z)) + task.first_step)
        forms = find_orders(rest, 0, 0, task.on_trial)
    estimates = (task.estimate(replace(form, pattern=pattern)) for form in forms)
    return next((estimated for estimated in estimates if estimated is not None), None)


SEARCHES: dict[str, Search] = {
    "auto_ets": _find_smoothing,
    "auto_arima": _find_arima,
    "auto_theta": _find_theta,
    "kalman": _find_structural,
}


# ARIMA. Differences are chosen by tests, lags step by step from four models on (Hyndman and Khandakar, Automatic time
# series forecasting: the forecast package for R, J. Stat. Softw. 27, 2008). As there for long series, the search goes
# by the conditional sum of squares, a hundred times cheaper than the likelihood, which then estimates the best model.

_MOST_LAGS, _MOST_MODELS = 4, 60
_KPSS_5_PERCENT = 0.463
_FARTHEST = 10.0
"""Bound of unconstrained parameters, which go to infinity as a root goes to the unit circle: within 1 % of it at 10."""


@dataclass(frozen=True)
class Orders:
    """(p, d, q)(P, D, Q) of a period, which is 0 without seasonal lags; with a constant or without."""

    p: int
    d: int
    q: int
    seasonal_p: int
    seasonal_d: int
    seasonal_q: int
    period: int
    constant: bool

    @property
    def label(self) -> str:
        """As textbooks write it."""
        label = f"ARIMA({self.p},{self.d},{self.q})"
        label += f"({self.seasonal_p},{self.seasonal_d},{self.seasonal_q})[{self.period}]" if self.period else ""
        return label + (" with a constant" if self.constant else "")

    def neighbours(self) -> list[Orders]:
        """One lag more or less, one of both, the other seasonal lag, and with the constant or without it."""
        steps = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1))
        near = [replace(self, p=self.p + p, q=self.q + q) for p, q in steps]
        if self.period:
            near.append(replace(self, seasonal_p=1 - self.seasonal_p))
            near.append(replace(self, seasonal_q=1 - self.seasonal_q))
        if self.d + self.seasonal_d < 2:
            near.append(replace(self, constant=not self.constant))
        return [orders for orders in near if 0 <= orders.p <= _MOST_LAGS and 0 <= orders.q <= _MOST_LAGS]

    def polynomials(self, params: FloatArray) -> tuple[FloatArray, FloatArray]:
        """AR polynomial phi(L) Phi(L^m) and MA polynomial theta(L) Theta(L^m), from unconstrained parameters.

        Both have their roots outside the unit circle: stationary and invertible.
        """
        ends = np.cumsum([self.p, self.q, self.seasonal_p, self.seasonal_q])
        p, q, seasonal_p, seasonal_q = np.split(params, ends)[:4]
        ar = np.convolve(_lags(p), _lags(seasonal_p, self.period))
        return ar, np.convolve(_lags(q), _lags(seasonal_q, self.period))


def find_orders(z: FloatArray, period: int, seasonal_d: int, on_trial: Callable[[], None]) -> list[Form]:
    """Forms for a series (step,), NaN where not observed; the best by AICc of the sum of squares first."""
    seasonally = z[period:] - z[:-period] if seasonal_d else z
    d = differences(seasonally, most=2 - seasonal_d)
    w = np.diff(seasonally, d)  # (1 - L)^d (1 - L^m)^D z
    seasonal, constant = int(period > 0), d + seasonal_d < 2
    waiting = [
        Orders(p, d, q, seasonal * seasonal_p, seasonal_d, seasonal * seasonal_q, period, constant)
        for p, q, seasonal_p, seasonal_q in ((2, 2, 1, 1), (0, 0, 0, 0), (1, 0, 1, 0), (0, 1, 0, 1))
    ]
    fits: dict[Orders, tuple[float, FloatArray]] = {}  # AICc and parameters
    best_orders = None
    while waiting and len(fits) < _MOST_MODELS:
        for orders in waiting:
            fits[orders] = conditional_fit(w, orders, on_trial)
        if (now := min(fits, key=lambda orders: fits[orders][0])) == best_orders:
            break
        best_orders = now
        waiting = [orders for orders in now.neighbours() if orders not in fits]
    ranked = sorted(fits, key=lambda orders: fits[orders][0])
    return [arima(orders, fits[orders][1]) for orders in ranked if np.isfinite(fits[orders][0])]


def conditional_fit(w: FloatArray, orders: Orders, on_trial: Callable[[], None]) -> tuple[float, FloatArray]:
    """AICc and unconstrained parameters by the conditional sum of squares of differenced data `w`, (step,).

    Errors before the data are set to 0, and a difference that was not observed to the mean.
    """
    seen = np.isfinite(w)
    mean = float(np.mean(w[seen])) if orders.constant and seen.any() else 0.0
    lags = orders.p + orders.q + orders.seasonal_p + orders.seasonal_q
    size, count = lags + orders.constant + 1, int(seen.sum())
    if count <= size + 2:
        return float("inf"), np.zeros(lags)
    centred = np.where(seen, w - mean, 0.0)

    def errors(params: FloatArray) -> FloatArray:
        on_trial()
        residuals: FloatArray = lfilter(*orders.polynomials(params), centred)[seen]  # e = phi(L) / theta(L) w
        return residuals

    params = np.full(lags, 0.1)
    if lags:
        # Gauss-Newton takes a fifth of the trials of a minimiser that sees the sum of squares alone.
        params = least_squares(errors, params, bounds=(-_FARTHEST, _FARTHEST), ftol=1e-6, xtol=1e-4, max_nfev=30).x
    least = float(np.log(np.mean(errors(params) ** 2) + 1e-30))
    aicc = count * least + 2 * size + 2 * size * (size + 1) / (count - size - 1)  # n log(SSE / n) + penalty
    if orders.constant:
        ar, _ = orders.polynomials(params)
        params = np.concatenate([[mean * ar.sum()], params])  # the constant c = mean * phi(1)
    return aicc, params


def arima(orders: Orders, start: FloatArray) -> Form:
    """Return the form of some orders; its likelihood is that of the differences."""
    bind = partial(_bind, orders, start)
    return Form(orders.label, partial(bind, False), partial(bind, True))


def _bind(orders: Orders, start: FloatArray, on_differences: bool, z: FloatArray) -> Bound:
    model = SARIMAX(
        z,
        order=(orders.p, orders.d, orders.q),
        seasonal_order=(orders.seasonal_p, orders.seasonal_d, orders.seasonal_q, orders.period),
        trend="c" if orders.constant else "n",
        concentrate_scale=True,
        simple_differencing=on_differences,
    )
    limits = ((-1e3, 1e3),) * orders.constant + ((-_FARTHEST, _FARTHEST),) * (len(start) - orders.constant)
    return Bound(partial(updated, model, model.transform_params), start, limits)


def differences(z: FloatArray, most: int) -> int:
    """Count differences until the KPSS test no longer rejects a constant level at 5 %."""
    for count in range(most):
        seen = z[np.isfinite(z)]
        if len(seen) < 10 or np.ptp(seen) == 0 or kpss(seen, "c", nlags="auto")[0] <= _KPSS_5_PERCENT:
            return count
        z = np.diff(z)
    return most


def _lags(params: FloatArray, period: int = 1) -> FloatArray:
    """Coefficients of 1 - a_1 L^m - a_2 L^2m ..., with roots outside the unit circle."""
    polynomial = np.zeros(len(params) * period + 1)
    polynomial[0] = 1.0
    if len(params):
        polynomial[period::period] = -constrain_stationary_univariate(params)
    return polynomial
