"""Autocorrelation after the classical decomposition's first step, as loops."""

from __future__ import annotations

import math


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
