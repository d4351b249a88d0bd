"""What the bank forecasts: every smoother, rule and autoregression, a horizon ahead from some origins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.reference.discounted import discounted
from forecast.reference.smoothers import (
    ALPHA,
    FIRST_SEASONAL,
    LEAST_ERROR,
    LOG_REACH,
    MEANS,
    PHI,
    POWERS,
    SEASONAL_THETA,
    SMOOTHERS,
    THETA,
    lags_of,
)

if TYPE_CHECKING:
    from forecast.reference.running import Snapshot, Sums
    from forecast.series.panel import FloatArray, IntArray


def candidates(at: Snapshot, horizon: int, season: int, season2: int) -> FloatArray:
    """Forecast the steps after some origins by every candidate: (origin, horizon, `CANDIDATES`), in y's unit."""
    first, h = FIRST_SEASONAL, np.arange(1, horizon + 1)
    phi = PHI[:, 0, 0]
    # phi + phi^2 + ... + phi^h
    damped = np.where(phi == 1, h[:, None], phi * (1 - phi ** h[:, None]) / np.where(phi == 1, 1, 1 - phi))
    smoothed = at.level + damped[:, :, None, None] * at.slope  # (horizon, smoother, value or logarithm, origin)
    smoothed[:, first:] += at.seasonal[(h - 1) % season]
    smoothed[:, first:] += at.seasonal2[(h - 1) % season2]
    rules, on_values = _rules(at, smoothed, h, season, season2)
    regressed = _autoregression(at, horizon, lags_of(season, season2))
    both = np.concatenate([smoothed, rules, regressed[:, None]], axis=1)
    positive = at.sums.positive
    top = np.minimum(np.log(np.where(positive, at.sums.highest, 1.0)) + LOG_REACH, 709)
    logs = np.where(positive, np.exp(np.clip(both[:, :, 1], -700, top)), both[:, :, 0])
    weight = 1 / (at.recent_error[:-1] + LEAST_ERROR) ** 2
    weight[:, 1] *= positive
    smooth = len(SMOOTHERS)
    pooled = (weight[:, 0] * both[:, :smooth, 0] + weight[:, 1] * logs[:, :smooth]).sum(axis=1)
    pooled /= weight.sum(axis=(0, 1))
    every = np.concatenate([both[:, :, 0], logs, on_values, pooled[:, None]], axis=1)  # (horizon, candidate, origin)
    error = at.path_error[0, :-1] / at.sums.unit + LEAST_ERROR
    weight = (error.min(axis=0) / error) ** power_of(at.path_steps)
    by_path = (weight * every).sum(axis=1) / weight.sum(axis=0)
    by_path = np.where(at.path_steps > 0, by_path, pooled)
    return np.concatenate([every, by_path[:, None]], axis=1).transpose(2, 0, 1)


def power_of(steps: FloatArray) -> FloatArray:
    """Return the power of errors along paths by whose inverse forecasts are weighed: the more steps, the higher.

    Errors of a few steps hardly tell candidates apart, those of many do.
    """
    return np.clip(np.sqrt(steps) / 2, *POWERS)


def log_path_error(error: FloatArray, unit: FloatArray) -> FloatArray:
    """Return logarithms of errors along paths, (..., mean or recent mean, candidate, series), without unit."""
    return np.log(error / unit[..., None, None, :] + LEAST_ERROR)


