"""Windows built one by one, and ridge by its normal equations; the reference is the last value throughout."""

from __future__ import annotations

import numpy as np


def scale_of(y, season):
    return sum(abs(y[t] - y[t - season]) for t in range(season, len(y))) / (len(y) - season)


def windows(y, seen, scale, first, end, *, context, horizon):
    """Inputs and targets of the origins whose targets lie in `first <= step < end`, as lists."""
    inputs, targets = [], []
    for t in range(context - 1, end - horizon):
        if t + 1 < first or not all(seen[t : t + horizon + 1]):
            continue
        inputs.append([(y[s] - y[t]) / scale for s in range(t - context + 1, t + 1)])
        targets.append([(y[t + h] - y[t]) / scale for h in range(1, horizon + 1)])
    return inputs, targets


def ridge(inputs, targets, alpha):
    """Weights (input + 1, output), the intercept last and free of the penalty."""
    x = np.column_stack([np.array(inputs), np.ones(len(inputs))])
    penalty = alpha * np.eye(x.shape[1])
    penalty[-1, -1] = 0.0
    return np.linalg.solve(x.T @ x + penalty, x.T @ np.array(targets))


def forecast(weights, y, scale, origin, context):
    x = [(y[s] - y[origin]) / scale for s in range(origin - context + 1, origin + 1)]
    return y[origin] + scale * (np.array([*x, 1.0]) @ weights)
