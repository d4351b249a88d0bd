"""The bank of `reference.bank` for one series, a value at a time, compiled: where numpy takes 300 us it takes 40.

Letters and order are those of `reference.bank`; a test holds both to the same numbers. It goes on from a bank that is
`grown`: every lag and season is known, gains are the constants but for means, and nothing begins any more.
"""

from __future__ import annotations

from math import asinh, exp, log, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from forecast.network.compiled import cached
from forecast.reference.discounted import MEMORIES, discounted
from forecast.reference.running import Sums
from forecast.reference.smoothers import (
    ALPHA,
    BETA,
    CANDIDATES,
    FAST,
    FIRST_SEASONAL,
    GAMMA,
    GAMMA2,
    LEAST_ERROR,
    LOG_REACH,
    MEANS,
    MOST_UNITS,
    PHI,
    POWERS,
    REGRESSORS,
    RULES,
    SEASONAL2,
    SEASONAL_THETA,
    SMOOTHERS,
    THETA,
    TSB_GAINS,
    lags_of,
    path_of,
)

if TYPE_CHECKING:
    from forecast.reference.bank import Bank
    from forecast.series.panel import FloatArray, IntArray

_SMOOTHERS = len(SMOOTHERS)
_BOTH = _SMOOTHERS + len(RULES) + 1
"""Forecasts that are computed of values and of logarithms; the autoregression's is the last."""
_SLOW, _MEAN = MEANS
_SLOW_GAIN, _GAINS = SMOOTHERS[_SLOW].level, TSB_GAINS[:, 0]
_LOWEST_POWER, _HIGHEST_POWER = POWERS
SEEN, _LOWEST, _HIGHEST, _OF_VALUES, _SIZE, CHANGES, _SEASON_CHANGES, _PAIRS, _PRODUCT, _CHANGE, UNIT = range(11)
"""Places in `State.counts`."""
_NAMES = [name for name in Sums._fields if name not in ("first", "last", "chance", "demand", "positive")]


class State(NamedTuple):
    """A bank's arrays, of its only series; steps change them in place.

    Attributes
    ----------
    steps : (1,) so far
    seasons : (2,) steps of both
    smoothers : (smoother, [alpha, beta, phi, gamma, gamma of the second season, whether it has that]), constants
    lags : (lag,) that the autoregression reads
    turn, now, gains : as in `Discounted`, whose `ahead` is of as many steps as are ever forecast
    counts : numbers of `Sums` that are one a series
    first, last, chance, demand : (2,) as in `Sums`

    """

    steps: IntArray
    seasons: IntArray
    smoothers: FloatArray
    lags: IntArray
    turn: FloatArray
    now: FloatArray
    gains: FloatArray
    ahead: FloatArray
    counts: FloatArray
    first: FloatArray
    last: FloatArray
    chance: FloatArray
    demand: FloatArray
    level: FloatArray
    slope: FloatArray
    seasonal: FloatArray
    seasonal2: FloatArray
    recent: FloatArray
    observed: Any
    first_season: FloatArray
    error_sum: FloatArray
    recent_error: FloatArray
    weights: FloatArray
    covariance: FloatArray
    regressors: FloatArray
    curves: FloatArray
    path: FloatArray
    path_error: FloatArray
    path_steps: FloatArray


_OF_BOTH = ("first", "last", "chance", "demand")
_OWN = State._fields[State._fields.index("level") :]
"""Fields that a bank has as an array with the series as its last axis."""


def state_of(of: Bank, horizon: int) -> State:
    """Copy the state of a bank of one series, of which forecasts go as far as the horizon."""
    memory, curves = of.memory(), discounted(of.season)
    parts: list[Any] = [
        np.array([of.steps]),
        np.array([of.season, of.season2]),
        np.column_stack([part[:, 0, 0] for part in (ALPHA, BETA, PHI, GAMMA, GAMMA2)] + [SEASONAL2]),
        lags_of(of.season, of.season2),
        *(np.ascontiguousarray(part) for part in (*curves, curves.ahead(max(horizon, path_of(of.season))))),
        np.array([memory[f"sums.{name}"][0] for name in _NAMES]),
        *(np.array(memory[f"sums.{name}"][:, 0]) for name in _OF_BOTH),
        *(memory[f"_{name}"][..., 0].copy() for name in _OWN[:-1]),
        memory["_path_steps"].copy(),
    ]
    return State(*parts)