def _rules(at: Snapshot, smoothed: FloatArray, h: IntArray, season: int, season2: int) -> tuple[FloatArray, FloatArray]:
    """Forecast by `RULES`, (horizon, rule, value or logarithm, origin), and `VALUE_RULES`, (horizon, rule, origin)."""
    now, ahead = len(at.window) - 1, h[:, None, None]
    last = at.sums.last
    drift = (last - at.sums.first) / np.maximum(at.sums.seen - 1, 1)
    cycles = -(-h // season)  # whole seasons back
    place = now + h - cycles * season  # (horizon,)
    earliest = now + 1 - at.steps  # where each series begins
    latest = np.maximum(place[:, None], earliest)  # (horizon, origin)
    one = _at(at.window, latest)
    two = _at(at.window, np.where(place[:, None] - season >= earliest, place[:, None] - season, latest))
    recent, before = at.window[-season:].mean(axis=0), at.window[-2 * season : -season].mean(axis=0)
    grown = at.steps >= 2 * season
    growth = np.where(grown, recent - before, 0.0)
    seasons = np.maximum(at.steps / season - 1, 1.0)
    long_growth = np.where(grown, (recent - at.first_season / season) / (seasons * season), drift)
    rules = [
        last + ahead * drift,
        smoothed[:, THETA] + 0.5 * ahead * drift,
        (one + two) / 2,
        one + cycles[:, None, None] * growth,
        smoothed[:, SEASONAL_THETA] + 0.5 * ahead * long_growth,
        *np.einsum("hp,mpjo->mhjo", discounted(season).ahead(len(h)), at.curves),
    ]
    second, levelled = one[:, 0], one[:, 0]
    if season2 > 1:
        far = at.window[now + h - -(-h // season2) * season2, 0]
        second = np.where(at.steps >= season2, far, one[:, 0])
        level_then = at.window[now - season2 - season + 1 : now - season2 + 1, 0].mean(axis=0)
        levelled = np.where(at.steps >= season2 + season, far + recent[0] - level_then, one[:, 0])
    demand = (at.sums.chance * at.sums.demand)[:, None] * np.ones((1, len(h), 1))  # (gain, horizon, origin)
    return np.stack(rules, axis=1), np.stack([one[:, 0], second, levelled, *demand], axis=1)


def _at(window: FloatArray, places: IntArray) -> FloatArray:
    """Take the values of a window at places that differ by origin, (horizon, origin)."""
    return np.take_along_axis(window, places[:, None], axis=0)


def _bounds(sums: Sums) -> tuple[FloatArray, FloatArray]:
    """Return what holds an autoregression that explodes: half the range of the past beyond it, both (2, origin)."""
    positive = sums.positive
    ends = np.where(sums.seen > 0, np.stack([sums.lowest, sums.highest]), 0.0)
    logs = np.where(positive, np.log(np.where(positive, ends, 1.0)), ends)
    low, high = np.stack([ends, logs], axis=1)  # (end, value or logarithm, origin)
    reach = 0.5 * (high - low)
    return low - reach, high + reach


def _autoregression(at: Snapshot, horizon: int, lags: IntArray) -> FloatArray:
    """Feed forecasts of the next step back, (horizon, value or logarithm, origin)."""
    path = np.concatenate([at.window, np.empty((horizon, *at.window.shape[1:]))])
    means, (low, high) = at.level[MEANS], _bounds(at.sums)
    weights, of_means = at.weights[: len(lags)], at.weights[len(lags) :]
    rest = 1 - of_means.sum(axis=0)  # what is left for the last value: all regressors are differences to it
    gain = 1 / (at.sums.seen + np.arange(1, horizon + 1)[:, None])
    gains = np.stack([np.full_like(gain, ALPHA[MEANS[0], 0, 0]), gain], axis=1)[:, :, None]
    aged = lags.max() <= at.steps.min(initial=lags.max())
    of_last = rest - weights.sum(axis=0)
    for h in range(horizon):
        now = h + len(at.window) - 1
        if not aged:
            weights = at.weights[: len(lags)] * (lags[:, None] <= at.steps + h)[:, None]
            of_last = rest - weights.sum(axis=0)
        step = of_last * path[now] + (weights * path[now + 1 - lags]).sum(axis=0) + (of_means * means).sum(axis=0)
        path[now + 1] = np.minimum(np.maximum(step, low), high)
        means = means + gains[h] * (path[now + 1] - means)
    return path[len(at.window) :]
