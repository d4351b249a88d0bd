"""Tests of a season as textbooks write them: autocorrelation by loops, an F-test by whole regressions."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats


def moving_average(y: list[float], steps: int) -> list[float | None]:
    """2 x m for even m, as the textbooks write it; None where it reaches over the edge."""
    half = steps // 2
    average: list[float | None] = [None] * len(y)
    for t in range(half, len(y) - half):
        if steps % 2:
            average[t] = sum(y[t - half : t + half + 1]) / steps
        else:
            first = sum(y[t - half : t + half]) / steps
            second = sum(y[t - half + 1 : t + half + 1]) / steps
            average[t] = (first + second) / 2
    return average


def repetition(y: list[float], steps: int) -> tuple[float, float]:
    """The autocorrelation at lag `steps` of what the moving average leaves, and Bartlett's bound."""
    average = moving_average(y, steps)
    rest = [value - middle for value, middle in zip(y, average, strict=True) if middle is not None]
    n = len(rest)
    mean = sum(rest) / n
    rest = [value - mean for value in rest]

    def correlation(lag: int) -> float:
        products = sum(rest[t] * rest[t + lag] for t in range(n - lag)) / (n - lag)
        return products / (sum(value**2 for value in rest) / n)

    near = sum(correlation(lag) ** 2 for lag in range(1, steps // 2 + 1))
    return correlation(steps), math.sqrt((1 + 2 * near) / n)


def phase_means_test(y: list[float], steps: int, lags: int) -> tuple[float, float]:
    """Score and share of means of phases in an autoregression with trend, each order as a regression of its own."""
    n = len(y)
    rows = range(lags, n)
    plain = [[1.0, t / n, *(y[t - j] for j in range(1, lags + 1))] for t in rows]
    dummies = [[float(t % steps == phase) for phase in range(1, steps)] for t in rows]
    target = np.array(y[lags:])

    def left(order: int, seasonal: bool) -> float:
        design = [row[: 2 + order] + (season if seasonal else []) for row, season in zip(plain, dummies, strict=True)]
        errors = target - np.array(design) @ np.linalg.lstsq(np.array(design), target)[0]
        return float(errors @ errors)

    orders = range(lags + 1)
    order = min(orders, key=lambda p: len(rows) * math.log(left(p, True)) + p * math.log(len(rows)))
    freedom = len(rows) - 2 - order - (steps - 1)
    share = 1 - left(order, True) / left(order, False)
    f = share / (1 - share) / (steps - 1) * freedom
    return float(-stats.norm.ppf(stats.f.sf(f, steps - 1, freedom))), share