def put_back(state: State, into: Bank) -> None:
    """Let a bank stand where a state does."""
    own = {f"_{name}": getattr(state, name)[..., None].copy() for name in _OWN[:-1]}
    counts = {f"sums.{name}": state.counts[i : i + 1].copy() for i, name in enumerate(_NAMES)}
    sums = {f"sums.{name}": getattr(state, name)[:, None].copy() for name in _OF_BOTH}
    positive = {"sums.positive": np.array([state.counts[_LOWEST] > 0 and state.counts[SEEN] > 0])}
    into.remember({"steps": state.steps, **own, "_path_steps": state.path_steps.copy(), **counts, **sums, **positive})


@njit(error_model="numpy")
def _clip(value: Any, most: Any) -> Any:
    return min(max(value, -most), most)


@njit(error_model="numpy")
def update(s: State, y: Any, observed: Any, features: Any) -> None:
    """Read a value, as `Bank.update`, and write the features of the step, (feature,), as `features`."""
    counts, season = s.counts, s.seasons[0]
    positive = observed and y > 0 and (counts[SEEN] == 0 or counts[_LOWEST] > 0)
    z = (y, log(y) if positive else 0.0)
    unit = counts[UNIT]
    was_positive = counts[SEEN] > 0 and counts[_LOWEST] > 0
    units = (unit, unit / s.last[0] if was_positive else 1.0)
    known = (observed, positive)
    error = np.zeros((_SMOOTHERS + 1, 2))
    _follow_path(s, y, observed)
    for j in range(2):
        _smooth(s, j, z[j], known[j], error)
        error[_SMOOTHERS, j] = _regress(s, j, z[j], known[j], units[j])
        _fit_curves(s, j, z[j], known[j])
    steps, reach = s.steps[0], len(s.recent)
    now, before = steps % reach, (steps - season) % reach
    paired = observed and s.observed[before]
    moved = abs(y - s.recent[before, 0])
    value = np.empty(2)
    for j in range(2):
        value[j] = z[j] if known[j] else y if observed else s.recent[before, j]
    s.recent[now], s.observed[now] = value, observed
    _count(s, value, observed, moved, paired)
    s.steps[0] = steps = steps + 1
    for j in range(2):
        for k in range(len(s.lags)):
            s.regressors[k, j] = s.recent[(steps - s.lags[k]) % reach, j] - value[j]
        s.regressors[REGRESSORS - 2, j] = s.level[_SLOW, j] - value[j]
        s.regressors[REGRESSORS - 1, j] = s.level[_MEAN, j] - value[j]
    share = (1.0, y if counts[SEEN] > 0 and counts[_LOWEST] > 0 else 0.0)
    for i in range(_SMOOTHERS + 1):
        for j in range(2):
            error[i, j] = _clip(error[i, j] * share[j] / counts[UNIT], 16.0)
            s.error_sum[i, j] += abs(error[i, j])
            if observed:
                s.recent_error[i, j] += FAST * (abs(error[i, j]) - s.recent_error[i, j])
    if steps % len(s.path) == 0:
        candidates(s, s.path)
    _write_features(s, error, observed, features)


@njit(error_model="numpy")
def _follow_path(s: State, y: Any, observed: Any) -> None:
    """Compare a value with what every candidate forecast of it at the last multiple of a path's steps."""
    if not observed:
        return
    length = len(s.path)
    s.path_steps[0] += 1
    gain = 1 / s.path_steps[0]
    fast = max(gain, 1 / (4 * length))
    ahead, error = s.path[s.steps[0] % length], s.path_error
    for c in range(CANDIDATES):
        off = abs(ahead[c] - y)
        error[0, c] += gain * (off - error[0, c])
        error[1, c] += fast * (off - error[1, c])


