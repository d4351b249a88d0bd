"""ARIMA: which differences, which lags, and the model of statsmodels that is made of them.

Differences are chosen by tests, lags step by step from four models on (Hyndman and Khandakar, Automatic time series
forecasting: the forecast package for R, J. Stat. Softw. 27, 2008). As there for long series, the search goes by the
conditional sum of squares, a hundred times cheaper than the likelihood, and the likelihood then estimates the one
that was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares
from scipy.signal import lfilter
from statsmodels.tsa.statespace.sarimax import SARIMAX
from statsmodels.tsa.statespace.tools import constrain_stationary_univariate
from statsmodels.tsa.stattools import kpss

from forecast.forecasters.statespace import Bound, Form, updated

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray

_MOST_LAGS, _MOST_MODELS = 4, 60
_KPSS_5_PERCENT = 0.463
_FARTHEST = 10.0
"""Unconstrained parameters go to infinity where a root goes to the unit circle; at 10 it is within 1 % of it."""


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
        """As in the textbooks."""
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
        return [one for one in near if 0 <= one.p <= _MOST_LAGS and 0 <= one.q <= _MOST_LAGS]

    def polynomials(self, params: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Of the AR and of the MA lags, from unconstrained parameters: stationary and invertible."""
        ends = np.cumsum([self.p, self.q, self.seasonal_p, self.seasonal_q])
        p, q, seasonal_p, seasonal_q = np.split(params, ends)[:4]
        return np.convolve(_lags(p), _lags(seasonal_p, self.period)), np.convolve(
            _lags(q), _lags(seasonal_q, self.period)
        )


def find_orders(z: FloatArray, period: int, seasonal_d: int, on_trial: Callable[[], None]) -> list[Form]:
    """Forms for a series (step,), NaN where not observed; the best by AICc of the sum of squares first."""
    steady = z[period:] - z[:-period] if seasonal_d else z
    d = differences(steady, most=2 - seasonal_d)
    w = np.diff(steady, d)
    one, constant = int(period > 0), d + seasonal_d < 2
    begin = [
        Orders(p, d, q, one * p_m, seasonal_d, one * q_m, period, constant)
        for p, q, p_m, q_m in ((2, 2, 1, 1), (0, 0, 0, 0), (1, 0, 1, 0), (0, 1, 0, 1))
    ]
    found: dict[Orders, tuple[float, FloatArray]] = {}
    waiting, least = begin, None
    while waiting and len(found) < _MOST_MODELS:
        for orders in waiting:
            found[orders] = conditional_fit(w, orders, on_trial)
        if (now := min(found, key=lambda one: found[one][0])) == least:
            break
        least = now
        waiting = [orders for orders in least.neighbours() if orders not in found]
    ranked = sorted(found, key=lambda one: found[one][0])
    return [arima(one, found[one][1]) for one in ranked if np.isfinite(found[one][0])]


def conditional_fit(w: FloatArray, orders: Orders, on_trial: Callable[[], None]) -> tuple[float, FloatArray]:
    """AICc and unconstrained parameters by the conditional sum of squares of differenced data, (step,).

    Errors before the data are taken for zero, and so is a difference that was not observed, less the mean.
    """
    seen = np.isfinite(w)
    mean = float(np.mean(w[seen])) if orders.constant and seen.any() else 0.0
    lags = orders.p + orders.q + orders.seasonal_p + orders.seasonal_q
    size, count = lags + orders.constant + 1, int(seen.sum())
    if count <= size + 2:
        return float("inf"), np.zeros(lags)
    rest = np.where(seen, w - mean, 0.0)

    def errors(params: FloatArray) -> FloatArray:
        on_trial()
        made: FloatArray = lfilter(*orders.polynomials(params), rest)[seen]
        return made

    params = np.full(lags, 0.1)
    if lags:
        # Gauss and Newton's steps: a fifth of the trials that a minimiser needs that knows the sum alone.
        params = least_squares(errors, params, bounds=(-_FARTHEST, _FARTHEST), ftol=1e-6, xtol=1e-4, max_nfev=30).x
    least = float(np.log(np.mean(errors(params) ** 2) + 1e-30))
    aicc = count * least + 2 * size + 2 * size * (size + 1) / (count - size - 1)
    if orders.constant:
        ar, _ = orders.polynomials(params)
        params = np.concatenate([[mean * ar.sum()], params])
    return aicc, params


def arima(orders: Orders, start: FloatArray) -> Form:
    """The form of some orders, whose likelihood is that of the differences."""
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
    """Differences until the KPSS test no longer says at 5 % that the level wanders."""
    for count in range(most):
        seen = z[np.isfinite(z)]
        if len(seen) < 10 or np.ptp(seen) == 0 or kpss(seen, "c", nlags="auto")[0] <= _KPSS_5_PERCENT:
            return count
        z = np.diff(z)
    return most


def _lags(params: FloatArray, period: int = 1) -> FloatArray:
    """1 - a_1 L^m - a_2 L^2m ... with its roots outside the unit circle."""
    polynomial = np.zeros(len(params) * period + 1)
    polynomial[0] = 1.0
    if len(params):
        polynomial[period::period] = -constrain_stationary_univariate(params)
    return polynomial
