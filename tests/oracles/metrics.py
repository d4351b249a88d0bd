"""Metrics as a textbook writes them down, one number at a time.

`y`, `y_hat` are lists of floats; `training` is the training split of the series, None where not observed.
"""

from __future__ import annotations

import math


def mae(y, y_hat, training, season):
    return sum(abs(a - f) for a, f in zip(y, y_hat, strict=True)) / len(y)


def rmse(y, y_hat, training, season):
    return math.sqrt(sum((a - f) ** 2 for a, f in zip(y, y_hat, strict=True)) / len(y))


def smape(y, y_hat, training, season):
    total = 0.0
    for a, f in zip(y, y_hat, strict=True):
        if abs(a) + abs(f) > 0:
            total += 200 * abs(a - f) / (abs(a) + abs(f))
    return total / len(y)


def mase(y, y_hat, training, season):
    differences = [abs(now - before) for now, before in _pairs(training, season)]
    if not differences or sum(differences) == 0:
        return math.nan
    return mae(y, y_hat, training, season) / (sum(differences) / len(differences))


def rmsse(y, y_hat, training, season):
    differences = [(now - before) ** 2 for now, before in _pairs(training, season)]
    if not differences or sum(differences) == 0:
        return math.nan
    return rmse(y, y_hat, training, season) / math.sqrt(sum(differences) / len(differences))


def r2(y, y_hat, training, season):
    mean = sum(y) / len(y)
    around = sum((a - mean) ** 2 for a in y)
    if all(a == y[0] for a in y):
        return math.nan
    return 1 - sum((a - f) ** 2 for a, f in zip(y, y_hat, strict=True)) / around


def _pairs(training, season):
    for i in range(season, len(training)):
        if training[i] is not None and training[i - season] is not None:
            yield training[i], training[i - season]


ORACLES = {"mae": mae, "rmse": rmse, "smape": smape, "mase": mase, "rmsse": rmsse, "r2": r2}