@njit(error_model="numpy")
def _smooth(s: State, j: Any, z: Any, known: Any, error: Any) -> None:
    """Do a step of the recursions on values (j = 0) or logarithms (1)."""
    t, season, season2 = s.steps[0], s.seasons[0], s.seasons[1]
    n = s.counts[SEEN] + 1
    phase, phase2 = s.seasonal[t % season], s.seasonal2[t % season2]
    cycle, cycle2 = 1 / (t // season + 1), 1 / (t // season2 + 1)
    for i in range(_SMOOTHERS):
        alpha, beta, phi = max(s.smoothers[i, 0], 1 / n), s.smoothers[i, 0] * s.smoothers[i, 1], s.smoothers[i, 2]
        k = i - FIRST_SEASONAL
        trended = s.level[i, j] + phi * s.slope[i, j]
        e = z - trended - (phase[k, j] + phase2[k, j] if k >= 0 else 0.0) if known else 0.0
        error[i, j] = e
        s.level[i, j] = trended + alpha * e
        s.slope[i, j] = phi * s.slope[i, j] + beta * e
        if k >= 0 and season > 1:
            phase[k, j] += max(s.smoothers[i, 3], cycle) * (1 - alpha) * e
        if k >= 0 and season2 > 1:
            phase2[k, j] += s.smoothers[i, 5] * max(s.smoothers[i, 4], cycle2) * (1 - alpha) * e


@njit(error_model="numpy")
def _regress(s: State, j: Any, z: Any, known: Any, unit: Any) -> Any:
    """Bring the autoregression up to date by recursive least squares; its error."""
    if not known:
        return 0.0
    x, towards = np.empty(REGRESSORS), np.zeros(REGRESSORS)
    forecast, size = 0.0, 1.0
    for k in range(REGRESSORS):
        x[k] = s.regressors[k, j] / unit
        forecast += x[k] * s.weights[k, j]
    for k in range(REGRESSORS):
        for q in range(REGRESSORS):
            towards[k] += s.covariance[k, q, j] * x[q]
        size += x[k] * towards[k]
    error = z - s.last[j] - unit * forecast
    surprise = _clip(error / unit, 9.0)
    for k in range(REGRESSORS):
        s.weights[k, j] += towards[k] / size * surprise
        for q in range(REGRESSORS):
            s.covariance[k, q, j] -= towards[k] / size * towards[q]
    return error


@njit(error_model="numpy")
def _fit_curves(s: State, j: Any, z: Any, known: Any) -> None:
    """Bring lines and waves up to date."""
    size, gains = len(s.now), s.gains[min(int(s.counts[SEEN]), len(s.gains) - 1)]
    turned = np.empty(size)
    for i in range(len(MEMORIES)):
        error = z
        for p in range(size):
            turned[p] = 0.0
            for q in range(size):
                turned[p] += s.turn[p, q] * s.curves[i, q, j]
            error -= s.now[p] * turned[p]
        for p in range(size):
            s.curves[i, p, j] = turned[p] + (gains[i, p] * error if known else 0.0)


@njit(error_model="numpy")
def _count(s: State, value: Any, observed: Any, moved: Any, paired: Any) -> None:
    """Count and average a value, as `Sums.with_value`."""
    if not observed:
        return
    c, y = s.counts, value[0]
    change = y - s.last[0]
    c[SEEN] += 1
    n = c[SEEN]
    c[_LOWEST], c[_HIGHEST] = min(c[_LOWEST], y), max(c[_HIGHEST], y)
    c[_OF_VALUES] += (y - c[_OF_VALUES]) / n
    c[_SIZE] += (abs(y) - c[_SIZE]) / n
    c[CHANGES] += abs(change)
    if paired:
        c[_SEASON_CHANGES] += moved
        c[_PAIRS] += 1
    per_step, per_season = c[CHANGES] / max(n - 1, 1.0), c[_SEASON_CHANGES] / max(c[_PAIRS], 1.0)
    unit = per_season if per_season > 0 and (per_season < per_step or per_step == 0) else per_step
    unit = max(unit, per_step / MOST_UNITS)
    if unit <= 0:
        unit = c[_SIZE] if c[_SIZE] > 0 else 1.0
    c[_PRODUCT] += (_clip(change / unit * (c[_CHANGE] / unit), 9.0) - c[_PRODUCT]) / n
    c[_CHANGE], c[UNIT] = change, unit
    for k in range(2):
        gain = max(_GAINS[k], 1 / n)
        s.chance[k] += gain * ((1.0 if y != 0 else 0.0) - s.chance[k])
        if y != 0:
            s.demand[k] = y if s.demand[k] == 0 else s.demand[k] + gain * (y - s.demand[k])
        s.last[k] = value[k]


@njit(error_model="numpy")
def _write_features(s: State, error: Any, observed: Any, out: Any) -> None:
    """Bounded numbers without unit, in the order of `bank.features`."""
    c, n = s.counts, max(s.counts[SEEN], 1.0)
    unit, season, season2, size = c[UNIT], float(s.seasons[0]), float(s.seasons[1]), 2 * (_SMOOTHERS + 1)
    for i in range(_SMOOTHERS + 1):
        for j in range(2):
            k = 2 * i + j
            out[k] = error[i, j] / 4
            out[size + k] = log(s.error_sum[i, j] / n + LEAST_ERROR)
            out[2 * size + k] = log(s.recent_error[i, j] + LEAST_ERROR)
    for part in (size, 2 * size):
        for k in range(size - 1, -1, -1):  # the first ones last: all others are told as ratios to them
            out[part + k] -= out[part + k % 2]
    k = 3 * size
    for i in range(2):
        for q in range(CANDIDATES):
            out[k] = log(s.path_error[i, q] / unit + LEAST_ERROR)
            k += 1
    positive = c[_LOWEST] > 0
    step, seasonal = c[CHANGES] / max(n - 1, 1.0), c[_SEASON_CHANGES] / max(c[_PAIRS], 1.0)
    out[k] = log(n)
    out[k + 1] = log(n / season)
    out[k + 2] = log(season)
    out[k + 3] = log(max(n / season2, 0.02)) if season2 > 1 else -4.0
    out[k + 4] = log(season2)
    out[k + 5] = observed
    out[k + 6] = positive
    out[k + 7] = c[_LOWEST] >= 0
    out[k + 8] = log(unit / (c[_SIZE] if c[_SIZE] > 0 else 1.0) + 1e-4) if positive else 0.0
    out[k + 9] = asinh((s.last[0] - c[_OF_VALUES]) / unit)
    out[k + 10] = log((seasonal + 0.05 * unit) / (step + 0.05 * unit)) if c[_PAIRS] > 0 else 0.0
    out[k + 11] = c[_PRODUCT]
    out[k + 12] = s.chance[0]
    out[k + 13] = log(c[_HIGHEST] / c[_LOWEST]) / 4 if positive else 0.0
    for k in range(len(out)):
        out[k] = _clip(out[k], 8.0)


@cached(error_model="numpy")
def candidates(s: State, out: Any) -> None:
    """Forecast the next steps by every candidate, (horizon, candidate) in y's unit, as `candidates.candidates`."""
    c, positive = s.counts, s.counts[_LOWEST] > 0 and s.counts[SEEN] > 0
    begin, logs = s.steps[0] % len(s.recent), np.empty((len(out), _BOTH))
    window = np.concatenate((s.recent[begin:], s.recent[:begin]))  # the newest value last
    _forecast_both(s, 0, window[:, 0].copy(), out)
    _forecast_both(s, 1, window[:, 1].copy(), logs)
    _forecast_values(s, window[:, 0].copy(), out)
    top = min(log(c[_HIGHEST]) + LOG_REACH, 709.0) if positive else 0.0
    of_values = 1 / (s.recent_error[:_SMOOTHERS, 0] + LEAST_ERROR) ** 2
    of_logs = positive / (s.recent_error[:_SMOOTHERS, 1] + LEAST_ERROR) ** 2
    along = s.path_error[0, :-1] / c[UNIT] + LEAST_ERROR
    by_path = (along.min() / along) ** min(max(sqrt(s.path_steps[0]) / 2, _LOWEST_POWER), _HIGHEST_POWER)
    total, total_by_path = of_values.sum() + of_logs.sum(), by_path.sum()
    for h in range(len(out)):
        row = out[h]
        for i in range(_BOTH):
            row[_BOTH + i] = exp(min(max(logs[h, i], -700.0), top)) if positive else row[i]
        pooled = np.dot(of_values, row[:_SMOOTHERS]) + np.dot(of_logs, row[_BOTH : _BOTH + _SMOOTHERS])
        row[CANDIDATES - 2] = pooled / total
        mean = np.dot(by_path, row[: CANDIDATES - 1]) / total_by_path
        row[CANDIDATES - 1] = mean if s.path_steps[0] > 0 else pooled / total


@njit(error_model="numpy")
def _forecast_both(s: State, j: Any, window: Any, out: Any) -> None:
    """Smoothers, rules and autoregression on values (j = 0) or logarithms (1)."""
    season, steps, now = s.seasons[0], s.steps[0], len(window) - 1
    drift = (s.last[j] - s.first[j]) / max(s.counts[SEEN] - 1, 1.0)
    recent = window[-season:].mean()
    growth = recent - window[-2 * season : -season].mean()
    long_growth = (recent - s.first_season[j] / season) / (max(steps / season - 1, 1.0) * season)
    damped, power, phi = np.zeros(_SMOOTHERS), np.ones(_SMOOTHERS), s.smoothers[:, 2].copy()
    level, slope = s.level[:, j].copy(), s.slope[:, j].copy()
    for h in range(len(out)):
        phase, phase2 = s.seasonal[(steps + h) % season], s.seasonal2[(steps + h) % len(s.seasonal2)]
        for i in range(_SMOOTHERS):
            power[i] *= phi[i]
            damped[i] += power[i]  # phi + phi^2 + ... + phi^h
            out[h, i] = level[i] + damped[i] * slope[i]
        for i in range(FIRST_SEASONAL, _SMOOTHERS):
            out[h, i] += phase[i - FIRST_SEASONAL, j] + phase2[i - FIRST_SEASONAL, j]
        cycles = h // season + 1  # whole seasons back
        one = window[now + h + 1 - cycles * season]
        out[h, _SMOOTHERS] = s.last[j] + (h + 1) * drift
        out[h, _SMOOTHERS + 1] = out[h, THETA] + 0.5 * (h + 1) * drift
        out[h, _SMOOTHERS + 2] = (one + window[now + h + 1 - (cycles + 1) * season]) / 2
        out[h, _SMOOTHERS + 3] = one + cycles * growth
        out[h, _SMOOTHERS + 4] = out[h, SEASONAL_THETA] + 0.5 * (h + 1) * long_growth
        for i in range(len(MEMORIES)):
            fitted = 0.0
            for p in range(len(s.now)):
                fitted += s.ahead[h, p] * s.curves[i, p, j]
            out[h, _SMOOTHERS + 5 + i] = fitted
    _feed_back(s, j, window, out)


@njit(error_model="numpy")
def _feed_back(s: State, j: Any, window: Any, out: Any) -> None:
    """Forecast by the autoregression, whose forecasts of a step are what it reads of later ones."""
    c, horizon = s.counts, len(out)
    low, high = c[_LOWEST], c[_HIGHEST]
    if j == 1 and low > 0:
        low, high = log(low), log(high)
    reach = 0.5 * (high - low)
    path = np.concatenate((window, np.empty(horizon)))
    slow, mean = s.level[_SLOW, j], s.level[_MEAN, j]
    to_slow, to_mean = s.weights[REGRESSORS - 2, j], s.weights[REGRESSORS - 1, j]
    of_last = 1 - to_slow - to_mean
    for k in range(len(s.lags)):
        of_last -= s.weights[k, j]
    for h in range(horizon):
        now = len(window) - 1 + h
        step = of_last * path[now] + to_slow * slow + to_mean * mean
        for k in range(len(s.lags)):
            step += s.weights[k, j] * path[now + 1 - s.lags[k]]
        path[now + 1] = step = min(max(step, low - reach), high + reach)
        slow += _SLOW_GAIN * (step - slow)
        mean += (step - mean) / (c[SEEN] + h + 1)
        out[h, _BOTH - 1] = step


@njit(error_model="numpy")
def _forecast_values(s: State, window: Any, out: Any) -> None:
    """Rules on values alone."""
    season, season2, now, first, lifted = s.seasons[0], s.seasons[1], len(window) - 1, 2 * _BOTH, 0.0
    if season2 > 1:  # what the level rose by
        lifted = window[-season:].mean() - window[now + 1 - season2 - season : now + 1 - season2].mean()
    for h in range(len(out)):
        one = window[now + h + 1 - (h // season + 1) * season]
        far = window[now + h + 1 - (h // season2 + 1) * season2] if season2 > 1 else one
        out[h, first], out[h, first + 1], out[h, first + 2] = one, far, far + lifted
        for k in range(2):
            out[h, first + 3 + k] = s.chance[k] * s.demand[k]
