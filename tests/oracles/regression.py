"""Windows built one by one, ridge by its normal equations, with the last value as reference; weights of a blend."""

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


def blend_weights(designs, units, constant):
    """Weights of each series, (series, term), from its terms (row, term) and targets (row,), drawn to those of all.

    The penalty is `constant` times the mean square of the terms; a series alone is drawn towards zero.
    """
    shared = np.zeros(designs[0][0].shape[1])
    if len(designs) > 1:
        x = np.concatenate([x / unit for (x, _), unit in zip(designs, units, strict=True)])
        y = np.concatenate([y / unit for (_, y), unit in zip(designs, units, strict=True)])
        shared = _drawn(x, y, 1e-6, shared)
    return np.array([_drawn(x, y, constant, shared) for x, y in designs])


def _drawn(x, y, constant, towards):
    """Least squares with a row for each weight that draws it towards another."""
    rows = np.sqrt(constant * np.mean((x**2).sum(axis=0))) * np.eye(x.shape[1])
    return np.linalg.lstsq(np.vstack([x, rows]), np.concatenate([y, rows @ towards]), rcond=None)[0]
