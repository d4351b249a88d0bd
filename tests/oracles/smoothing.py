"""Statistical forecasts step by step: exponential smoothing, the Theta method and the local level, as in textbooks."""

import numpy as np


def smoothed_level(y, alpha, start):
    """Simple exponential smoothing: the level after each value, (step,)."""
    levels, level = [], start
    for value in y:
        level = level + alpha * (value - level)
        levels.append(level)
    return np.array(levels)


def holt_winters(y, weights, states, horizon):
    """Additive Holt-Winters with a damped trend: forecasts after each value, (step, horizon).

    `weights` are alpha, beta, gamma and the damping phi; `states` are a level, a slope, and a season from
    the step before the first value backwards.
    """
    (alpha, beta, gamma, phi), (level, slope, season) = weights, states
    season = list(season)
    result = []
    for value in y:
        error = value - (level + phi * slope + season[-1])
        level = level + phi * slope + alpha * error
        slope = phi * slope + beta * error
        season = [season[-1] + gamma * error, *season[:-1]]
        damped = np.cumsum(phi ** np.arange(1, horizon + 1))
        result.append([level + damped[h] * slope + season[-1 - h % len(season)] for h in range(horizon)])
    return np.array(result)


def theta_forecast(y, alpha, horizon):
    """The mean of the line (theta 0) and of smoothing the doubled deviations from it (theta 2); begun with its first.

    Assimakopoulos and Nikolopoulos, The theta model: a decomposition approach to forecasting (2000).
    """
    steps = np.arange(len(y))
    slope, start = np.polyfit(steps, y, 1)
    line = start + slope * np.arange(len(y) + horizon)
    doubled = 2 * y - line[: len(y)]
    level = smoothed_level(doubled, alpha, doubled[0])[-1]
    return (line[len(y) :] + level) / 2


def local_level(y, noise, drift, variance):
    """The Kalman filter of a local level by hand: the level after each value, NaN is passed over, (step,)."""
    level, levels = 0.0, []
    for value in y:
        if np.isfinite(value):
            gain = variance / (variance + noise)
            level, variance = level + gain * (value - level), variance * (1 - gain)
        levels.append(level)
        variance += drift
    return np.array(levels)


def arma_forecast(y, phi, theta, mean, horizon):
    """ARMA(1, 1) from its own errors, the one before the first taken for zero: after each value, (step, horizon)."""
    result, before, error = [], mean, 0.0
    for value in y:
        error = value - (mean + phi * (before - mean) + theta * error)
        one = phi * (value - mean) + theta * error
        result.append(mean + one * phi ** np.arange(horizon))
        before = value
    return np.array(result)
